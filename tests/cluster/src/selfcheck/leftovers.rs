//! What a cluster leaves on the machine: nothing but its logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context, Result, ensure};

use crate::cluster::{Cluster, ClusterOptions};
use crate::process::{self, Identity};
use crate::progress::Progress;
use crate::sandbox::CGROUPS;
use crate::settings::{BURIED_WITHIN, STARTED_WITHIN};
use crate::wait;

/// Where parts of a cluster make folders unless they are told otherwise.
const FOLDERS: [&str; 7] = [
    "/etc/cni",
    "/etc/containerd",
    "/etc/kubernetes",
    "/opt/cni",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
    "/var/lib/kubelet",
];

/// Those of the folders that are there.
pub(super) fn folders() -> Vec<&'static str> {
    FOLDERS
        .into_iter()
        .filter(|folder| Path::new(folder).exists())
        .collect()
}

/// Whether what a driver left in the network is ended, and the cluster goes on.
pub(super) fn strangers_end(cluster: &Cluster) -> Result<()> {
    let mut stranger = stranger(cluster)?;
    let before = super::pids(cluster);
    cluster.end_strangers()?;
    let ended = stranger.try_wait()?.is_some();
    end(stranger)?;
    ensure!(ended, "a program is left in the network");
    ensure!(super::pids(cluster) == before, "parts of the cluster were ended");
    Ok(())
}

/// Takes a cluster down, with a program in its network that nobody ends, and looks for what is left.
pub(super) fn down(options: &ClusterOptions, folders: &[&str], progress: &Progress) -> Result<()> {
    let cluster = Cluster::attach(options)?;
    let stranger = stranger(&cluster)?;
    let keeper = cluster.sandbox.keeper();
    let namespaces = ["pid", "net"].map(|kind| keeper.namespace(kind));
    let namespaces: Vec<PathBuf> = namespaces.into_iter().flatten().collect();
    Cluster::down(options, progress)?;
    let left = nothing_is_left(options, &namespaces);
    end(stranger)?;
    left?;
    ensure!(
        self::folders() == folders,
        "folders of the machine were made: {:?}, not {folders:?}",
        self::folders()
    );
    Ok(())
}

/// A program in the cluster's network, outside of its other walls.
fn stranger(cluster: &Cluster) -> Result<Child> {
    let child = cluster.enter("sleep").arg("infinity").spawn()?;
    let process = Identity::of(i32::try_from(child.id())?).context("it ended by itself")?;
    let network = cluster.sandbox.keeper().namespace("net");
    wait::until("a program in the network", STARTED_WITHIN, || {
        Ok((process.namespace("net") == network).then_some(()))
    })?;
    Ok(child)
}

fn end(mut stranger: Child) -> Result<()> {
    stranger.kill()?;
    stranger.wait()?;
    Ok(())
}

/// No process, mount, cgroup or file; and no network namespace, because that one has no name and lives by its
/// processes only.
fn nothing_is_left(options: &ClusterOptions, namespaces: &[PathBuf]) -> Result<()> {
    let folder = options.cache.clusters().join(&options.name);
    let root = folder.display().to_string();
    let inside = |process: &Identity| {
        let own = ["pid", "net"].map(|kind| process.namespace(kind));
        own.iter().flatten().any(|one| namespaces.contains(one))
    };
    let left = |process: &Identity| {
        inside(process) || process.arguments().iter().any(|word| word.starts_with(&root))
    };
    // The parent of the first process ends a moment after it.
    wait::until("the last process", BURIED_WITHIN, || {
        let left: Vec<Identity> = process::all().into_iter().filter(left).collect();
        ensure!(left.is_empty(), "processes are left: {left:?}");
        Ok(Some(()))
    })?;
    ensure!(
        !fs::read_to_string("/proc/self/mountinfo")?.contains(&root),
        "a mount is left"
    );
    no_cgroup_is_left(&options.name)?;
    let files: Vec<_> = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(files == ["logs"], "files are left: {files:?}");
    ensure!(
        Cluster::attach(options).is_err(),
        "the cluster {} is still there",
        options.name
    );
    Ok(())
}

/// In version 1 below each hierarchy, in version 2 at the top.
fn no_cgroup_is_left(cluster: &str) -> Result<()> {
    let name = format!("kulta-{cluster}-");
    let folders = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        Ok(entries.filter(|path| path.is_dir()).collect())
    };
    let top = folders(Path::new(CGROUPS))?;
    let mut groups = top.clone();
    for hierarchy in top {
        // A cgroup of somebody else's may go away meanwhile.
        groups.extend(folders(&hierarchy).unwrap_or_default());
    }
    groups.retain(|group| {
        let last = group.file_name().unwrap_or_default();
        last.to_string_lossy().starts_with(&name)
    });
    ensure!(groups.is_empty(), "cgroups are left: {groups:?}");
    Ok(())
}
