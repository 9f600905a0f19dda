//! Debian packages, unpacked and not installed: no service starts and nothing outside the cache changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::command;
use crate::pins::{self, Debian};
use crate::progress::Progress;

/// The versions that came; see the README for why they are not pinned.
const RECORD: &str = "packages.txt";

/// Packages of the machine's own Debian release with all that they need and the machine does not have, unpacked under the
/// cache. `trim` removes what is not needed of them, once.
///
/// # Errors
/// When apt does not know them or can't fetch them, or the cache can't be written.
pub fn debian_packages(
    cache: &Cache,
    packages: &[&str],
    progress: &Progress,
    trim: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let debian = Debian {
        packages: with_dependencies(packages)?,
    };
    let _lock = cache.lock("build", progress)?;
    cache.part(&key(&debian), |folder| {
        unpack(&debian, folder, progress)?;
        trim(folder)
    })
}

fn with_dependencies(packages: &[&str]) -> Result<Vec<String>> {
    let needed = command::output(
        Command::new("apt-cache")
            .args([
                "depends",
                "--recurse",
                "--no-recommends",
                "--no-suggests",
                "--no-conflicts",
            ])
            .args(["--no-breaks", "--no-replaces", "--no-enhances"])
            .args(packages),
    )?;
    let format = "--showformat=${Package} ${db:Status-Status}\n";
    let installed = command::output(Command::new("dpkg-query").args(["--show", format]))?;
    Ok(missing(&needed, &installed))
}

/// Of what `apt-cache depends` lists, the packages (at the beginning of a line; in angle brackets are names that several
/// packages provide) that `dpkg-query` does not list as installed.
fn missing(needed: &str, installed: &str) -> Vec<String> {
    let installed: BTreeSet<&str> = installed
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    let needed: BTreeSet<&str> = needed
        .lines()
        .filter(|line| !line.starts_with([' ', '<']) && !installed.contains(line))
        .collect();
    needed.into_iter().map(str::to_owned).collect()
}

pub(super) fn key(debian: &Debian) -> String {
    // Another release of Debian means other libraries.
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    pins::key(
        "debian",
        &[&debian.packages.join(" "), &release, std::env::consts::ARCH],
    )
}

pub(super) fn unpack(debian: &Debian, folder: &Path, progress: &Progress) -> Result<()> {
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    progress.begin("fetching Debian packages");
    // apt compares each file with the digest in the signed index of the machine's own release.
    command::output(
        command::mortal("apt-get")
            .arg("download")
            .args(&debian.packages)
            .current_dir(&archives),
    )
    .context("apt cannot fetch the packages; where its lists are missing, `apt-get update` gets them")?;
    let mut record = Vec::new();
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        let name = archive
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        progress.begin(&format!("unpacking {name}"));
        command::output(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&archive)
                .arg(folder),
        )?;
        record.push(name);
    }
    record.sort();
    fs::write(folder.join(RECORD), record.join("\n"))?;
    fs::remove_dir_all(&archives)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_and_not_installed_is_fetched() {
        let needed = "rustc-web\n  Depends: libc6\n  Depends: <libc-dev>\nlibc6\n<libc-dev>\n    libc6-dev\nlibllvm22\n";
        let installed = "libc6 installed\nlibllvm22 config-files\n";
        assert_eq!(missing(needed, installed), ["libllvm22", "rustc-web"]);
    }
}
