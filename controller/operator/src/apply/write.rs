//! Sending one request: with a time limit, and with an answer that says whether to observe again.

use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{
    DeleteParams, DynamicObject, GetParams, Patch, PatchParams, PostParams, Preconditions,
    ValidationDirective,
};
use kube::core::response::Status;
use kube::{Client, Resource as _};
use kulta_api::names::FIELD_MANAGER;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use thiserror::Error;

use super::request::{Operation, Request, Target};
use crate::expectations::{Kind, Outcome, Write};
use crate::key::ObjectKey;
use crate::lease;
use crate::permission::Writer;
use crate::watch::{AnalysisRun, Experiment, Projection as _, route, workload};

/// The API server answers a write in milliseconds. Longer than this it is overloaded or out of reach; the write is
/// then taken for lost, and its precondition keeps a late one from doing harm.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(4);

// A write that was begun with a lease has its answer, or is given up, before others may take the lease.
const _: () = assert!(WRITE_TIMEOUT.as_secs() < lease::MARGIN.as_secs());

/// Answers of an API server that has no time now: too many requests, unavailable, gateway timeout. (500 is not among
/// them: it is also the answer where an admission webhook is broken, and somebody must see that.)
const BUSY: [u16; 3] = [TOO_MANY_REQUESTS, 503, 504];
/// The answer to too many requests, and to an eviction that a disruption budget does not allow.
pub(super) const TOO_MANY_REQUESTS: u16 = 429;

/// The answer to a request that is too large by itself.
const TOO_LARGE: u16 = 413;
/// What the API server passes on, as an internal error, where its store refuses an object for its size: etcd by its own
/// limit, and the connection to it.
const TOO_LARGE_WORDS: [&str; 2] = ["request is too large", "trying to send message larger than max"];
/// The cause of a 422 where a value is longer than it may be.
const TOO_LONG: &str = "FieldValueTooLong";

/// A write that was not made, or of which nobody knows whether it was.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The object is not as it was observed: observe again, decide again.
    #[error("{object} is not as it was observed: {message}")]
    Conflict {
        /// Kind, namespace and name.
        object: String,
        /// What the API server says.
        message: String,
        /// It is not there any more.
        is_gone: bool,
    },
    /// There is an object of that name already.
    #[error("{object} exists already")]
    AlreadyExists {
        /// Kind, namespace and name.
        object: String,
    },
    /// No answer in time: whether it was made shows the next observation.
    #[error("no answer about {object} within {} s", WRITE_TIMEOUT.as_secs())]
    Timeout {
        /// Kind, namespace and name.
        object: String,
    },
    /// The lease of Argo Rollouts is not held any more: somebody else may write now.
    #[error("{object} is not written without the lease of Argo Rollouts")]
    NotHeld {
        /// Kind, namespace and name.
        object: String,
    },
    /// The API server refused, or could not be reached.
    #[error("{object} could not be written or read")]
    Refused {
        /// Kind, namespace and name.
        object: String,
        /// Its answer.
        #[source]
        source: kube::Error,
    },
}

impl WriteError {
    /// Whether the object, or who may write it, changed since it was observed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::NotHeld { .. })
    }

    /// Whether the API server was only busy or out of reach: nothing is wrong with what was written, and the next
    /// attempt will probably go through.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused {
                source: kube::Error::Api(status),
                ..
            } => BUSY.contains(&status.code),
            Self::Timeout { .. } | Self::Refused { .. } => true,
            Self::Conflict { .. } | Self::NotHeld { .. } | Self::AlreadyExists { .. } => false,
        }
    }

    /// Whether the object has become larger than the API server, or its store, takes: the same write can only be refused
    /// again.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let Self::Refused {
            source: kube::Error::Api(status),
            ..
        } = self
        else {
            return false;
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        status.code == TOO_LARGE
            || TOO_LARGE_WORDS.iter().any(|words| status.message.contains(words))
            || causes.into_iter().any(|cause| cause.reason == TOO_LONG)
    }

    /// What a condition says of it: the API server's own words where there are any.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Refused {
                source: kube::Error::Api(status),
                ..
            } if !status.message.is_empty() => status.message.clone(),
            Self::Refused { source, .. } => format!("{self}: {source}"),
            Self::Conflict { .. }
            | Self::NotHeld { .. }
            | Self::AlreadyExists { .. }
            | Self::Timeout { .. } => self.to_string(),
        }
    }
}

/// The metadata that an answer to a write is read for.
#[derive(Debug, Deserialize)]
struct Answer {
    metadata: AnswerMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerMetadata {
    uid: String,
    resource_version: String,
}

/// Sends `request`, if `writer` may, and answers what the object has become.
pub(crate) async fn send(writer: Writer<'_>, request: Request) -> Result<Write, WriteError> {
    let Request { target, operation } = request;
    let _under_way = writer.begin().ok_or_else(|| not_held(&target))?;
    let client = writer.client;
    let tests = operation.tests();
    let collection = collection(&target);
    let name = target.key.name.as_str();
    let patching = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        field_validation: operation.is_strict().then_some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let built = match operation {
        Operation::Create(manifest) => {
            let creating = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            collection.create(&creating, manifest.to_string().into_bytes())
        }
        // Of the answer only metadata is wanted, and not the pod template of a ReplicaSet.
        Operation::Merge(patch) => collection.patch_metadata(name, &patching, &Patch::Merge(patch)),
        Operation::Test(patch) | Operation::TestStrictly(patch) => {
            collection.patch_metadata(name, &patching, &Patch::<()>::Json(patch))
        }
        Operation::TestStatus(patch) => {
            collection.patch_subresource("status", name, &patching, &Patch::<()>::Json(patch))
        }
        Operation::Delete {
            uid,
            resource_version,
        } => {
            return delete(client, target, uid, resource_version).await;
        }
    };
    let Answer { metadata } = exchange(client, &target, tests, built).await?;
    let outcome = Outcome::Written {
        resource_version: metadata.resource_version,
    };
    Ok(Write {
        kind: target.kind,
        object: target.key,
        uid: metadata.uid,
        outcome,
    })
}

async fn delete(
    client: &Client,
    target: Target,
    uid: String,
    resource_version: String,
) -> Result<Write, WriteError> {
    let preconditions = Preconditions {
        uid: Some(uid.clone()),
        resource_version: Some(resource_version),
    };
    let parameters = DeleteParams::background().preconditions(preconditions);
    let built = collection(&target).delete(&target.key.name, &parameters);
    let IgnoredAny = exchange(client, &target, false, built).await?;
    Ok(Write {
        kind: target.kind,
        object: target.key,
        uid,
        outcome: Outcome::Deleted,
    })
}

fn not_held(object: &impl std::fmt::Display) -> WriteError {
    WriteError::NotHeld {
        object: object.to_string(),
    }
}

/// Evicts a pod, if it is still as it was seen.
pub(super) async fn evict(
    writer: Writer<'_>,
    pod: &ObjectKey,
    uid: &str,
    resource_version: &str,
) -> Result<(), WriteError> {
    let object = format!("Pod {pod}");
    let _under_way = writer.begin().ok_or_else(|| not_held(&object))?;
    // Not by the client's own request: that names the options otherwise than the API server reads them, and the
    // precondition would be lost.
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "deleteOptions": {"preconditions": {"uid": uid, "resourceVersion": resource_version}},
    });
    let url = Pod::url_path(&(), Some(&pod.namespace));
    let built = http::Request::post(format!("{url}/{}/eviction", pod.name))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(eviction.to_string().into_bytes())
        .map_err(kube::core::request::Error::BuildRequest);
    let IgnoredAny = exchange(writer.client, &object, false, built).await?;
    Ok(())
}

/// Changes a pod by a merge patch, which has its UID in it.
pub(super) async fn patch_pod(writer: Writer<'_>, pod: &ObjectKey, patch: Value) -> Result<(), WriteError> {
    let object = format!("Pod {pod}");
    let _under_way = writer.begin().ok_or_else(|| not_held(&object))?;
    let patching = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let built = kube::core::Request::new(Pod::url_path(&(), Some(&pod.namespace))).patch_metadata(
        &pod.name,
        &patching,
        &Patch::Merge(patch),
    );
    let IgnoredAny = exchange(writer.client, &object, false, built).await?;
    Ok(())
}

/// Reads an object as it is now: where a decision stands on more than the caches hold.
pub(crate) async fn read<T: DeserializeOwned>(client: &Client, target: &Target) -> Result<T, WriteError> {
    let built = collection(target).get(&target.key.name, &GetParams::default());
    exchange(client, target, false, built).await
}

/// Reads the metadata of an object as it is now.
pub(crate) async fn read_metadata<T: DeserializeOwned>(
    client: &Client,
    target: &Target,
) -> Result<T, WriteError> {
    let built = collection(target).get_metadata(&target.key.name, &GetParams::default());
    exchange(client, target, false, built).await
}

async fn exchange<T: DeserializeOwned>(
    client: &Client,
    target: &impl std::fmt::Display,
    tests: bool,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<T, WriteError> {
    let object = || target.to_string();
    let request = request.map_err(|error| WriteError::Refused {
        object: object(),
        source: kube::Error::BuildRequest(error),
    })?;
    match tokio::time::timeout(WRITE_TIMEOUT, client.request(request)).await {
        Err(_elapsed) => Err(WriteError::Timeout { object: object() }),
        Ok(Err(error)) => Err(classified(error, object(), tests)),
        Ok(Ok(answer)) => Ok(answer),
    }
}

fn classified(error: kube::Error, object: String, tests: bool) -> WriteError {
    match error {
        kube::Error::Api(status) if status.is_already_exists() => WriteError::AlreadyExists { object },
        kube::Error::Api(status)
            if status.is_conflict() || status.is_not_found() || (tests && test_failed(&status)) =>
        {
            WriteError::Conflict {
                object,
                is_gone: status.is_not_found(),
                message: status.message,
            }
        }
        source => WriteError::Refused { object, source },
    }
}

/// A `test` that does not hold and a value that is invalid are both answered with 422; only the latter has causes.
fn test_failed(status: &Status) -> bool {
    status.is_invalid()
        && status
            .details
            .as_ref()
            .is_none_or(|details| details.causes.is_empty())
}

fn collection(target: &Target) -> kube::core::Request {
    let (namespace, group) = (Some(target.key.namespace.as_str()), target.key.group);
    kube::core::Request::new(match target.kind {
        Kind::Rollout => DynamicObject::url_path(&kulta_api::rollout::api_resource(group), namespace),
        Kind::ReplicaSet => ReplicaSet::url_path(&(), namespace),
        Kind::Service => Service::url_path(&(), namespace),
        Kind::Route(kind) => {
            let resource = route::api_resource(kind, target.version.as_deref());
            DynamicObject::url_path(&resource, namespace)
        }
        Kind::AnalysisRun => DynamicObject::url_path(&AnalysisRun::api_resource(group), namespace),
        Kind::Experiment => DynamicObject::url_path(&Experiment::api_resource(group), namespace),
        Kind::Workload(kind) => DynamicObject::url_path(&workload::api_resource(kind), namespace),
    })
}
