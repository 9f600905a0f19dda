//! Writes of pods. The caches hold none, so nothing is expected to be seen of them: whoever decides on them lists them.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kulta_api::injected;
use kulta_core::spec::PodMetadata;
use serde_json::{Value, json};

use super::ApplyError;
use super::failed;
use super::write::{self, WriteError};
use crate::context::{Context, Sighting};
use crate::key::ObjectKey;
use crate::metrics::ActionKind;
use crate::observe::ReadError;
use crate::pods::{self, Extent};

/// Pods written at the same time, as in Argo Rollouts: enough to hide the latency, few enough not to crowd others out.
const WRITTEN_AT_ONCE: usize = 10;

/// What became of a pod that was to be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// It goes.
    Done,
    /// A disruption budget keeps it for now, or the API server has no time.
    Kept,
}

/// Evicts the pod `name`, if it is still this one and its disruption budget allows it.
pub(super) async fn evict(
    context: &Context,
    rollout: &Sighting,
    name: &str,
    (uid, resource_version): (&str, &str),
) -> Result<Eviction, ApplyError> {
    let pod = ObjectKey::new(&rollout.key.namespace, name);
    // The answer of a disruption budget must not be waited for by asking again and again.
    let mut writer = context.writer(&rollout.key);
    writer.client = &context.impatient_client;
    match write::evict(writer, &pod, uid, resource_version).await {
        Ok(()) => Ok(Eviction::Done),
        Err(WriteError::Refused {
            source: kube::Error::Api(status),
            ..
        }) if status.code == write::TOO_MANY_REQUESTS => Ok(Eviction::Kept),
        Err(error) => Err(failed(ActionKind::EvictPod)(error)),
    }
}

/// A ReplicaSet as the owner of pods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'plan> {
    /// Its UID.
    pub(super) uid: &'plan str,
    /// The hash that its pods bear.
    pub(super) hash: &'plan str,
}

/// Puts `metadata` into all pods of `owner` in the place of `former`, into those that do not have it yet.
pub(super) async fn spread(
    context: &Context,
    rollout: &Sighting,
    owner: Owner<'_>,
    former: &PodMetadata,
    metadata: &PodMetadata,
) -> Result<(), ApplyError> {
    let failed = failed(ActionKind::SpreadMetadata);
    let namespace = &rollout.key.namespace;
    let patches = pods::list(
        &context.client,
        namespace,
        &[owner.hash],
        Extent::Metadata,
        |pod: PartialObjectMeta| patch_of(&pod.metadata, owner, former, metadata),
    )
    .await
    .map_err(|error| failed(unlisted(error, namespace)))?;
    let writes: Vec<_> = patches
        .into_iter()
        .map(|(name, patch)| write_pod(context, rollout, name, patch))
        .collect();
    // One that has changed meanwhile does not keep the others from being written.
    let written: Vec<_> = futures::stream::iter(writes)
        .buffer_unordered(WRITTEN_AT_ONCE)
        .collect()
        .await;
    written.into_iter().collect::<Result<(), _>>().map_err(failed)
}

async fn write_pod(
    context: &Context,
    rollout: &Sighting,
    name: String,
    patch: Value,
) -> Result<(), WriteError> {
    let pod = ObjectKey::new(&rollout.key.namespace, name);
    match write::patch_pod(context.writer(&rollout.key), &pod, patch).await {
        // What comes in its place is made of the template.
        Err(WriteError::Conflict { is_gone: true, .. }) => Ok(()),
        sent => sent,
    }
}

/// Name and patch of a pod that is `owner`'s and does not have `metadata` alone. It is for the pod as it was listed: one that is
/// late, of a controller that was frozen, changes nothing that another one has written since.
fn patch_of(
    pod: &ObjectMeta,
    owner: Owner<'_>,
    former: &PodMetadata,
    metadata: &PodMetadata,
) -> Option<(String, Value)> {
    let mut owners = pod.owner_references.iter().flatten();
    let is_its = owners.any(|reference| reference.controller == Some(true) && reference.uid == owner.uid);
    let (name, uid) = (pod.name.clone()?, pod.uid.clone()?);
    let gone = PodMetadata {
        labels: present(pod.labels.as_ref(), &former.labels, &metadata.labels),
        annotations: present(
            pod.annotations.as_ref(),
            &former.annotations,
            &metadata.annotations,
        ),
    };
    let missing = PodMetadata {
        labels: missing(pod.labels.as_ref(), &metadata.labels),
        annotations: missing(pod.annotations.as_ref(), &metadata.annotations),
    };
    if !is_its || gone.is_empty() && missing.is_empty() {
        return None;
    }
    let (labels, annotations) = injected::replacement(&gone, &missing);
    let fields = json!({
        "uid": uid, "resourceVersion": pod.resource_version, "labels": labels, "annotations": annotations,
    });
    Some((name, json!({"metadata": fields})))
}

type Texts = BTreeMap<String, String>;

/// Those of `former` that are there and not wanted any more.
fn present(of_pod: Option<&Texts>, former: &Texts, wanted: &Texts) -> Texts {
    let is_there = |key: &str| of_pod.is_some_and(|texts| texts.contains_key(key));
    let gone = former
        .iter()
        .filter(|(key, _)| is_there(key) && !wanted.contains_key(*key));
    gone.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Those of `wanted` that are not there with their values.
fn missing(of_pod: Option<&Texts>, wanted: &Texts) -> Texts {
    let is_there = |(key, value): &(&String, &String)| {
        of_pod
            .and_then(|texts| texts.get(*key))
            .is_some_and(|there| there == *value)
    };
    let missing = wanted.iter().filter(|pair| !is_there(pair));
    missing.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn unlisted(error: ReadError, namespace: &str) -> WriteError {
    let object = format!("the list of pods in {namespace}");
    match error {
        ReadError::Timeout => WriteError::Timeout { object },
        ReadError::Request(source) => WriteError::Refused { object, source },
        error @ ReadError::TooLarge(_) => {
            let source = kube::Error::Service(Box::new(error));
            WriteError::Refused { object, source }
        }
    }
}
