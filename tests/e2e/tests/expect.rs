//! What scenarios expect of a Rollout, in a word.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;
use kulta_api::status::RolloutStatus;
use kulta_core::status::{Condition, ConditionType, Phase, Reason};
use kulta_e2e::{Rollout, Stage};
use serde_json::Value;

/// The condition of this type, if there is one.
pub(crate) fn find(status: &RolloutStatus, kind: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .map(|entry| &entry.condition)
        .find(|condition| condition.kind == kind)
}

/// Becomes Healthy, with nothing left that was complained of.
pub(crate) async fn healthy(rollout: &Rollout) -> Result<RolloutStatus> {
    let complaints = [
        ConditionType::InvalidSpec,
        ConditionType::ReplicaFailure,
        ConditionType::RouteNotAccepted,
    ];
    let content = |status: &RolloutStatus| complaints.into_iter().all(|kind| find(status, kind).is_none());
    rollout
        .until("to be healthy", |status| {
            status.phase == Phase::Healthy && content(status)
        })
        .await
}

/// Is told of something, in words that name what is wrong, where, and the way to mend it.
pub(crate) async fn told(
    rollout: &Rollout,
    kind: ConditionType,
    reason: Reason,
    words: &[&str],
) -> Result<RolloutStatus> {
    let what = format!("to have the condition {kind:?} with the reason {reason:?} and the words {words:?}");
    let holds = |condition: &Condition| {
        condition.reason == reason && words.iter().all(|word| condition.message.contains(word))
    };
    rollout
        .until(&what, |status| find(status, kind).is_some_and(holds))
        .await
}

/// Is told that its spec, or what it refers to, can't be worked with.
pub(crate) async fn invalid(rollout: &Rollout, words: &[&str]) -> Result<RolloutStatus> {
    let status = told(rollout, ConditionType::InvalidSpec, Reason::InvalidSpec, words).await?;
    ensure!(
        status.phase == Phase::Degraded,
        "an invalid Rollout is Degraded: {status:?}"
    );
    Ok(status)
}

/// Waits in the pause that is its step number `step`, from 0.
pub(crate) async fn paused_at(rollout: &Rollout, step: u32) -> Result<RolloutStatus> {
    let what = format!("to be paused at step {step}");
    let holds = |status: &RolloutStatus| {
        status.phase == Phase::Paused
            && status.current_step_index == Some(step)
            && !status.pause_conditions.is_empty()
    };
    rollout.until(&what, holds).await
}

/// Has so many pods of the current version and so many of others, all available.
pub(crate) async fn pods(rollout: &Rollout, current: u32, others: u32) -> Result<RolloutStatus> {
    let what = format!("to have {current} current and {others} other pods");
    let all = current + others;
    let holds = |status: &RolloutStatus| {
        (
            status.updated_replicas,
            status.replicas,
            status.available_replicas,
        ) == (current, all, all)
    };
    rollout.until(&what, holds).await
}

/// The UIDs of all pods: the same as long as none was restarted.
pub(crate) async fn pod_uids(stage: &Stage) -> Result<Vec<String>> {
    let pods = stage.api::<Pod>().list_metadata(&ListParams::default()).await?;
    let mut uids: Vec<String> = pods.items.iter().filter_map(ResourceExt::uid).collect();
    uids.sort();
    Ok(uids)
}

/// The spec of a route as it is stored.
pub(crate) async fn route_spec(stage: &Stage, name: &str) -> Result<Value> {
    let mut route = stage.routes().get(name).await?;
    route
        .data
        .get_mut("spec")
        .map(Value::take)
        .context("a route without a spec")
}
