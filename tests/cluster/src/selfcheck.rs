//! The checks that need the real thing: `cargo xtask cluster selfcheck`. They use clusters of their own.

mod dns;
mod killed;
mod leftovers;
mod traffic;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::cluster::{Cluster, ClusterOptions};
use crate::component::Component;
use crate::progress::Progress;

type Check = fn(&Cluster, &ClusterOptions, &Progress) -> Result<()>;

/// A minor version: the API of the tests' clients.
const SERVER_VERSION: &str = "v1.35.";

/// In this order, on one cluster.
const CHECKS: [(&str, Check); 9] = [
    ("the API server says the pinned version", |cluster, _, _| {
        server_version(cluster)
    }),
    ("a second `up` changes nothing", second_up),
    ("names resolve", |cluster, _, _| dns::names_resolve(cluster)),
    (
        "pods run our own image, and a route splits 80 to 20",
        |cluster, _, _| traffic::route_splits(cluster),
    ),
    ("the gateway never retries", |cluster, _, _| {
        traffic::gateway_never_retries(cluster)
    }),
    (
        "Prometheus has the gateway's and the pods' metrics",
        |cluster, _, _| traffic::metrics_arrive(cluster),
    ),
    ("a killed component is healed by `up`", killed_component),
    ("the API server comes back from a restart", |cluster, _, _| {
        cluster.restart_component(Component::ApiServer)
    }),
    (
        "a killed sandbox is healed by `up`, with its objects",
        killed_sandbox,
    ),
];

/// Runs all checks on clusters of these names, and takes all of them down. `up` makes a command that brings such a
/// cluster up: a driver that can be killed.
///
/// # Errors
/// With the first check that fails; the clusters are then left for a look.
pub fn run(
    clusters: &[ClusterOptions; 3],
    up: impl Fn(&ClusterOptions) -> Command,
    progress: &Progress,
) -> Result<()> {
    let [first, second, third] = clusters;
    for options in clusters {
        Cluster::down(options, progress)?;
    }
    let folders = leftovers::folders();
    let mut cluster = Cluster::up(first, progress)?;
    for (name, check) in CHECKS {
        progress.note(&format!("check: {name}"));
        check(&cluster, first, progress)?;
        // A check may have replaced the sandbox.
        cluster = Cluster::attach(first)?;
    }
    progress.note("check: two clusters side by side");
    side_by_side(&cluster, second, progress)?;
    progress.note("check: a second driver ends what a first one left in the network");
    leftovers::strangers_end(&cluster)?;
    progress.note("check: `down` leaves nothing");
    for options in [first, second] {
        leftovers::down(options, &folders, progress)?;
    }
    progress.note("check: `up` completes what a killed one began");
    killed::up_completes(third, up, progress)?;
    leftovers::down(third, &folders, progress)?;
    progress.note("all checks passed");
    Ok(())
}

fn server_version(cluster: &Cluster) -> Result<()> {
    let answer: serde_json::Value = serde_json::from_str(&cluster.kubectl(&["get", "--raw", "/version"])?)?;
    let version = answer.get("gitVersion").and_then(serde_json::Value::as_str);
    let version = version.context("the API server says no version")?;
    ensure!(
        version.starts_with(SERVER_VERSION),
        "the API server is of version {version}"
    );
    Ok(())
}

fn pids(cluster: &Cluster) -> Vec<Option<i32>> {
    Component::ALL
        .into_iter()
        .map(|component| cluster.pid(component))
        .collect()
}

fn second_up(cluster: &Cluster, options: &ClusterOptions, progress: &Progress) -> Result<()> {
    let before = pids(cluster);
    ensure!(
        pids(&Cluster::up(options, progress)?) == before,
        "`up` restarted something"
    );
    Ok(())
}

fn killed_component(cluster: &Cluster, options: &ClusterOptions, progress: &Progress) -> Result<()> {
    for component in [Component::Contour, Component::Containerd] {
        cluster.kill_component(component)?;
        ensure!(
            cluster.check(component).is_err(),
            "{} is dead and called healthy",
            component.name()
        );
    }
    let healed = Cluster::up(options, progress)?;
    Component::ALL
        .into_iter()
        .try_for_each(|component| healed.check(component))?;
    traffic::application_answers(&healed)
}

fn killed_sandbox(cluster: &Cluster, options: &ClusterOptions, progress: &Progress) -> Result<()> {
    cluster.kubectl(&["create", "configmap", "kept"])?;
    cluster.sandbox.keeper().signal(Signal::SIGKILL)?;
    let healed = Cluster::up(options, progress)?;
    healed.kubectl(&["get", "configmap", "kept"])?;
    traffic::application_answers(&healed)
}

fn side_by_side(cluster: &Cluster, second: &ClusterOptions, progress: &Progress) -> Result<()> {
    let other = Cluster::up(second, progress)?;
    for one in [cluster, &other] {
        Component::ALL
            .into_iter()
            .try_for_each(|component| one.check(component))?;
    }
    ensure!(
        other.kubectl(&["get", "configmap", "kept"]).is_err(),
        "the clusters share their objects"
    );
    traffic::application_answers(cluster)
}
