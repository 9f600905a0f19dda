//! Writes that change the size of a ReplicaSet, or the time at which it will.

use jiff::{SignedDuration, Timestamp};

use crate::draft::{Draft, after};
use crate::observed::ReplicaSetView;
use crate::plan::Action;
use crate::spec::Spec;

/// Gives `replica_set` the size `to`; while something is wrong around the Rollout it can only grow.
pub(crate) fn scale(draft: &mut Draft<'_>, spec: &Spec, replica_set: &ReplicaSetView, to: u32) {
    let to = if draft.hold {
        to.max(replica_set.spec_replicas)
    } else {
        to
    };
    let follows = replica_set.desired_replicas == Some(spec.replicas)
        && replica_set.min_ready_seconds == spec.min_ready_seconds;
    if to == replica_set.spec_replicas && (follows || to == 0) {
        return;
    }
    draft.act(Action::ScaleReplicaSet {
        name: replica_set.name.clone(),
        resource_version: replica_set.resource_version.clone(),
        revision: replica_set.revision,
        from: replica_set.spec_replicas,
        to,
        min_ready_seconds: spec.min_ready_seconds,
        desired_replicas: spec.replicas,
    });
}

/// Sets or removes the time at which `replica_set` goes to 0.
pub(crate) fn set_deadline(draft: &mut Draft<'_>, replica_set: &ReplicaSetView, deadline: Option<Timestamp>) {
    if replica_set.scale_down_deadline != deadline {
        draft.act(Action::SetScaleDownDeadline {
            name: replica_set.name.clone(),
            resource_version: replica_set.resource_version.clone(),
            deadline,
        });
    }
}

/// Sends a ReplicaSet that carries no traffic to 0 when its time has come.
pub(crate) fn scale_down_after(
    draft: &mut Draft<'_>,
    spec: &Spec,
    replica_set: &ReplicaSetView,
    delay: SignedDuration,
) {
    if replica_set.spec_replicas == 0 || draft.hold {
        return;
    }
    let deadline = replica_set
        .scale_down_deadline
        .unwrap_or_else(|| after(draft.now, delay));
    if draft.now >= deadline {
        scale(draft, spec, replica_set, 0);
    } else {
        set_deadline(draft, replica_set, Some(deadline));
        draft.wake_at(deadline);
    }
}

/// Forgets when those of `others` were to go that are gone.
pub(crate) fn forget_deadlines(draft: &mut Draft<'_>, others: &[&ReplicaSetView]) {
    if draft.hold {
        return;
    }
    for gone in others.iter().filter(|other| other.spec_replicas == 0) {
        set_deadline(draft, gone, None);
    }
}
