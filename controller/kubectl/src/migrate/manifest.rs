//! The Rollout of `kulta.io` that another object becomes. Pure, but for the reading of a file.

use std::path::Path;

use kube::api::DynamicObject;
use kulta_api::names::{ANNOTATIONS_NOT_COPIED, HASH_LABEL};
use kulta_api::{Group, rollout};
use serde_json::{Map, Value, json};

use super::MigrateError;

/// What a Deployment says that a Rollout says in the same words.
const SHARED_FIELDS: [&str; 6] = [
    "replicas",
    "selector",
    "template",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
];

/// What the controller of Deployments notes on them.
const DEPLOYMENT_ANNOTATIONS: &str = "deployment.kubernetes.io/";

/// How Argo CD knows what it has made, and removes what it has not: the new Rollout is nobody's until it is in Git.
const ARGO_CD_ANNOTATIONS: &str = "argocd.argoproj.io/";
/// The same, in labels.
const TRACKING_LABELS: [&str; 2] = ["app.kubernetes.io/instance", "argocd.argoproj.io/instance"];

/// The Rollout of Argo Rollouts, as one of `kulta.io`.
pub(super) fn of_rollout(old: &DynamicObject) -> Value {
    manifest(old, old.data.get("spec").cloned().unwrap_or_default())
}

/// The Deployment as a Rollout; `written` says what a Deployment does not say, and counts where both say something but for
/// the pods.
///
/// # Errors
/// When the Deployment is on its way, and when `written` asks for other pods than those there are.
pub(super) fn of_deployment(old: &DynamicObject, written: &Written) -> Result<Value, MigrateError> {
    let refused = |reason: &str| MigrateError::File {
        file: written.file.clone(),
        reason: reason.to_owned(),
    };
    at_rest(old)?;
    let mut spec = written.spec.clone();
    if spec.contains_key("workloadRef") {
        return Err(refused(
            "spec.workloadRef: the Deployment is to go, so there is nothing to refer to; take it out",
        ));
    }
    let of_deployment = old.data.get("spec").unwrap_or(&Value::Null);
    for field in SHARED_FIELDS {
        let Some(value) = of_deployment.get(field).filter(|value| !value.is_null()) else {
            continue;
        };
        let own = spec.entry(field).or_insert_with(|| value.clone());
        if field == "template" && own != value {
            return Err(refused(
                "spec.template: is not that of the Deployment, so the pods would be replaced; take it out, and change it after \
                 the migration",
            ));
        }
    }
    Ok(manifest(old, Value::Object(spec)))
}

fn at_rest(old: &DynamicObject) -> Result<(), MigrateError> {
    let number = |pointer: &str| old.data.pointer(pointer).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let is_seen = number("/status/observedGeneration") == old.metadata.generation;
    let counts = [
        "/status/replicas",
        "/status/updatedReplicas",
        "/status/availableReplicas",
    ];
    let is_whole = counts.iter().all(|count| number(count).unwrap_or(0) == wanted);
    if is_seen && is_whole && wanted > 0 {
        return Ok(());
    }
    let reason = if wanted == 0 {
        "it has no pods to hand over: make a Rollout, and delete it".to_owned()
    } else {
        format!("not all of its {wanted} pods are of its template and available")
    };
    Err(MigrateError::NotAtRest {
        kind: "Deployment",
        name: old.metadata.name.clone().unwrap_or_default(),
        reason,
    })
}

fn manifest(old: &DynamicObject, spec: Value) -> Value {
    let mut metadata = Map::from_iter([
        ("name".to_owned(), json!(old.metadata.name)),
        ("namespace".to_owned(), json!(old.metadata.namespace)),
    ]);
    let labels: Map<String, Value> = old
        .metadata
        .labels
        .iter()
        .flatten()
        .filter(|(name, _)| !TRACKING_LABELS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
    let annotations: Map<String, Value> = old
        .metadata
        .annotations
        .iter()
        .flatten()
        .filter(|(name, _)| !ANNOTATIONS_NOT_COPIED.contains(&name.as_str()))
        .filter(|(name, _)| {
            !name.starts_with(DEPLOYMENT_ANNOTATIONS) && !name.starts_with(ARGO_CD_ANNOTATIONS)
        })
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let mut spec = spec;
    for pointer in ["/template/metadata", "/selector/matchLabels"] {
        if let Some(fields) = spec.pointer_mut(pointer).and_then(Value::as_object_mut) {
            // The API server writes nulls that nobody has written, and a definition refuses them.
            fields.retain(|name, value| !value.is_null() && name != HASH_LABEL);
        }
    }
    json!({
        "apiVersion": Group::Kulta.api_version(),
        "kind": rollout::KIND,
        "metadata": metadata,
        "spec": spec,
    })
}

/// A Rollout that somebody has written for a Deployment.
#[derive(Debug, Clone)]
pub(super) struct Written {
    file: String,
    spec: Map<String, Value>,
}

/// The Rollout in a file.
///
/// # Errors
/// When there is none in it.
pub(super) fn read(file: &Path) -> Result<Written, MigrateError> {
    let shown = file.display().to_string();
    let refused = |reason: String| MigrateError::File {
        file: shown.clone(),
        reason,
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| refused(format!("can't be read ({error}); check -f")))?;
    written(&shown, &text).map_err(refused)
}

fn written(file: &str, text: &str) -> Result<Written, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let found: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| format!("can't be read as YAML: {error}"))?;
    let is_rollout = |value: &&Value| {
        value["kind"] == rollout::KIND && value["apiVersion"] == json!(Group::Kulta.api_version())
    };
    let mut rollouts = found.iter().filter(is_rollout);
    let (Some(rollout), None) = (rollouts.next(), rollouts.next()) else {
        return Err(format!(
            "must have one Rollout of {}, with the strategy in it",
            Group::Kulta.api_version()
        ));
    };
    let spec = rollout.get("spec").and_then(Value::as_object);
    Ok(Written {
        file: file.to_owned(),
        spec: spec.cloned().unwrap_or_default(),
    })
}

/// As it could be applied.
pub(super) fn yaml(manifest: &Value) -> String {
    // An object of texts, numbers, lists and maps can always be written; as JSON it is YAML, too.
    serde_saphyr::to_string(manifest).unwrap_or_else(|_| manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{object, template};

    fn deployment() -> DynamicObject {
        object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "uid-web", "generation": 2, "labels": {"team": "shop", "app.kubernetes.io/instance": "shop"},
                "annotations": {"argocd.argoproj.io/tracking-id": "shop", "deployment.kubernetes.io/revision": "3", "owner": "us"},
            },
            "spec": {
                "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
                "strategy": {"type": "RollingUpdate"},
            },
            "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
        }))
    }

    fn strategy(more: &str) -> Written {
        let text = format!(
            "apiVersion: kulta.io/v1alpha1\nkind: Rollout\nmetadata: {{name: web}}\nspec:\n  strategy: {{canary: {{}}}}\n{more}"
        );
        written("web.yaml", &text).unwrap()
    }

    #[test]
    fn a_deployment_keeps_its_pods_and_gets_the_strategy() {
        let new = of_deployment(&deployment(), &strategy("")).unwrap();

        let expected = json!({
            "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout",
            "metadata": {
                "name": "web", "namespace": "shop", "labels": {"team": "shop"}, "annotations": {"owner": "us"},
            },
            "spec": {
                "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("web:1"),
                "strategy": {"canary": {}},
            },
        });
        assert_eq!(new, expected);
    }

    #[test]
    fn other_pods_are_refused() {
        let told = of_deployment(
            &deployment(),
            &strategy("  template: {metadata: {labels: {app: web}}}\n"),
        );

        let told = told.unwrap_err().to_string();
        assert!(
            told.starts_with("web.yaml: spec.template: is not that of the Deployment"),
            "{told}"
        );
    }

    #[test]
    fn a_reference_to_the_deployment_is_refused() {
        let told = of_deployment(&deployment(), &strategy("  workloadRef: {name: web}\n")).unwrap_err();

        assert!(told.to_string().contains("spec.workloadRef"), "{told}");
    }

    #[test]
    fn a_deployment_on_its_way_is_not_touched() {
        let mut moving = deployment();
        moving.data["status"]["updatedReplicas"] = json!(1);

        let told = of_deployment(&moving, &strategy("")).unwrap_err().to_string();

        assert!(told.starts_with("Deployment 'web' is not at rest"), "{told}");
    }

    #[test]
    fn a_file_without_one_rollout_is_told() {
        for text in ["kind: Rollout\napiVersion: argoproj.io/v1alpha1\n", "{}"] {
            let told = written("web.yaml", text).unwrap_err();
            assert!(
                told.contains("must have one Rollout of kulta.io/v1alpha1"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_rollout_of_argo_rollouts_loses_what_its_controller_has_noted() {
        let old = object(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {
                "name": "web", "namespace": "shop",
                "annotations": {"rollout.argoproj.io/revision": "4", "owner": "us"},
            },
            "spec": {"template": {"metadata": {"creationTimestamp": null, "labels": {"app": "web"}}}},
            "status": {"phase": "Healthy"},
        }));

        let new = of_rollout(&old);

        assert_eq!(new["apiVersion"], "kulta.io/v1alpha1");
        assert_eq!(new["metadata"]["annotations"], json!({"owner": "us"}));
        assert_eq!(
            new["spec"]["template"]["metadata"],
            json!({"labels": {"app": "web"}})
        );
        assert_eq!(new.get("status"), None);
    }
}
