//! Running cargo, with its output left to the reader.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs `cargo` with `arguments` in this workspace.
///
/// # Errors
/// When it can't be started or fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    // Cargo names itself to the programs that it runs.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run cargo {}", arguments.join(" ")))?;
    if !status.success() {
        bail!("cargo {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// All members are formatted.
pub(crate) const FORMAT: &[&str] = &["fmt", "--all", "--check"];
/// All members are free of warnings, tests and benchmarks included.
pub(crate) const LINT: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
/// Everything that needs no cluster; generated files that are stale fail here.
pub(crate) const UNIT_TESTS: &[&str] = &["test", "--workspace", "--exclude", "kulta-e2e", "--locked"];
/// What a commit must pass: the tests that take seconds.
pub(crate) const FAST_TESTS: &[&str] =
    &["test", "--package", "kulta-core", "--package", "kulta-api", "--package", "kulta-operator", "--lib", "--bins"];
