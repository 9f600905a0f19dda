//! The ReplicaSet that KULTA makes of a Rollout's pod template.
//!
//! The template is passed through as JSON, so that no pod field is lost, whatever the cluster's version; only the
//! hash label is added, and what `kulta_api::injected` puts in.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use kulta_api::Group;
use kulta_api::injected::{self, entry, keep_apart, put_metadata, take_out};
use kulta_api::names::{
    ANNOTATIONS_NOT_COPIED, DEPLOYMENT_HASH_LABEL, DESIRED_REPLICAS_ANNOTATION, HASH_LABEL,
    INJECTED_METADATA_ANNOTATION, REVISION_ANNOTATION, TEMPLATE_DIGEST_ANNOTATION,
};
use kulta_api::rollout;
use kulta_core::plan::ApartFrom;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::PodMetadata;
use serde_json::{Value, json};
use thiserror::Error;

use crate::owner;

/// The resource of ReplicaSets.
pub const API_VERSION: &str = "apps/v1";
/// The kind of ReplicaSets.
pub const KIND: &str = "ReplicaSet";

/// What is new about a ReplicaSet, besides what its Rollout says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplicaSet {
    /// Its name.
    pub name: String,
    /// Hash of the revision: its label, and that of its pods.
    pub hash: String,
    /// Digest of the template that it must be made from.
    pub digest: TemplateDigest,
    /// Number of the revision.
    pub revision: u64,
    /// `spec.minReadySeconds`
    pub min_ready_seconds: u32,
    /// `spec.replicas` of the Rollout: kept as an annotation.
    pub desired_replicas: u32,
    /// Labels and annotations of its pods besides those of the template.
    pub metadata: PodMetadata,
    /// The revision whose nodes its pods are to keep off.
    pub apart_from: Option<ApartFrom>,
}

/// Why no ReplicaSet can be made of a Rollout.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The template is not the one that was decided on: observe again.
    #[error("the pod template has changed: its digest is {found} instead of {expected}")]
    TemplateChanged {
        /// The digest that was decided on.
        expected: TemplateDigest,
        /// The digest now.
        found: TemplateDigest,
    },
    /// The Rollout has no template.
    #[error("the Rollout has no pod template")]
    NoTemplate,
    /// The Rollout has no kind, no name, no namespace or no UID: it does not come from an API server.
    #[error("the Rollout has no identity")]
    NoIdentity,
}

/// The manifest of `new`, with 0 replicas, owned by `owner` as the API server has it.
///
/// # Errors
/// When the template of `owner` is missing or is not the one that `new` was decided for.
pub fn manifest(owner: &DynamicObject, new: &NewReplicaSet) -> Result<Value, ManifestError> {
    let spec = owner.data.get("spec").unwrap_or(&Value::Null);
    let template = rollout::template(spec).ok_or(ManifestError::NoTemplate)?;
    let found = TemplateDigest::of(template);
    if found != new.digest {
        return Err(ManifestError::TemplateChanged {
            expected: new.digest.clone(),
            found,
        });
    }
    let types = owner.types.as_ref();
    let (Some(group), Some(owner_name), Some(owner_uid), Some(namespace)) = (
        types.and_then(|types| Group::of(&types.api_version)),
        &owner.metadata.name,
        &owner.metadata.uid,
        &owner.metadata.namespace,
    ) else {
        return Err(ManifestError::NoIdentity);
    };
    let mut template = labelled(template, &new.hash);
    let labels = template
        .pointer("/metadata/labels")
        .cloned()
        .unwrap_or(Value::Null);
    put_in(&mut template, namespace, new);
    Ok(json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": new.name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations(owner.metadata.annotations.as_ref(), new),
            "ownerReferences": [owner::reference(group, rollout::KIND, owner_name, owner_uid)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": new.min_ready_seconds,
            "selector": selector(spec.get("selector"), &new.hash),
            "template": template,
        },
    }))
}

/// Puts in what the pods of `new` have besides the template.
fn put_in(template: &mut Value, namespace: &str, new: &NewReplicaSet) {
    put_metadata(template, &new.metadata);
    if let Some(ApartFrom { hash, how }) = &new.apart_from {
        keep_apart(template, namespace, hash, *how);
    }
}

/// `template` with the hash label set to `hash`.
pub(crate) fn labelled(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    let labels = entry(entry(&mut template, "metadata"), "labels");
    *entry(labels, HASH_LABEL) = Value::String(hash.to_owned());
    template
}

/// `template` of a ReplicaSet with these annotations without the hash label and all that was put in: what two revisions are
/// compared by.
#[must_use]
pub fn as_written(mut template: Value, annotations: Option<&BTreeMap<String, String>>) -> Value {
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove(HASH_LABEL);
        labels.remove(DEPLOYMENT_HASH_LABEL);
    }
    take_out(&mut template, annotations.unwrap_or(&BTreeMap::new()));
    template
}

/// `selector` of the pods with the hash label `hash`.
pub(crate) fn selector(selector: Option<&Value>, hash: &str) -> Value {
    let mut selector = selector.cloned().unwrap_or(Value::Null);
    *entry(entry(&mut selector, "matchLabels"), HASH_LABEL) = Value::String(hash.to_owned());
    selector
}

fn annotations(of_owner: Option<&BTreeMap<String, String>>, new: &NewReplicaSet) -> BTreeMap<String, String> {
    let copied = of_owner
        .into_iter()
        .flatten()
        .filter(|(name, _)| !ANNOTATIONS_NOT_COPIED.contains(&name.as_str()));
    let mut annotations: BTreeMap<_, _> = copied
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    annotations.insert(REVISION_ANNOTATION.to_owned(), new.revision.to_string());
    annotations.insert(
        DESIRED_REPLICAS_ANNOTATION.to_owned(),
        new.desired_replicas.to_string(),
    );
    annotations.insert(TEMPLATE_DIGEST_ANNOTATION.to_owned(), new.digest.to_string());
    // All pods that it will make have it.
    if let Some(injected) = injected::annotation(&new.metadata) {
        annotations.insert(INJECTED_METADATA_ANNOTATION.to_owned(), injected);
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(spec: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "kulta.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "uid-1",
                "annotations": {
                    "team": "checkout",
                    "rollout.argoproj.io/revision": "7",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
            },
            "spec": spec,
        }))
        .unwrap()
    }

    fn template() -> Value {
        json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1", "aFieldOfTheFuture": {"deep": [1, null]}}]},
        })
    }

    fn spec() -> Value {
        json!({"selector": {"matchLabels": {"app": "web"}}, "template": template()})
    }

    fn new(template: &Value) -> NewReplicaSet {
        NewReplicaSet {
            name: "web-abc".to_owned(),
            hash: "abc".to_owned(),
            digest: TemplateDigest::of(template),
            revision: 8,
            min_ready_seconds: 5,
            desired_replicas: 3,
            metadata: PodMetadata::default(),
            apart_from: None,
        }
    }

    #[test]
    fn the_template_is_passed_through_with_the_hash_label() {
        let manifest = manifest(&owner(&spec()), &new(&template())).unwrap();

        let mut expected = template();
        expected["metadata"]["labels"][HASH_LABEL] = json!("abc");
        assert_eq!(manifest["spec"]["template"], expected);
        assert_eq!(as_written(manifest["spec"]["template"].clone(), None), template());
    }

    #[test]
    fn what_is_put_in_is_noted_and_taken_out_again_and_leaves_labels_and_selector_alone() {
        let new = NewReplicaSet {
            metadata: PodMetadata {
                labels: BTreeMap::from([("role".to_owned(), "canary".to_owned())]),
                annotations: BTreeMap::new(),
            },
            apart_from: Some(ApartFrom {
                hash: "old".to_owned(),
                how: kulta_core::spec::AntiAffinity::Required,
            }),
            ..new(&template())
        };

        let manifest = manifest(&owner(&spec()), &new).unwrap();

        let in_template = &manifest["spec"]["template"];
        assert_eq!(in_template["metadata"]["labels"]["role"], "canary");
        let apart = "requiredDuringSchedulingIgnoredDuringExecution";
        let terms = &in_template["spec"]["affinity"]["podAntiAffinity"][apart];
        assert_eq!(terms[0]["namespaces"], json!(["shop"]));
        assert_eq!(
            manifest["metadata"]["labels"],
            json!({"app": "web", HASH_LABEL: "abc"})
        );
        let annotations: BTreeMap<String, String> =
            serde_json::from_value(manifest["metadata"]["annotations"].clone()).unwrap();
        assert_eq!(
            annotations[INJECTED_METADATA_ANNOTATION],
            r#"{"labels":{"role":"canary"}}"#
        );
        assert_eq!(as_written(in_template.clone(), Some(&annotations)), template());
    }

    #[test]
    fn labels_selector_and_size_are_those_of_the_revision() {
        let manifest = manifest(&owner(&spec()), &new(&template())).unwrap();

        assert_eq!(
            manifest["metadata"]["labels"],
            json!({"app": "web", HASH_LABEL: "abc"})
        );
        assert_eq!(
            manifest["spec"]["selector"],
            json!({"matchLabels": {"app": "web", HASH_LABEL: "abc"}})
        );
        assert_eq!(manifest["spec"]["replicas"], 0);
        assert_eq!(manifest["spec"]["minReadySeconds"], 5);
    }

    #[test]
    fn a_rollout_of_argo_rollouts_owns_it_as_one_of_its_group() {
        let mut owner = owner(&spec());
        owner.types = Some(kube::core::TypeMeta {
            api_version: Group::Argo.api_version(),
            kind: rollout::KIND.to_owned(),
        });

        let manifest = manifest(&owner, &new(&template())).unwrap();

        let owner = &manifest["metadata"]["ownerReferences"][0];
        assert_eq!(owner["apiVersion"], "argoproj.io/v1alpha1");
    }

    #[test]
    fn the_rollout_owns_it() {
        let manifest = manifest(&owner(&spec()), &new(&template())).unwrap();

        let expected = json!([{
            "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-1",
            "controller": true, "blockOwnerDeletion": true,
        }]);
        assert_eq!(manifest["metadata"]["ownerReferences"], expected);
    }

    #[test]
    fn annotations_about_the_rollout_itself_are_not_copied() {
        let manifest = manifest(&owner(&spec()), &new(&template())).unwrap();

        let expected = json!({
            "team": "checkout",
            REVISION_ANNOTATION: "8",
            DESIRED_REPLICAS_ANNOTATION: "3",
            TEMPLATE_DIGEST_ANNOTATION: TemplateDigest::of(&template()).as_str(),
        });
        assert_eq!(manifest["metadata"]["annotations"], expected);
    }

    #[test]
    fn a_selector_of_expressions_only_gets_labels() {
        let expressions = json!([{"key": "app", "operator": "Exists"}]);
        let spec = json!({"selector": {"matchExpressions": expressions}, "template": template()});

        let manifest = manifest(&owner(&spec), &new(&template())).unwrap();

        let expected = json!({"matchExpressions": expressions, "matchLabels": {HASH_LABEL: "abc"}});
        assert_eq!(manifest["spec"]["selector"], expected);
    }

    #[test]
    fn labels_written_as_null_are_made() {
        let template = json!({"metadata": null, "spec": {}});
        let owner = owner(&json!({"selector": null, "template": template}));

        let manifest = manifest(&owner, &new(&template)).unwrap();

        assert_eq!(
            manifest["spec"]["template"]["metadata"]["labels"],
            json!({HASH_LABEL: "abc"})
        );
    }

    #[test]
    fn another_template_is_refused() {
        let other = json!({"spec": {}});

        let error = manifest(&owner(&spec()), &new(&other)).unwrap_err();

        assert!(matches!(error, ManifestError::TemplateChanged { .. }), "{error}");
    }

    #[test]
    fn no_template_is_refused() {
        let error = manifest(&owner(&json!({})), &new(&template())).unwrap_err();
        assert_eq!(error, ManifestError::NoTemplate);
    }
}
