//! From a changed template to the new ReplicaSet written: one change at a time, at a fixed rate, whatever the answers
//! do.

use anyhow::{Context, Result, ensure};
use kulta_e2e::Distribution;
use kulta_test_cluster::progress::Progress;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::audit::{Audit, Changes};
use crate::limits;
use crate::population::Population;

/// Changes every Rollout's template several times, and gives the times from the request that changed it to the answer
/// that the ReplicaSet is created.
pub(crate) async fn measure(
    population: &mut Population,
    audit: Audit,
    progress: &Progress,
) -> Result<Distribution> {
    let total = limits::ROUNDS * population.size();
    progress.begin(&format!(
        "changing {total} templates, one every {} ms",
        limits::CHANGE_EVERY.as_millis()
    ));
    change(population).await?;
    let answered = timeout(
        limits::WITHIN,
        until_answered(&audit, population.namespace(), total),
    )
    .await;
    let changes = answered.context("not every change of a template came to a ReplicaSet")??;
    Distribution::of(changes.times).context("nothing was changed")
}

async fn change(population: &mut Population) -> Result<()> {
    let mut ticks = interval(limits::CHANGE_EVERY);
    // A tick that is late must not be followed by one that is early.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = JoinSet::new();
    for _ in 0..limits::ROUNDS {
        for number in 0..population.size() {
            ticks.tick().await;
            changes.spawn(population.change(number));
        }
    }
    changes.join_all().await.into_iter().collect()
}

async fn until_answered(audit: &Audit, namespace: &str, total: usize) -> Result<Changes> {
    loop {
        let changes = audit.changes(namespace)?;
        // All changes are in the log, and each has its ReplicaSet.
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
