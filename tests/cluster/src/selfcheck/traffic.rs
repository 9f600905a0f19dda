//! Two versions of the sample application behind one route.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::Cluster;
use crate::image::Image;
use crate::network;
use crate::program;
use crate::settings::{self, PROBE_TIMEOUT};
use crate::wait;

const MANIFEST: &str = include_str!("../../manifests/selfcheck.yaml");
const IMAGE: &str = "kulta.local/selfcheck:1";
const HOST: &str = "selfcheck.test";
const REQUESTS: usize = 1000;
/// A fifth, give or take five standard deviations.
const CANARY_SHARE: std::ops::RangeInclusive<usize> = 137..=263;
const ROUTED_WITHIN: Duration = Duration::from_mins(3);
/// Two scrapes and some.
const MEASURED_WITHIN: Duration = Duration::from_mins(2);

pub(super) fn route_splits(cluster: &Cluster) -> Result<()> {
    let application = std::fs::read(program::build("kulta-sample-app")?)?;
    cluster.load_image(
        &Image::new(IMAGE, "/sample-app", application)
            .port(8080)
            .archive()?,
    )?;
    cluster.apply(MANIFEST)?;
    let timeout = format!("--timeout={}s", ROUTED_WITHIN.as_secs());
    cluster.kubectl(&[
        "wait",
        "--for=condition=Available",
        "deployment/stable",
        "deployment/canary",
        &timeout,
    ])?;
    application_answers(cluster)?;
    let address = cluster.gateway_address();
    let canary = cluster.network().within(|| {
        let mut canary = 0;
        for _ in 0..REQUESTS {
            let answer = network::get(&address, HOST, "/", PROBE_TIMEOUT)?;
            ensure!(
                answer.status == 200,
                "the gateway answers {}: {}",
                answer.status,
                answer.body
            );
            canary += usize::from(answer.body.contains("\"canary\""));
        }
        Ok(canary)
    })?;
    ensure!(
        CANARY_SHARE.contains(&canary),
        "{canary} of {REQUESTS} requests reached the canary"
    );
    Ok(())
}

/// Whether a request through the gateway reaches a pod.
pub(super) fn application_answers(cluster: &Cluster) -> Result<()> {
    wait::until(
        "the application to answer through the gateway",
        ROUTED_WITHIN,
        || {
            let answer = cluster.network().get(&cluster.gateway_address(), HOST, "/")?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
            Ok(Some(()))
        },
    )
}

/// A gateway that retries would hide failed requests from every test.
pub(super) fn gateway_never_retries(cluster: &Cluster) -> Result<()> {
    let socket = cluster
        .layout
        .machine(settings::ENVOY_ADMIN_SOCKET.trim_start_matches('/'));
    let mut stream = UnixStream::connect(&socket).with_context(|| socket.display().to_string())?;
    stream.write_all(b"GET /config_dump HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n")?;
    let mut configuration = String::new();
    stream.read_to_string(&mut configuration)?;
    ensure!(configuration.contains(HOST), "Envoy does not have the route");
    ensure!(!configuration.contains("retry_policy"), "Envoy retries requests");
    Ok(())
}

pub(super) fn metrics_arrive(cluster: &Cluster) -> Result<()> {
    for query in [
        "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"default_canary_80\"}",
        "http_requests_total{version=\"canary\",namespace=\"default\"}",
    ] {
        wait::until(query, MEASURED_WITHIN, || {
            measured(cluster, query).map(|()| Some(()))
        })?;
    }
    Ok(())
}

fn measured(cluster: &Cluster, query: &str) -> Result<()> {
    let encoded = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let address = format!("{}:{}", settings::NODE_ADDRESS, settings::PROMETHEUS_PORT);
    let answer = cluster
        .network()
        .get(&address, &address, &format!("/api/v1/query?query={encoded}"))?;
    let answer: serde_json::Value = serde_json::from_str(&answer.body)?;
    match answer
        .pointer("/data/result")
        .and_then(serde_json::Value::as_array)
    {
        Some(series) if !series.is_empty() => Ok(()),
        _ => bail!("no data: {answer}"),
    }
}
