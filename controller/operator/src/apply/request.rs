//! The requests that carry out actions. Pure: from an action to what is sent, without sending it.
//!
//! Every request has its precondition in itself. Objects that KULTA alone shapes are changed by a merge patch under
//! their resourceVersion; a route, which others edit at the same time, by a JSON patch that tests what it stands on.

use jiff::Timestamp;
use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation, TestOperation};
use kulta_api::names;
use kulta_core::plan::WeightChange;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::RouteReference;
use serde_json::{Value, json};

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
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Rollout => "Rollout",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::Service => "Service",
            Kind::HttpRoute => "HTTPRoute",
            Kind::AnalysisRun => "AnalysisRun",
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
    /// The same on the status subresource.
    TestStatus(Patch),
    /// DELETE of exactly this object at this version.
    Delete { uid: String, resource_version: String },
}

impl Operation {
    /// Whether an answer 422 without causes means that a `test` did not hold.
    pub(crate) fn tests(&self) -> bool {
        matches!(self, Self::Test(_) | Self::TestStatus(_))
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

    /// Creates an AnalysisRun from its manifest.
    pub(crate) fn create_analysis_run(self, name: &str, manifest: Value) -> Request {
        Request {
            target: self.target(Kind::AnalysisRun, name),
            operation: Operation::Create(manifest),
        }
    }

    /// Tells an AnalysisRun to end.
    pub(crate) fn terminate_analysis_run(self, name: &str, resource_version: &str) -> Request {
        let patch = json!({"metadata": {"resourceVersion": resource_version}, "spec": {"terminate": true}});
        Request {
            target: self.target(Kind::AnalysisRun, name),
            operation: Operation::Merge(patch),
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

    /// Notes the revision on the Rollout.
    pub(crate) fn annotate_rollout(self, resource_version: &str, revision: u64) -> Request {
        let annotations = json!({names::REVISION_ANNOTATION: revision.to_string()});
        Request {
            target: self.rollout(),
            operation: Operation::Merge(annotated(resource_version, &annotations)),
        }
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

    /// Deletes an object, if it is still this one at this version.
    pub(crate) fn delete(self, kind: Kind, name: &str, uid: &str, resource_version: &str) -> Request {
        let operation = Operation::Delete {
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
        };
        Request {
            target: self.target(kind, name),
            operation,
        }
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
        }
    }

    fn replica_set(self, name: &str) -> Target {
        self.target(Kind::ReplicaSet, name)
    }

    fn target(self, kind: Kind, name: &str) -> Target {
        let key = match kind {
            Kind::Rollout | Kind::AnalysisRun => self.rollout.beside(name),
            Kind::ReplicaSet | Kind::Service | Kind::HttpRoute => {
                ObjectKey::new(&self.rollout.namespace, name)
            }
        };
        Target { kind, key }
    }
}

/// Replaces an object's status as a whole.
pub(crate) fn replace_status(target: Target, resource_version: &str, status: Value) -> Request {
    let patch = Patch(vec![
        test(["metadata", "resourceVersion"], resource_version.into()),
        add(["status"], status),
    ]);
    let is_subresource =
        target.kind != Kind::AnalysisRun || target.key.group.has_analysis_status_subresource();
    let operation = if is_subresource {
        Operation::TestStatus(patch)
    } else {
        Operation::Test(patch)
    };
    Request { target, operation }
}

/// Changes weights of a route, and nothing else. Its namespace need not be the Rollout's.
pub(crate) fn set_route_weights(
    route: &RouteReference,
    generation: i64,
    changes: &[WeightChange],
) -> Request {
    let target = Target {
        kind: Kind::HttpRoute,
        key: route.into(),
    };
    let mut operations = vec![test(["metadata", "generation"], generation.into())];
    for WeightChange {
        rule,
        index,
        name,
        from,
        to,
    } in changes
    {
        let (rule, index) = (rule.to_string(), index.to_string());
        let field = |field| {
            [
                "spec",
                "rules",
                rule.as_str(),
                "backendRefs",
                index.as_str(),
                field,
            ]
        };
        operations.push(test(field("name"), name.as_str().into()));
        match from {
            Some(from) => {
                operations.push(test(field("weight"), (*from).into()));
                operations.push(replace(field("weight"), (*to).into()));
            }
            None => operations.push(add(field("weight"), (*to).into())),
        }
    }
    Request {
        target,
        operation: Operation::Test(Patch(operations)),
    }
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

#[cfg(test)]
mod tests;
