//! Programs and files out of Go modules, verified by their `go.sum`. There is no Go code of our own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;
use crate::pins::GoModule;
use crate::progress::Progress;

pub(super) fn build(module: &GoModule, folder: &Path, progress: &Progress) -> Result<()> {
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("go.mod"), module.go_mod)?;
    fs::write(source.join("go.sum"), module.go_sum)?;
    for (package, program) in module.programs {
        let title = format!("building {program} with go");
        progress.begin(&title);
        let mut go = go(&source);
        go.args(["build", "-v", "-trimpath", "-tags", module.tags, "-ldflags"])
            .arg(module.linker_flags());
        go.arg("-o").arg(folder.join("bin").join(program)).arg(package);
        command::streamed(&mut go, |compiled| progress.detail(&title, compiled))?;
    }
    for (owner, path, name) in module.files {
        progress.begin(&format!("fetching {path} of {owner}"));
        copy(&location(&source, owner)?.join(path), &folder.join(name))?;
    }
    Ok(())
}

/// Where Go keeps a module's files.
fn location(source: &Path, module: &str) -> Result<std::path::PathBuf> {
    #[derive(Deserialize)]
    struct Downloaded {
        #[serde(rename = "Dir")]
        folder: std::path::PathBuf,
    }
    let answer = command::output(go(source).args(["mod", "download", "-json", module]))?;
    let downloaded: Downloaded = serde_json::from_str(&answer).context("the answer of `go mod download`")?;
    Ok(downloaded.folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        return fs::write(to, fs::read(from)?).context("copying a module's file");
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} is missing", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::write(to.join(entry.file_name()), fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn go(source: &Path) -> Command {
    let mut go = Command::new("go");
    // Static programs; and no flag or workspace of the user's changes what is built.
    go.current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    go
}
