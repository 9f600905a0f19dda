//! `cargo xtask hooks`: the pre-commit hook of this checkout.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use kulta_test_cluster::progress::answer;

use crate::cargo;

/// The hook itself only calls back: what it checks is changed in one place, and in force at once.
const HOOK: &str = "#!/bin/sh\nexec cargo xtask pre-commit\n";
/// Read and run by everybody, written by the owner.
const MODE: u32 = 0o755;

/// Writes the hook.
///
/// # Errors
/// When this is no git checkout, or another hook is there already.
pub(crate) fn install() -> Result<ExitCode> {
    let path = folder()?.join("pre-commit");
    if path.exists() && fs::read_to_string(&path)? != HOOK {
        bail!(
            "{} exists and is not ours; call `cargo xtask pre-commit` from it",
            path.display()
        );
    }
    fs::create_dir_all(path.parent().context("the hook has no folder")?)?;
    fs::write(&path, HOOK).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(MODE))?;
    answer(&format!("{} now runs `cargo xtask pre-commit`", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// What the hook runs.
///
/// # Errors
/// When anything is wrong with what would be committed.
pub(crate) fn pre_commit() -> Result<ExitCode> {
    for arguments in [
        cargo::FORMAT,
        cargo::LINT,
        cargo::LINT_END_TO_END,
        cargo::FAST_TESTS,
    ] {
        let status = cargo::command(arguments)?.status().context("cannot run cargo")?;
        ensure!(
            status.success(),
            "cargo {} failed ({status})",
            arguments.join(" ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn folder() -> Result<PathBuf> {
    let output = Command::new("git")
        .args(["rev-parse", "--git-path", "hooks"])
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "this is no git checkout: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
