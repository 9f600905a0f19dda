//! Labels and annotations of pods that tell which part their version has in the rollout.
//!
//! They come into the template of the ReplicaSet first, and into its pods once its controller has seen that: so no pod is
//! made without them behind our back. Only then it is noted that all have them, and what may be left of others is known
//! until then: whoever is stopped in the middle leaves nothing behind.

use crate::draft::Draft;
use crate::observed::ReplicaSetView;
use crate::plan::Action;
use crate::revisions::Revisions;
use crate::spec::{PodMetadata, Spec};

/// What the pods of a revision bear that is just being made: the first one is stable at once.
pub(crate) fn of_new(spec: &Spec, revisions: &Revisions<'_>) -> PodMetadata {
    let is_first = revisions.stable.is_none() || revisions.stable_is_current();
    if is_first {
        spec.pods.stable_metadata.clone()
    } else {
        spec.pods.new_metadata.clone()
    }
}

/// Brings the pods of every revision in line with its part.
pub(crate) fn reconcile(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    if draft.hold {
        return;
    }
    let is = |named: Option<&ReplicaSetView>, name: &str| named.is_some_and(|named| named.name == name);
    for replica_set in revisions.all() {
        let wanted = if is(revisions.stable, &replica_set.name) {
            spec.pods.stable_metadata.clone()
        } else if is(revisions.current, &replica_set.name) {
            of_new(spec, revisions)
        } else {
            PodMetadata::default()
        };
        bring_in(draft, replica_set, wanted);
    }
}

fn bring_in(draft: &mut Draft<'_>, replica_set: &ReplicaSetView, wanted: PodMetadata) {
    let wanted = wanted.without(&replica_set.own_keys);
    let injected = &replica_set.injected;
    match &replica_set.injecting {
        None if *injected == wanted => {}
        Some(injecting) if *injecting == wanted => {
            if replica_set.is_observed {
                draft.act(Action::SpreadMetadata {
                    name: replica_set.name.clone(),
                    uid: replica_set.uid.clone(),
                    hash: replica_set.hash.clone(),
                    resource_version: replica_set.resource_version.clone(),
                    former: injected.clone(),
                    metadata: wanted,
                });
            }
        }
        injecting => {
            let former = injecting.iter().fold(injected.clone(), PodMetadata::with);
            draft.act(Action::InjectMetadata {
                name: replica_set.name.clone(),
                resource_version: replica_set.resource_version.clone(),
                former,
                metadata: wanted,
            });
        }
    }
}
