//! Objects that a plan makes: under names that say what they are, so that one that is there already is either what was
//! to be made or somebody else's.

use kube::core::PartialObjectMeta;

use super::request::Requests;
use super::write::{self, WriteError};
use super::{ApplyError, failed, live, live_rollout, live_rollout_with_template};
use crate::analysis::manifest::NewAnalysisRun;
use crate::context::{Context, Sighting};
use crate::expectations::Write;
use crate::metrics::ActionKind;
use crate::replica_set::{self, NewReplicaSet};

/// The template is read now and not when it was observed: caches hold its digest only.
pub(super) async fn create_replica_set(
    context: &Context,
    rollout: &Sighting,
    new: &NewReplicaSet,
) -> Result<Write, ApplyError> {
    let action = ActionKind::CreateReplicaSet;
    let live = live_rollout_with_template(context, rollout, action).await?;
    let manifest = replica_set::manifest(&live, new).map_err(ApplyError::Manifest)?;
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
    live_rollout(context, rollout, action).await?;
    let manifest = new.manifest(&rollout.key, &rollout.uid);
    let request = Requests {
        rollout: &rollout.key,
    }
    .create_analysis_run(new.name, manifest);
    let target = request.target.clone();
    match write::send(context.writer(&rollout.key), request).await {
        Err(WriteError::AlreadyExists { object }) => {
            let existing: PartialObjectMeta = write::read_metadata(&context.client, &target)
                .await
                .map_err(failed(action))?;
            live::there_to_stay(&existing.metadata)
                .map_err(|source| ApplyError::Disagreement { action, source })?;
            live::as_owned(&existing.metadata, target, &rollout.uid)
                .ok_or(ApplyError::NameTaken { action, object })
        }
        sent => sent.map_err(failed(action)),
    }
}
