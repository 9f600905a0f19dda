//! The calls of cargo that checks are made of.
//!
//! All but those of a commit name the whole workspace, and choose programs and tests by their kind: the features of a dependency are those that
//! the members named want of it, and with other features it is built once more, with all that depends on it.

use std::process::Command;

use anyhow::Result;

use crate::build;

/// `cargo` with `arguments`, in this repository.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = build::cargo()?;
    command.args(arguments);
    Ok(command)
}

/// All members are formatted.
pub(crate) const FORMAT: &[&str] = &["fmt", "--all", "--check"];
/// All members are free of warnings, tests and benchmarks included.
pub(crate) const LINT: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--locked",
    "--",
    "--deny",
    "warnings",
];
/// The same of the end-to-end tests, which say that they are no part of all tests: named beside them they would be left out.
pub(crate) const LINT_END_TO_END: &[&str] = &[
    "clippy",
    "--workspace",
    "--test=e2e",
    "--locked",
    "--",
    "--deny",
    "warnings",
];
/// Everything that needs no cluster (the end-to-end tests say in their manifest that they are no part of it); generated
/// files that are stale fail here.
pub(crate) const UNIT_TESTS: &[&str] = &["test", "--workspace", "--locked"];
/// Whether cargo-deny is installed.
pub(crate) const DENY_VERSION: &[&str] = &["deny", "--version"];
/// Licences, banned crates and sources, as `deny.toml` has them; advisories are told by the network alone.
pub(crate) const DENY: &[&str] = &["deny", "--locked", "check", "bans", "licenses", "sources"];
/// All of it, as a release must pass it. The network is asked for the advisories of today.
pub(crate) const DENY_ALL: &[&str] = &["deny", "--locked", "check"];
/// What a commit must pass: the tests that take seconds.
pub(crate) const FAST_TESTS: &[&str] = &[
    "test",
    "--package",
    "kulta-core",
    "--package",
    "kulta-api",
    "--package",
    "kulta-operator",
    "--lib",
    "--bins",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every dependency of the workspace along these edges, with its features.
    fn dependencies(edges: &str) -> BTreeSet<String> {
        let tree = [
            "tree",
            "--workspace",
            "--locked",
            "--offline",
            "--prefix=none",
            "--format={p} [{f}]",
            "--edges",
        ];
        let output = command(&tree).unwrap().arg(edges).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect()
    }

    #[test]
    fn dependencies_of_programs_and_of_tests_have_the_same_features() {
        let programs = dependencies("normal,build");
        let tests = dependencies("normal,build,dev");
        let built_twice: Vec<_> = programs.difference(&tests).collect();
        assert!(
            built_twice.is_empty(),
            "tests want more features of these than programs: add them to the list in tests/xtask/Cargo.toml\n{built_twice:#?}"
        );
    }
}
