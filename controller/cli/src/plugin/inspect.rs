//! `kulta plugin inspect`: what a plugin's file is.

use std::path::PathBuf;

use clap::Args;
use kulta_plugin_host::Host;

use super::output::Output;
use super::{CommandError, FileError, load};

/// Which file, and what to tell of it.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// The plugin: a component or a core module, also compressed by gzip
    pub file: PathBuf,
    /// Prints the JSON Schema of its configuration, and nothing else
    #[arg(long)]
    pub schema: bool,
}

pub(super) async fn run(
    arguments: &InspectArguments,
    host: &Host,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let loaded = load::file(host, &arguments.file).await?;
    if !arguments.schema {
        return loaded.describe(out);
    }
    match &loaded.plugin.description().config_schema {
        Some(schema) => out.line(schema.trim_end()),
        None => Err(FileError::NoSchema(arguments.file.clone()).into()),
    }
}
