//! Does blue-green send all users at once, back again, and none of them into nothing?

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, PostParams};
use kulta_api::status::RolloutStatus;
use kulta_core::history::FactKind;
use kulta_core::status::{PauseReason, Phase};
use kulta_e2e::app::names::SERVICE_PORT;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Stage, Traffic, Version};
use serde_json::{Value, json};

use crate::live::{Live, RATE, v2};
use crate::shop::{NAME, with};

/// The Service of the new version, and the route to it.
const PREVIEW: &str = "shop-preview";
/// Long enough that an old version is still up when a scenario asks for it again.
const LONG_SECONDS: u32 = 600;

/// The shop with two pods, whose Service is the active one; `fields` are those of `strategy.blueGreen` beside it.
fn shop(stage: &Stage, fields: &Value) -> App {
    let mut blue_green = json!({
        "activeService": NAME,
        "previewService": PREVIEW,
        "scaleDownDelaySeconds": 1,
        "abortScaleDownDelaySeconds": 1,
    });
    if let (Some(all), Some(fields)) = (blue_green.as_object_mut(), fields.as_object()) {
        all.extend(fields.clone());
    }
    App::new(NAME, Version::v1(&stage.settings().app))
        .replicas(2)
        .strategy(json!({ "blueGreen": blue_green }))
}

/// The shop with its first version, healthy and under load, and a way to look at its preview.
async fn start(stage: &Stage, fields: &Value) -> Result<Live> {
    let app = shop(stage, fields);
    for service in app.services() {
        let preview = with(&service, "/metadata/name", PREVIEW);
        let preview = serde_json::from_value(preview)?;
        stage
            .api::<Service>()
            .create(&PostParams::default(), &preview)
            .await?;
    }
    let route = with(&app.route(stage), "/metadata/name", PREVIEW);
    let route = with(&route, "/spec/hostnames/0", preview_host(stage));
    let route = with(&route, "/spec/rules/0/backendRefs/0/name", PREVIEW);
    let route: DynamicObject = serde_json::from_value(route)?;
    stage.routes().create(&PostParams::default(), &route).await?;
    Live::start(stage, app).await
}

/// The shop, whose route sends all users to either Service, with its first version, healthy and under load.
async fn start_by_route(stage: &Stage, fields: &Value) -> Result<Live> {
    let routes = json!({ "gatewayAPI": { "httpRoutes": [{ "name": NAME }] } });
    let app = shop(stage, &with(fields, "/trafficRouting", routes));
    for service in app.services() {
        let preview = with(&service, "/metadata/name", PREVIEW);
        stage.create_all(&[service, preview]).await?;
    }
    let backend = |name: &str, weight: u8| json!({ "name": name, "port": SERVICE_PORT, "weight": weight });
    let backends = json!([backend(NAME, 100), backend(PREVIEW, 0)]);
    let route = with(&app.route(stage), "/spec/rules/0/backendRefs", backends);
    stage.create_all(&[route, app.rollout()]).await?;
    let rollout = app.handle(stage);
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
    Ok(Live {
        app,
        rollout,
        traffic,
    })
}

fn preview_host(stage: &Stage) -> String {
    format!("preview.{}.test", stage.namespace())
}

/// The shop on its way to the second version, waiting for somebody to switch.
async fn waits_for_the_switch(stage: &Stage, fields: &Value) -> Result<Live> {
    let mut fields = fields.clone();
    fields["autoPromotionEnabled"] = json!(false);
    let live = start(stage, &fields).await?;
    live.rollout.release(&v2(stage)).await?;
    until_paused(&live).await?;
    Ok(live)
}

async fn until_paused(live: &Live) -> Result<()> {
    let reason = PauseReason::BlueGreenPause;
    let waits = live.rollout.until("to wait for the switch", |status| {
        status.phase == Phase::Paused && status.pause_conditions.iter().any(|pause| pause.reason == reason)
    });
    waits.await.map(drop)
}

pub(crate) async fn preview_serves_the_new_version_until_all_users_are_switched(stage: &Stage) -> Result<()> {
    let live = waits_for_the_switch(stage, &json!({})).await?;

    let preview = Traffic::start(stage, &preview_host(stage), RATE).await?;
    preview.sent(u64::from(RATE)).await?;
    let report = preview.stop_without_failure().await?;
    ensure!(
        report.total.answers_of("v2") == report.total.sent,
        "the preview is not all v2:\n{report}"
    );
    live.is_served_by("v1").await?;

    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.rollout
        .until("to have let the old pods go", |status| {
            status.replicas == status.updated_replicas
        })
        .await?;
    live.ends_on("v2").await
}

pub(crate) async fn preview_of_one_pod_becomes_whole_before_users_come(stage: &Stage) -> Result<()> {
    let live = waits_for_the_switch(stage, &json!({ "previewReplicaCount": 1 })).await?;
    let status = live.rollout.status().await?;
    ensure!(
        (status.updated_replicas, status.available_replicas) == (1, 2),
        "a preview of one pod beside two was asked for: {status:?}"
    );

    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn abort_before_the_switch_is_met_by_no_user(stage: &Stage) -> Result<()> {
    let live = waits_for_the_switch(stage, &json!({})).await?;

    live.rollout.abort().await?;
    live.rollout.until_aborted().await?;
    live.rollout
        .until("to have let the new version go", |status| {
            status.updated_replicas == 0
        })
        .await?;
    live.is_served_by("v1").await?;

    live.rollout.retry().await?;
    until_paused(&live).await?;
    live.is_served_by("v1").await?;
    live.traffic.stop_without_failure().await.map(drop)
}

/// A measurement that no version passes: every request counts as a bad one.
fn never_passed(stage: &Stage) -> Value {
    let requests = format!(
        r#"sum(increase(http_requests_total{{namespace="{}",rollouts_pod_template_hash="$(canary-hash)"}}[10s]))"#,
        stage.namespace()
    );
    json!({
        "name": "error-rate",
        "interval": "2s",
        "count": 3,
        "provider": { "plugin": { "prometheus": { "errorRate": {
            "bad": requests,
            "total": requests,
            "limit": 0.01,
            "minimumRequests": 20,
        } } } },
    })
}

pub(crate) async fn version_that_fails_after_the_switch_is_taken_back(stage: &Stage) -> Result<()> {
    let analysis = json!({ "metrics": [never_passed(stage)] });
    let live = start(stage, &json!({ "postPromotionAnalysis": analysis })).await?;
    is_taken_back(stage, live).await
}

pub(crate) async fn version_that_fails_after_the_switch_is_taken_back_by_the_route(
    stage: &Stage,
) -> Result<()> {
    let analysis = json!({ "metrics": [never_passed(stage)] });
    let live = start_by_route(stage, &json!({ "postPromotionAnalysis": analysis })).await?;
    is_taken_back(stage, live).await
}

pub(crate) async fn route_sends_all_users_to_the_new_version_and_home(stage: &Stage) -> Result<()> {
    let live = start_by_route(stage, &json!({ "autoPromotionEnabled": false })).await?;
    live.rollout.release(&v2(stage)).await?;
    until_paused(&live).await?;
    live.is_served_by("v1").await?;

    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    let is_home = |status: &RolloutStatus| {
        status.phase == Phase::Healthy && is_in_force(status, 0) && status.replicas == status.updated_replicas
    };
    live.rollout
        .until("to be home, with the old pods gone", is_home)
        .await?;
    live.ends_on("v2").await
}

/// The second version fails its analysis after the switch, and the first one serves all users again.
async fn is_taken_back(stage: &Stage, live: Live) -> Result<()> {
    let before = live.rollout.status().await?;

    live.rollout.release(&v2(stage)).await?;
    live.rollout
        .until("to switch", |status| {
            let blue_green = status.blue_green.as_ref();
            let active = blue_green.and_then(|blue_green| blue_green.active_selector.as_ref());
            active.is_some() && active == status.current_pod_hash.as_ref()
        })
        .await?;
    let status = live.rollout.until_aborted().await?;

    ensure!(
        status.message.contains("Blue/green post-promotion analysis"),
        "the message does not say why: {}",
        status.message
    );
    ensure!(
        status.stable_rs == before.stable_rs,
        "another version is stable: {status:?}"
    );
    live.rollout
        .until("to be told restored", |status| {
            status.history.iter().any(|fact| fact.kind == FactKind::Restored)
        })
        .await?;
    live.is_served_by("v1").await?;
    live.traffic.stop_without_failure().await.map(drop)
}

pub(crate) async fn version_that_is_still_up_is_gone_back_to_at_once(stage: &Stage) -> Result<()> {
    let live = waits_for_the_switch(stage, &json!({ "scaleDownDelaySeconds": LONG_SECONDS })).await?;
    live.rollout.resume().await?;
    let forward = live.rollout.until_promoted().await?;
    live.is_served_by("v2").await?;

    live.rollout.release(&Version::v1(&stage.settings().app)).await?;
    let back = live
        .rollout
        .until("to be promoted again", |status| {
            status.phase == Phase::Healthy && status.stable_rs != forward.stable_rs
        })
        .await?;

    let pauses = |history: &[kulta_core::history::Fact]| {
        history
            .iter()
            .filter(|fact| fact.kind == FactKind::Paused)
            .count()
    };
    ensure!(
        pauses(&back.history) == pauses(&forward.history),
        "it has paused on the way back: {back:?}"
    );
    live.ends_on("v1").await
}
