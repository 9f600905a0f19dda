//! The files to look at.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use walkdir::WalkDir;

use super::Source;

/// Stands for the standard input.
pub const STANDARD_INPUT: &str = "-";

/// The files of a folder that may have manifests.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A file that is not there, or may not be read.
#[derive(Debug, Error)]
#[error("can't read {}: check -f", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The files at `paths`: each itself, of a folder those with YAML or JSON, however deep, by name.
///
/// # Errors
/// When one can't be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, ReadError> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            sources.push(standard_input(path)?);
        } else if path.is_dir() {
            folder(path, &mut sources)?;
        } else {
            sources.push(file(path)?);
        }
    }
    Ok(sources)
}

fn standard_input(path: &Path) -> Result<Source, ReadError> {
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    read.map_err(|source| ReadError {
        path: path.to_owned(),
        source,
    })?;
    Ok(Source {
        file: "standard input".to_owned(),
        text,
    })
}

fn folder(path: &Path, sources: &mut Vec<Source>) -> Result<(), ReadError> {
    for entry in WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| ReadError {
            path: error.path().unwrap_or(path).to_owned(),
            source: error.into(),
        })?;
        let extension = entry.path().extension().and_then(|extension| extension.to_str());
        if entry.path().is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            sources.push(file(entry.path())?);
        }
    }
    Ok(())
}

/// Bytes that are no text make it one that is no YAML, which is then told.
fn file(path: &Path) -> Result<Source, ReadError> {
    let bytes = std::fs::read(path).map_err(|source| ReadError {
        path: path.to_owned(),
        source,
    })?;
    Ok(Source {
        file: path.display().to_string(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}
