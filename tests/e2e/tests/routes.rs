//! What of a route does a canary change, and what becomes of a route that nobody accepts?

use std::sync::Arc;

use anyhow::{Result, ensure};
use kulta_core::status::{ConditionType, Reason};
use kulta_e2e::app::step;
use kulta_e2e::{NamespaceName, Stage};
use serde_json::{Value, json};

use crate::shop::with;
use crate::{expect, shop};

pub(crate) async fn every_route_of_a_rollout_gets_the_weights(stage: &Stage) -> Result<()> {
    let app = shop::half_way(stage);
    app.deploy_surroundings(stage).await?;
    let second = with(&app.route(stage), "/metadata/name", "shop-second");
    stage
        .create(&with(
            &second,
            "/spec/hostnames/0",
            format!("second-{}", app.host(stage)),
        ))
        .await?;
    let routes = json!([{ "name": "shop" }, { "name": "shop-second" }]);
    let pointer = "/spec/strategy/canary/trafficRouting/gatewayAPI/httpRoutes";
    stage.create(&with(&app.rollout(), pointer, routes)).await?;
    let rollout = app.handle(stage);
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    for route in ["shop", "shop-second"] {
        ensure!(
            weights(&expect::route_spec(stage, route).await?, 0) == [50, 50],
            "not the weights in {route}"
        );
    }
    rollout.resume().await?;
    expect::healthy(&rollout).await?;
    for route in ["shop", "shop-second"] {
        ensure!(
            weights(&expect::route_spec(stage, route).await?, 0) == [100, 0],
            "not the weights in {route}"
        );
    }
    Ok(())
}

pub(crate) async fn only_the_two_weights_of_a_route_are_changed(stage: &Stage) -> Result<()> {
    let app = shop::half_way(stage);
    stage.create_all(&app.services()).await?;
    let extra = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "shop-extra" },
        "spec": { "selector": { "app": "shop" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    });
    stage
        .create_all(&[
            extra,
            with(&app.route(stage), "/spec/rules", rich_rules()),
            app.rollout(),
        ])
        .await?;
    let before = stage.routes().get(shop::NAME).await?;
    let rollout = app.handle(stage);
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    let expected = with(&before.data["spec"], "/rules/0/backendRefs/1/weight", 50);
    let expected = with(&expected, "/rules/0/backendRefs/2/weight", 50);
    let after = stage.routes().get(shop::NAME).await?;
    ensure!(
        after.data["spec"] == expected,
        "{} is not {expected}",
        after.data["spec"]
    );
    ensure!(
        after.metadata.annotations == before.metadata.annotations,
        "annotations have changed"
    );
    ensure!(
        after.metadata.labels == before.metadata.labels,
        "labels have changed"
    );

    rollout.resume().await?;
    expect::healthy(&rollout).await?;
    let last = expect::route_spec(stage, shop::NAME).await?;
    ensure!(
        last == before.data["spec"],
        "{last} is not {}",
        before.data["spec"]
    );
    Ok(())
}

pub(crate) async fn route_and_services_of_the_same_names_elsewhere_are_untouched(
    stage: &Stage,
) -> Result<()> {
    let elsewhere = Stage::open(Arc::new(stage.settings().clone()), NamespaceName::Fresh("e2e")).await?;
    let done = neighbour_is_untouched(stage, &elsewhere).await;
    elsewhere.close().await?;
    done
}

async fn neighbour_is_untouched(stage: &Stage, elsewhere: &Stage) -> Result<()> {
    let app = shop::half_way(stage);
    app.deploy_surroundings(elsewhere).await?;
    let weights = with(&app.route(elsewhere), "/spec/rules/0/backendRefs/0/weight", 70);
    elsewhere
        .merge(&with(&weights, "/spec/rules/0/backendRefs/1/weight", 30))
        .await?;
    let before = expect::route_spec(elsewhere, shop::NAME).await?;
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    rollout.resume().await?;
    expect::healthy(&rollout).await?;

    let after = expect::route_spec(elsewhere, shop::NAME).await?;
    ensure!(after == before, "{after} is not {before}");
    Ok(())
}

pub(crate) async fn two_rollouts_on_one_route_move_only_their_own_weights(stage: &Stage) -> Result<()> {
    let steps = |percent| [step::weight(percent), step::pause()];
    let (first, second) = (
        shop::small(stage).steps(steps(20)),
        shop::named(stage, "cart").steps(steps(40)),
    );
    stage.create_all(&first.services()).await?;
    stage.create_all(&second.services()).await?;
    let rules = [("/", &first), ("/cart", &second)].map(|(path, app)| {
        let matches = json!([{ "path": { "type": "PathPrefix", "value": path } }]);
        with(&app.route(stage)["spec"]["rules"][0], "/matches", matches)
    });
    stage
        .create(&with(&first.route(stage), "/spec/rules", rules.to_vec()))
        .await?;
    let pointer = "/spec/strategy/canary/trafficRouting/gatewayAPI/httpRoutes/0/name";
    stage
        .create_all(&[first.rollout(), with(&second.rollout(), pointer, shop::NAME)])
        .await?;
    let (first, second) = (first.handle(stage), second.handle(stage));
    expect::healthy(&first).await?;
    expect::healthy(&second).await?;

    let version = shop::v2(stage);
    tokio::try_join!(first.release(&version), second.release(&version))?;
    expect::paused_at(&first, 1).await?;
    expect::paused_at(&second, 1).await?;
    let route = expect::route_spec(stage, shop::NAME).await?;
    ensure!(
        (weights(&route, 0), weights(&route, 1)) == (vec![80, 20], vec![60, 40]),
        "not their weights: {route}"
    );

    first.resume().await?;
    expect::healthy(&first).await?;
    let route = expect::route_spec(stage, shop::NAME).await?;
    ensure!(
        (weights(&route, 0), weights(&route, 1)) == (vec![100, 0], vec![60, 40]),
        "not their weights: {route}"
    );
    Ok(())
}

pub(crate) async fn parent_that_never_answers_is_named_after_the_deadline(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    stage.create_all(&app.services()).await?;
    let nobody = json!({ "namespace": stage.settings().gateway.namespace, "name": "nobody" });
    stage
        .create_all(&[with_parent(&app.route(stage), nobody), app.rollout()])
        .await?;
    let rollout = app.handle(stage);

    let words = ["/shop\"", "/nobody", "remove it from parentRefs"];
    expect::told(
        &rollout,
        ConditionType::RouteNotAccepted,
        Reason::RouteSilent,
        &words,
    )
    .await?;
    stage.merge(&app.route(stage)).await?;
    expect::healthy(&rollout).await.map(drop)
}

pub(crate) async fn route_that_the_gateway_rejects_holds_the_weight_until_it_is_mended(
    stage: &Stage,
) -> Result<()> {
    let app = shop::half_way(stage);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    stage
        .merge(&with(
            &app.route(stage),
            "/spec/parentRefs/0/sectionName",
            "no-such-listener",
        ))
        .await?;
    let words = ["/shop\"", "no-such-listener"];
    expect::told(
        &rollout,
        ConditionType::RouteNotAccepted,
        Reason::RouteRejected,
        &words,
    )
    .await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::pods(&rollout, 1, 2).await?;
    let route = expect::route_spec(stage, shop::NAME).await?;
    ensure!(
        weights(&route, 0) == [100, 0],
        "a rejected route gets no new weight: {route}"
    );

    stage.merge(&app.route(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    rollout.resume().await?;
    expect::healthy(&rollout).await.map(drop)
}

/// Rules with everything that is not KULTA's.
fn rich_rules() -> Value {
    let header = |name: &str| json!({ "type": "RequestHeaderModifier", "requestHeaderModifier": { "set": [{ "name": name, "value": "yes" }] } });
    json!([
        {
            "name": "split",
            "matches": [
                { "path": { "type": "PathPrefix", "value": "/" }, "headers": [{ "name": "x-team", "value": "web" }] },
                { "path": { "type": "PathPrefix", "value": "/" } },
            ],
            "filters": [header("x-rule")],
            "timeouts": { "request": "10s", "backendRequest": "5s" },
            "backendRefs": [
                { "name": "shop-extra", "port": 80, "weight": 7 },
                { "name": "shop-stable", "port": 80, "weight": 100, "filters": [header("x-stable")] },
                { "name": "shop-canary", "port": 80, "weight": 0 },
            ],
        },
        {
            "matches": [{ "path": { "type": "Exact", "value": "/pinned" }, "method": "GET" }],
            "backendRefs": [{ "name": "shop-stable", "port": 80, "weight": 3 }],
        },
    ])
}

fn with_parent(route: &Value, parent: Value) -> Value {
    let mut parents = route["spec"]["parentRefs"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    parents.push(parent);
    with(route, "/spec/parentRefs", parents)
}

/// The weights of a rule, in the order of its backendRefs.
fn weights(route: &Value, rule: usize) -> Vec<u64> {
    let backends = route["rules"][rule]["backendRefs"].as_array();
    backends
        .into_iter()
        .flatten()
        .filter_map(|backend| backend["weight"].as_u64())
        .collect()
}
