//! The requests that carry out actions. Pure: from an action to what is sent, without sending it.
//!
//! Every request has its precondition in itself. Objects that KULTA alone shapes are changed by a merge patch under
//! their resourceVersion; a route, which others edit at the same time, by a JSON patch that tests what it stands on.

mod route;

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use kulta_api::{injected, names};
use kulta_core::observed::{Judge, Routed};
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{PodMetadata, WorkloadKind};
use serde_json::{Value, json};

pub(crate) use self::route::{RouteChanges, change_route};
use crate::expectations::Kind;
use crate::key::ObjectKey;

/// One write of one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// Which object.
    pub(crate) target: Target,
    /// What is done to it.
    pub(crate) operation: Operation,
}

/// The object of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) key: ObjectKey,
    /// The version to write a route in; None: the only one of the kind.
    pub(crate) version: Option<String>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Rollout => "Rollout",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::Service => "Service",
            Kind::Route(kind) => kind.as_str(),
            Kind::AnalysisRun => Judge::AnalysisRun.as_str(),
            Kind::Experiment => Judge::Experiment.as_str(),
            Kind::Workload(kind) => return write!(formatter, "{kind} {}", self.key),
        };
        write!(formatter, "{kind} {}", self.key)
    }
}

/// What is done to an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// POST of a whole object.
    Create(Value),
    /// PATCH with `metadata.resourceVersion` in it.
    Merge(Value),
    /// PATCH with `test` operations in it.
    Test(Patch),
    /// The same, refused where the object's definition lacks a field of it: what is known by a name must not lose it.
    TestStrictly(Patch),
    /// The same on the status subresource.
    TestStatus(Patch),
    /// DELETE of exactly this object at this version.
    Delete { uid: String, resource_version: String },
}

impl Operation {
    /// Whether an answer 422 without causes means that a `test` did not hold.
    pub(crate) fn tests(&self) -> bool {
        matches!(self, Self::Test(_) | Self::TestStrictly(_) | Self::TestStatus(_))
    }

    /// Whether unknown fields are refused.
    pub(crate) fn is_strict(&self) -> bool {
        matches!(self, Self::TestStrictly(_))
    }
}

/// What a ReplicaSet is to have of the Rollout, besides its template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Its size.
    pub(crate) replicas: u32,
    /// `spec.minReadySeconds` of the Rollout.
    pub(crate) min_ready_seconds: u32,
    /// `spec.replicas` of the Rollout.
    pub(crate) desired_replicas: u32,
}

/// What is written on a Rollout; None: as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RolloutNote {
    /// Its revision.
    pub(crate) revision: Option<u64>,
    /// The generation of its workload.
    pub(crate) workload_generation: Option<i64>,
    /// Its `spec.replicas`, where that is left out.
    pub(crate) replicas: Option<u32>,
}

/// The requests that one Rollout leads to. The objects are in its namespace, except for routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requests<'rollout> {
    /// The Rollout.
    pub(crate) rollout: &'rollout ObjectKey,
}

impl Requests<'_> {
    /// Creates a ReplicaSet from its manifest.
    pub(crate) fn create_replica_set(self, name: &str, manifest: Value) -> Request {
        Request {
            target: self.replica_set(name),
            operation: Operation::Create(manifest),
        }
    }

    /// Creates an AnalysisRun or an Experiment from its manifest.
    pub(crate) fn create(self, judge: Judge, name: &str, manifest: Value) -> Request {
        Request {
            target: self.target(judge.into(), name),
            operation: Operation::Create(manifest),
        }
    }

    /// Tells an AnalysisRun or an Experiment to end.
    pub(crate) fn terminate(self, judge: Judge, name: &str, resource_version: &str) -> Request {
        terminate(self.target(judge.into(), name), resource_version)
    }

    /// Notes on an Experiment whether routes may send to its Services.
    pub(crate) fn mark_experiment(self, name: &str, resource_version: &str, routed: &Routed) -> Request {
        let annotations = json!({names::IN_ROUTES_ANNOTATION: routed.to_string()});
        Request {
            target: self.target(Kind::Experiment, name),
            operation: Operation::Merge(annotated(resource_version, &annotations)),
        }
    }

    /// Makes `owners`, the whole list, the owners of a ReplicaSet.
    pub(crate) fn adopt_replica_set(
        self,
        name: &str,
        uid: &str,
        resource_version: &str,
        owners: &[Value],
    ) -> Request {
        let patch = json!({
            "metadata": {"uid": uid, "resourceVersion": resource_version, "ownerReferences": owners},
        });
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(patch),
        }
    }

    /// Notes the revision, those it had before (`history`) and the template's digest on a ReplicaSet.
    pub(crate) fn record_revision(
        self,
        name: &str,
        resource_version: &str,
        revision: u64,
        history: Option<&str>,
        digest: &TemplateDigest,
    ) -> Request {
        let annotations = json!({
            names::REVISION_ANNOTATION: revision.to_string(),
            names::REVISION_HISTORY_ANNOTATION: history,
            names::TEMPLATE_DIGEST_ANNOTATION: digest.as_str(),
        });
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(annotated(resource_version, &annotations)),
        }
    }

    /// Writes a note on the Rollout.
    pub(crate) fn annotate_rollout(self, resource_version: &str, note: RolloutNote) -> Request {
        let RolloutNote {
            revision,
            workload_generation,
            replicas,
        } = note;
        let revision = revision.map(|revision| (names::REVISION_ANNOTATION, revision.to_string()));
        let generation =
            workload_generation.map(|number| (names::WORKLOAD_GENERATION_ANNOTATION, number.to_string()));
        let annotations: BTreeMap<_, _> = revision.into_iter().chain(generation).collect();
        let mut patch = annotated(resource_version, &json!(annotations));
        if let (Some(replicas), Some(fields)) = (replicas, patch.as_object_mut()) {
            fields.insert("spec".to_owned(), json!({"replicas": replicas}));
        }
        Request {
            target: self.rollout(),
            operation: Operation::Merge(patch),
        }
    }

    /// Changes the size of the Deployment that the template is taken from.
    pub(crate) fn scale_deployment(self, name: &str, resource_version: &str, replicas: u32) -> Request {
        let target = self.target(Kind::Workload(WorkloadKind::Deployment), name);
        scale(target, resource_version, replicas)
    }

    /// Changes the size of a ReplicaSet, and what else of it follows the Rollout.
    pub(crate) fn scale_replica_set(self, name: &str, resource_version: &str, scale: Scale) -> Request {
        let Scale {
            replicas,
            min_ready_seconds,
            desired_replicas,
        } = scale;
        let patch = json!({
            "metadata": {
                "resourceVersion": resource_version,
                "annotations": {names::DESIRED_REPLICAS_ANNOTATION: desired_replicas.to_string()},
            },
            "spec": {"replicas": replicas, "minReadySeconds": min_ready_seconds},
        });
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(patch),
        }
    }

    /// Sets or (None) removes the time after which a ReplicaSet goes to 0.
    pub(crate) fn set_scale_down_deadline(
        self,
        name: &str,
        resource_version: &str,
        deadline: Option<Timestamp>,
    ) -> Request {
        // In a merge patch null takes the key away, and is no error where there is none.
        let deadline = deadline.map(|deadline| deadline.to_string());
        let annotations = json!({names::SCALE_DOWN_DEADLINE_ANNOTATION: deadline});
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(annotated(resource_version, &annotations)),
        }
    }

    /// Puts `metadata` into the template of a ReplicaSet in the place of `former`, and notes what may be in its pods until
    /// all have it.
    pub(crate) fn inject_metadata(
        self,
        name: &str,
        resource_version: &str,
        former: &PodMetadata,
        metadata: &PodMetadata,
    ) -> Request {
        let annotations = json!({
            names::INJECTED_METADATA_ANNOTATION: injected::annotation(former),
            names::INJECTING_METADATA_ANNOTATION: injected::text(metadata),
        });
        let (labels, of_pods) = injected::replacement(former, metadata);
        let patch = json!({
            "metadata": {"resourceVersion": resource_version, "annotations": annotations},
            "spec": {"template": {"metadata": {"labels": labels, "annotations": of_pods}}},
        });
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(patch),
        }
    }

    /// Notes that all pods of a ReplicaSet have `metadata`, and nothing else.
    pub(crate) fn note_metadata(self, name: &str, resource_version: &str, metadata: &PodMetadata) -> Request {
        let annotations = json!({
            names::INJECTED_METADATA_ANNOTATION: injected::annotation(metadata),
            names::INJECTING_METADATA_ANNOTATION: null,
        });
        Request {
            target: self.replica_set(name),
            operation: Operation::Merge(annotated(resource_version, &annotations)),
        }
    }

    /// Deletes an object, if it is still this one at this version.
    pub(crate) fn delete(self, kind: Kind, name: &str, uid: &str, resource_version: &str) -> Request {
        delete(self.target(kind, name), uid, resource_version)
    }

    /// Makes a Service select the revision `hash`.
    pub(crate) fn point_service(self, name: &str, resource_version: &str, hash: &str) -> Request {
        let patch = json!({
            "metadata": {
                "resourceVersion": resource_version,
                "annotations": {names::MANAGED_BY_ANNOTATION: self.rollout.name},
            },
            "spec": {"selector": {names::HASH_LABEL: hash}},
        });
        Request {
            target: self.target(Kind::Service, name),
            operation: Operation::Merge(patch),
        }
    }

    /// Gives a Service back: it selects all of its pods again.
    pub(crate) fn release_service(self, name: &str, resource_version: &str) -> Request {
        let patch = json!({
            "metadata": {
                "resourceVersion": resource_version,
                "annotations": {names::MANAGED_BY_ANNOTATION: null},
            },
            "spec": {"selector": {names::HASH_LABEL: null}},
        });
        Request {
            target: self.target(Kind::Service, name),
            operation: Operation::Merge(patch),
        }
    }

    /// Replaces the Rollout's status as a whole, so that fields which are no longer there are cleared.
    pub(crate) fn replace_status(self, resource_version: &str, status: Value) -> Request {
        replace_status(self.rollout(), resource_version, status)
    }

    fn rollout(self) -> Target {
        Target {
            kind: Kind::Rollout,
            key: self.rollout.clone(),
            version: None,
        }
    }

    fn replica_set(self, name: &str) -> Target {
        self.target(Kind::ReplicaSet, name)
    }

    fn target(self, kind: Kind, name: &str) -> Target {
        let key = match kind {
            Kind::Rollout | Kind::AnalysisRun | Kind::Experiment => self.rollout.beside(name),
            Kind::ReplicaSet | Kind::Service | Kind::Route(_) | Kind::Workload(_) => {
                ObjectKey::new(&self.rollout.namespace, name)
            }
        };
        let version = None;
        Target { kind, key, version }
    }
}

/// Changes the size of an object, and nothing else of it.
pub(crate) fn scale(target: Target, resource_version: &str, replicas: u32) -> Request {
    let patch = json!({"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": replicas}});
    Request {
        target,
        operation: Operation::Merge(patch),
    }
}

/// Tells an AnalysisRun or an Experiment to end.
pub(crate) fn terminate(target: Target, resource_version: &str) -> Request {
    let patch = json!({"metadata": {"resourceVersion": resource_version}, "spec": {"terminate": true}});
    Request {
        target,
        operation: Operation::Merge(patch),
    }
}

/// Replaces an object's status as a whole.
pub(crate) fn replace_status(target: Target, resource_version: &str, status: Value) -> Request {
    let patch = Patch(vec![
        test(["metadata", "resourceVersion"], resource_version.into()),
        add(["status"], status),
    ]);
    let is_analysis = matches!(target.kind, Kind::AnalysisRun | Kind::Experiment);
    let is_subresource = !is_analysis || target.key.group.has_analysis_status_subresource();
    let operation = if is_subresource {
        Operation::TestStatus(patch)
    } else {
        Operation::Test(patch)
    };
    Request { target, operation }
}

/// Deletes an object, if it is still this one at this version.
pub(crate) fn delete(target: Target, uid: &str, resource_version: &str) -> Request {
    let operation = Operation::Delete {
        uid: uid.to_owned(),
        resource_version: resource_version.to_owned(),
    };
    Request { target, operation }
}

fn annotated(resource_version: &str, annotations: &Value) -> Value {
    json!({"metadata": {"resourceVersion": resource_version, "annotations": annotations}})
}

fn test<'token>(path: impl IntoIterator<Item: Into<Token<'token>>>, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation {
        path: PointerBuf::from_tokens(path),
        value,
    })
}

fn add<'token>(path: impl IntoIterator<Item: Into<Token<'token>>>, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation {
        path: PointerBuf::from_tokens(path),
        value,
    })
}

fn replace<'token>(path: impl IntoIterator<Item: Into<Token<'token>>>, value: Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation {
        path: PointerBuf::from_tokens(path),
        value,
    })
}

fn remove<'token>(path: impl IntoIterator<Item: Into<Token<'token>>>) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation {
        path: PointerBuf::from_tokens(path),
    })
}

#[cfg(test)]
mod tests;
