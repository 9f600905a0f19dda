//! Debian packages, unpacked and not installed: no service starts and nothing outside the cache changes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::pins::{self, Debian};
use crate::progress::Progress;

/// The versions that came; see the README for why they are not pinned.
const RECORD: &str = "packages.txt";

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
