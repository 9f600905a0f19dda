//! Does a rollout go on where it was when the controller or the API server ends in its middle?

use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use kulta_api::status::RolloutStatus;
use kulta_core::history::{Fact, FactKind};
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Controller, Stage};
use kulta_test_cluster::{Cluster, Component};

use crate::live::{HALF_WAY, Live, half_way, shop, v2};

/// A rollout with an abort and a retry in it. At each of these points the controller is killed and started again:
/// after the change of the template, when the canary has a pod, at each weight as soon as it is in the route, in a
/// pause, after a resume, an abort, a retry, and at the promotion.
pub(crate) async fn killed_at_ten_points_it_loses_and_repeats_nothing(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    let steps = [step::weight(20), step::pause(), step::weight(50), step::pause()];
    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    let rollout = &live.rollout;
    rollout.release(&v2(stage)).await?;
    crash(controller).await?;
    rollout
        .until("to have a canary pod", |status| status.updated_replicas > 0)
        .await?;
    crash(controller).await?;
    until_written(&live, 20).await?;
    crash(controller).await?;
    live.waits_at(1, 20).await?;
    crash(controller).await?;
    rollout.resume().await?;
    crash(controller).await?;
    until_written(&live, 50).await?;
    crash(controller).await?;
    live.waits_at(3, 50).await?;
    rollout.abort().await?;
    crash(controller).await?;
    until_written(&live, 0).await?;
    crash(controller).await?;
    rollout
        .until("to have 0 % in force", |status| is_in_force(status, 0))
        .await?;
    rollout.retry().await?;
    crash(controller).await?;
    live.waits_at(1, 20).await?;
    rollout.resume().await?;
    live.waits_at(3, 50).await?;
    rollout.resume().await?;
    rollout
        .until("to be promoted", |status| {
            status.stable_rs == status.current_pod_hash
        })
        .await?;
    crash(controller).await?;
    let status = rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    check_history(&status)?;
    live.ends_on("v2").await
}

pub(crate) async fn stopped_gracefully_it_goes_on_where_it_was(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    let live = Live::start(stage, shop(stage).steps([step::weight(50), step::pause_for(2)])).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    controller.stop().await?;
    // Longer than the pause: it ends while nobody looks.
    live.serve(3).await?;
    controller.start()?;
    live.ends_on("v2").await
}

/// The pods of the first version stay for longer than a gateway's watches may take to come back after an outage: until
/// then it sends to the pods that it knew.
fn shop_that_outlives_an_outage(stage: &Stage) -> App {
    shop(stage).canary_field("scaleDownDelaySeconds", 60)
}

/// Restarted as soon as the template has changed: the controller is about to write.
pub(crate) async fn api_server_restarted_in_mid_rollout(stage: &Stage, _: &mut Controller) -> Result<()> {
    let live = Live::start(stage, shop_that_outlives_an_outage(stage).steps(half_way())).await?;
    live.rollout.release(&v2(stage)).await?;
    on_cluster(stage, |cluster| cluster.restart_component(Component::ApiServer)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn pause_that_ends_while_the_api_server_is_down(
    stage: &Stage,
    _: &mut Controller,
) -> Result<()> {
    let live = Live::start(
        stage,
        shop_that_outlives_an_outage(stage).steps([step::weight(50), step::pause_for(3)]),
    )
    .await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    on_cluster(stage, |cluster| cluster.stop_component(Component::ApiServer)).await?;
    let served = live.serve(5).await;
    on_cluster(stage, |cluster| cluster.start_component(Component::ApiServer)).await?;
    served?;
    live.ends_on("v2").await
}

pub(crate) async fn crash(controller: &mut Controller) -> Result<()> {
    // One that has ended by itself would be started again here, and nobody would know.
    controller.check()?;
    controller.kill().await?;
    controller.start()
}

/// The moment between the write of the route and that of the status.
async fn until_written(live: &Live, weight: u64) -> Result<()> {
    let written = |route: Option<&DynamicObject>| {
        let found = route.and_then(|route| route.data.pointer("/spec/rules/0/backendRefs/1/weight"));
        found.and_then(serde_json::Value::as_u64) == Some(weight)
    };
    let stage = live.rollout.stage();
    let what = format!("to give the canary {weight} %");
    stage
        .wait_for(stage.routes(), live.rollout.name(), &what, written)
        .await
        .map(drop)
}

async fn on_cluster(stage: &Stage, work: impl FnOnce(&Cluster) -> Result<()> + Send + 'static) -> Result<()> {
    let cluster = stage.cluster()?;
    tokio::task::spawn_blocking(move || work(&cluster)).await?
}

/// The numbers rise by one, and nothing is told twice.
fn check_history(status: &RolloutStatus) -> Result<()> {
    let history = &status.history;
    let in_order = history
        .iter()
        .zip(1..)
        .all(|(fact, number)| fact.sequence == number);
    ensure!(in_order, "a gap or a double: {history:#?}");
    ensure!(
        history.is_sorted_by_key(|fact| fact.time),
        "times go back: {history:#?}"
    );
    let current = status.current_pod_hash.as_deref();
    for kind in [
        FactKind::Started,
        FactKind::Aborted,
        FactKind::Retried,
        FactKind::Promoted,
    ] {
        let told = history
            .iter()
            .filter(|fact| fact.kind == kind && fact.revision.as_deref() == current)
            .count();
        ensure!(told == 1, "{kind:?} was told {told} times: {history:#?}");
    }
    let retried = history
        .iter()
        .position(|fact| fact.kind == FactKind::Retried)
        .context("no retry")?;
    let after: Vec<&Fact> = history.iter().skip(retried).collect();
    let completed: Vec<_> = after
        .iter()
        .filter(|fact| fact.kind == FactKind::StepCompleted)
        .collect();
    ensure!(
        completed.iter().map(|fact| fact.step).eq((0..4).map(Some)),
        "not each step once: {history:#?}"
    );
    let weights: Vec<_> = history
        .iter()
        .filter(|fact| fact.kind == FactKind::WeightRequested)
        .collect();
    let repeated = weights
        .windows(2)
        .any(|pair| matches!(pair, [one, next] if one.weight == next.weight));
    ensure!(!repeated, "a weight was asked for twice: {history:#?}");
    Ok(())
}
