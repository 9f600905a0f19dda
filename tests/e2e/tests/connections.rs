//! Do routes of whole connections, of TCP and TLS, split them as they are told?

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use kulta_e2e::app::{names, step};
use kulta_e2e::request::version_of_connection;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Rollout, Stage, eventually};
use serde_json::{Value, json};

use crate::shop::{NAME, half_way, v2, with};
use crate::{expect, routes};

/// So many connections in a row meet one version alone by luck once in 10^12 times, where each meets either.
const CONNECTIONS: usize = 40;
/// The version in which the cluster has routes of TCP connections.
const TCP_VERSION: &str = "v1alpha2";
/// That of routes of TLS connections.
const TLS_VERSION: &str = "v1";

/// A route of this kind with the weights of the shop's.
fn route(app: &App, stage: &Stage, kind: &str, version: &str, listener: &str) -> Value {
    let http = app.route(stage);
    let parent = with(&http["spec"]["parentRefs"][0], "/sectionName", listener);
    let backends = &http["spec"]["rules"][0]["backendRefs"];
    let mut route = json!({
        "apiVersion": format!("{}/{version}", names::GATEWAY_GROUP),
        "kind": kind,
        "metadata": {"name": NAME},
        "spec": {"parentRefs": [parent], "rules": [{"backendRefs": backends}]},
    });
    if kind == "TLSRoute" {
        route["spec"]["hostnames"] = json!([app.host(stage)]);
    }
    route
}

/// The shop behind such a route, with its first version.
async fn deployed(stage: &Stage, app: &App, route: &Value, field: &str) -> Result<Rollout> {
    stage.create_all(&app.services()).await?;
    stage.create(route).await?;
    let routing = json!({"gatewayAPI": {field: [{"name": NAME}]}});
    let manifest = with(&app.rollout(), "/spec/strategy/canary/trafficRouting", routing);
    stage.create(&manifest).await?;
    let rollout = app.handle(stage);
    expect::healthy(&rollout).await?;
    Ok(rollout)
}

/// The weights in the route as it stands.
async fn weights(stage: &Stage, route: &Value) -> Result<Vec<u64>> {
    let kind = route["kind"].as_str().context("no kind")?;
    let version = route["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'));
    let (group, version) = version.context("no version")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let found = stage.dynamic_api(&resource).get(NAME).await?;
    Ok(routes::weights(&found.data["spec"], 0))
}

/// Which versions answer so many connections.
async fn versions(stage: &Stage) -> BTreeSet<Option<String>> {
    let mut versions = BTreeSet::new();
    for _ in 0..CONNECTIONS {
        versions.insert(version_of_connection(stage).await);
    }
    versions
}

async fn are_served_by(stage: &Stage, expected: &[&str]) -> Result<()> {
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|version| Some((*version).to_owned()))
        .collect();
    eventually(&format!("connections to be served by {expected:?}"), async || {
        Ok((versions(stage).await == expected).then_some(()))
    })
    .await
}

pub(crate) async fn connections_are_split_by_a_tcp_route(stage: &Stage) -> Result<()> {
    let app = half_way(stage);
    let route = route(&app, stage, "TCPRoute", TCP_VERSION, "tcp");
    let rollout = deployed(stage, &app, &route, "tcpRoutes").await?;
    are_served_by(stage, &["v1"]).await?;

    rollout.release(&v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    ensure!(weights(stage, &route).await? == [50, 50]);
    are_served_by(stage, &["v1", "v2"]).await?;

    rollout.resume().await?;
    expect::healthy(&rollout).await?;
    ensure!(weights(stage, &route).await? == [100, 0]);
    are_served_by(stage, &["v2"]).await
}

/// What is behind it speaks no TLS: it is seen what the gateway has accepted.
pub(crate) async fn weights_of_a_tls_route_are_accepted_and_go_home(stage: &Stage) -> Result<()> {
    let app = half_way(stage).steps([step::weight(25), step::pause()]);
    let route = route(&app, stage, "TLSRoute", TLS_VERSION, "tls");
    let rollout = deployed(stage, &app, &route, "tlsRoutes").await?;

    rollout.release(&v2(stage)).await?;
    rollout
        .until("to give the canary its weight", |status| is_in_force(status, 25))
        .await?;
    ensure!(weights(stage, &route).await? == [75, 25]);
    rollout.abort().await?;
    rollout.until_aborted().await?;

    ensure!(weights(stage, &route).await? == [100, 0]);
    Ok(())
}
