//! The rollback window: a version of not long ago is gone back to at once.

use crate::history::{Fact, FactKind};
use crate::revisions::Revisions;
use crate::spec::Spec;

/// What is told of such a rollback: the words of Argo Rollouts.
pub(crate) const WITHIN_WINDOW: &str = "Rollback to active ReplicaSets within RollbackWindow";

/// Whether the revision that the spec asks for is older than the stable one, with fewer revisions made between the two
/// than `spec.rollbackWindow.revisions`. It goes by the age of their ReplicaSets, as Argo Rollouts does: the numbers of
/// revisions that are gone back to are given anew.
///
/// Other than there, not one that was given up before: users would meet at once what an analysis, or somebody, has refused.
pub(crate) fn is_within_window(spec: &Spec, revisions: &Revisions<'_>, history: &[Fact]) -> bool {
    let Some((current, stable)) = revisions.current.zip(revisions.stable) else {
        return false;
    };
    if spec.rollback_window == 0 || current.created >= stable.created || was_given_up(history, &current.hash)
    {
        return false;
    }
    let between = revisions
        .others
        .iter()
        .filter(|other| other.created > current.created && other.created < stable.created);
    between.count() < usize::try_from(spec.rollback_window).unwrap_or(usize::MAX)
}

/// Whether a revision was aborted, and, as far as is known, never trusted.
fn was_given_up(history: &[Fact], hash: &str) -> bool {
    let has = |kind: FactKind| {
        let mut facts = history.iter();
        facts.any(|fact| fact.kind == kind && fact.revision.as_deref() == Some(hash))
    };
    has(FactKind::Aborted) && !has(FactKind::Promoted) && !has(FactKind::Published)
}
