//! The pause program: the first process of every pod and of every cluster.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;
use crate::pins;
use crate::progress::Progress;

const PROGRAM: &str = "kulta-pause";
const SOURCE: &str = include_str!("../bin/pause.rs");

pub(super) fn key() -> String {
    pins::key("pause", &[SOURCE, std::env::consts::ARCH])
}

pub(super) fn build(folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin("building the pause program with cargo");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--bin", PROGRAM]);
    cargo.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = executable(&command::output(&mut cargo)?)?;
    fs::create_dir_all(folder.join("bin"))?;
    fs::copy(&built, folder.join("bin").join(PROGRAM)).with_context(|| format!("copying {built}"))?;
    Ok(())
}

/// Cargo tells where it put the program in one of its messages, one JSON object a line.
fn executable(messages: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<String>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find_map(|message| message.executable)
        .context("cargo does not say where the pause program is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_cargos_messages() {
        let messages = "{\"reason\":\"x\"}\n{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/a/kulta-pause\"}\n";
        assert_eq!(executable(messages).unwrap(), "/a/kulta-pause");
        assert!(executable("").is_err());
    }
}
