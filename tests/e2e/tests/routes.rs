//! What of a route does a canary change, and what becomes of a route that nobody accepts?

use std::sync::Arc;

use anyhow::{Result, ensure};
use kulta_core::status::{ConditionType, Reason};
use kulta_e2e::app::{names, step};
use kulta_e2e::{NamespaceName, Stage};
use serde_json::{Value, json};

use crate::shop::with;
use crate::{expect, shop};

/// The routes of a Rollout, in its manifest.
const ROUTES: &str = "/spec/strategy/canary/trafficRouting/gatewayAPI/httpRoutes";

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
    stage.create(&with(&app.rollout(), ROUTES, routes)).await?;
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
    with_neighbour(stage, neighbour_is_untouched).await
}

async fn neighbour_is_untouched(stage: &Stage, elsewhere: &Stage) -> Result<()> {
    let app = shop::half_way(stage);
    app.deploy_surroundings(elsewhere).await?;
    let weights = with(&app.route(elsewhere), "/spec/rules/0/backendRefs/0/weight", 70);
    elsewhere
        .merge(&with(&weights, "/spec/rules/0/backendRefs/1/weight", 30))
        .await?;
    // It counts changes of the spec: one that comes and goes in between is one, too.
    let before = elsewhere.routes().get(shop::NAME).await?.metadata.generation;
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;

    // Named by the Rollout, the route is read: its Services have the right names, and are those of its own namespace.
    let own = json!({ "name": shop::NAME });
    let foreign = json!({ "name": shop::NAME, "namespace": elsewhere.namespace() });
    rollout.patch_spec(&named_routes(&[&own, &foreign])).await?;
    let words = [
        "httpRoutes[1]",
        &format!("no rule of HTTPRoute \"{}/shop\"", elsewhere.namespace()),
        &format!("of namespace \"{}\"", stage.namespace()),
    ];
    expect::invalid(&rollout, &words).await?;
    rollout.patch_spec(&named_routes(&[&own])).await?;
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    rollout.resume().await?;
    expect::healthy(&rollout).await?;

    let after = elsewhere.routes().get(shop::NAME).await?;
    ensure!(
        after.metadata.generation == before,
        "the neighbour's route has changed: {}",
        after.data["spec"]
    );
    Ok(())
}

pub(crate) async fn route_elsewhere_that_is_granted_the_services_gets_the_weights(
    stage: &Stage,
) -> Result<()> {
    with_neighbour(stage, granted_route_gets_the_weights).await
}

async fn granted_route_gets_the_weights(stage: &Stage, elsewhere: &Stage) -> Result<()> {
    let app = shop::half_way(stage);
    stage.create_all(&app.services()).await?;
    stage.create(&grant(elsewhere.namespace())).await?;
    let mut route = app.route(stage);
    for backend in 0..2 {
        let pointer = format!("/spec/rules/0/backendRefs/{backend}/namespace");
        route = with(&route, &pointer, stage.namespace());
    }
    elsewhere.create(&route).await?;
    let pointer = format!("{ROUTES}/0/namespace");
    stage
        .create(&with(&app.rollout(), &pointer, elsewhere.namespace()))
        .await?;
    let rollout = app.handle(stage);
    expect::healthy(&rollout).await?;

    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    let half_way = expect::route_spec(elsewhere, shop::NAME).await?;
    ensure!(
        weights(&half_way, 0) == [50, 50],
        "not half of the traffic: {half_way}"
    );
    rollout.resume().await?;
    expect::healthy(&rollout).await?;
    let last = expect::route_spec(elsewhere, shop::NAME).await?;
    ensure!(weights(&last, 0) == [100, 0], "not all of the traffic: {last}");
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
    let name = format!("{ROUTES}/0/name");
    stage
        .create_all(&[first.rollout(), with(&second.rollout(), &name, shop::NAME)])
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

    // Counts changes of the spec, as above.
    let before = stage.routes().get(shop::NAME).await?.metadata.generation;
    rollout.release(&shop::v2(stage)).await?;
    expect::pods(&rollout, 1, 2).await?;
    // Of the new template and with its pods ready, which is when a weight would be due.
    expect::told(
        &rollout,
        ConditionType::RouteNotAccepted,
        Reason::RouteRejected,
        &words,
    )
    .await?;
    let route = stage.routes().get(shop::NAME).await?;
    ensure!(
        route.metadata.generation == before,
        "a rejected route gets no new weight: {}",
        route.data["spec"]
    );

    stage.merge(&app.route(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    rollout.resume().await?;
    expect::healthy(&rollout).await.map(drop)
}

/// Plays with a second namespace, and removes it however that ends.
async fn with_neighbour(stage: &Stage, play: impl AsyncFnOnce(&Stage, &Stage) -> Result<()>) -> Result<()> {
    let elsewhere = Stage::open(Arc::new(stage.settings().clone()), NamespaceName::Fresh("e2e")).await?;
    let done = play(stage, &elsewhere).await;
    let closed = elsewhere.close().await;
    done.and(closed)
}

/// Fields of a Rollout's spec that name its routes.
fn named_routes(routes: &[&Value]) -> Value {
    json!({ "strategy": { "canary": { "trafficRouting": { "gatewayAPI": { "httpRoutes": routes } } } } })
}

/// Allows routes of a namespace to name Services here.
fn grant(namespace: &str) -> Value {
    json!({
        "apiVersion": format!("{}/v1beta1", names::GATEWAY_GROUP),
        "kind": "ReferenceGrant",
        "metadata": { "name": "neighbour" },
        "spec": {
            "from": [{ "group": names::GATEWAY_GROUP, "kind": "HTTPRoute", "namespace": namespace }],
            "to": [{ "group": "", "kind": "Service" }],
        },
    })
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
pub(crate) fn weights(route: &Value, rule: usize) -> Vec<u64> {
    let backends = route["rules"][rule]["backendRefs"].as_array();
    backends
        .into_iter()
        .flatten()
        .filter_map(|backend| backend["weight"].as_u64())
        .collect()
}
