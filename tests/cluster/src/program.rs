//! Static programs of this workspace, built by cargo: what images are made of.

use std::path::PathBuf;
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
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        binary,
        "--message-format",
        "json",
    ]);
    executable(
        &command::output(cargo.current_dir(env!("CARGO_MANIFEST_DIR")))?,
        binary,
    )
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
