//! Objects that a plan makes: under names that say what they are, so that one that is there already is either what was
//! to be made or somebody else's.

use std::collections::BTreeMap;

use kube::core::PartialObjectMeta;
use kulta_api::analysis::run_metadata;
use kulta_api::experiment::{Surroundings, of_step};
use kulta_core::observed::Judge;
use serde::Deserialize as _;
use serde_json::Value;

use super::request::Requests;
use super::write::{self, WriteError};
use super::{ApplyError, failed, live, live_rollout, live_rollout_with_template, replica_set};
use crate::analysis::manifest::NewAnalysisRun;
use crate::context::{Context, Sighting};
use crate::expectations::Write;
use crate::experiment::manifest::NewExperiment;
use crate::metrics::ActionKind;
use crate::replica_set::{NewReplicaSet, as_written, manifest};

/// The template is read now and not when it was observed: caches hold its digest only.
pub(super) async fn create_replica_set(
    context: &Context,
    rollout: &Sighting,
    new: &NewReplicaSet,
) -> Result<Write, ApplyError> {
    let action = ActionKind::CreateReplicaSet;
    let live = live_rollout_with_template(context, rollout, action).await?;
    let manifest = manifest(&live, new).map_err(ApplyError::Manifest)?;
    let request = Requests {
        rollout: &rollout.key,
    }
    .create_replica_set(&new.name, manifest);
    let target = request.target.clone();
    match write::send(context.writer(&rollout.key), request).await {
        Err(WriteError::AlreadyExists { object }) => {
            // Perhaps made by this controller just before it was stopped, or by a write whose answer was lost.
            let existing: PartialObjectMeta = write::read_metadata(&context.client, &target)
                .await
                .map_err(failed(action))?;
            live::as_created(&existing.metadata, target, &rollout.uid, &new.digest)
                .ok_or(ApplyError::NameTaken { action, object })
        }
        sent => sent.map_err(failed(action)),
    }
}

pub(super) async fn create_analysis_run(
    context: &Context,
    rollout: &Sighting,
    new: &NewAnalysisRun<'_>,
) -> Result<Write, ApplyError> {
    let action = ActionKind::CreateAnalysisRun;
    // One that is about to go must not leave anything behind.
    let live = live_rollout(context, rollout, action).await?;
    let metadata = live.data.get("spec").map(|spec| run_metadata(spec, new.purpose));
    let manifest = new.manifest(&metadata.unwrap_or_default(), &rollout.key, &rollout.uid);
    create_judge(context, rollout, Judge::AnalysisRun, (new.name, manifest)).await
}

/// The pods of both versions are read now: caches hold no templates.
pub(super) async fn create_experiment(
    context: &Context,
    rollout: &Sighting,
    new: &NewExperiment<'_>,
) -> Result<Write, ApplyError> {
    let action = ActionKind::CreateExperiment;
    let live = live_rollout_with_template(context, rollout, action).await?;
    let stable = template_of(context, rollout, &new.stable.replica_set).await?;
    let canary = template_of(context, rollout, &new.canary.replica_set).await?;
    let surroundings = Surroundings {
        // What was read as JSON is written as JSON.
        rollout: &serde_json::to_value(&live).unwrap_or_default(),
        stable: (&new.stable.hash, &stable),
        canary: (&new.canary.hash, &canary),
    };
    let spec = of_step(new.step, &surroundings).map_err(|message| ApplyError::Experiment { message })?;
    let manifest = new.manifest(&rollout.key, &rollout.uid, live.metadata.labels.as_ref(), &spec);
    create_judge(context, rollout, Judge::Experiment, (new.name, manifest)).await
}

/// The pod template of a version, as its ReplicaSet has it now, without what was put in.
async fn template_of(context: &Context, rollout: &Sighting, name: &str) -> Result<Value, ApplyError> {
    let action = ActionKind::CreateExperiment;
    let target = replica_set(rollout, name);
    let found: Value = write::read(&context.client, &target)
        .await
        .map_err(failed(action))?;
    let annotations = found.pointer("/metadata/annotations").map(BTreeMap::deserialize);
    let annotations = annotations.and_then(Result::ok);
    let template = found.pointer("/spec/template").cloned().unwrap_or_default();
    Ok(as_written(template, annotations.as_ref()))
}

async fn create_judge(
    context: &Context,
    rollout: &Sighting,
    judge: Judge,
    (name, manifest): (&str, Value),
) -> Result<Write, ApplyError> {
    let action = match judge {
        Judge::AnalysisRun => ActionKind::CreateAnalysisRun,
        Judge::Experiment => ActionKind::CreateExperiment,
    };
    let request = Requests {
        rollout: &rollout.key,
    }
    .create(judge, name, manifest);
    let target = request.target.clone();
    match write::send(context.writer(&rollout.key), request).await {
        Err(WriteError::AlreadyExists { object }) => {
            let existing: PartialObjectMeta = write::read_metadata(&context.client, &target)
                .await
                .map_err(failed(action))?;
            live::there_to_stay(&existing.metadata)
                .map_err(|source| ApplyError::Disagreement { action, source })?;
            // One that the watch does not show would be waited for without end.
            live::as_owned(&existing.metadata, target, &rollout.uid)
                .filter(|_| context.instance.has(existing.metadata.labels.as_ref()))
                .ok_or(ApplyError::NameTaken { action, object })
        }
        sent => sent.map_err(failed(action)),
    }
}
