//! KULTA as users install it: from `helm upgrade --install` to the controller being ready, with its image on the node, and the memory
//! that its replicas take.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use kulta_e2e::{Distribution, Installed, NamespaceName, Stage, StageSettings};
use kulta_test_cluster::progress::Progress;
use serde::Serialize;

use crate::limits;
use crate::memory::Memory;
use crate::play::NAMESPACE;
use crate::population::{Pods, Population};
use crate::probe::Probe;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Installations {
    /// From the command to its end.
    pub(crate) times: Distribution,
    /// Of each replica, with Rollouts.
    pub(crate) memory: Vec<Memory>,
}

/// Installs it again and again, with the values that the chart has, and takes it out in between. The definitions stay, as they
/// do for users.
pub(crate) async fn measure(settings: &Arc<StageSettings>, progress: &Progress) -> Result<Installations> {
    let installed = Installed::of(settings).await?.as_it_comes();
    progress.begin("installing KULTA for the first time");
    installed.apply().await?;
    let mut times = Vec::new();
    for number in 1..=limits::INSTALLS {
        installed.remove().await?;
        progress.begin(&format!(
            "installing KULTA, {number} of {} times",
            limits::INSTALLS
        ));
        let begun = Instant::now();
        installed.apply().await?;
        times.push(begun.elapsed());
    }
    progress.begin(&format!(
        "memory of what is installed with {} Rollouts",
        limits::ROLLOUTS
    ));
    let memory = memory(settings, &installed).await;
    installed.remove().await?;
    Ok(Installations {
        times: Distribution::of(times).context("nothing was installed")?,
        memory: memory?,
    })
}

async fn memory(settings: &Arc<StageSettings>, installed: &Installed) -> Result<Vec<Memory>> {
    Stage::remove_leftovers(settings, NAMESPACE).await?;
    let stage = Stage::open(Arc::clone(settings), NamespaceName::Fresh(NAMESPACE)).await?;
    let measured = with_rollouts(&stage, installed).await;
    let closed = stage.close_and_wait().await;
    measured.and_then(|memory| closed.map(|()| memory))
}

/// Of each replica, when each Rollout was changed.
async fn with_rollouts(stage: &Stage, installed: &Installed) -> Result<Vec<Memory>> {
    let probe = Probe::Installed(installed.clone());
    let mut population = Population::new(stage.clone(), Pods::None);
    population.grow(limits::ROLLOUTS).await?;
    probe.idle_with(limits::ROLLOUTS).await?;
    population.change_all().await?;
    probe.idle_with(limits::ROLLOUTS).await?;
    let pods = installed.pods().await?;
    let uids = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref());
    uids.map(Memory::of_pod).collect()
}
