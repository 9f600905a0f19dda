//! `cargo xtask e2e`: the end-to-end tests on the local cluster.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use kulta_test_cluster::progress::complain;
use kulta_test_cluster::{ClusterOptions, settings};

use crate::build::{self, Profile, Programs};
use crate::interrupt::Interrupt;
use crate::local::Local;
use crate::plugins;

/// Whose folder the logs are in.
const USER: &str = "e2e";

/// Which tests, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The cluster: brought up if it is not, and left up
    #[arg(long, default_value = settings::DEFAULT_CLUSTER)]
    name: String,
    /// What to pass to the tests: a part of a test's name, or options of theirs (`-- --help`)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Builds everything, brings the cluster up and runs the tests inside its network.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interrupt = Interrupt::catch()?;
    let mut local = Local::prepare(
        &ClusterOptions::named(&arguments.name)?,
        USER,
        Profile::Dev,
        &interrupt,
    )?;
    local.load_controller_again()?;
    let tests = Programs::build_tests(&interrupt)?;
    local.provide_kubectl_plugin(tests.path(build::KUBECTL_PLUGIN)?);
    plugins::prepare()?;
    let mut command = local.enter(tests.path(build::END_TO_END_TESTS)?)?;
    let status = interrupt.run(command.args(&arguments.filter))?;
    if !status.success() {
        complain(&format!(
            "logs and generated files are in {}",
            local.work().display()
        ));
    }
    interrupt.check()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
