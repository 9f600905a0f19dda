//! Does what was Argo Rollouts' or a Deployment's become a Rollout of `kulta.io`, and no pod notices?

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{ListParams, PostParams};
use kulta_core::status::Phase;
use kulta_e2e::app::names;
use kulta_e2e::{App, Stage, Version};
use serde_json::json;

use crate::kubectl::Plugin;
use crate::live::{HALF_WAY, Live, half_way, shop, v2};
use crate::shop::NAME;
use crate::workload::{PODS, deployed_live};

async fn pods(stage: &Stage) -> Result<BTreeSet<String>> {
    let of_app = ListParams::default().labels(&format!("{}={NAME}", names::APP_LABEL));
    let found = stage.api::<Pod>().list_metadata(&of_app).await?;
    Ok(found.into_iter().filter_map(|pod| pod.uid()).collect())
}

/// The next version goes its way, and the old pods were there until then.
async fn goes_on(stage: &Stage, live: Live, before: &BTreeSet<String>) -> Result<()> {
    let after = pods(stage).await?;
    ensure!(*before == after, "pods were replaced: {before:?}, {after:?}");
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn rollout_of_argo_rollouts_becomes_one_of_kulta_with_its_pods(stage: &Stage) -> Result<()> {
    let mut live = Live::start(stage, shop(stage).argo().steps(half_way())).await?;
    let before = pods(stage).await?;

    let plugin = Plugin::of(stage)?;
    plugin.does(&["migrate", "rollout", NAME]).await?;

    live.app = shop(stage).steps(half_way());
    live.rollout = live.app.handle(stage);
    goes_on(stage, live, &before).await
}

pub(crate) async fn deployment_becomes_a_rollout_with_its_pods(stage: &Stage) -> Result<()> {
    let app = App::new(NAME, Version::v1(&stage.settings().app))
        .replicas(PODS)
        .steps(half_way())
        .canary_field("scaleDownDelaySeconds", 1);
    let (live, _) = Box::pin(deployed_live(stage, app)).await?;
    let before = pods(stage).await?;
    let mut manifest = live.app.rollout();
    if let Some(spec) = manifest["spec"].as_object_mut() {
        spec.retain(|field, _| field == "strategy");
    }
    let file = stage.settings().work.join(format!("{}.json", stage.namespace()));
    std::fs::write(&file, manifest.to_string())?;

    let plugin = Plugin::of(stage)?;
    let path = file.display().to_string();
    plugin.does(&["migrate", "deployment", NAME, "-f", &path]).await?;

    live.rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let left = stage.api::<Deployment>().get_opt(NAME).await?;
    ensure!(left.is_none(), "the Deployment is still there");
    goes_on(stage, live, &before).await
}

pub(crate) async fn deployment_on_its_way_is_not_touched(stage: &Stage) -> Result<()> {
    let mut manifest = crate::workload::deployment(&Version::v1(&stage.settings().app));
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.invalid/none:1");
    let deployments = stage.api::<Deployment>();
    let created = deployments
        .create(&PostParams::default(), &serde_json::from_value(manifest)?)
        .await?;
    let file = stage.settings().work.join(format!("{}.json", stage.namespace()));
    std::fs::write(&file, shop(stage).rollout().to_string())?;

    let path = file.display().to_string();
    let told = Plugin::of(stage)?
        .ends(1, &["migrate", "deployment", NAME, "-f", &path])
        .await?;

    ensure!(told.contains("is not at rest"), "{told}");
    let left = deployments.get(NAME).await?;
    ensure!(left.uid() == created.uid(), "another Deployment");
    Ok(())
}
