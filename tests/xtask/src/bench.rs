//! `cargo xtask bench`: the numbers, measured on a local cluster of their own with the controller as users build it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kulta_bench::{Measure, Options, criterion_folder};
use kulta_e2e::StageSettings;
use kulta_test_cluster::progress::{Progress, complain};
use kulta_test_cluster::{Cluster, ClusterOptions};

use crate::build::{self, Profile};
use crate::interrupt::Interrupt;
use crate::local::{self, Local};

/// Whose folder the logs are in.
const USER: &str = "bench";

/// Not the cluster of demo and tests: what runs there would be measured, too.
const CLUSTER: &str = "kulta-bench";

/// What is measured, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The local cluster: used if it is up, brought up and taken down otherwise
    #[arg(long, default_value = CLUSTER)]
    name: String,
    #[command(flatten)]
    options: Options,
}

/// Measures and prints; this program starts itself once more inside the cluster's network.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(stage) = StageSettings::from_environment()? {
        return kulta_bench::run(stage, &arguments.options).map(|()| ExitCode::SUCCESS);
    }
    let options = ClusterOptions::named(&arguments.name)?;
    let interrupt = Interrupt::catch()?;
    let found = local::is_up(&options);
    let measured = measure(&options, arguments, &interrupt);
    if !found {
        let ended = Cluster::down(&options, &Progress::new());
        // Why the benchmarks failed says more than why what they left cannot be removed.
        return measured.and_then(|code| ended.map(|()| code));
    }
    measured
}

fn measure(options: &ClusterOptions, arguments: &Arguments, interrupt: &Interrupt) -> Result<ExitCode> {
    let local = Local::prepare(options, USER, Profile::Release, interrupt)?;
    interrupt.check()?;
    if arguments.options.wants(Measure::Decide) {
        measure_decide(&criterion_folder(local.work()), interrupt)?;
    }
    let status = interrupt.run(&mut local.enter_again()?)?;
    interrupt.check()?;
    if !status.success() {
        complain(&format!(
            "logs and generated files are in {}",
            local.work().display()
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Outside the cluster's network, where cargo reaches its registry.
fn measure_decide(folder: &Path, interrupt: &Interrupt) -> Result<()> {
    if folder.exists() {
        // What an earlier version of the benchmark was called.
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut cargo = build::cargo()?;
    cargo.args(["bench", "--quiet", "--package=kulta-core", "--bench=decide"]);
    cargo.env("CRITERION_HOME", folder);
    // The answer is the table alone.
    cargo.stdout(std::io::stderr());
    ensure!(
        interrupt.run(&mut cargo)?.success(),
        "the benchmark of `decide` failed"
    );
    Ok(())
}
