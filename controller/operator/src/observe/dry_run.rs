//! The dry run of creating a ReplicaSet.

use kube::api::{DynamicObject, PostParams};
use kube::core::Request;
use kube::core::request;
use kube::{Client, Error};
use kulta_api::Group;
use kulta_api::names::FIELD_MANAGER;
use kulta_core::text::with_causes;
use serde_json::Value;
use thiserror::Error;

use super::read::{self, ReadError};
use crate::key::ObjectKey;
use crate::terminating::is_namespace_terminating;
use crate::watch::{Projection as _, ReplicaSet};

/// Unknown and repeated fields are errors: a misspelt pod field must not pass silently.
const STRICT: &str = "&fieldValidation=Strict";
/// What a throw-away name ends in.
const THROW_AWAY: &str = "-dry-run";
/// Names of objects have at most so many bytes.
const LONGEST_NAME: usize = 253;

/// Why there is no defaulted template.
#[derive(Debug, Error)]
pub(super) enum DryRunError {
    /// The API server refuses the template.
    #[error("{message}")]
    Invalid {
        /// Its message.
        message: String,
    },
    /// A quota, a policy or missing rights refuse the ReplicaSet.
    #[error("{message}")]
    Refused {
        /// The API server's message.
        message: String,
    },
    /// The namespace is being deleted.
    #[error("the namespace is being deleted")]
    Terminating,
    /// No answer that says anything of the template.
    #[error("the API server gave no answer about the template: {message}")]
    Unanswered {
        /// What came instead.
        message: String,
    },
}

/// The name under which the ReplicaSet `name` is created in a dry run: the name itself may be taken by the very
/// ReplicaSet that the answer is compared with.
pub(super) fn throw_away_name(name: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(THROW_AWAY.len());
    let beginning = name.get(..name.floor_char_boundary(room)).unwrap_or_default();
    // Before a hyphen stands a letter or a digit.
    let beginning = beginning.trim_end_matches(['-', '.']);
    format!("{beginning}{THROW_AWAY}")
}

/// A ReplicaSet as the API server would store it.
#[derive(Debug)]
pub(super) struct Defaulted {
    pub(super) object: DynamicObject,
    /// What it leaves out of the template: fields that it does not know.
    pub(super) complaint: Option<String>,
}

/// The ReplicaSet as the API server would store it. Fields that it does not know are errors; in a Rollout of `argoproj.io` they
/// are left out, as Argo Rollouts leaves them out, and told.
pub(super) async fn create(
    client: &Client,
    rollout: &ObjectKey,
    manifest: &Value,
) -> Result<Defaulted, DryRunError> {
    match send(client, rollout, manifest, STRICT).await {
        Err(DryRunError::Invalid { message }) if rollout.group == Group::Argo => {
            let object = send(client, rollout, manifest, "").await?;
            let complaint = Some(message);
            Ok(Defaulted { object, complaint })
        }
        answer => answer.map(|object| Defaulted {
            object,
            complaint: None,
        }),
    }
}

async fn send(
    client: &Client,
    rollout: &ObjectKey,
    manifest: &Value,
    validation: &str,
) -> Result<DynamicObject, DryRunError> {
    let request = request(&rollout.namespace, manifest, validation).map_err(|error| unanswered(&error))?;
    read::within_limit(client.request(request))
        .await
        .map_err(|error| classified(&error))
}

fn request(
    namespace: &str,
    manifest: &Value,
    validation: &str,
) -> Result<http::Request<Vec<u8>>, RequestError> {
    let resource = ReplicaSet::api_resource(Group::default());
    let url = <DynamicObject as kube::Resource>::url_path(&resource, Some(namespace));
    let parameters = PostParams {
        dry_run: true,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let mut request = Request::new(url).create(&parameters, serde_json::to_vec(manifest)?)?;
    *request.uri_mut() = format!("{}{validation}", request.uri()).parse()?;
    Ok(request)
}

#[derive(Debug, Error)]
enum RequestError {
    #[error("the manifest can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the request can't be built: {0}")]
    Build(#[from] request::Error),
    #[error("the address can't be built: {0}")]
    Address(#[from] http::uri::InvalidUri),
}

fn unanswered(error: &dyn std::error::Error) -> DryRunError {
    DryRunError::Unanswered {
        message: with_causes(error),
    }
}

fn classified(error: &ReadError) -> DryRunError {
    let ReadError::Request(request @ Error::Api(status)) = error else {
        return unanswered(error);
    };
    if is_namespace_terminating(request) {
        return DryRunError::Terminating;
    }
    let message = status.message.clone();
    match status.code {
        400 | 422 => DryRunError::Invalid { message },
        403 => DryRunError::Refused { message },
        _ => DryRunError::Unanswered { message },
    }
}
