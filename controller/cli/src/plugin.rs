//! `kulta plugin`: from an empty folder to a file for a ConfigMap.

mod build;
mod call;
mod case;
mod inspect;
mod load;
mod output;
mod record;
mod scaffold;
mod test;
mod text;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;

use clap::{Args, Subcommand};
use kulta_plugin_host::metrics::MetricsProvider;
use kulta_plugin_host::{EngineFault, Host, Trial};
use thiserror::Error;

pub use self::build::{BuildArguments, BuildError};
pub use self::case::{CaseError, UnwritableError};
pub use self::inspect::InspectArguments;
pub use self::load::FileError;
use self::output::Output;
pub use self::record::{RecordArguments, RecordError};
pub use self::scaffold::{NewArguments, NewError};
pub use self::test::{TestArguments, TestError};

/// Makes, builds, records and tests plugins, without a cluster.
#[derive(Debug, Args)]
pub struct PluginArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// What to do with a plugin.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Makes a folder with a plugin that builds, its tests and its cases
    New(NewArguments),
    /// Builds the plugin of a folder, and writes the file for a ConfigMap
    Build(BuildArguments),
    /// Tells what a plugin's file is: name, worlds, imports, size, digest, schema
    Inspect(InspectArguments),
    /// Runs a plugin's file on cases, as the controller would run it
    Test(TestArguments),
    /// Runs a plugin's file once with a live Prometheus, and writes a case of what came of it
    Record(Box<RecordArguments>),
}

/// Whom a plugin asks while it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name that the plugin knows it under.
    pub provider: String,
    /// Where it is, as it was typed.
    pub address: String,
    /// The namespace that the plugin works for.
    pub namespace: String,
}

/// Makes what answers the queries of a plugin, and knows no other provider than that one; or says what is wrong with the
/// address.
pub type Connect = fn(&Source) -> Result<Arc<dyn MetricsProvider>, Box<dyn Error + Send + Sync>>;

/// What the commands need of the program that they are part of.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Compiles plugins on trial, in a process of its own.
    pub trial: Trial,
    /// Variables for cargo and the compiler, beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// The client that the controller asks providers with.
    pub connect: Connect,
}

/// A command did not do what it was asked for.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The folder can't be made.
    #[error(transparent)]
    New(#[from] NewError),
    /// The plugin can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The file is no plugin, or can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The cases can't be run, or have failed.
    #[error(transparent)]
    Test(#[from] TestError),
    /// The call can't be made, or can't be written down.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The engine does not work on this machine.
    #[error("plugins can't be run on this machine")]
    Engine(#[from] EngineFault),
    /// There is no runtime to be had.
    #[error("no runtime can be started")]
    Runtime(#[source] io::Error),
    /// Nobody takes what is told.
    #[error("the output can't be written")]
    Output(#[source] io::Error),
}

/// Does what `arguments` say, and writes what is to be told to `out`. What cargo says while it builds goes to standard
/// error.
///
/// # Errors
/// When it can't be done; when a case fails, after all of them have run.
pub fn run(
    arguments: PluginArguments,
    surroundings: &Surroundings,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    // One thread: a plugin's log is collected on the thread that calls it, and nothing here waits for another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let out = &mut Output::new(out);
    let host = || Host::new(surroundings.trial.clone());
    match arguments.command {
        PluginCommand::New(arguments) => scaffold::run(&arguments, out),
        PluginCommand::Build(arguments) => {
            runtime.block_on(build::run(&arguments, &surroundings.environment, &host()?, out))
        }
        PluginCommand::Inspect(arguments) => runtime.block_on(inspect::run(&arguments, &host()?, out)),
        PluginCommand::Test(arguments) => runtime.block_on(test::run(&arguments, &host()?, out)),
        PluginCommand::Record(arguments) => {
            runtime.block_on(record::run(&arguments, surroundings.connect, &host()?, out))
        }
    }
}
