//! Reading from the API server what the caches do not hold.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, GetParams};
use kube::core::Request;
use kube::{Client, Error, Resource as _};
use kulta_core::spec::WorkloadKind;
use serde_json::Value;
use thiserror::Error;

use crate::expectations::{Kind, Version};
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::watch::{
    AnalysisRun, Bounded, Caches, Experiment, Projection, ReplicaSet, Rollout, Service, workload,
};

/// The API server answers in milliseconds. Longer than this it is overloaded or out of reach.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The API server could not be asked.
#[derive(Debug, Error)]
pub enum ReadError {
    /// No answer in time.
    #[error("no answer within {} s", READ_TIMEOUT.as_secs())]
    Timeout,
    /// It refused, or could not be reached.
    #[error("the API server could not be asked")]
    Request(#[from] Error),
    /// Somebody has made the object so large that others would suffer.
    #[error("{0} has so many parts that it can't be read: make it smaller, or delete it")]
    TooLarge(ObjectKey),
}

/// The answer to a request, within the time limit.
pub(crate) async fn within_limit<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, ReadError> {
    match tokio::time::timeout(READ_TIMEOUT, request).await {
        Err(_elapsed) => Err(ReadError::Timeout),
        Ok(answer) => Ok(answer?),
    }
}

/// An object as it is now; None when there is none.
pub(crate) async fn object<P: Projection>(
    client: &Client,
    key: &ObjectKey,
) -> Result<Option<DynamicObject>, ReadError> {
    let namespace = (!key.namespace.is_empty()).then_some(key.namespace.as_str());
    let path = DynamicObject::url_path(&P::api_resource(key.group), namespace);
    let built = Request::new(path).get(&key.name, &GetParams::default());
    let request = client.request::<Bounded>(built.map_err(Error::BuildRequest)?);
    let Bounded { object, is_whole } = match within_limit(request).await {
        Err(ReadError::Request(Error::Api(status))) if status.is_not_found() => return Ok(None),
        answer => answer?,
    };
    if !is_whole {
        return Err(ReadError::TooLarge(key.clone()));
    }
    let object = serde_json::from_value(object).map_err(Error::SerdeError)?;
    Ok(Some(object))
}

/// A workload as it is now; None when there is none.
pub(super) async fn workload_object(
    client: &Client,
    kind: WorkloadKind,
    key: &ObjectKey,
) -> Result<Option<Value>, ReadError> {
    let api = api(client, key, &workload::api_resource(kind));
    let found = within_limit(api.get_opt(&key.name)).await?;
    Ok(found.map(|object| object.data))
}

/// The version of an object now; None when there is none, and when it is another instance's: no watch shows that.
pub(crate) async fn version(
    client: &Client,
    caches: &Caches,
    instance: &Instance,
    kind: Kind,
    key: &ObjectKey,
) -> Result<Option<Version>, ReadError> {
    let resource = match kind {
        Kind::Rollout => Rollout::api_resource(key.group),
        Kind::ReplicaSet => ReplicaSet::api_resource(key.group),
        Kind::Service => Service::api_resource(key.group),
        Kind::Route(kind) => caches.route_resource(kind),
        Kind::AnalysisRun => AnalysisRun::api_resource(key.group),
        Kind::Experiment => Experiment::api_resource(key.group),
        Kind::Workload(kind) => workload::api_resource(kind),
    };
    let found = within_limit(api(client, key, &resource).get_metadata_opt(&key.name)).await?;
    let is_sorted = matches!(kind, Kind::Rollout | Kind::AnalysisRun | Kind::Experiment);
    let own = found.filter(|object| !is_sorted || instance.has(object.metadata.labels.as_ref()));
    Ok(own.map(|object| Version {
        uid: object.metadata.uid.unwrap_or_default(),
        resource_version: object.metadata.resource_version.unwrap_or_default(),
    }))
}

fn api(client: &Client, key: &ObjectKey, resource: &ApiResource) -> Api<DynamicObject> {
    if key.namespace.is_empty() {
        return Api::all_with(client.clone(), resource);
    }
    Api::namespaced_with(client.clone(), &key.namespace, resource)
}
