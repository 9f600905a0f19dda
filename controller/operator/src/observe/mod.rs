//! The first step of a reconcile: everything that a decision looks at, and nothing that is older than the own writes.

mod analyses;
pub mod analysis_templates;
mod dry_run;
mod freshness;
mod neighbourhood;
mod pods;
pub(crate) mod read;
pub mod template;

use std::sync::Arc;

use kulta_core::observed::{Observed, TemplateCheck, TemplateView};
use kulta_core::status::ConditionType;
use thiserror::Error;

pub use read::ReadError;

use self::neighbourhood::Neighbourhood;
use crate::analysis::plugin_checks::Checked;
use crate::backoff::Retry;
use crate::context::{Context, Sighting};
use crate::key::ObjectKey;
use crate::replica_set::ManifestError;
use crate::watch::{Rollout, lacking, lost_fields};

/// Why a Rollout can't be decided on now.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// A cache does not show an own write yet, or what another replica has written before.
    #[error("the last write to {object} is not seen yet")]
    Stale {
        /// The object.
        object: ObjectKey,
    },
    /// The kind of workload that it takes its template from was not listed yet.
    #[error("the workloads of the kind that it refers to are not listed yet")]
    Unlisted,
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
            // Its list asks for a new decision when it is there.
            Self::Unlisted | Self::Manifest(_) | Self::Read(_) => Retry::Error,
        }
    }
}

/// Observes one Rollout. None: there is nothing to decide, it is gone or going.
///
/// # Errors
/// When the caches are not recent enough, or the API server can't be asked what they do not hold.
pub async fn observe(context: &Context, key: &ObjectKey) -> Result<Option<Sighting>, ObserveError> {
    freshness::confirm_anew(context, key).await?;
    let Some(seen) = neighbourhood(context, key).await? else {
        return Ok(None);
    };
    let rollout = Arc::clone(&seen.rollout);
    let templates = analysis_templates::read(context, &seen.templates).await?;
    let analyses::Resolved {
        spec,
        problems,
        planned,
    } = analyses::resolved(&rollout, &templates);
    let lost = lost_fields(&rollout, &context.fields_off.of(key.group));
    let spec = lacking(spec, &lost);
    let checked = match &seen.overlaps_with {
        None => context.plugin_checks.check(key, &planned, begins(&rollout)).await,
        Some(_) => Checked::default(),
    };
    let check = template_check(context, key, &rollout, &seen).await?;
    let workable = spec.as_ref().ok().filter(|_| seen.overlaps_with.is_none());
    let pods = pods::of(context, key, &rollout, workable, &seen.replica_sets).await;
    let observed = Observed {
        rollout: rollout.view.clone(),
        spec,
        analysis_problems: problems,
        plugin_problems: checked.problems,
        awaits_plugins: checked.is_awaited,
        status: rollout.status.clone(),
        template: template_view(&rollout, check),
        workload: rollout.workload_view().cloned(),
        replica_sets: seen.replica_sets,
        pods,
        stable_service: seen.stable_service,
        canary_service: seen.canary_service,
        routes: seen.routes,
        analysis_runs: seen.analysis_runs,
        analysis_names_taken: seen.analysis_names_taken,
        experiment_refs: seen.experiment_refs,
        overlaps_with: seen.overlaps_with,
        failure: None,
        sinks: context.outbox.of(&key.namespace, &rollout.uid),
        settings: context.settings,
    };
    Ok(Some(sighting(key, &rollout, observed, lost)))
}

fn sighting(key: &ObjectKey, rollout: &Rollout, observed: Observed, lost: Vec<String>) -> Sighting {
    Sighting {
        key: key.clone(),
        uid: rollout.uid.clone(),
        resource_version: rollout.resource_version.clone(),
        observed,
        foreign_status: rollout.foreign_status.clone(),
        memory: rollout.memory.clone(),
        own_fields: rollout.own_fields.clone(),
        lost,
    }
}

/// What the caches have around the Rollout, if that is not older than what was written last.
async fn neighbourhood(context: &Context, key: &ObjectKey) -> Result<Option<Neighbourhood>, ObserveError> {
    freshness::confirm(context, key).await?;
    let seen = context.caches.read(|tables| Neighbourhood::of(tables, key));
    if seen.as_ref().is_some_and(|seen| seen.workloads_unlisted) {
        return Err(ObserveError::Unlisted);
    }
    Ok(seen)
}

fn template_view(rollout: &Rollout, check: TemplateCheck) -> TemplateView {
    TemplateView {
        digest: rollout.digest.clone(),
        image: rollout.image.clone(),
        check,
    }
}

/// What is known of the pod template.
async fn template_check(
    context: &Context,
    key: &ObjectKey,
    rollout: &Rollout,
    seen: &Neighbourhood,
) -> Result<TemplateCheck, ObserveError> {
    if let (Ok(spec), None) = (&rollout.spec, &seen.overlaps_with) {
        let question = template::Question {
            key,
            rollout,
            spec,
            replica_sets: &seen.replica_sets,
        };
        return template::check(context, question).await;
    }
    // Nothing is decided on the template of a Rollout that can't be worked with, nor is it looked at again for an answer of before.
    context.template_checks.forget(&rollout.uid);
    Ok(TemplateCheck::Unknown {
        message: "not asked".to_owned(),
    })
}

/// The generation of a Rollout, if something new may begin with what is observed now: it was not dealt with yet, or only
/// refused.
fn begins(rollout: &Rollout) -> Option<i64> {
    let (status, generation) = (&rollout.status, rollout.view.generation);
    let workload = rollout.workload_view().map(|workload| workload.generation);
    let is_dealt_with = status.observed_generation == Some(generation)
        && status.workload_observed_generation == workload
        && status.condition(ConditionType::InvalidSpec).is_none();
    (!is_dealt_with).then_some(generation)
}

#[cfg(test)]
mod tests {
    mod takeover;

    use serde_json::{Value, json};

    use super::*;
    use crate::watch::Projection as _;
    use crate::watch::samples;

    /// Of generation 2, and with this status.
    fn rollout(status: &Value) -> Rollout {
        let mut rollout = samples::rollout("web");
        rollout["status"] = status.clone();
        Rollout::project(&rollout).unwrap()
    }

    #[test]
    fn what_was_not_dealt_with_or_only_refused_may_begin() {
        let condition = json!({
            "type": "InvalidSpec", "status": "True", "reason": "InvalidSpec", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let dealt_with = json!({"observedGeneration": 2});
        let not_yet = json!({"observedGeneration": 1});
        let refused = json!({"observedGeneration": 2, "conditions": [condition]});

        let begins = [dealt_with, not_yet, refused].map(|status| begins(&rollout(&status)));

        assert_eq!(begins, [None, Some(2), Some(2)]);
    }
}
