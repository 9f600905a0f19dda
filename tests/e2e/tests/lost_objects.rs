//! What is left of a rollout when one of its objects is deleted in its middle, and made again?

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams};
use kulta_api::names::HASH_LABEL;
use kulta_core::status::{ConditionType, Phase};
use kulta_e2e::app::{names, step};
use kulta_e2e::{App, Stage};
use serde_json::Value;

use crate::expect;
use crate::live::{HALF_WAY, Live, half_way, shop, v2};

pub(crate) async fn wiped_status_keeps_stable_and_begins_again(stage: &Stage) -> Result<()> {
    let steps = [step::weight(20), step::pause(), step::weight(50), step::pause()];
    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(1, 20).await?;
    live.rollout.resume().await?;
    let before = live.waits_at(3, 50).await?;
    let pods = pods(stage, before.stable_rs.as_deref()).await?;
    live.rollout.patch_status(&Value::Null).await?;
    let after = live.waits_at(1, 20).await?;
    ensure!(
        after.stable_rs == before.stable_rs,
        "stable was {:?}, is {:?}",
        before.stable_rs,
        after.stable_rs
    );
    ensure!(
        pods == self::pods(stage, after.stable_rs.as_deref()).await?,
        "stable pods were replaced"
    );
    live.rollout.resume().await?;
    live.waits_at(3, 50).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn rollout_made_again_finds_its_orphaned_pods(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, shop(stage).steps(half_way())).await?;
    let before = live.rollout.status().await?;
    let pods = pods(stage, before.stable_rs.as_deref()).await?;
    make_again(stage, &live.app).await?;
    let after = live
        .rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    ensure!(after.stable_rs == before.stable_rs, "another revision: {after:?}");
    ensure!(
        pods == self::pods(stage, after.stable_rs.as_deref()).await?,
        "pods were replaced"
    );
    live.ends_on("v1").await
}

pub(crate) async fn rollout_made_again_half_way_keeps_stable_and_begins_again(stage: &Stage) -> Result<()> {
    let mut live = Live::half_way(stage).await?;
    let before = live.rollout.status().await?;
    let pods = pods(stage, before.stable_rs.as_deref()).await?;
    live.app = App::new(live.rollout.name(), v2(stage))
        .replicas(2)
        .steps(half_way());
    make_again(stage, &live.app).await?;
    let after = live.waits_at(HALF_WAY, 50).await?;
    ensure!(
        after.stable_rs == before.stable_rs,
        "stable was {:?}, is {:?}",
        before.stable_rs,
        after.stable_rs
    );
    ensure!(
        pods == self::pods(stage, after.stable_rs.as_deref()).await?,
        "stable pods were replaced"
    );
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn deleted_rollout_takes_its_replica_sets_along(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    live.traffic.stop_without_failure().await?;
    stage
        .rollouts()
        .delete(live.rollout.name(), &DeleteParams::background())
        .await?;
    for name in replica_sets(stage).await?.into_values() {
        let gone = |found: Option<&ReplicaSet>| found.is_none();
        stage
            .wait_for(stage.api::<ReplicaSet>(), &name, "to be gone", gone)
            .await?;
    }
    Ok(())
}

/// Else whoever goes back to a Deployment would be left with Services that select nothing.
pub(crate) async fn deleted_rollout_gives_its_services_back(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    live.traffic.stop_without_failure().await?;
    let rollout = live.rollout.name();

    stage
        .rollouts()
        .delete(rollout, &DeleteParams::background())
        .await?;

    for name in [live.app.stable_service(), live.app.canary_service()] {
        let given_back = |service: Option<&Service>| {
            let selector = service.and_then(|service| service.spec.as_ref()?.selector.as_ref());
            selector.is_some_and(|selector| !selector.contains_key(HASH_LABEL))
        };
        stage
            .wait_for(stage.api::<Service>(), &name, "to be given back", given_back)
            .await?;
    }
    Ok(())
}

/// The gateway takes deleted pods off its list faster than any weight: requests in between fail by nature.
pub(crate) async fn deleted_canary_replica_set_is_made_again(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let status = live.rollout.status().await?;
    delete_replica_set(stage, status.current_pod_hash.as_deref()).await?;
    live.takes_the_traffic_back().await?;
    live.waits_at(HALF_WAY, 50).await?;
    let healed = live.traffic.snapshot();
    live.rollout.resume().await?;
    live.settles_on("v2").await?;
    live.stops_without_failure_since(&healed).await
}

/// With it the old template is gone: what is left is the canary, and everything goes there. Requests fail by nature
/// while the stable Service has no pods: the gateway knows that before any weight can leave it.
pub(crate) async fn deleted_stable_replica_set_leaves_the_traffic_to_the_canary(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let status = live.rollout.status().await?;
    delete_replica_set(stage, status.stable_rs.as_deref()).await?;
    live.rollout
        .until("to trust the canary", |now| {
            now.stable_rs == status.current_pod_hash
        })
        .await?;
    live.settles_on("v2").await
}

/// Requests to a Service that is not there fail by nature; those after the weight has left it do not, nor those after
/// it has come back.
pub(crate) async fn deleted_canary_service_gives_the_traffic_back(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let name = live.app.canary_service();
    stage
        .api::<Service>()
        .delete(&name, &DeleteParams::default())
        .await?;
    let status = live.takes_the_traffic_back().await?;
    let invalid = status.conditions.iter().map(|entry| &entry.condition);
    let named = invalid.filter(|condition| condition.kind == ConditionType::InvalidSpec);
    ensure!(
        named
            .map(|condition| &condition.message)
            .any(|message| message.contains(&name)),
        "not named: {status:?}"
    );
    live.is_served_by("v1").await?;
    make_service(stage, &live.app, &name).await?;
    live.waits_at(HALF_WAY, 50).await?;
    // A data plane that has just learnt of the Service again may not know its pods with its first requests.
    live.serve(2).await?;
    let healed = live.traffic.snapshot();
    live.rollout.resume().await?;
    live.settles_on("v2").await?;
    live.stops_without_failure_since(&healed).await
}

/// Requests to a Service that is not there fail by nature.
pub(crate) async fn deleted_stable_service_is_taken_up_again(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let name = live.app.stable_service();
    stage
        .api::<Service>()
        .delete(&name, &DeleteParams::default())
        .await?;
    expect::invalid(&live.rollout, &[&format!("Service \"{name}\" not found")]).await?;
    make_service(stage, &live.app, &name).await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.settles_on("v2").await
}

/// Requests without a route fail by nature.
pub(crate) async fn deleted_route_is_taken_up_again(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    stage
        .routes()
        .delete(live.rollout.name(), &DeleteParams::default())
        .await?;
    let missing = format!(
        "HTTPRoute \"{}/{}\" not found",
        stage.namespace(),
        live.rollout.name()
    );
    expect::invalid(&live.rollout, &[&missing]).await?;
    let route = serde_json::from_value(live.app.route(stage))?;
    stage.routes().create(&PostParams::default(), &route).await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.settles_on("v2").await
}

/// Deletes the Rollout but not what belongs to it, and makes it again.
async fn make_again(stage: &Stage, app: &App) -> Result<()> {
    let rollout = serde_json::from_value(app.rollout())?;
    let name = app.handle(stage).name().to_owned();
    stage.rollouts().delete(&name, &DeleteParams::orphan()).await?;
    // It goes when its ReplicaSets have been released.
    let gone = |found: Option<&kube::api::DynamicObject>| found.is_none();
    stage
        .wait_for(stage.rollouts(), &name, "to be gone", gone)
        .await?;
    stage.rollouts().create(&PostParams::default(), &rollout).await?;
    Ok(())
}

async fn make_service(stage: &Stage, app: &App, name: &str) -> Result<()> {
    let manifests = app.services();
    let manifest = manifests
        .into_iter()
        .find(|service| service.pointer("/metadata/name") == Some(&name.into()));
    let service = serde_json::from_value(manifest.context("no such Service")?)?;
    stage
        .api::<Service>()
        .create(&PostParams::default(), &service)
        .await?;
    Ok(())
}

async fn delete_replica_set(stage: &Stage, hash: Option<&str>) -> Result<()> {
    let name = replica_sets(stage)
        .await?
        .remove(hash.unwrap_or_default())
        .context("no such ReplicaSet")?;
    stage
        .api::<ReplicaSet>()
        .delete(&name, &DeleteParams::background())
        .await?;
    Ok(())
}

/// Names of ReplicaSets by their revision.
async fn replica_sets(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let list = stage.api::<ReplicaSet>().list(&ListParams::default()).await?;
    let hash = |found: &ReplicaSet| found.labels().get(HASH_LABEL).cloned().unwrap_or_default();
    Ok(list
        .items
        .iter()
        .map(|found| (hash(found), found.name_any()))
        .collect())
}

/// Pods of a revision that are not leaving, and how often each was started again.
async fn pods(stage: &Stage, hash: Option<&str>) -> Result<BTreeMap<String, i32>> {
    let hash = hash.context("no revision")?;
    let selected = ListParams::default().labels(&format!("{HASH_LABEL}={hash},{}", names::APP_LABEL));
    let pods = stage.api::<Pod>().list(&selected).await?;
    let restarts = |pod: &Pod| {
        let containers = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        containers.map(|container| container.restart_count).sum()
    };
    let staying = pods
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    Ok(staying.map(|pod| (pod.name_any(), restarts(pod))).collect())
}
