//! From a changed Rollout to the status and the ReplicaSet that follow it.

use anyhow::{Context, Result, ensure};
use kulta_e2e::{Distribution, Stage};
use kulta_test_cluster::progress::Progress;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::audit::{Audit, Changes};
use crate::limits;
use crate::population::{Pods, Population};
use crate::probe::Probe;

/// Scales every Rollout up and down several times, and gives the times from the request to the later of the two answers: that
/// its ReplicaSet has the new size, and that its status tells of it. Its pods wait for a node that is not there, so that they
/// cost the machine nothing.
pub(crate) async fn measure(stage: &Stage, probe: &Probe, progress: &Progress) -> Result<Distribution> {
    let rollouts = limits::REACTION_ROLLOUTS;
    progress.begin(&format!("making {rollouts} Rollouts whose pods wait"));
    let mut population = Population::new(stage.clone(), Pods::Waiting);
    population.grow(rollouts).await?;
    probe.idle_with(rollouts).await?;
    let total = limits::ROUNDS * rollouts;
    progress.begin(&format!(
        "scaling Rollouts {total} times, once every {} ms",
        limits::CHANGE_EVERY.as_millis()
    ));
    let audit = Audit::from_now(stage.cluster()?.audit_log())?;
    scale(&population).await?;
    let answered = timeout(limits::WITHIN, until_answered(&audit, stage.namespace(), total));
    let changes = answered
        .await
        .context("not every change of a Rollout was followed")??;
    Distribution::of(changes.times).context("nothing was changed")
}

async fn scale(population: &Population) -> Result<()> {
    let mut ticks = interval(limits::CHANGE_EVERY);
    // A tick that is late must not be followed by one that is early.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = JoinSet::new();
    for round in 0..limits::ROUNDS {
        for number in 0..population.size() {
            ticks.tick().await;
            // They begin with one pod.
            let replicas = if round.is_multiple_of(2) { 2 } else { 1 };
            changes.spawn(population.scale(number, replicas));
        }
    }
    changes.join_all().await.into_iter().collect()
}

async fn until_answered(audit: &Audit, namespace: &str, total: usize) -> Result<Changes> {
    loop {
        let changes = audit.reactions(namespace)?;
        // All changes are in the log, and each was followed.
        if changes.times.len() == total {
            return Ok(changes);
        }
        ensure!(
            changes.times.len() < total,
            "there are more changes than were made"
        );
        sleep(limits::LOOK).await;
    }
}
