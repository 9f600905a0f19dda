//! Does a routed canary move live traffic as its steps say, and back?

use anyhow::{Result, ensure};
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Stage, Traffic, Version, limits};
use serde_json::json;

use crate::expect;

/// Light enough for scenarios that play side by side on two processors.
const RATE: u32 = 300;

fn shop(stage: &Stage) -> App {
    App::new("shop", Version::v1(&stage.settings().app))
        .canary_field("scaleDownDelaySeconds", 1)
        .canary_field("abortScaleDownDelaySeconds", 1)
}

pub(crate) async fn first_deploy_becomes_healthy(stage: &Stage) -> Result<()> {
    let rollout = shop(stage)
        .steps([step::weight(10), step::pause()])
        .deploy(stage)
        .await?;
    let status = rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    ensure!(
        status.available_replicas == 4,
        "4 pods were asked for: {status:?}"
    );
    ensure!(
        status.stable_rs.is_some() && status.stable_rs == status.current_pod_hash,
        "not stable: {status:?}"
    );
    let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
    traffic.sent(u64::from(RATE)).await?;
    let report = traffic.stop_without_failure().await?;
    ensure!(
        report.total.answers_of("v1") == report.total.sent,
        "not all by v1:\n{report}"
    );
    Ok(())
}

pub(crate) async fn canary_moves_traffic_by_steps_without_a_failed_request(stage: &Stage) -> Result<()> {
    let steps = [10, 50, 100].map(|percent| [step::weight(percent), step::pause()]);
    let rollout = shop(stage)
        .steps(steps.into_iter().flatten())
        .deploy(stage)
        .await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
    rollout.release(&Version::v2(&stage.settings().app)).await?;
    for percent in [10, 50, 100] {
        traffic
            .measure(&rollout, "v2", percent, limits::MEASURED_ANSWERS)
            .await?
            .check()?;
        rollout.resume().await?;
    }
    rollout.until_promoted().await?;
    rollout
        .until("to have let the old pods go", |status| {
            status.replicas == status.updated_replicas
        })
        .await?;
    traffic.stop_without_failure().await?;
    Ok(())
}

pub(crate) async fn abort_returns_traffic_to_stable_without_a_failed_request(stage: &Stage) -> Result<()> {
    let steps = [step::weight(50), step::pause(), step::weight(100)];
    let rollout = shop(stage).steps(steps).deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
    rollout.release(&Version::v2(&stage.settings().app)).await?;
    rollout
        .until("to have 50 % in force", |status| is_in_force(status, 50))
        .await?;
    rollout.abort().await?;
    traffic
        .measure(&rollout, "v2", 0, limits::MEASURED_ANSWERS)
        .await?
        .check()?;
    let aborted = rollout
        .until("to have let the canary go", |status| status.updated_replicas == 0)
        .await?;
    ensure!(
        aborted.phase == Phase::Degraded,
        "an aborted rollout is Degraded: {aborted:?}"
    );
    traffic.stop_without_failure().await?;
    Ok(())
}

pub(crate) async fn weights_are_parts_of_the_whole_that_the_rollout_names(stage: &Stage) -> Result<()> {
    let app = shop(stage).replicas(1).steps([step::weight(5), step::pause()]);
    let rollout = app.deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let parts = json!({"strategy": {"canary": {"trafficRouting": {"maxTrafficWeight": 1000}}}});
    rollout.patch_spec(&parts).await?;
    rollout.release(&Version::v2(&stage.settings().app)).await?;
    let paused = expect::paused_at(&rollout, 1).await?;
    ensure!(is_in_force(&paused, 5), "not 5 of 1000: {paused:?}");
    ensure!(
        weights(stage).await? == [Some(995), Some(5)],
        "the route has other weights"
    );

    rollout.resume().await?;
    rollout.until_promoted().await?;
    rollout
        .until("to have all traffic back", |status| is_in_force(status, 0))
        .await?;
    ensure!(
        weights(stage).await? == [Some(1000), Some(0)],
        "the route has other weights"
    );
    Ok(())
}

/// Of the stable and of the canary Service, as they are in the route.
async fn weights(stage: &Stage) -> Result<[Option<u64>; 2]> {
    let route = stage.routes().get("shop").await?;
    let weight = |index| {
        let pointer = format!("/spec/rules/0/backendRefs/{index}/weight");
        route.data.pointer(&pointer).and_then(serde_json::Value::as_u64)
    };
    Ok([weight(0), weight(1)])
}
