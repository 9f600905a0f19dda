//! Programs of the parts by themselves, without a cluster.

use std::process::Command;

use anyhow::Result;

use crate::artifacts::Artifacts;
use crate::cache::Cache;
use crate::progress::Progress;

/// The program `name`, such as `kubectl` or `helm`, which is built if it is not there.
///
/// # Errors
/// When it can't be built.
pub fn tool(cache: &Cache, name: &str, progress: &Progress) -> Result<Command> {
    let artifacts = Artifacts::ensure(cache, progress)?;
    let mut command = Command::new(artifacts.program(name));
    // Otherwise under the user's home.
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, cache.root().join("helm"));
    }
    Ok(command)
}
