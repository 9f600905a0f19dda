//! Do plugins that mean harm harm the controller, or anybody else's rollout?
//!
//! All of them are mounted and called at the same time, from two namespaces, while a rollout of a third is promoted.

mod analyses;
mod attack;
mod figures;
mod memory;
mod metronome;
mod plugins;

use std::fmt;
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kulta_e2e::{Controller, Distribution, NamespaceName, Stage};
use kulta_test_cluster::progress::complain;
use serde_json::{Value, json};

use crate::analysis;
use crate::live::{Live, meanwhile};
use crate::mounts::Mounts;
use attack::Attack;
use figures::Reconciles;
use memory::Memory;
use metronome::Metronome;

/// The controller's memory may grow by so much, whatever plugins do.
const MEMORY_GROWTH: u64 = 128 << 20;
/// The namespaces with hostile analyses begin with it.
const HOSTILE_NAMESPACE: &str = "e2e-hostile";
/// A digest that no file has.
const OTHER_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The plugins that come with the controller.
const BUNDLED: u64 = 4;

pub(crate) async fn hostile_plugins_harm_neither_the_controller_nor_others(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    let configuration = fs::read(controller.configuration())?;
    let hostile = [hostile_stage(stage).await?, hostile_stage(stage).await?];
    let played = Box::pin(play(stage, &hostile, controller)).await;
    for stage in &hostile {
        stage.close().await?;
    }
    // The next scenario's controller is to be what this one's was.
    let stopped = controller.stop().await;
    fs::write(controller.configuration(), configuration)?;
    played.and(stopped)
}

async fn hostile_stage(stage: &Stage) -> Result<Stage> {
    let settings = Arc::new(stage.settings().clone());
    Stage::open(settings, NamespaceName::Fresh(HOSTILE_NAMESPACE)).await
}

async fn play(stage: &Stage, hostile: &[Stage; 2], controller: &mut Controller) -> Result<()> {
    controller.stop().await?;
    configure(controller)?;
    controller.start()?;
    figures::until_plugins("are in service", |plugins| plugins.in_service >= BUNDLED).await?;
    let innocent = Live::start(stage, analysis::judged(stage)).await?;
    let mut attack = Attack::new(hostile, Mounts::new(stage)).await?;
    let mut metronome = Metronome::new(stage).await?;
    let calm = metronome.at_rest().await?;
    let pid = controller.pid().context("the controller does not run")?;
    let mut memory = Memory::at_rest(pid).await?;
    let before = Reconciles::now().await?;

    let (watch, beat) = (memory.watch_trials(), metronome.play());
    let told = meanwhile(watch, meanwhile(beat, Box::pin(attack.play(innocent)))).await?;

    controller.check()?;
    let numbers = Numbers {
        told,
        idle: memory.idle,
        peak: memory.peak()?,
        trials: memory.trials,
        calm,
        attacked: metronome.taken()?,
        reconciles: Reconciles::now().await?.since(&before),
    };
    complain(&numbers.to_string());
    let growth = numbers.growth();
    ensure!(
        growth < MEMORY_GROWTH,
        "the controller's memory has grown by {growth} bytes, which may be {MEMORY_GROWTH} at most"
    );
    Ok(())
}

/// One plugin may ask the provider, and of one another version is expected.
fn configure(controller: &Controller) -> Result<()> {
    let file = controller.configuration();
    let mut configuration: Value = serde_json::from_slice(&fs::read(file)?)?;
    configuration["plugins"] = json!({
        plugins::THOUSAND_QUERIES: {"providers": ["prometheus"]},
        plugins::UNEXPECTED: {"sha256": [OTHER_DIGEST]},
    });
    fs::write(file, configuration.to_string())?;
    Ok(())
}

/// What is told at the end.
struct Numbers {
    told: usize,
    idle: u64,
    peak: u64,
    trials: u64,
    calm: Distribution,
    attacked: Distribution,
    reconciles: Reconciles,
}

impl Numbers {
    fn growth(&self) -> u64 {
        self.peak.saturating_sub(self.idle)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: u64| bytes >> 20;
        let Reconciles { all, within_a_second } = self.reconciles;
        write!(
            formatter,
            "-- hostile plugins\n\
             told of, each by name, limit and remedy: {}\n\
             memory of the controller: {} MiB idle, {} MiB at its peak: {} MiB more (at most {})\n\
             largest process of a trial: {} MiB at its peak\n\
             change of an innocent Rollout to its status, before: {}\n\
             change of an innocent Rollout to its status, under attack: {}\n\
             reconciles of all Rollouts: {all}, slower than 1 s: {}",
            self.told,
            mebibytes(self.idle),
            mebibytes(self.peak),
            mebibytes(self.growth()),
            mebibytes(MEMORY_GROWTH),
            mebibytes(self.trials),
            self.calm,
            self.attacked,
            all - within_a_second,
        )
    }
}
