//! The files of plugins, as ConfigMaps are mounted: one folder for each under the plugin directory.
//!
//! The kubelet writes a changed ConfigMap into a folder of its own, `..2026_01_02...`, and then points the link
//! `..data` at it, through which the links with the files' names go. So a file is followed to where it really is: when
//! that changes, `..data` was switched. Files that are written in place are known by length and times. Names that begin
//! with a dot are the kubelet's own.
//!
//! No link leads out of the directory: a folder elsewhere is not looked into, and a file elsewhere is not read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kulta_plugin_host::{Delivery, InspectError, limits};
use thiserror::Error;

/// How the files of plugins end: as built, and compressed by gzip.
const ENDINGS: [&str; 2] = [".wasm", ".wasm.gz"];

/// What is in the plugin directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files, by the names of their plugins: usually one each.
    pub(super) plugins: BTreeMap<String, Vec<Found>>,
    /// What can't be listed. Which plugins are gone can't be told then.
    pub(super) problems: Vec<String>,
}

/// A file with a plugin, and which state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Where its links lead.
    real: PathBuf,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds of the last change of its content, and of anything about it.
    times: [i64; 4],
}

/// A file can't be taken for a plugin.
#[derive(Debug, Error)]
pub(super) enum FileError {
    #[error("it can't be read")]
    Read(#[from] io::Error),
    #[error("it leads out of the plugin directory, to {}: put the file itself there", .0.display())]
    Elsewhere(PathBuf),
    #[error("it is no file any more")]
    NoFile,
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// The files under `directory`, in the folders in it and in itself. A directory that is missing has none.
pub(super) fn list(directory: &Path) -> Listing {
    let mut listing = Listing::default();
    for folder in listing.visit(directory) {
        match is_within(directory, &folder) {
            Ok(Some(true)) => drop(listing.visit(&folder)),
            Ok(Some(false)) => {
                let problem = "it leads out of the plugin directory: put the folder itself there";
                listing.tell(&folder, &problem);
            }
            Ok(None) => {}
            Err(error) => listing.tell(&folder, &error),
        }
    }
    listing
}

/// Whether a path leads to what is within `directory`; None: to nothing, or there is no directory.
fn is_within(directory: &Path, path: &Path) -> io::Result<Option<bool>> {
    let (Some(directory), Some(real)) = (real(directory)?, real(path)?) else {
        return Ok(None);
    };
    Ok(Some(real.starts_with(directory)))
}

fn real(path: &Path) -> io::Result<Option<PathBuf>> {
    present(fs::canonicalize(path))
}

/// Reads a file of `directory`, no further than a plugin may be long.
pub(super) fn read(directory: &Path, path: &Path) -> Result<Delivery, FileError> {
    let real = fs::canonicalize(path)?;
    if !real.starts_with(fs::canonicalize(directory)?) {
        return Err(FileError::Elsewhere(real));
    }
    // What was put in its place since may be a pipe, which makes its reader wait for ever, or lead on to another file.
    let looked_at = fs::symlink_metadata(&real)?;
    if !looked_at.is_file() {
        return Err(FileError::NoFile);
    }
    let file = File::open(real)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (looked_at.dev(), looked_at.ino()) {
        return Err(FileError::NoFile);
    }
    // One byte more tells what is too long.
    let most = u64::try_from(limits::RAW_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Delivery::read(&bytes)?)
}

impl Listing {
    /// Adds the files of one folder; answers the folders in it.
    fn visit(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let paths = entries(folder).unwrap_or_else(|error| {
            self.tell(folder, &error);
            Vec::new()
        });
        for path in paths {
            match self.add(&path) {
                Ok(true) => folders.push(path),
                Ok(false) => {}
                // The others in the folder are none the worse for it.
                Err(error) => self.tell(&path, &error),
            }
        }
        folders
    }

    /// Adds what is at `path` if it is the file of a plugin; answers whether it is a folder.
    fn add(&mut self, path: &Path) -> io::Result<bool> {
        let Some(metadata) = present(fs::metadata(path))? else {
            return Ok(false);
        };
        if let Some(name) = plugin_name(path).filter(|_| metadata.is_file())
            && let Some(found) = Found::new(path, &metadata)?
        {
            self.plugins.entry(name).or_default().push(found);
        }
        Ok(metadata.is_dir())
    }

    fn tell(&mut self, path: &Path, problem: &dyn Display) {
        self.problems.push(format!("{}: {problem}", path.display()));
    }
}

impl Found {
    fn new(path: &Path, metadata: &Metadata) -> io::Result<Option<Self>> {
        let real = real(path)?;
        Ok(real.map(|real| Self {
            path: path.to_owned(),
            real,
            inode: metadata.ino(),
            length: metadata.len(),
            times: [
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
        }))
    }
}

/// What is in a folder, sorted, but for what is the kubelet's own.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = present(fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| file_name(path).is_some_and(|name| !name.starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// What was removed a moment ago, or is a link to nothing, is not there.
fn present<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of a file's plugin: what is before the ending.
fn plugin_name(path: &Path) -> Option<String> {
    let name = file_name(path)?;
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    Some(stem.to_owned())
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(super) mod tests;
