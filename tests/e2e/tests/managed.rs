//! Do testers meet the new version by a header, and nobody else? And does nothing of it stay behind?

use anyhow::{Result, ensure};
use kube::api::DynamicObject;
use kulta_api::status::RolloutStatus;
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::request::version_that_answers;
use kulta_e2e::{App, Stage, eventually, grpc_route_resource};
use serde_json::{Value, json};

use crate::live::Live;
use crate::shop::with;
use crate::{expect, live, shop};

/// The managed route of these scenarios.
const TESTERS: &str = "testers";
/// What testers send.
const HEADER: (&str, &str) = ("x-tester", "alice");
/// The step on which the applications of these scenarios wait.
const WITH_TESTERS: u32 = 2;

/// One canary pod for testers, and no weight.
fn for_testers(stage: &Stage) -> App {
    live::shop(stage).managed_routes([TESTERS]).steps([
        step::canary_pods(1),
        step::header_route(TESTERS, HEADER.0, HEADER.1),
        step::pause(),
        step::no_header_route(TESTERS),
    ])
}

/// Waits until requests with the header are answered by `version`: the data plane follows what the gateway has accepted.
async fn testers_meet(stage: &Stage, host: &str, version: &str) -> Result<()> {
    eventually(&format!("testers to meet {version}"), async || {
        let met = version_that_answers(stage, host, &[HEADER]).await?;
        Ok(met.filter(|met| met == version).map(drop))
    })
    .await
}

fn managed_rules(route: &DynamicObject) -> Vec<String> {
    let rules = route.data["spec"]["rules"].as_array();
    let names = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["name"].as_str());
    names
        .filter(|name| name.starts_with(TESTERS))
        .map(str::to_owned)
        .collect()
}

fn is_promoted(status: &RolloutStatus) -> bool {
    status.phase == Phase::Healthy && status.stable_rs == status.current_pod_hash
}

pub(crate) async fn testers_meet_the_new_version_and_nobody_else_does(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, for_testers(stage)).await?;
    let before = expect::route_spec(stage, shop::NAME).await?;
    live.rollout.release(&live::v2(stage)).await?;
    live.waits_at(WITH_TESTERS, 0).await?;

    testers_meet(stage, live.rollout.host(), "v2").await?;
    live.is_served_by("v1").await?;

    live.rollout.resume().await?;
    live.rollout.until("to be promoted", is_promoted).await?;
    let after = expect::route_spec(stage, shop::NAME).await?;
    ensure!(after == before, "{after} is not {before}");
    testers_meet(stage, live.rollout.host(), "v2").await?;
    live.ends_on("v2").await
}

pub(crate) async fn abort_takes_testers_back_without_a_failed_request(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, for_testers(stage)).await?;
    live.rollout.release(&live::v2(stage)).await?;
    live.waits_at(WITH_TESTERS, 0).await?;
    testers_meet(stage, live.rollout.host(), "v2").await?;

    live.rollout.abort().await?;
    live.rollout.until_aborted().await?;
    testers_meet(stage, live.rollout.host(), "v1").await?;
    let route = stage.routes().get(shop::NAME).await?;
    ensure!(managed_rules(&route).is_empty(), "{}", route.data["spec"]);
    live.traffic.stop_without_failure().await.map(drop)
}

pub(crate) async fn managed_rule_that_gitops_takes_away_comes_again(stage: &Stage) -> Result<()> {
    let app = for_testers(stage);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    rollout.release(&live::v2(stage)).await?;
    expect::paused_at(&rollout, WITH_TESTERS).await?;

    stage.merge(&app.route(stage)).await?;

    let is_there =
        |route: Option<&DynamicObject>| route.is_some_and(|route| !managed_rules(route).is_empty());
    stage
        .wait_for(
            stage.routes(),
            shop::NAME,
            "the managed rule to come again",
            is_there,
        )
        .await
        .map(drop)
}

pub(crate) async fn rule_of_somebody_with_such_a_name_is_told_and_left(stage: &Stage) -> Result<()> {
    let app = for_testers(stage);
    stage.create_all(&app.services()).await?;
    let route = with(&app.route(stage), "/spec/rules/0/name", TESTERS);
    stage.create_all(&[route, app.rollout()]).await?;
    let rollout = app.handle(stage);
    expect::invalid(&rollout, &["rules[0] is called \"testers\"", "another name"]).await?;

    let rules = expect::route_spec(stage, shop::NAME).await?["rules"].clone();
    ensure!(rules[0]["name"] == TESTERS && rules[1].is_null(), "{rules}");
    stage.merge(&app.route(stage)).await?;
    expect::healthy(&rollout).await.map(drop)
}

pub(crate) async fn copy_of_the_requests_to_the_canary_disturbs_nobody(stage: &Stage) -> Result<()> {
    let mirror =
        json!({ "setMirrorRoute": { "name": TESTERS, "match": [{ "method": { "exact": "GET" } }] } });
    let app =
        live::shop(stage)
            .managed_routes([TESTERS])
            .steps([step::canary_pods(1), mirror, step::pause()]);
    let live = Live::start(stage, app).await?;
    live.rollout.release(&live::v2(stage)).await?;
    live.waits_at(WITH_TESTERS, 0).await?;

    let rules = expect::route_spec(stage, shop::NAME).await?["rules"].clone();
    let mirrored = &rules[0]["filters"][0]["requestMirror"]["backendRef"]["name"];
    ensure!(*mirrored == live.app.canary_service(), "{rules}");
    live.is_served_by("v1").await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn grpc_route_gets_the_weights_and_the_managed_rules(stage: &Stage) -> Result<()> {
    let app = shop::half_way(stage).managed_routes([TESTERS]).steps([
        step::weight(50),
        step::header_route(TESTERS, HEADER.0, HEADER.1),
        step::pause(),
    ]);
    stage.create_all(&app.services()).await?;
    let mut route = with(&app.route(stage), "/kind", "GRPCRoute");
    let backends = route["spec"]["rules"][0]["backendRefs"].take();
    route["spec"]["rules"] = json!([{ "matches": [{ "method": { "service": "shop.Shop", "method": "Buy" } }], "backendRefs": backends }]);
    let routing = "/spec/strategy/canary/trafficRouting/gatewayAPI";
    let rollout = with(
        &app.rollout(),
        routing,
        json!({ "grpcRoutes": [{ "name": shop::NAME }] }),
    );
    stage.create_all(&[route, rollout]).await?;
    let rollout = app.handle(stage);
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, WITH_TESTERS).await?;
    let routes = stage.dynamic_api(&grpc_route_resource());
    let rules = routes.get(shop::NAME).await?.data["spec"]["rules"].clone();
    ensure!(weights(&rules[1]) == [50, 50], "{rules}");
    ensure!(
        rules[0]["name"] == TESTERS && rules[0]["matches"][0]["method"]["service"] == "shop.Shop",
        "{rules}"
    );
    ensure!(
        rules[0]["backendRefs"][0]["name"] == app.canary_service(),
        "{rules}"
    );

    rollout.resume().await?;
    expect::healthy(&rollout).await?;
    let rules = routes.get(shop::NAME).await?.data["spec"]["rules"].clone();
    ensure!(weights(&rules[0]) == [100, 0] && rules[1].is_null(), "{rules}");
    Ok(())
}

/// The weights of a rule, in the order of its backendRefs.
fn weights(rule: &Value) -> Vec<u64> {
    let backends = rule["backendRefs"].as_array();
    let weights = backends
        .into_iter()
        .flatten()
        .filter_map(|backend| backend["weight"].as_u64());
    weights.collect()
}
