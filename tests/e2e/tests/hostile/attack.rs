//! What is done all at once: plugins come, are called, are replaced and go, and a bystander is promoted.

use anyhow::{Result, ensure};
use futures::future::{join_all, try_join_all};
use kulta_conformance::damage;
use kulta_core::analysis::run::RunStatus;
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::{App, Rollout, Stage, Version};

use super::BUNDLED;
use super::analyses::{begin, comes_as_expected, condition_is_told, metric, says, until, words};
use super::figures::until_plugins;
use super::plugins::{self, Delivered};
use crate::live::{Live, v2};
use crate::mounts::Mounts;

/// The plugins that take most, and analyses by each of them in each namespace: more than have a place at the same time.
const HEAVIEST: [&str; 6] = [
    "infinite-loop",
    "memory-fill-loop",
    "allocation-bomb",
    "deep-recursion",
    "host-call-loop",
    "log-flood",
];
const ANALYSES_OF_EACH: usize = 6;

/// A good plugin whose file is replaced by one that computes for ever.
const REPLACED: &str = "replaced";
/// For each time that it is replaced, a plugin that comes after it, and an analysis that is begun after that.
const MARKERS_AND_LATER: [[&str; 2]; 2] = [["z-replaced", "later"], ["z-broken", "latest"]];
/// Of the plugins, so many are tried again and again: the hidden bomb.
const NEVER_LOADED: u64 = 1;
/// A good plugin whose folder is taken away.
const REMOVED: &str = "removed";
/// What measures a value for conditions, without judging it.
const MEASURES: &str = "ask-other-provider";

/// Who attacks.
pub(super) struct Attack<'stages> {
    stages: &'stages [Stage; 2],
    mounts: Mounts,
    /// A rollout that is judged by a plugin that computes for ever.
    rollout: Rollout,
}

impl<'stages> Attack<'stages> {
    /// Makes what has to be there before.
    pub(super) async fn new(stages: &'stages [Stage; 2], mounts: Mounts) -> Result<Self> {
        let [stage, _] = stages;
        let mut metric = metric("infinite-loop");
        metric["consecutiveErrorLimit"] = 0.into();
        metric["failureLimit"] = 0.into();
        // The analysis of a step has an end.
        metric["count"] = 2.into();
        let app = App::new("shop", Version::v1(&stage.settings().app))
            .replicas(1)
            .without_routing();
        let rollout = app
            .steps([step::weight(50), step::analysis(&metric)])
            .deploy(stage)
            .await?;
        rollout
            .until("to be healthy", |status| status.phase == Phase::Healthy)
            .await?;
        Ok(Self {
            stages,
            mounts,
            rollout,
        })
    }

    /// Mounts and calls everything while the innocent application is promoted. Answers how many messages were checked.
    pub(super) async fn play(&mut self, innocent: Live) -> Result<usize> {
        let delivered = plugins::all()?;
        let conditions = plugins::conditions();
        for Delivered { name, bytes, .. } in &delivered {
            self.mounts.bring(name, bytes)?;
        }
        for name in [REPLACED, REMOVED] {
            self.mounts.bring(name, &plugins::conformance("good")?)?;
        }
        // An analysis by a plugin of which no file was found yet would end with that.
        let files = u64::try_from(delivered.len() + [REPLACED, REMOVED].len())?;
        until_plugins("all files are found", |plugins| plugins.all() >= files + BUNDLED).await?;
        self.begin_all(&delivered).await?;
        let [stage, other] = self.stages;
        for (name, condition, _) in &conditions {
            let mut metric = metric(MEASURES);
            metric["successCondition"] = condition.as_str().into();
            begin(other, name, &[metric]).await?;
        }
        self.rollout.release(&v2(stage)).await?;
        innocent.rollout.release(&v2(innocent.rollout.stage())).await?;

        let plugins = delivered
            .iter()
            .map(|delivered| comes_as_expected(stage, delivered));
        let told = conditions
            .iter()
            .map(|(name, condition, words)| condition_is_told(other, name, condition, words));
        let (plugins, told, rollout, replaced, promoted) = tokio::join!(
            join_all(plugins),
            join_all(told),
            rollout_is_told(&self.rollout),
            replace_and_remove(&mut self.mounts, stage),
            is_promoted(&innocent),
        );
        let all = plugins.into_iter().chain(told).chain([rollout, replaced]);
        let all: Vec<_> = all.collect();
        let checked = all.len();
        let wrong: Vec<_> = all
            .into_iter()
            .filter_map(Result::err)
            .map(|error| format!("{error:#}"))
            .collect();
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        promoted?;
        innocent.ends_on("v2").await?;
        Ok(checked)
    }

    async fn begin_all(&self, delivered: &[Delivered]) -> Result<()> {
        let [stage, _] = self.stages;
        let names = delivered
            .iter()
            .map(|delivered| delivered.name)
            .chain([REPLACED, REMOVED]);
        try_join_all(names.map(async |name| begin(stage, name, &[metric(name)]).await)).await?;
        let copies = self
            .stages
            .iter()
            .flat_map(|stage| HEAVIEST.map(|plugin| (stage, plugin)));
        let copies = copies.flat_map(|copy| (0..ANALYSES_OF_EACH).map(move |number| (copy, number)));
        let begun = copies.map(async |((stage, plugin), number)| {
            begin(stage, &format!("{plugin}-{number}"), &[metric(plugin)]).await
        });
        try_join_all(begun).await.map(drop)
    }
}

async fn is_promoted(innocent: &Live) -> Result<()> {
    let promoted = innocent.rollout.until("to be promoted", |status| {
        status.phase == Phase::Healthy && status.stable_rs == status.current_pod_hash
    });
    promoted.await.map(drop)
}

async fn rollout_is_told(rollout: &Rollout) -> Result<()> {
    let status = rollout
        .until("to be aborted", |status| {
            status.abort && status.phase == Phase::Degraded
        })
        .await?;
    says(
        &status.message,
        "plugin infinite-loop ",
        &["fuel of 200000000", "limit fuel"],
    )
}

/// An analysis ends with the version that it began with, the next one gets the new version, and a broken file takes no
/// version's place. One whose plugin is gone is told so.
async fn replace_and_remove(mounts: &mut Mounts, stage: &Stage) -> Result<()> {
    for name in [REPLACED, REMOVED] {
        until(stage, name, "to measure", |status| counts(status).0 > 0).await?;
    }
    mounts.remove(REMOVED)?;
    let endless = plugins::conformance("infinite-loop")?;
    let gone = until(stage, REMOVED, "to fail", |status| counts(status).1 > 0).await?;
    says(
        &words(&gone),
        &format!("there is no plugin {REMOVED:?}"),
        &["those in service are"],
    )?;
    let files = [endless, damage::noise(1_000)];
    for (bytes, [marker, later]) in files.into_iter().zip(MARKERS_AND_LATER) {
        let before = until_plugins("the others are dealt with", |plugins| {
            plugins.loading <= NEVER_LOADED
        });
        let before = before.await?.in_service;
        mounts.bring(REPLACED, &bytes)?;
        // Files are dealt with in the order in which they are found, and then in that of their names: when this one was,
        // the other was, too.
        mounts.bring(marker, &plugins::conformance("good")?)?;
        until_plugins("the marker is in service", |plugins| plugins.in_service > before).await?;
        begin(stage, later, &[metric(REPLACED)]).await?;
        let failed = until(stage, later, "to fail", |status| counts(status).1 > 0).await?;
        says(
            &words(&failed),
            &format!("plugin {REPLACED} "),
            &["fuel of 200000000"],
        )?;
    }
    let (before, _) = counts(&until(stage, REPLACED, "to be there", |_| true).await?);
    let after = until(stage, REPLACED, "to go on", |status| counts(status).0 > before).await?;
    ensure!(counts(&after).1 == 0, "{after:?}");
    Ok(())
}

/// How many measurements were successful, and how many failed to measure.
fn counts(status: &RunStatus) -> (u32, u32) {
    let results = &status.metric_results;
    let successful = results.iter().map(|result| result.successful).sum();
    (successful, results.iter().map(|result| result.error).sum())
}
