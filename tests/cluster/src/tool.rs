//! Programs of the parts by themselves, without a cluster.

use std::process::Command;

use anyhow::Result;

use crate::artifacts::Artifacts;
use crate::cache::Cache;
use crate::progress::Progress;
use crate::settings::HELM_HOMES;

/// The program `name`, such as `kubectl` or `helm`, which is built if it is not there.
///
/// # Errors
/// When it can't be built.
pub fn tool(cache: &Cache, name: &str, progress: &Progress) -> Result<Command> {
    let artifacts = Artifacts::ensure(cache, progress)?;
    let mut command = Command::new(artifacts.program(name));
    // Otherwise under the user's home.
    command.envs(HELM_HOMES.map(|variable| (variable, cache.root().join("helm"))));
    Ok(command)
}
