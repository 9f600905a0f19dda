//! What is kept of a ReplicaSet: no template.

use std::collections::BTreeMap;

use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::injected::{injected, injecting, own_keys};
use kulta_api::names::{
    DESIRED_REPLICAS_ANNOTATION, HASH_LABEL, REVISION_ANNOTATION, SCALE_DOWN_DEADLINE_ANNOTATION,
    TEMPLATE_DIGEST_ANNOTATION,
};
use kulta_api::origin::image;
use kulta_core::observed::ReplicaSetView;
use kulta_core::revision::TemplateDigest;
use serde::Deserialize;
use serde_json::Value;

use super::metadata::Metadata;
use super::ownership::{Ownership, ownership};
use super::projection::{Projection, Undecodable};

/// A ReplicaSet with a hash label.
#[derive(Debug, PartialEq)]
pub struct ReplicaSet {
    /// What decisions see of it; whether it is owned by the Rollout in question is not known here, and false.
    pub view: ReplicaSetView,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whose it is.
    pub ownership: Ownership,
    /// It is being deleted: it counts as gone.
    pub deleting: bool,
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
    #[serde(default)]
    status: WrittenStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenSpec {
    replicas: Option<u32>,
    min_ready_seconds: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenStatus {
    replicas: u32,
    ready_replicas: u32,
    available_replicas: u32,
    observed_generation: i64,
    conditions: Vec<WrittenCondition>,
}

#[derive(Deserialize)]
struct WrittenCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

/// What Kubernetes takes where `spec.replicas` is not written.
const DEFAULT_REPLICAS: u32 = 1;

impl Projection for ReplicaSet {
    fn api_resource(_: Group) -> ApiResource {
        ApiResource::erase::<k8s_openapi::api::apps::v1::ReplicaSet>(&())
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            metadata,
            spec,
            status,
        } = Written::deserialize(object)?;
        let failure = status
            .conditions
            .into_iter()
            .find(|condition| condition.kind == "ReplicaFailure" && condition.status == "True")
            .map(|condition| condition.message);
        Ok(Self {
            deleting: metadata.is_being_deleted(),
            ownership: ownership(&metadata.owner_references),
            view: ReplicaSetView {
                hash: metadata.labels.get(HASH_LABEL).cloned().unwrap_or_default(),
                digest: metadata
                    .annotations
                    .get(TEMPLATE_DIGEST_ANNOTATION)
                    .map(TemplateDigest::stored),
                revision: metadata.annotation(REVISION_ANNOTATION).unwrap_or(0),
                created: metadata.creation_timestamp,
                owned: false,
                spec_replicas: spec.replicas.unwrap_or(DEFAULT_REPLICAS),
                min_ready_seconds: spec.min_ready_seconds,
                replicas: status.replicas,
                ready: status.ready_replicas,
                available: status.available_replicas,
                scale_down_deadline: metadata.annotation(SCALE_DOWN_DEADLINE_ANNOTATION),
                desired_replicas: metadata.annotation(DESIRED_REPLICAS_ANNOTATION),
                failure,
                image: object.pointer("/spec/template").and_then(image),
                own_keys: own_keys(object.pointer("/spec/template"), &metadata.annotations),
                injected: injected(&metadata.annotations),
                injecting: injecting(&metadata.annotations),
                is_observed: status.observed_generation >= metadata.generation,
                name: metadata.name,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
            },
            labels: metadata.labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use kulta_api::names::{INJECTED_METADATA_ANNOTATION, INJECTING_METADATA_ANNOTATION};

    use super::*;
    use crate::watch::samples;
    use serde_json::json;

    #[test]
    fn sizes_annotations_and_owner_are_read() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]["annotations"] = json!({
            REVISION_ANNOTATION: "3", DESIRED_REPLICAS_ANNOTATION: "5", TEMPLATE_DIGEST_ANNOTATION: "d1",
            SCALE_DOWN_DEADLINE_ANNOTATION: "2026-01-02T03:04:05Z",
        });

        let replica_set = ReplicaSet::project(&object).unwrap();

        let view = &replica_set.view;
        assert_eq!(
            (view.spec_replicas, view.replicas, view.ready, view.available),
            (3, 3, 2, 1)
        );
        assert_eq!((view.revision, view.desired_replicas), (3, Some(5)));
        assert_eq!(view.digest, Some(TemplateDigest::stored("d1")));
        assert_eq!(
            view.scale_down_deadline,
            Some("2026-01-02T03:04:05Z".parse().unwrap())
        );
        assert_eq!(view.hash, "abc");
        assert_eq!(
            replica_set.ownership,
            Ownership::Rollout {
                group: Group::Kulta,
                name: "web".to_owned(),
                uid: "uid-web".to_owned()
            }
        );
    }

    #[test]
    fn what_was_put_into_its_pods_is_read_and_whether_its_controller_has_seen_it() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]["annotations"] = json!({
            INJECTED_METADATA_ANNOTATION: r#"{"labels":{"role":"canary"}}"#,
            INJECTING_METADATA_ANNOTATION: "{}",
        });
        let view = ReplicaSet::project(&object).unwrap().view;
        assert_eq!(view.injected.labels["role"], "canary");
        assert_eq!(view.injecting, Some(kulta_core::spec::PodMetadata::default()));
        assert!(view.is_observed);

        object["metadata"]["generation"] = json!(3);
        assert!(!ReplicaSet::project(&object).unwrap().view.is_observed);
    }

    #[test]
    fn a_new_replica_set_has_no_pods() {
        let mut object = samples::replica_set("web", "abc");
        object.as_object_mut().unwrap().remove("status");

        let view = ReplicaSet::project(&object).unwrap().view;

        assert_eq!((view.replicas, view.ready, view.available), (0, 0, 0));
    }

    #[test]
    fn annotations_that_make_no_sense_count_as_absent() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]["annotations"] =
            json!({REVISION_ANNOTATION: "x", SCALE_DOWN_DEADLINE_ANNOTATION: "soon"});

        let view = ReplicaSet::project(&object).unwrap().view;

        assert_eq!((view.revision, view.scale_down_deadline), (0, None));
    }

    #[test]
    fn a_failure_to_create_pods_is_told() {
        let mut object = samples::replica_set("web", "abc");
        object["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]);

        assert_eq!(
            ReplicaSet::project(&object).unwrap().view.failure.as_deref(),
            Some("exceeded quota")
        );
    }

    #[test]
    fn a_failure_that_is_over_is_not_told() {
        let mut object = samples::replica_set("web", "abc");
        object["status"]["conditions"] =
            json!([{"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}]);

        assert_eq!(ReplicaSet::project(&object).unwrap().view.failure, None);
    }

    #[test]
    fn without_a_controller_it_is_an_orphan() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]["ownerReferences"][0]["controller"] = json!(false);

        assert_eq!(ReplicaSet::project(&object).unwrap().ownership, Ownership::Orphan);
    }

    #[test]
    fn that_of_another_controller_is_nothing_to_adopt() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]["ownerReferences"][0]["apiVersion"] = json!("apps/v1");

        assert_eq!(ReplicaSet::project(&object).unwrap().ownership, Ownership::Other);
    }

    #[test]
    fn one_without_a_creation_time_is_unreadable() {
        let mut object = samples::replica_set("web", "abc");
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("creationTimestamp");

        assert!(ReplicaSet::project(&object).is_err());
    }
}
