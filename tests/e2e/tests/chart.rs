//! Does the Helm chart make what the kustomization makes, and refuse values that mean nothing?

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use kulta_e2e::{Installed, Stage, relative};
use serde_json::{Map, Value, json};

use crate::kubectl::{kubectl, said};

/// Everything that KULTA needs: from the folder of the manifests.
const BASE: &str = ".";
/// What kustomize puts on every object, and Helm has labels of its own for.
const PART_OF: &str = "app.kubernetes.io/part-of";
/// The configuration, whose name has a digest in the kustomization, and whose pods have one in the chart.
const CONFIGURATION: &str = "kulta-config";
const CHECKSUM: &str = "/spec/template/metadata/annotations";

/// Objects by kind, namespace and name.
type Objects = BTreeMap<(String, String, String), Value>;

pub(crate) async fn chart_makes_what_the_kustomization_makes(stage: &Stage) -> Result<()> {
    let installed = Installed::of(stage.settings()).await?;
    let image = json!({"repository": "kulta", "tag": "dev"});
    let all = json!({
        "image": image,
        "argoApi": {"enabled": true}, "argoMetrics": {"enabled": true}, "historyApi": {"enabled": true},
        "admission": {"enabled": true, "argo": true}, "monitoring": {"enabled": true},
    });
    let components = [
        "argo-api",
        "argo-metrics",
        "history-api",
        "argo-admission",
        "monitoring",
    ];
    let argo_own = json!({"image": image, "argoApi": {"enabled": true, "definitions": false}});
    let argo_in_shop = json!({"image": image, "namespace": "shop", "argoApi": {"enabled": true}});
    let variants: [(Value, &[&str]); 5] = [
        (json!({"image": image}), &[]),
        (all, &components),
        (argo_own, &["argo-api", "argo-own-definitions"]),
        (
            json!({"image": image, "namespace": "shop"}),
            &["single-namespace"],
        ),
        (argo_in_shop, &["argo-api", "single-namespace"]),
    ];
    for (values, components) in variants {
        let charted = objects(&installed.clone().with_only(values).rendered().await?)?;
        let built = objects(&kustomized(stage, components).await?)?;
        let names: Vec<_> = charted.keys().collect();
        let expected: Vec<_> = built.keys().collect();
        ensure!(
            names == expected,
            "with {components:?}: the chart has {names:#?}, the kustomization {expected:#?}"
        );
        for (key, built) in &built {
            let charted = &charted[key];
            ensure!(
                charted == built,
                "{key:?} of the chart is\n{charted:#}\nof the kustomization\n{built:#}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn values_of_every_kind_make_objects_that_the_api_server_takes(stage: &Stage) -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let values = json!({
        "image": {"repository": "registry.example/kulta", "digest": digest, "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "namespace": stage.namespace(), "instanceId": "blue",
        "argoApi": {"enabled": true}, "argoMetrics": {"enabled": true}, "historyApi": {"enabled": true},
        "plugins": ["error-ratio", "1e3"], "secrets": ["prometheus"],
        "config": {"providers": {"prometheus": {"address": "http://prometheus:9090", "namespaces": ["*"]}}},
        "podLabels": {"team": "blue"}, "podAnnotations": {"prometheus.io/port": "9090", "note": "yes"},
        "nodeSelector": {"kubernetes.io/os": "linux"}, "priorityClassName": "system-cluster-critical",
        "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}},
        "extraArgs": ["--log-format=text"], "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"}],
        "extraVolumes": [{"name": "events", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "events", "mountPath": "/var/log/kulta"}],
    });
    let rendered = Installed::of(stage.settings())
        .await?
        .with_only(values)
        .rendered()
        .await?;
    let folder = stage.settings().work.join(stage.namespace());
    fs::create_dir_all(&folder)?;
    let file = folder.join("rendered.yaml");
    fs::write(&file, &rendered)?;

    let tried = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--filename",
    ];
    let tried = kubectl(stage, &tried, &file).await?;

    ensure!(tried.status.success(), "{}", said(&tried));
    for text in [
        "registry.example/kulta@sha256:",
        "/etc/kulta/plugins/error-ratio",
        "/etc/kulta/credentials/prometheus",
        "[kulta-controller-lock-blue]",
        "[argo-rollouts-controller-lock-blue]",
        "[kulta-inventory-blue]",
    ] {
        ensure!(rendered.contains(text), "{text} is not in\n{rendered}");
    }
    Ok(())
}

pub(crate) async fn values_that_mean_nothing_are_refused_by_their_paths(stage: &Stage) -> Result<()> {
    let installed = Installed::of(stage.settings()).await?;
    let mistakes = [
        (json!({"replica": 3}), "replica"),
        (json!({"image": {"digest": "latest"}}), "digest"),
        (json!({"plugins": ["Not_A_Name"]}), "plugins"),
        (json!({"config": {"provider": {}}}), "provider"),
        (json!({"instanceId": "a..b"}), "instanceId"),
        (json!({"monitoring": {"label": {}}}), "monitoring"),
    ];
    for (values, path) in mistakes {
        let rendered = installed.clone().with_only(values.clone()).rendered().await;
        let said = rendered
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        ensure!(
            said.contains(path) && said.contains("schema"),
            "{values} was not refused: {said}"
        );
    }
    Ok(())
}

pub(crate) async fn everything_but_the_definitions_can_be_deleted_by_a_label(stage: &Stage) -> Result<()> {
    let components = ["argo-api", "history-api"];
    let built = objects(&kustomized(stage, &components).await?)?;
    let folder = stage.settings().work.join(stage.namespace());
    let delete = [
        "delete",
        "--selector=app.kubernetes.io/component!=definitions",
        "--ignore-not-found",
        "--dry-run=client",
        "--output=name",
        "--kustomize",
    ];

    let deleted = kubectl(stage, &delete, &folder).await?;

    ensure!(deleted.status.success(), "{}", said(&deleted));
    let deleted = String::from_utf8(deleted.stdout)?;
    ensure!(!deleted.contains("customresourcedefinition"), "{deleted}");
    for name in [
        "clusterrolebinding.rbac.authorization.k8s.io/kulta-argo-api",
        "serviceaccount/kulta-controller",
        "validatingadmissionpolicy.admissionregistration.k8s.io/rollouts.kulta.io",
    ] {
        ensure!(deleted.contains(name), "{name} is not in\n{deleted}");
    }
    let definitions = built
        .keys()
        .filter(|(kind, ..)| kind == "CustomResourceDefinition");
    ensure!(
        definitions.count() == 10,
        "not all definitions are among what is made"
    );
    Ok(())
}

/// What an overlay of the base with these components makes.
async fn kustomized(stage: &Stage, components: &[&str]) -> Result<String> {
    let settings = stage.settings();
    let folder = settings.work.join(stage.namespace());
    fs::create_dir_all(&folder)?;
    let here = fs::canonicalize(&folder)?;
    let from_here =
        |path: &str| anyhow::Ok(relative(&here, &fs::canonicalize(settings.manifests.join(path))?));
    let components = components
        .iter()
        .map(|name| from_here(&format!("components/{name}")));
    let overlay = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [from_here(BASE)?],
        "components": components.collect::<Result<Vec<_>>>()?,
    });
    fs::write(folder.join("kustomization.yaml"), overlay.to_string())?;
    let built = kubectl(
        stage,
        &["kustomize", "--load-restrictor=LoadRestrictionsNone"],
        &folder,
    )
    .await?;
    ensure!(built.status.success(), "kubectl kustomize: {}", said(&built));
    Ok(String::from_utf8(built.stdout)?)
}

/// The objects of a text, without what either tool has ways of its own for.
fn objects(text: &str) -> Result<Objects> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let mut objects = Objects::new();
    for mut object in documents.into_iter().filter(Value::is_object) {
        let kind = object["kind"]
            .as_str()
            .context("an object without a kind")?
            .to_owned();
        // Helm makes it when it is told to.
        if kind == "Namespace" {
            continue;
        }
        strip(&mut object);
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let key = (kind, text("/metadata/namespace"), text("/metadata/name"));
        let twice = objects.insert(key.clone(), object);
        ensure!(twice.is_none(), "{key:?} is there twice");
    }
    Ok(objects)
}

fn strip(object: &mut Value) {
    without(object, "/metadata/labels", &[PART_OF]);
    without(object, "/metadata/annotations", &["helm.sh/resource-policy"]);
    without(object, CHECKSUM, &["checksum/config"]);
    let volumes = object.pointer_mut("/spec/template/spec/volumes");
    let volumes = volumes.and_then(Value::as_array_mut).into_iter().flatten();
    for name in volumes.filter_map(|volume| volume.pointer_mut("/configMap/name")) {
        undigested(name);
    }
    if object["kind"] == "ConfigMap" {
        if let Some(name) = object.pointer_mut("/metadata/name") {
            undigested(name);
        }
        read(object);
    }
    in_one_line(object);
}

/// Texts that are folded over lines are written out by each tool in its own way.
fn in_one_line(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(entries) => entries.iter_mut().for_each(in_one_line),
        Value::Object(fields) => fields.values_mut().for_each(in_one_line),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn without(object: &mut Value, pointer: &str, names: &[&str]) {
    let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
    let Some(fields) = object.pointer_mut(pointer).and_then(Value::as_object_mut) else {
        return;
    };
    for name in names {
        fields.remove(*name);
    }
    if fields.is_empty()
        && let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        parent.remove(field);
    }
}

fn undigested(name: &mut Value) {
    if name.as_str().is_some_and(|name| name.starts_with(CONFIGURATION)) {
        *name = json!(CONFIGURATION);
    }
}

/// What the files of a ConfigMap mean: comments are only in one of them.
fn read(map: &mut Value) {
    let files = map.pointer("/data").and_then(Value::as_object);
    let meanings = files.into_iter().flatten().filter_map(|(name, text)| {
        let meaning: Value = serde_saphyr::from_str(text.as_str()?).ok()?;
        Some((name.clone(), meaning))
    });
    let meanings: Map<_, _> = meanings.collect();
    map["data"] = Value::Object(meanings);
}
