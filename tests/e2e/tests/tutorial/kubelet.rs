//! What the kubelet does in the controller's pod. Here the controller is a process beside the cluster, so nobody brings it
//! the ConfigMaps that its Deployment mounts: this does, from what the API server has.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec};
use kube::Api;
use kulta_e2e::{Stage, plugin_directory};

use super::{DEPLOYMENT, NAMESPACE};
use crate::mounts;

/// Where the controller looks for plugins in its pod: its flag `--plugin-dir` in the Deployment.
const IN_THE_POD: &str = "/etc/kulta/plugins";

/// Brings the ConfigMap of the volume `name` to where the Deployment mounts it, if it does and it is not there yet.
pub(super) async fn bring(stage: &Stage, name: &str) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(stage.client().clone(), NAMESPACE);
    let template = deployments.get(DEPLOYMENT).await?.spec.map(|spec| spec.template);
    let pod = template
        .and_then(|template| template.spec)
        .context("a Deployment without pods")?;
    let Some((config_map, folder)) = mount(&pod, name) else {
        return Ok(());
    };
    let folder = plugin_directory(stage.settings()).join(folder);
    if folder.exists() {
        return Ok(());
    }
    let config_maps: Api<ConfigMap> = Api::namespaced(stage.client().clone(), NAMESPACE);
    let files = config_maps
        .get(&config_map)
        .await?
        .binary_data
        .unwrap_or_default();
    let files = files.iter().map(|(name, bytes)| (name.as_str(), &*bytes.0));
    mounts::bring(&folder, files)
}

/// The ConfigMap of a volume, and the folder below that of all plugins where it is mounted.
fn mount(pod: &PodSpec, name: &str) -> Option<(String, String)> {
    let volume = pod.volumes.iter().flatten().find(|volume| volume.name == name)?;
    let mounts = pod
        .containers
        .iter()
        .flat_map(|container| container.volume_mounts.iter().flatten());
    let mount = mounts.into_iter().find(|mount| mount.name == name)?;
    let folder = Path::new(&mount.mount_path).strip_prefix(IN_THE_POD).ok()?;
    let config_map = volume.config_map.as_ref()?.name.clone();
    Some((config_map, folder.to_str()?.to_owned()))
}
