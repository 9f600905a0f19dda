//! The checks that need the real thing: `cargo xtask cluster selfcheck`. They use clusters of their own.

mod dns;
mod traffic;

use std::fs;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::cluster::{Cluster, ClusterOptions};
use crate::component::Component;
use crate::process;
use crate::progress::Progress;
use crate::settings;

type Check = fn(&Cluster, &ClusterOptions, &Progress) -> Result<()>;

/// In this order, on one cluster.
const CHECKS: [(&str, Check); 8] = [
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

/// Runs all checks on two clusters of these names, and takes both down.
///
/// # Errors
/// With the first check that fails; the clusters are then left for a look.
pub fn run(first: &ClusterOptions, second: &ClusterOptions, progress: &Progress) -> Result<()> {
    Cluster::down(first, progress)?;
    Cluster::down(second, progress)?;
    let mut cluster = Cluster::up(first, progress)?;
    for (name, check) in CHECKS {
        progress.note(&format!("check: {name}"));
        check(&cluster, first, progress)?;
        // A check may have replaced the sandbox.
        cluster = Cluster::attach(first)?;
    }
    progress.note("check: two clusters side by side");
    side_by_side(&cluster, second, progress)?;
    progress.note("check: `down` leaves nothing");
    for options in [first, second] {
        Cluster::down(options, progress)?;
        nothing_is_left(options)?;
    }
    progress.note("all checks passed");
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

/// No process, mount, cgroup or file; and no network namespace, because that one has no name and lives by its
/// processes only.
fn nothing_is_left(options: &ClusterOptions) -> Result<()> {
    let folder = options.cache.clusters().join(&options.name);
    let root = folder.display().to_string();
    let left: Vec<i32> = process::all()
        .into_iter()
        .filter(|process| process.arguments().iter().any(|word| word.starts_with(&root)))
        .map(|process| process.pid)
        .collect();
    ensure!(left.is_empty(), "processes are left: {left:?}");
    ensure!(
        !fs::read_to_string("/proc/self/mountinfo")?.contains(&root),
        "a mount is left"
    );
    let name = format!("kulta-{}-", options.name);
    for hierarchy in fs::read_dir("/sys/fs/cgroup")?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let groups = fs::read_dir(&hierarchy)?.flatten();
        let left = groups
            .into_iter()
            .any(|group| group.file_name().to_string_lossy().starts_with(&name));
        ensure!(!left, "a cgroup is left in {}", hierarchy.display());
    }
    let files: Vec<_> = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(files == ["logs"], "files are left: {files:?}");
    ensure!(
        Cluster::attach(options).is_err(),
        "the cluster {} is still there",
        settings::DEFAULT_CLUSTER
    );
    Ok(())
}
