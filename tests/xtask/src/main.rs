//! The commands of this repository: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cluster;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The commands of this repository",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A real Kubernetes on this machine.
    #[command(subcommand)]
    Cluster(cluster::Command),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Cluster(command) => cluster::run(command),
    };
    done.unwrap_or_else(|error| {
        kulta_test_cluster::progress::complain(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
