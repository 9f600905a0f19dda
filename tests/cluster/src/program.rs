//! Static programs of this workspace, built by cargo: what images are made of.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;

/// Builds one program of the workspace with the profile of tests and says where it is. Of the whole workspace, so that
/// dependencies have the features that they have everywhere, and are not built once more.
///
/// # Errors
/// When cargo fails, with what it said.
pub fn build(binary: &str) -> Result<PathBuf> {
    built(&["--workspace", "--bin", binary], binary)
}

/// Builds the program of a package of the same name, with all its dependencies, in the folder `target`: while others have the
/// workspace's own, where cargo does one thing at a time.
///
/// # Errors
/// When cargo fails, with what it said.
pub(crate) fn build_alone(package: &str, target: &Path) -> Result<PathBuf> {
    let target = target.to_str().context("the folder's name is not UTF-8")?;
    built(&["--package", package, "--target-dir", target], package)
}

fn built(chosen: &[&str], binary: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--message-format", "json"]);
    let cargo = cargo.args(chosen).current_dir(env!("CARGO_MANIFEST_DIR"));
    executable(&command::output(cargo)?, binary)
}

/// Cargo tells where it put each program in one of its messages, one JSON object a line.
fn executable(messages: &str, binary: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter_map(|message| message.executable)
        .find(|executable| executable.file_name().is_some_and(|name| name == binary))
        .with_context(|| format!("cargo does not say where {binary} is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = "{\"reason\":\"x\"}\n{\"executable\":null}\n{\"executable\":\"/a/one\"}\n{\"executable\":\"/a/two\"}\n";
        assert_eq!(executable(messages, "two").unwrap(), PathBuf::from("/a/two"));
        assert!(executable(messages, "three").is_err());
    }
}
