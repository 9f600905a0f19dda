//! The commands of this repository: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod build;
mod cargo;
mod cluster;
mod demo;
mod e2e;
mod files;
mod hooks;
mod interrupt;
mod local;
mod plugins;
mod release;
mod test;
mod wrapper;

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
    /// KULTA moves live traffic through a real gateway.
    Demo(demo::Arguments),
    /// The end-to-end tests, on the local cluster.
    E2e(e2e::Arguments),
    /// The numbers: time and memory that KULTA takes.
    Bench(bench::Arguments),
    /// The bundled plugins, as WebAssembly components that are committed.
    Plugins(plugins::Arguments),
    /// Everything that users get, in one folder, with checksums.
    Release(release::Arguments),
    /// Everything that is checked.
    Test(test::Arguments),
    /// Install the pre-commit hook of this checkout.
    Hooks,
    /// What the pre-commit hook runs: format, lints, fast tests.
    PreCommit,
}

fn main() -> ExitCode {
    let done = wrapper::as_compiler().unwrap_or_else(|| match Arguments::parse().command {
        Command::Cluster(command) => cluster::run(command),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::E2e(arguments) => e2e::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Plugins(arguments) => plugins::run(&arguments),
        Command::Release(arguments) => release::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Hooks => hooks::install(),
        Command::PreCommit => hooks::pre_commit(),
    });
    done.unwrap_or_else(|error| {
        kulta_test_cluster::progress::complain(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
