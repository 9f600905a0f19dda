//! The end of a reconcile: the status is written, if it changed, and what came of it is told.

use kulta_api::Group;
use kulta_api::status::{self, Keeping, WriteContext};
use kulta_core::plan::Plan;
use kulta_core::status::Status;
use thiserror::Error;

use crate::apply::Applied;
use crate::apply::request::Requests;
use crate::apply::write::{self, WriteError};
use crate::context::{Context, Sighting};
use crate::events;
use crate::metrics::WriteResult;

/// The status was not written: the transitions that the plan makes did not happen and are decided again.
#[derive(Debug, Error)]
#[error("the status was not written")]
pub struct ReportError(#[from] WriteError);

impl ReportError {
    /// Whether the Rollout changed since it was observed: nothing is wrong, observe and decide again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.0.is_conflict()
    }

    fn result(&self) -> WriteResult {
        match &self.0 {
            WriteError::Conflict { .. } | WriteError::NotHeld { .. } => WriteResult::Conflict,
            WriteError::Timeout { .. } => WriteResult::Timeout,
            WriteError::AlreadyExists { .. } | WriteError::Refused { .. } => WriteResult::Error,
        }
    }
}

/// Writes the status of `plan` over the one observed, unless they are the same, and then tells the transitions as
/// Kubernetes Events: never of a change that was not written.
///
/// # Errors
/// When the status can't be written.
pub async fn report(
    context: &Context,
    rollout: &Sighting,
    plan: &Plan,
    applied: &Applied,
) -> Result<(), ReportError> {
    // What the group does not keep is no reason to write it again and again.
    let status = rollout.key.group.kept(&plan.status);
    let off = context.fields_off.of(rollout.key.group);
    if status != rollout.observed.status || is_for_others(rollout, &off) {
        let written = write_status(context, rollout, &status, &off, applied).await;
        context.metrics.wrote_status(
            written
                .as_ref()
                .map_or_else(ReportError::result, |()| WriteResult::Written),
        );
        written?;
        if let Some(counts) = &context.metrics.argo {
            counts.finished(
                rollout.observed.status.duration.as_ref(),
                status.duration.as_ref(),
            );
        }
    }
    for (sink, number) in &plan.lost {
        context.metrics.delivery.loses(sink, *number);
    }
    // Of a replica that leads no more, nothing was written here, and nobody would take the number back.
    if context.permission.may_write(rollout.key.group) {
        let (uid, group) = (&rollout.uid, rollout.key.group);
        context.metrics.rollout_is(uid, group, plan.status.phase);
    }
    let notices = plan
        .transitions
        .iter()
        .filter_map(|fact| events::of_fact(fact, &rollout.observed, plan));
    context.events.tell(rollout, notices);
    Ok(())
}

/// Whether the status was written for other definitions than those that there are, which lack the fields `off`; or without a memory
/// of what others would lose.
fn is_for_others(rollout: &Sighting, off: &[String]) -> bool {
    if let Some(memory) = &rollout.memory {
        return memory.definitions != status::definitions(off);
    }
    let is_own = rollout.observed.status.last_progress_time.is_some();
    rollout.key.group == Group::Argo && (is_own || !off.is_empty() || !rollout.own_fields.is_empty())
}

async fn write_status(
    context: &Context,
    rollout: &Sighting,
    status: &Status,
    off: &[String],
    applied: &Applied,
) -> Result<(), ReportError> {
    let (stable_service, canary_service) = rollout
        .observed
        .spec
        .as_ref()
        .map_or((None, None), |spec| spec.services());
    let shape = WriteContext {
        group: rollout.key.group,
        generation: rollout.observed.rollout.generation,
        stable_service,
        canary_service,
    };
    let resource_version = applied
        .rollout_resource_version
        .as_deref()
        .unwrap_or(&rollout.resource_version);
    let keeping = Keeping {
        off,
        generation: rollout.observed.rollout.generation,
        own_fields: &rollout.own_fields,
        lost: &rollout.lost,
    };
    let status = status::with_memory(rollout.key.group, status::write(status, &shape), keeping);
    let status = status::with_foreign(status, &rollout.foreign_status);
    let request = Requests {
        rollout: &rollout.key,
    }
    .replace_status(resource_version, status);
    let write = write::send(context.writer(&rollout.key), request).await?;
    context.expectations.wrote(&rollout.key, write);
    Ok(())
}

#[cfg(test)]
mod tests;
