//! What the committed components were built of, and with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Where the components are, in the repository.
pub(super) const FOLDER: &str = "plugins/dist";
/// The record of all, in that folder.
const FILE: &str = "plugins.json";
/// What makes everything current.
pub(super) const COMMAND: &str = "run `cargo xtask plugins`";

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// SHA-256 of the component, by which KULTA knows it.
    pub(super) sha256: String,
    /// Bytes of the component.
    pub(super) size: usize,
    /// SHA-256 of everything it is built of.
    pub(super) sources: String,
    /// The compiler, with its version.
    pub(super) compiler: String,
}

/// All components, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Records(BTreeMap<String, Record>);

impl Records {
    /// Reads what is committed; nothing, where nothing is.
    pub(super) fn read(repository: &Path) -> Result<Self> {
        let file = repository.join(FOLDER).join(FILE);
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Writes what is to be committed.
    pub(super) fn write(&self, repository: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(repository.join(FOLDER).join(FILE), text)?;
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Record> {
        self.0.get(name)
    }

    pub(super) fn insert(&mut self, name: String, record: Record) {
        self.0.insert(name, record);
    }
}
