//! Does a Rollout take the place of a Deployment that serves users, and follow its template from then on?

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kulta_core::status::Phase;
use kulta_e2e::app::{names, step};
use kulta_e2e::{App, Stage, Traffic, Version};
use serde_json::{Value, json};

use crate::expect;
use crate::live::{HALF_WAY, Live, RATE, half_way, v2};
use crate::shop::{NAME, named};

pub(crate) const PODS: u32 = 2;

/// An application whose Rollout takes its template from the Deployment of the same name.
fn taking(app: App, scale_down: &str) -> App {
    app.replicas(PODS).spec_field("template", Value::Null).spec_field(
        "workloadRef",
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME, "scaleDown": scale_down}),
    )
}

pub(crate) fn deployment(version: &Version) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME },
        "spec": {
            "replicas": PODS,
            "selector": { "matchLabels": { names::APP_LABEL: NAME } },
            "template": version.template(NAME),
        },
    })
}

/// A Deployment all of whose pods are there.
async fn deployed(stage: &Stage) -> Result<Api<Deployment>> {
    let deployments = stage.api::<Deployment>();
    let manifest = serde_json::from_value(deployment(&Version::v1(&stage.settings().app)))?;
    deployments.create(&PostParams::default(), &manifest).await?;
    stage
        .wait_for(
            deployments.clone(),
            NAME,
            "to have its pods",
            |found: Option<&Deployment>| {
                let status = found.and_then(|found| found.status.as_ref());
                status.and_then(|status| status.available_replicas) == i32::try_from(PODS).ok()
            },
        )
        .await?;
    Ok(deployments)
}

/// The application under load, served by a Deployment: its Rollout is still to be made.
pub(crate) async fn deployed_live(stage: &Stage, app: App) -> Result<(Live, Api<Deployment>)> {
    app.deploy_surroundings(stage).await?;
    let deployments = deployed(stage).await?;
    let rollout = app.handle(stage);
    let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
    let live = Live {
        app,
        rollout,
        traffic,
    };
    Ok((live, deployments))
}

pub(crate) async fn deployment_gives_its_place_without_a_failed_request(stage: &Stage) -> Result<()> {
    let app = taking(named(stage, NAME).steps(half_way()), "onsuccess");
    let (live, deployments) = Box::pin(deployed_live(stage, app)).await?;
    live.serve(1).await?;

    stage.create(&live.app.rollout()).await?;
    live.settles_on("v1").await?;
    stage
        .wait_for(
            deployments.clone(),
            NAME,
            "to have no pods",
            |found: Option<&Deployment>| {
                let spec = found.and_then(|found| found.spec.as_ref());
                spec.and_then(|spec| spec.replicas) == Some(0)
            },
        )
        .await?;

    let template = json!({"spec": {"template": v2(stage).template(NAME)}});
    deployments
        .patch(NAME, &PatchParams::default(), &Patch::Merge(template))
        .await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    follows(
        &live.rollout.api().get(NAME).await?.data,
        &deployments.get(NAME).await?,
    )?;
    live.ends_on("v2").await
}

/// The status tells the generation of the Deployment.
fn follows(rollout: &Value, deployment: &Deployment) -> Result<()> {
    let generation = deployment.metadata.generation.context("no generation")?;
    let told = &rollout["status"]["workloadObservedGeneration"];
    ensure!(*told == json!(generation), "{told} instead of {generation}");
    Ok(())
}

pub(crate) async fn pod_template_is_followed(stage: &Stage) -> Result<()> {
    let template = |version: &Version| {
        json!({
            "apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": NAME},
            "template": version.template(NAME),
        })
    };
    stage
        .create(&template(&Version::v1(&stage.settings().app)))
        .await?;
    let app = named(stage, NAME)
        .replicas(PODS)
        .steps(half_way())
        .spec_field("template", Value::Null)
        .spec_field(
            "workloadRef",
            json!({"apiVersion": "v1", "kind": "PodTemplate", "name": NAME}),
        );
    let live = Live::start(stage, app).await?;

    stage.merge(&template(&v2(stage))).await?;

    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn missing_deployment_is_named_and_waited_for(stage: &Stage) -> Result<()> {
    let app = taking(named(stage, NAME).steps([step::weight(50)]), "never");
    let rollout = app.deploy(stage).await?;

    expect::invalid(&rollout, &["spec.workloadRef", "Deployment \"shop\" not found"]).await?;

    deployed(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await
        .map(drop)
}
