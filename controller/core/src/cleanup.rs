//! Old revisions: empty ReplicaSets beyond the history limit are deleted.

use crate::draft::Draft;
use crate::plan::Action;
use crate::revisions::Revisions;
use crate::spec::Spec;

/// Deletes the oldest empty ReplicaSets beyond `spec.revisionHistoryLimit`.
pub(crate) fn old_revisions(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    if draft.hold {
        return;
    }
    let mut empty: Vec<_> = revisions
        .others
        .iter()
        .filter(|other| other.spec_replicas == 0 && other.replicas == 0)
        .collect();
    empty.sort_by_key(|other| (other.revision, other.created));
    let limit = usize::try_from(spec.revision_history_limit).unwrap_or(usize::MAX);
    let surplus = empty.len().saturating_sub(limit);
    for old in empty.into_iter().take(surplus) {
        draft.act(Action::DeleteReplicaSet {
            name: old.name.clone(),
            uid: old.uid.clone(),
            resource_version: old.resource_version.clone(),
        });
    }
}
