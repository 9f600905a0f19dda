//! The pause program: the first process of every pod and of every cluster.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pins;
use crate::program;
use crate::progress::Progress;

const PROGRAM: &str = "kulta-pause";
const SOURCE: &str = include_str!("../../../pause/src/main.rs");

pub(super) fn key() -> String {
    pins::key("pause", &[SOURCE, std::env::consts::ARCH])
}

pub(super) fn build(folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin("building the pause program with cargo");
    let target = folder.join("target");
    let built = program::build_alone(PROGRAM, &target)?;
    fs::create_dir_all(folder.join("bin"))?;
    fs::copy(&built, folder.join("bin").join(PROGRAM))
        .with_context(|| format!("copying {}", built.display()))?;
    fs::remove_dir_all(&target).with_context(|| target.display().to_string())
}
