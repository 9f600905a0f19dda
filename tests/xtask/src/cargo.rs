//! The calls of cargo that checks are made of.

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
/// Everything that needs no cluster; generated files that are stale fail here.
pub(crate) const UNIT_TESTS: &[&str] = &["test", "--workspace", "--exclude", "kulta-e2e", "--locked"];
/// The library of the end-to-end tests: its own tests need no cluster.
pub(crate) const STAGE_TESTS: &[&str] = &["test", "--package", "kulta-e2e", "--lib", "--locked"];
/// Whether cargo-deny is installed.
pub(crate) const DENY_VERSION: &[&str] = &["deny", "--version"];
/// Licences, banned crates and sources, as `deny.toml` has them; advisories are told by the network alone.
pub(crate) const DENY: &[&str] = &["deny", "--offline", "check", "bans", "licenses", "sources"];
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
