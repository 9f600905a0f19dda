//! How many pods do the versions have while a canary is under way?

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use kulta_e2e::app::step;
use kulta_e2e::rollout::{is_in_force, requested_weight};
use kulta_e2e::{App, Rollout, Stage, Version};
use serde_json::json;

use crate::{expect, shop};

pub(crate) async fn canary_without_routing_goes_through_its_steps_by_numbers_of_pods(
    stage: &Stage,
) -> Result<()> {
    let steps = [step::weight(25), step::pause(), step::weight(50), step::pause()];
    let app = App::new(shop::NAME, Version::v1(&stage.settings().app))
        .without_routing()
        .steps(steps)
        .canary_field("maxSurge", 1)
        .canary_field("maxUnavailable", 0);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    for (step, current) in [(1, 1), (3, 2)] {
        expect::paused_at(&rollout, step).await?;
        expect::pods(&rollout, current, 4 - current).await?;
        rollout.resume().await?;
    }
    let status = expect::healthy(&rollout).await?;
    ensure!(
        (status.updated_replicas, status.replicas) == (4, 4),
        "all pods are new: {status:?}"
    );
    Ok(())
}

pub(crate) async fn canary_scale_sizes_the_canary_apart_from_its_weight(stage: &Stage) -> Result<()> {
    let scale = |what| json!({ "setCanaryScale": what });
    let steps = [
        scale(json!({ "replicas": 2 })),
        step::pause(),
        scale(json!({ "matchTrafficWeight": true })),
        step::weight(50),
        step::pause(),
    ];
    let rollout = deployed(stage, shop::small(stage).replicas(2).steps(steps)).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    let status = expect::pods(&rollout, 2, 2).await?;
    ensure!(requested_weight(&status) == Some(0), "pods only: {status:?}");
    rollout.resume().await?;
    expect::paused_at(&rollout, 4).await?;
    let status = expect::pods(&rollout, 1, 2).await?;
    ensure!(is_in_force(&status, 50), "half of the traffic: {status:?}");
    Ok(())
}

pub(crate) async fn dynamic_stable_shrinks_as_traffic_leaves_and_grows_back_on_abort(
    stage: &Stage,
) -> Result<()> {
    let app = App::new(shop::NAME, Version::v1(&stage.settings().app))
        .replicas(2)
        .steps([step::weight(50), step::pause()])
        .canary_field("dynamicStableScale", true);
    let rollout = deployed(stage, app).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    expect::pods(&rollout, 1, 1).await?;
    rollout.abort().await?;
    let status = expect::pods(&rollout, 0, 2).await?;
    ensure!(is_in_force(&status, 0), "all traffic is back: {status:?}");
    Ok(())
}

pub(crate) async fn canary_has_the_least_number_of_pods_asked_for(stage: &Stage) -> Result<()> {
    let app = shop::half_way(stage).steps([step::weight(10), step::pause()]);
    let rollout = deployed(stage, app.canary_field("minPodsPerReplicaSet", 2)).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    expect::pods(&rollout, 2, 2).await.map(drop)
}

pub(crate) async fn scaling_in_mid_rollout_sizes_both_versions(stage: &Stage) -> Result<()> {
    let rollout = deployed(stage, shop::half_way(stage)).await?;
    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;

    scale(&rollout, 4).await?;
    let status = expect::pods(&rollout, 2, 4).await?;
    ensure!(is_in_force(&status, 50), "the weight stays: {status:?}");
    scale(&rollout, 2).await?;
    let status = expect::pods(&rollout, 1, 2).await?;
    ensure!(is_in_force(&status, 50), "the weight stays: {status:?}");

    let seen = stage
        .rollouts()
        .get_scale(rollout.name())
        .await?
        .status
        .context("a scale without a status")?;
    ensure!(
        (seen.replicas, seen.selector.as_deref()) == (3, Some("app=shop")),
        "an autoscaler sees {seen:?}"
    );
    rollout.resume().await?;
    expect::healthy(&rollout).await.map(drop)
}

async fn deployed(stage: &Stage, app: App) -> Result<Rollout> {
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    Ok(rollout)
}

/// As a horizontal autoscaler does.
async fn scale(rollout: &Rollout, replicas: u32) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let rollouts = rollout.stage().rollouts();
    rollouts
        .patch_scale(rollout.name(), &PatchParams::default(), &patch)
        .await
        .map(drop)
        .context("scaling")
}
