//! Mounted ConfigMaps. The controller of the scenarios is a process beside the cluster, so nobody brings it what its pod
//! would have mounted: this does, in the way of the kubelet.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kulta_e2e::{Stage, plugin_directory};

/// The link to what is in force: all files change at once.
const DATA: &str = "..data";
/// Where the next link to it is made, before it takes the other's place.
const NEXT: &str = "..data_tmp";
/// What the folders of contents begin with.
const CONTENT: &str = "..2026_01_01_00_00_00";

/// Writes the files of a ConfigMap into the folder where it is mounted, or puts them in the place of those of before.
pub(crate) fn bring<'files>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'files str, &'files [u8])>,
) -> Result<()> {
    let (content, before) = next(folder)?;
    let written = folder.join(&content);
    fs::create_dir_all(&written).with_context(|| written.display().to_string())?;
    let mut names = Vec::new();
    for (name, bytes) in files {
        fs::write(written.join(name), bytes)?;
        names.push(name);
    }
    // First the content, then the switch, then the names that lead through it.
    symlink(&content, folder.join(NEXT))?;
    fs::rename(folder.join(NEXT), folder.join(DATA))?;
    for name in names {
        let link = folder.join(name);
        if !link.is_symlink() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    if let Some(before) = before {
        fs::remove_dir_all(folder.join(before))?;
    }
    Ok(())
}

/// The name of the folder of the next content, and that of the present one if there is any.
fn next(folder: &Path) -> Result<(String, Option<PathBuf>)> {
    let before = match fs::read_link(folder.join(DATA)) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let number = before.as_deref().and_then(Path::extension);
    let number = number.and_then(|number| number.to_str()?.parse::<u32>().ok());
    Ok((format!("{CONTENT}.{}", number.unwrap_or(0) + 1), before))
}

/// Mounted ConfigMaps with a plugin each; taken away at the end, however the scenario ends.
pub(crate) struct Mounts {
    directory: PathBuf,
    folders: Vec<PathBuf>,
}

impl Mounts {
    /// None yet.
    pub(crate) fn new(stage: &Stage) -> Self {
        Self {
            directory: plugin_directory(stage.settings()),
            folders: Vec::new(),
        }
    }

    /// Brings the file of the plugin `name` in a folder of the same name.
    pub(crate) fn bring(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.directory.join(name);
        self.folders.push(folder.clone());
        bring(&folder, [(format!("{name}.wasm").as_str(), bytes)])
    }

    /// Takes the folder of the plugin `name` away.
    pub(crate) fn remove(&mut self, name: &str) -> Result<()> {
        let folder = self.directory.join(name);
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for folder in &self.folders {
            // It may be gone already.
            let _gone = fs::remove_dir_all(folder);
        }
    }
}
