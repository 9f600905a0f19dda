//! A Rollout that is changed at a fixed rate, and how soon the controller has reconciled each change.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kulta_e2e::rollout::status_of;
use kulta_e2e::{App, Distribution, Stage, Version, limits};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Its name.
const NAME: &str = "metronome";
/// Between two changes.
const EVERY: Duration = Duration::from_millis(200);
/// Changes while nothing else happens.
const BEATS_AT_REST: u32 = 50;

/// A Rollout without pods, so that nothing but the controller and the API server is measured.
pub(super) struct Metronome {
    stage: Stage,
    changes: u32,
    times: Vec<Duration>,
}

impl Metronome {
    /// Makes it.
    pub(super) async fn new(stage: &Stage) -> Result<Self> {
        let app = App::new(NAME, Version::v1(&stage.settings().app));
        app.without_routing().replicas(0).deploy(stage).await?;
        Ok(Self {
            stage: stage.clone(),
            changes: 0,
            times: Vec::new(),
        })
    }

    /// The times from a change to its status while nothing else happens.
    pub(super) async fn at_rest(&mut self) -> Result<Distribution> {
        self.beat(BEATS_AT_REST).await?;
        self.taken()
    }

    /// Changes it without end.
    pub(super) async fn play(&mut self) -> Result<Infallible> {
        loop {
            self.beat(u32::MAX).await?;
        }
    }

    /// The times that were measured since the last time.
    pub(super) fn taken(&mut self) -> Result<Distribution> {
        Distribution::of(std::mem::take(&mut self.times)).context("nothing was measured")
    }

    async fn beat(&mut self, times: u32) -> Result<()> {
        let only = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let mut seen = watcher(self.stage.rollouts(), only).applied_objects().boxed();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..times {
            ticks.tick().await;
            let begun = Instant::now();
            let generation = self.change().await?;
            let reconciled = timeout(limits::WITHIN, until_observed(&mut seen, generation)).await;
            reconciled.context("a change is not reconciled")??;
            self.times.push(begun.elapsed());
        }
        Ok(())
    }

    /// Changes a field that has nothing to do with pods; answers the generation.
    async fn change(&mut self) -> Result<Option<i64>> {
        self.changes += 1;
        // Any number that is unlike the one before.
        let patch = Patch::Merge(json!({"spec": {"progressDeadlineSeconds": 600 + self.changes % 100}}));
        let rollouts = self.stage.rollouts();
        let changed = rollouts.patch(NAME, &PatchParams::default(), &patch).await?;
        Ok(changed.metadata.generation)
    }
}

async fn until_observed(
    seen: &mut (impl Stream<Item = watcher::Result<DynamicObject>> + Unpin),
    generation: Option<i64>,
) -> Result<()> {
    while let Some(rollout) = seen.try_next().await? {
        if status_of(&rollout).is_some_and(|status| status.observed_generation >= generation) {
            return Ok(());
        }
    }
    Ok(())
}
