//! The first step of a reconcile: everything that a decision looks at, and nothing that is older than the own writes.

mod analyses;
pub mod analysis_templates;
mod dry_run;
mod freshness;
mod neighbourhood;
pub(crate) mod read;
pub mod template;

use std::sync::Arc;

use kulta_core::observed::{Observed, TemplateCheck, TemplateView};
use thiserror::Error;

pub use read::ReadError;

use self::neighbourhood::Neighbourhood;
use crate::backoff::Retry;
use crate::context::{Context, Sighting};
use crate::key::ObjectKey;
use crate::replica_set::ManifestError;

/// Why a Rollout can't be decided on now.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// A cache does not show an own write yet.
    #[error("the own last write to {object} is not seen yet")]
    Stale {
        /// The object.
        object: ObjectKey,
    },
    /// The Rollout is not what the cache shows.
    #[error("the Rollout has changed meanwhile")]
    Changed,
    /// The namespace is being deleted: there is nothing to decide any more.
    #[error("the namespace is being deleted")]
    Terminating,
    /// No ReplicaSet can be made of the Rollout.
    #[error("its template can't be checked")]
    Manifest(#[source] ManifestError),
    /// The API server could not be asked.
    #[error("the cluster can't be read")]
    Read(#[from] ReadError),
}

impl ObserveError {
    /// How soon to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Stale { .. } | Self::Changed => Retry::Stale,
            Self::Terminating => Retry::Terminating,
            Self::Manifest(_) | Self::Read(_) => Retry::Error,
        }
    }
}

/// Observes one Rollout. None: there is nothing to decide, it is gone or going.
///
/// # Errors
/// When the caches are not recent enough, or the API server can't be asked what they do not hold.
pub async fn observe(context: &Context, key: &ObjectKey) -> Result<Option<Sighting>, ObserveError> {
    freshness::confirm(context, key).await?;
    let Some(seen) = context.caches.read(|tables| Neighbourhood::of(tables, key)) else {
        return Ok(None);
    };
    let rollout = Arc::clone(&seen.rollout);
    let templates = analysis_templates::read(context, &seen.templates).await?;
    let (spec, analysis_problems) = analyses::resolved(&rollout, &templates);
    let check = match (&rollout.spec, &seen.overlaps_with) {
        (Ok(spec), None) => {
            let question = template::Question {
                key,
                rollout: &rollout,
                spec,
                replica_sets: &seen.replica_sets,
            };
            template::check(context, question).await?
        }
        // Nothing is decided on the template of a Rollout that can't be worked with.
        _ => TemplateCheck::Unknown {
            message: "not asked".to_owned(),
        },
    };
    let observed = Observed {
        rollout: rollout.view.clone(),
        spec,
        analysis_problems,
        status: rollout.status.clone(),
        template: TemplateView {
            digest: rollout.digest.clone(),
            image: rollout.image.clone(),
            check,
        },
        replica_sets: seen.replica_sets,
        stable_service: seen.stable_service,
        canary_service: seen.canary_service,
        routes: seen.routes,
        analysis_runs: seen.analysis_runs,
        analysis_names_taken: seen.analysis_names_taken,
        overlaps_with: seen.overlaps_with,
        failure: None,
        sinks: context.outbox.of(&rollout.uid),
        settings: context.settings,
    };
    Ok(Some(Sighting {
        key: key.clone(),
        uid: rollout.uid.clone(),
        resource_version: rollout.resource_version.clone(),
        observed,
    }))
}
