//! ReplicaSets that are there already and become the Rollout's own, or its current revision again.

use kube::core::PartialObjectMeta;
use kulta_core::revision::TemplateDigest;
use serde_json::Value;

use super::request::Requests;
use super::{ApplyError, failed, live, live_rollout, replica_set, write};
use crate::context::{Context, Sighting};
use crate::expectations::Write;
use crate::metrics::ActionKind;

/// A ReplicaSet that carries the current template again, as the plan names it.
pub(super) struct Reused<'plan> {
    pub(super) name: &'plan str,
    pub(super) resource_version: &'plan str,
    pub(super) revision: u64,
    pub(super) digest: &'plan TemplateDigest,
}

/// Gives it its number again, and remembers those that it had.
pub(super) async fn record(
    context: &Context,
    rollout: &Sighting,
    reused: Reused<'_>,
) -> Result<Write, ApplyError> {
    let Reused {
        name,
        resource_version,
        revision,
        digest,
    } = reused;
    let failed = failed(ActionKind::RecordRevision);
    let live: PartialObjectMeta = write::read_metadata(&context.client, &replica_set(rollout, name))
        .await
        .map_err(&failed)?;
    let history = live::revision_history(&live.metadata, revision);
    let requests = Requests {
        rollout: &rollout.key,
    };
    let request = requests.record_revision(name, resource_version, revision, history.as_deref(), digest);
    write::send(context.writer(&rollout.key), request)
        .await
        .map_err(&failed)
}

/// An orphan as the plan names it.
pub(super) struct Orphan<'plan> {
    pub(super) name: &'plan str,
    pub(super) uid: &'plan str,
    pub(super) resource_version: &'plan str,
}

/// Makes the Rollout its owner.
pub(super) async fn adopt(
    context: &Context,
    rollout: &Sighting,
    orphan: Orphan<'_>,
) -> Result<Write, ApplyError> {
    let action = ActionKind::AdoptReplicaSet;
    // A Rollout that is about to go must not take anything with it.
    live_rollout(context, rollout, action).await?;
    let Orphan {
        name,
        uid,
        resource_version,
    } = orphan;
    let live: Value = write::read_metadata(&context.client, &replica_set(rollout, name))
        .await
        .map_err(failed(action))?;
    let owners = live::owners_with(&live, &rollout.key, &rollout.uid)
        .map_err(|source| ApplyError::Disagreement { action, source })?;
    let request = Requests {
        rollout: &rollout.key,
    }
    .adopt_replica_set(name, uid, resource_version, &owners);
    write::send(context.writer(&rollout.key), request)
        .await
        .map_err(failed(action))
}
