//! Workloads that Rollouts take their pod template from: only the kinds that some Rollout names are watched.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::origin::image;
use kulta_api::rollout::selector;
use kulta_api::rollout::workload::{WorkloadTemplate, template_of};
use kulta_core::observed::WorkloadView;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::WorkloadKind;
use serde::Deserialize as _;
use serde_json::Value;

use super::metadata::Metadata;
use super::projection::{Projection, Undecodable};

/// What is kept of a workload: its template as a digest only.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadSeen {
    /// `metadata.uid`
    pub uid: String,
    /// What decisions see of it.
    pub view: WorkloadView,
    /// Identity of its template.
    pub digest: TemplateDigest,
    /// The image of the template's main container.
    pub image: Option<String>,
    /// What Rollouts take of it besides the pods.
    pub template: WorkloadTemplate,
}

/// Which kind of workload something is.
pub trait OfKind: Debug + PartialEq + Send + Sync + 'static {
    /// The kind.
    const KIND: WorkloadKind;
}

/// Marks Deployments.
#[derive(Debug, PartialEq, Eq)]
pub struct Deployments;
/// Marks ReplicaSets that are no Rollout's.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplicaSets;
/// Marks `PodTemplate`s.
#[derive(Debug, PartialEq, Eq)]
pub struct PodTemplates;

impl OfKind for Deployments {
    const KIND: WorkloadKind = WorkloadKind::Deployment;
}

impl OfKind for ReplicaSets {
    const KIND: WorkloadKind = WorkloadKind::ReplicaSet;
}

impl OfKind for PodTemplates {
    const KIND: WorkloadKind = WorkloadKind::PodTemplate;
}

/// A workload of one kind.
#[derive(Debug, PartialEq)]
pub struct Workload<K> {
    /// What is kept of it.
    pub seen: WorkloadSeen,
    kind: PhantomData<K>,
}

/// The resource of a kind of workloads, for a client.
#[must_use]
pub fn api_resource(kind: WorkloadKind) -> ApiResource {
    let (group, plural) = match kind {
        WorkloadKind::Deployment => ("apps", "deployments"),
        WorkloadKind::ReplicaSet => ("apps", "replicasets"),
        WorkloadKind::PodTemplate => ("", "podtemplates"),
    };
    let version = "v1".to_owned();
    let api_version = if group.is_empty() {
        version.clone()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: group.to_owned(),
        version,
        api_version,
        kind: kind.to_string(),
        plural: plural.to_owned(),
    }
}

impl<K: OfKind> Projection for Workload<K> {
    fn api_resource(_: Group) -> ApiResource {
        api_resource(K::KIND)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        Ok(Self {
            seen: WorkloadSeen::of(K::KIND, object)?,
            kind: PhantomData,
        })
    }
}

impl WorkloadSeen {
    fn of(kind: WorkloadKind, object: &Value) -> Result<Self, Undecodable> {
        let metadata = Metadata::deserialize(object.get("metadata").unwrap_or(&Value::Null))?;
        let template = template_of(kind, object).unwrap_or(&Value::Null);
        let texts = |pointer| {
            let texts = template.pointer(pointer).unwrap_or(&Value::Null);
            Option::<BTreeMap<String, String>>::deserialize(texts)
        };
        let (labels, annotations) = (texts("/metadata/labels")?, texts("/metadata/annotations")?);
        let replicas = object.pointer("/spec/replicas").and_then(Value::as_u64);
        Ok(Self {
            uid: metadata.uid,
            view: WorkloadView {
                resource_version: metadata.resource_version,
                generation: metadata.generation,
                replicas: replicas.and_then(|replicas| u32::try_from(replicas).ok()),
            },
            digest: TemplateDigest::of(template),
            image: image(template),
            template: WorkloadTemplate {
                labels: labels.unwrap_or_default(),
                annotations: annotations.unwrap_or_default(),
                selector: object.get("spec").and_then(selector),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::samples;

    fn deployment() -> Value {
        json!({
            "metadata": samples::metadata("web"),
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
                },
            },
        })
    }

    #[test]
    fn the_template_becomes_a_digest() {
        let object = deployment();

        let seen = Workload::<Deployments>::project(&object).unwrap().seen;

        assert_eq!(seen.digest, TemplateDigest::of(&object["spec"]["template"]));
        assert_eq!(seen.image.as_deref(), Some("web:1"));
        assert_eq!(seen.view.replicas, Some(3));
        assert!(!format!("{seen:?}").contains("containers"));
    }

    #[test]
    fn a_pod_template_has_neither_selector_nor_size() {
        let object = json!({
            "metadata": samples::metadata("web"),
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {}},
        });

        let seen = Workload::<PodTemplates>::project(&object).unwrap().seen;

        assert_eq!((seen.template.selector, seen.view.replicas), (None, None));
        assert_eq!(seen.template.labels["app"], "web");
    }
}
