//! A plugin's file, read and loaded as the controller would do it.

use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use kulta_core::text::grouped;
use kulta_plugin_host::limits::{self, Limits};
use kulta_plugin_host::{Delivery, Host, InspectError, LoadError, Plugin, World};
use thiserror::Error;

use super::CommandError;
use super::output::Output;

/// A file is no plugin, or can't be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// It can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what the controller would take.
    #[error("{} is no plugin that KULTA takes", path.display())]
    Delivery {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// It can't be taken into service.
    #[error("{} is no plugin that KULTA takes", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// Its schema was asked for.
    #[error(
        "{} has no schema of its configuration: generate one (plugin-sdk/README.md), and name it in its description",
        .0.display()
    )]
    NoSchema(PathBuf),
}

/// A plugin that is loaded, and what its file is.
pub(super) struct Loaded {
    pub(super) plugin: Plugin,
    /// Bytes, uncompressed.
    pub(super) size: usize,
    /// Bytes, compressed as well as gzip does it.
    pub(super) compressed: usize,
}

/// Loads the file at `path`.
pub(super) async fn file(host: &Host, path: &Path) -> Result<Loaded, FileError> {
    let bytes = std::fs::read(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    load(host, path, &bytes).await
}

/// Loads `bytes`, which are or will be in the file at `path`.
pub(super) async fn load(host: &Host, path: &Path, bytes: &[u8]) -> Result<Loaded, FileError> {
    let delivery = Delivery::read(bytes).map_err(|source| FileError::Delivery {
        path: path.to_owned(),
        source,
    })?;
    let plugin = host
        .load(&name(path), &delivery, &Limits::default())
        .await
        .map_err(|failure| FileError::Load {
            path: path.to_owned(),
            source: failure.cause,
        })?;
    Ok(Loaded {
        plugin,
        size: delivery.bytes().len(),
        compressed: compressed(delivery.bytes()),
    })
}

/// The name that the controller would know the file by: `ratio` of `ratio.wasm` and of `ratio.wasm.gz`.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let file = file.strip_suffix(".gz").unwrap_or(&file);
    file.strip_suffix(".wasm").unwrap_or(file).to_owned()
}

fn compressed(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Nothing fails that writes to memory.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_or(bytes.len(), |compressed| compressed.len())
}

impl Loaded {
    /// Tells what the plugin is.
    pub(super) fn describe(&self, out: &mut Output<'_>) -> Result<(), CommandError> {
        let description = self.plugin.description();
        out.fact("name", &description.name)?;
        out.fact("version", &description.version)?;
        let worlds: Vec<_> = self.plugin.worlds().into_iter().map(World::as_str).collect();
        out.fact("worlds", worlds.join(", "))?;
        let imports: Vec<_> = self.plugin.imports().iter().map(String::as_str).collect();
        out.fact("imports", imports.join(", "))?;
        let (size, compressed) = (grouped(self.size), grouped(self.compressed));
        out.fact("size", format_args!("{size} bytes, {compressed} compressed"))?;
        out.fact("digest", self.plugin.identity().digest)?;
        match &description.config_schema {
            Some(schema) => out.fact("schema", format_args!("{} bytes", grouped(schema.len()))),
            None => out.fact("schema", "none"),
        }
    }

    /// Whether a ConfigMap can hold it as it is.
    pub(super) fn fits_a_config_map(&self) -> bool {
        self.size <= limits::COMPRESSED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_by_its_file() {
        for file in ["a/ratio", "a/ratio.wasm", "ratio.wasm.gz"] {
            assert_eq!(name(Path::new(file)), "ratio", "{file}");
        }
    }

    #[test]
    fn what_repeats_itself_is_compressed() {
        assert!(compressed(&[7; 10_000]) < 100);
    }
}
