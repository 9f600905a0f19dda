//! The pause program: the first process of every pod and of every cluster.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::pins;
use crate::program;
use crate::progress::Progress;

const PROGRAM: &str = "kulta-pause";
const SOURCE: &str = include_str!("../bin/pause.rs");

pub(super) fn key() -> String {
    pins::key("pause", &[SOURCE, std::env::consts::ARCH])
}

pub(super) fn build(folder: &Path, progress: &Progress) -> Result<()> {
    progress.begin("building the pause program with cargo");
    let built = program::build(PROGRAM)?;
    fs::create_dir_all(folder.join("bin"))?;
    let copied = fs::copy(&built, folder.join("bin").join(PROGRAM));
    copied
        .map(drop)
        .with_context(|| format!("copying {}", built.display()))
}
