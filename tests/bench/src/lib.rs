//! The benchmarks of KULTA: what it takes in time and memory, on the real local cluster.
//!
//! `cargo xtask bench` builds everything, brings the cluster up and calls [`run`] inside the cluster's network. What
//! is measured how is in the README; the sizes and aims are in one module, `limits`.

mod audit;
mod decision;
mod delivery;
mod install;
mod latency;
mod limits;
mod machine;
mod memory;
mod play;
mod population;
mod probe;
mod reaction;
mod report;
mod rollback;
mod start;
mod takeover;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use kulta_e2e::StageSettings;
use kulta_test_cluster::progress::answer;

/// What to measure, and how to tell it.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Answer in JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Measure these only [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Measure>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// One decision
    Decide,
    /// From a changed template to the new ReplicaSet
    Change,
    /// From a changed Rollout to its status and its ReplicaSet
    Reaction,
    /// Rollouts that Argo Rollouts has left: until all are observed, and what becomes of their ReplicaSets
    Takeover,
    /// From a failing measurement to the route patched
    Rollback,
    /// From a transition to the sink of events, and from a sink being back to its having everything
    Delivery,
    /// The controller's memory
    Memory,
    /// From the start of the binary to the first reconcile
    Start,
    /// From an installation by Helm to the controller being ready
    Install,
}

impl Options {
    /// Whether this is to be measured.
    #[must_use]
    pub fn wants(&self, measure: Measure) -> bool {
        self.only.is_empty() || self.only.contains(&measure)
    }
}

/// Where criterion is to put what it measures of `decide`; in the folder of logs and generated files.
#[must_use]
pub fn criterion_folder(work: &Path) -> PathBuf {
    work.join("criterion")
}

/// Measures and prints. Criterion has measured `decide` already, if that is wanted.
///
/// # Errors
/// When something can't be measured; an aim that is missed is none.
pub fn run(settings: StageSettings, options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(play::play(&Arc::new(settings), options))?;
    let text = if options.json {
        serde_json::to_string_pretty(&report)?
    } else {
        report.to_string()
    };
    answer(text.trim_end());
    Ok(())
}
