//! Programs and files out of Go modules, verified by their `go.sum`. There is no Go code of our own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;
use crate::pins::GoModule;
use crate::progress::Progress;

/// Flags of every call. Whatever they are, they win over flags that the user has set with `go env -w`, which an empty
/// value would not; the user's proxies, set the same way, stay in force. This one lets the cache be removed like any
/// other folder: modules are read-only without it.
const FLAGS: &str = "-modcacherw";

/// Builds a module's programs; `home` holds what Go keeps for all builds.
pub(super) fn build(module: &GoModule, home: &Path, folder: &Path, progress: &Progress) -> Result<()> {
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("go.mod"), module.go_mod)?;
    fs::write(source.join("go.sum"), module.go_sum)?;
    for (package, program) in module.programs {
        let title = format!("building {program} with go");
        progress.begin(&title);
        let mut go = go(&source, home);
        go.args(["build", "-v", "-trimpath", "-tags", module.tags, "-ldflags"])
            .arg(module.linker_flags());
        go.arg("-o").arg(folder.join("bin").join(program)).arg(package);
        command::streamed(&mut go, |compiled| progress.detail(&title, compiled))?;
    }
    for (owner, path, name) in module.files {
        progress.begin(&format!("fetching {path} of {owner}"));
        copy(&location(&source, home, owner)?.join(path), &folder.join(name))?;
    }
    Ok(())
}

/// Where Go keeps a module's files.
fn location(source: &Path, home: &Path, module: &str) -> Result<std::path::PathBuf> {
    #[derive(Deserialize)]
    struct Downloaded {
        #[serde(rename = "Dir")]
        folder: std::path::PathBuf,
    }
    let answer = command::output(go(source, home).args(["mod", "download", "-json", module]))?;
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

fn go(source: &Path, home: &Path) -> Command {
    let mut go = command::mortal("go");
    // Static programs; and no flag or workspace of the user's changes what is built.
    go.current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", FLAGS)
        .env("GOWORK", "off");
    // Otherwise all over the user's home.
    go.env("GOPATH", home)
        .env("GOMODCACHE", home.join("modules"))
        .env("GOCACHE", home.join("built"));
    // Swept with the unfinished part when a build was killed.
    go.env("GOTMPDIR", source);
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_keeps_its_files_in_the_folder_that_it_is_given() {
        let home = Path::new("/cache/go");
        let go = go(Path::new("/cache/source"), home);
        for variable in ["GOPATH", "GOMODCACHE", "GOCACHE"] {
            let value = go.get_envs().find(|(name, _)| *name == variable);
            let value = value.and_then(|(_, value)| value).unwrap();
            assert!(Path::new(value).starts_with(home), "{variable}");
        }
    }
}
