//! Is no request lost when somebody changes his mind in the middle of a rollout, or the new version breaks?

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::PostParams;
use kulta_api::status::RolloutStatus;
use kulta_core::status::{ConditionType, Phase, Reason};
use kulta_e2e::app::{ERROR_RATE_VARIABLE, step};
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{Stage, Version};
use serde_json::json;

use crate::live::{HALF_WAY, Live, shop, v2, waits};

/// So long does a bad pod live, and so long may nothing move: shorter than the kubelet's first wait (10 s) before it
/// starts a crashed pod again.
const CRASH_AFTER: &str = "6s";
const PROGRESS_DEADLINE_SECONDS: u32 = 8;

pub(crate) async fn third_version_replaces_the_second_half_way(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let second = live.rollout.status().await?.current_pod_hash;
    // Its image fails some requests by itself, and here not one may fail.
    let third = Version::v3(&stage.settings().app).with(ERROR_RATE_VARIABLE, "0");
    live.rollout.release(&third).await?;
    let what = "to wait half way with the third version";
    let is_third = |hash: &Option<String>| *hash != second;
    live.rollout
        .until(what, |status| {
            is_third(&status.current_pod_hash) && waits(status, HALF_WAY, 50)
        })
        .await?;
    live.rollout.resume().await?;
    live.ends_on("v3").await
}

pub(crate) async fn rollback_half_way_skips_the_steps(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    live.rollout.release(&Version::v1(&stage.settings().app)).await?;
    live.ends_on("v1").await
}

pub(crate) async fn aborted_half_way_it_can_be_tried_again(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    live.rollout.abort().await?;
    let aborted = live
        .rollout
        .until("to let the canary go", |status| status.updated_replicas == 0)
        .await?;
    ensure!(
        aborted.phase == Phase::Degraded && is_in_force(&aborted, 0),
        "not aborted: {aborted:?}"
    );
    live.is_served_by("v1").await?;
    live.rollout.retry().await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn abort_at_the_very_last_step(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, shop(stage).steps([step::weight(100), step::pause()])).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(1, 100).await?;
    live.is_served_by("v2").await?;
    live.rollout.abort().await?;
    live.rollout
        .until("to let the canary go", |status| status.updated_replicas == 0)
        .await?;
    live.is_served_by("v1").await?;
    live.traffic.stop_without_failure().await.map(drop)
}

pub(crate) async fn full_promotion_skips_what_remains(stage: &Stage) -> Result<()> {
    let steps = [step::weight(20), step::pause(), step::weight(50), step::pause()];
    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(1, 20).await?;
    live.rollout.patch_status(&json!({ "promoteFull": true })).await?;
    live.ends_on("v2").await
}

pub(crate) async fn scaled_half_way_both_versions_follow(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    for (replicas, canary) in [(4, 2), (2, 1)] {
        live.rollout.patch_spec(&json!({ "replicas": replicas })).await?;
        let what = format!("to have {replicas} and {canary} pods");
        let scaled = |status: &RolloutStatus| {
            status.updated_replicas == canary
                && status.replicas == replicas + canary
                && status.available_replicas == replicas + canary
        };
        live.rollout.until(&what, scaled).await?;
        live.waits_at(HALF_WAY, 50).await?;
    }
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn changed_steps_begin_again(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let steps = [step::weight(10), step::pause(), step::weight(80), step::pause()];
    live.rollout
        .patch_spec(&json!({ "strategy": { "canary": { "steps": steps } } }))
        .await?;
    live.waits_at(1, 10).await?;
    live.rollout.resume().await?;
    live.waits_at(3, 80).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

/// Requests in the hands of a pod that crashes fail by nature; those of the stable version never do.
///
/// The second canary pod has no room, or the new version could be promoted in the seconds in which all of it lives.
pub(crate) async fn crashing_canary_loses_its_traffic_and_then_the_deadline(stage: &Stage) -> Result<()> {
    let steps = [step::weight(50), step::weight(80), step::pause()];
    let app = shop(stage)
        .steps(steps)
        .spec_field("progressDeadlineSeconds", PROGRESS_DEADLINE_SECONDS);
    let live = Live::start(stage, app).await?;
    allow_pods(stage, 3).await?;
    live.rollout
        .release(&v2(stage).with("SAMPLE_CRASH_AFTER", CRASH_AFTER))
        .await?;
    live.rollout
        .until("to have 50 % in force", |status| is_in_force(status, 50))
        .await?;
    live.takes_the_traffic_back().await?;
    live.rollout.until("to exceed its deadline", is_overdue).await?;
    live.rollout.abort().await?;
    live.rollout
        .until("to let the canary go", |status| status.updated_replicas == 0)
        .await?;
    live.is_served_by("v1").await?;
    let report = live.traffic.stop().await;
    let stable = report.total.versions.get("v1").copied().unwrap_or_default();
    ensure!(
        stable.failed == 0,
        "requests of the stable version failed:\n{report}"
    );
    Ok(())
}

async fn allow_pods(stage: &Stage, number: u32) -> Result<()> {
    let quota = json!({ "metadata": { "name": "pods" }, "spec": { "hard": { "pods": number.to_string() } } });
    let quotas = stage.api::<ResourceQuota>();
    quotas
        .create(&PostParams::default(), &serde_json::from_value(quota)?)
        .await?;
    let counted = |quota: Option<&ResourceQuota>| {
        let status = quota.and_then(|quota| quota.status.as_ref());
        status.is_some_and(|status| status.used.is_some())
    };
    stage
        .wait_for(quotas, "pods", "to count", counted)
        .await
        .map(drop)
}

fn is_overdue(status: &RolloutStatus) -> bool {
    let mut conditions = status.conditions.iter().map(|entry| &entry.condition);
    status.phase == Phase::Degraded
        && is_in_force(status, 0)
        && conditions.any(|condition| {
            condition.kind == ConditionType::Progressing
                && condition.reason == Reason::ProgressDeadlineExceeded
        })
}
