//! The order in which a cluster comes up. Every step does nothing where its work is done, so that the same order
//! heals a cluster of which something died.

use std::fs;

use anyhow::{Context, Result};

use crate::cluster::Cluster;
use crate::command;
use crate::component::{self, Component};
use crate::configuration;
use crate::image::Image;
use crate::pins;
use crate::progress::Progress;
use crate::settings;
use crate::wait;

/// Starts what does not run, in the order of need, and waits until all of it is well.
pub(crate) fn start(cluster: &Cluster, progress: &Progress) -> Result<()> {
    progress.expect(Component::ALL.len());
    launch(
        cluster,
        progress,
        &[Component::Etcd, Component::ApiServer, Component::Containerd],
    )?;
    cluster.wait_until_healthy(Component::Containerd)?;
    // Before the kubelet wants it.
    load_pause_image(cluster)?;
    progress.begin("waiting for the API server");
    cluster.wait_until_healthy(Component::ApiServer)?;
    launch(
        cluster,
        progress,
        &[
            Component::ControllerManager,
            Component::Scheduler,
            Component::Kubelet,
        ],
    )?;
    progress.begin("applying roles, definitions and the gateway");
    apply(cluster)?;
    envoy_bootstrap(cluster)?;
    launch(
        cluster,
        progress,
        &[
            Component::Dns,
            Component::Contour,
            Component::Envoy,
            Component::Prometheus,
        ],
    )?;
    progress.begin("waiting for the node");
    // kube-proxy gives up for long seconds where its node is not there yet.
    wait_for(cluster, "create", &node(), &[])?;
    launch(cluster, progress, &[Component::KubeProxy])?;
    settle(cluster, progress)
}

/// Waits until every component, the node and the gateway are well.
fn settle(cluster: &Cluster, progress: &Progress) -> Result<()> {
    for component in Component::ALL {
        progress.begin(&format!("waiting for {}", component.name()));
        cluster.wait_until_healthy(component)?;
        progress.done();
    }
    progress.begin("waiting for the node and the gateway");
    wait_for(cluster, "condition=Ready", &node(), &[])?;
    let gateway = format!("gateway/{}", settings::GATEWAY_NAME);
    let namespace = format!("--namespace={}", settings::GATEWAY_NAMESPACE);
    wait_for(cluster, "condition=Programmed", &gateway, &[&namespace])
}

fn node() -> String {
    format!("node/{}", settings::NODE_NAME)
}

fn launch(cluster: &Cluster, progress: &Progress, components: &[Component]) -> Result<()> {
    for component in components {
        progress.begin(&format!("starting {}", component.name()));
        cluster.launch(*component)?;
    }
    Ok(())
}

fn load_pause_image(cluster: &Cluster) -> Result<()> {
    let program = fs::read(cluster.artifacts.file("pause", "bin/kulta-pause"))?;
    cluster.load_image(&Image::new(settings::PAUSE_IMAGE, "/kulta-pause", program).archive()?)
}

/// Gives the cluster its roles, definitions and gateway, unless it has these very ones.
fn apply(cluster: &Cluster) -> Result<()> {
    let definitions = cluster.artifacts.file("gateway-api", "definitions");
    let contour = fs::read_to_string(cluster.artifacts.file("contour", "definitions.yaml"))?;
    let gateway = configuration::gateway()?;
    let key = pins::key(
        "manifests",
        &[configuration::ACCESS, &gateway, &cluster.artifacts.key()],
    );
    if fs::read_to_string(cluster.layout.applied()).is_ok_and(|applied| applied == key) {
        return Ok(());
    }
    let mut text = vec![configuration::ACCESS.to_owned(), contour];
    for entry in fs::read_dir(&definitions).with_context(|| format!("{}", definitions.display()))? {
        let path = entry?.path();
        // A kustomization is not an object.
        if path.file_name().is_some_and(|name| name != "kustomization.yaml") {
            text.push(fs::read_to_string(path)?);
        }
    }
    cluster.apply(&text.join("\n---\n"))?;
    wait_for(
        cluster,
        "condition=Established",
        "crd/gateways.gateway.networking.k8s.io",
        &[],
    )?;
    cluster.apply(&gateway)?;
    fs::write(cluster.layout.applied(), key)?;
    Ok(())
}

fn envoy_bootstrap(cluster: &Cluster) -> Result<()> {
    let mut contour = cluster
        .sandbox
        .inside(&Component::Contour.program(&cluster.artifacts));
    command::output(contour.args(component::envoy_bootstrap(&cluster.layout))).map(drop)
}

/// Asks again when kubectl gives up: it fails on an object that is too new to have conditions at all.
fn wait_for(cluster: &Cluster, condition: &str, object: &str, more: &[&str]) -> Result<()> {
    let condition = format!("--for={condition}");
    let timeout = format!("--timeout={}s", settings::KUBECTL_WAIT.as_secs());
    let mut arguments = vec!["wait", &condition, object, &timeout];
    arguments.extend(more);
    wait::until(
        &format!("{object}: {condition}"),
        settings::HEALTHY_WITHIN,
        || cluster.kubectl(&arguments).map(Some),
    )
    .map(drop)
}
