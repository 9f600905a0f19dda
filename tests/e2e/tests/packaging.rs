//! Does what users build their manifests with understand a Rollout as it understands a Deployment?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use kulta_e2e::Stage;
use serde_json::{Value, json};

use crate::kubectl::{kubectl, said};
use crate::shop::with;
use crate::{expect, shop};

/// What the kustomization puts before every name.
const PREFIX: &str = "team-";

/// The files that users copy.
const CONFIGURATION: [&str; 2] = ["rollout-transform.yaml", "rollout-openapi.json"];

pub(crate) async fn kustomization_follows_names_images_and_patches_into_a_rollout(
    stage: &Stage,
) -> Result<()> {
    let folder = write(stage)?;

    let output = kubectl(stage, &["apply", "--server-side", "--kustomize"], &folder).await?;

    ensure!(
        output.status.success(),
        "kubectl apply --kustomize failed: {}",
        said(&output)
    );
    let app = shop::named(stage, &format!("{PREFIX}{}", shop::NAME));
    expect::healthy(&app.handle(stage)).await?;
    let applied = stage.rollouts().get(app.handle(stage).name()).await?;
    check(stage, &applied)
}

/// A kustomization of the shop: names get a prefix, the image is the second version's, a patch adds a variable, and
/// another comes from a generated map.
fn write(stage: &Stage) -> Result<PathBuf> {
    let folder = stage.settings().work.join(stage.namespace());
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let package = stage.settings().manifests.join("../kustomize-config");
    for file in CONFIGURATION {
        std::fs::copy(package.join(file), folder.join(file)).with_context(|| file.to_owned())?;
    }
    let app = shop::small(stage);
    let container = "/spec/template/spec/containers/0";
    let from_map = json!([{ "configMapRef": { "name": "settings" } }]);
    let rollout = with(&app.rollout(), &format!("{container}/envFrom"), from_map);
    let templates = json!({"templates": [{"templateName": "errors"}]});
    let rollout = with(&rollout, "/spec/strategy/canary/analysis", templates);
    let mut manifests = app.services();
    manifests.extend([app.route(stage), template(), rollout]);
    let mut resources = Vec::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let file = format!("{index}.json");
        write_json(&folder.join(&file), manifest)?;
        resources.push(file);
    }
    write_json(
        &folder.join("kustomization.yaml"),
        &kustomization(stage, &app.rollout(), &resources)?,
    )?;
    Ok(folder)
}

/// Without it the Rollout is refused.
fn template() -> Value {
    let errors = json!({"errorRate": {"bad": "vector(0)", "total": "vector(1)", "limit": 0.01}});
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "errors"},
        "spec": {"metrics": [{"name": "errors", "provider": {"plugin": {"prometheus": errors}}}]},
    })
}

fn kustomization(stage: &Stage, rollout: &Value, resources: &[String]) -> Result<Value> {
    let images = &stage.settings().app;
    let (name, _) = images.v1.rsplit_once(':').context("an image without a tag")?;
    let (new_name, new_tag) = images.v2.rsplit_once(':').context("an image without a tag")?;
    let container = &rollout["spec"]["template"]["spec"]["containers"][0]["name"];
    let patch = json!({
        "apiVersion": rollout["apiVersion"],
        "kind": rollout["kind"],
        "metadata": rollout["metadata"],
        "spec": { "template": { "spec": { "containers": [
            { "name": container, "env": [{ "name": "PATCHED", "value": "yes" }] },
        ] } } },
    });
    Ok(json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": stage.namespace(),
        "namePrefix": PREFIX,
        "resources": resources,
        "configurations": ["rollout-transform.yaml"],
        "openapi": { "path": "rollout-openapi.json" },
        "images": [{ "name": name, "newName": new_name, "newTag": new_tag }],
        "replicas": [{ "name": shop::NAME, "count": 2 }],
        "configMapGenerator": [{ "name": "settings", "literals": ["COLOUR=green"] }],
        "patches": [{ "patch": patch.to_string() }],
    }))
}

fn write_json(file: &Path, value: &Value) -> Result<()> {
    std::fs::write(file, serde_json::to_vec_pretty(value)?).with_context(|| file.display().to_string())
}

fn check(stage: &Stage, applied: &DynamicObject) -> Result<()> {
    let spec = &applied.data["spec"];
    let canary = &spec["strategy"]["canary"];
    let container = &spec["template"]["spec"]["containers"][0];
    let variables: Vec<_> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|variable| &variable["name"])
        .collect();
    let generated = container["envFrom"][0]["configMapRef"]["name"].as_str();
    ensure!(
        canary["stableService"] == json!(format!("{PREFIX}{}-stable", shop::NAME))
            && canary["trafficRouting"]["gatewayAPI"]["httpRoutes"][0]["name"]
                == json!(format!("{PREFIX}{}", shop::NAME)),
        "names are not followed: {canary}"
    );
    ensure!(spec["replicas"] == 2, "replicas are not followed: {spec}");
    ensure!(
        container["image"] == json!(stage.settings().app.v2),
        "the image is not followed: {container}"
    );
    ensure!(
        variables.len() > 1 && variables.contains(&&json!("PATCHED")),
        "the patch is not merged into the container: {container}"
    );
    ensure!(
        generated.is_some_and(|name| name.starts_with(&format!("{PREFIX}settings-"))),
        "the generated ConfigMap is not followed: {container}"
    );
    Ok(())
}
