//! Attempts to bring a revision to all users: where each begins and ends, and which facts belong to it.
//!
//! At most one is open at a time, so its facts follow each other without a gap. What happens between attempts, such as a
//! pod that crashes in the night, belongs to none.

use super::Facts;
use crate::history::{Cause, Fact, FactKind};
use crate::restart;
use crate::status::{Condition, ConditionType, Phase, Status, Truth};

/// The number of the attempt that is open after the facts of `history`.
pub(super) fn open(history: &[Fact]) -> Option<u64> {
    let last = history.last()?;
    last.chain.filter(|_| !last.kind.ends_chain())
}

/// Ends the attempt that is open, for another one is about to begin.
pub(super) fn supersede(facts: &mut Facts<'_>, old: &Status, cause: Cause) {
    if open(&old.history).is_none() {
        return;
    }
    if let Some(fact) = facts.push(FactKind::Superseded, cause) {
        fact.revision.clone_from(&old.current_pod_hash);
    }
}

/// Ends the attempt that is open, when there is nothing left to do in it.
pub(super) fn end(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    let began = |fact: &Fact| fact.kind.begins_chain() || opens_when_none_is_open(fact.kind);
    let open = open(&old.history);
    if open.is_none() && !facts.list.iter().any(began) {
        return;
    }
    // What was begun in this decision is among its own facts; the rest is in the history.
    let begins = facts.list.iter().any(|fact| fact.kind.begins_chain());
    let of_attempt = old
        .history
        .iter()
        .filter(|fact| !begins && open.is_some() && fact.chain == open);
    let last = |kind| {
        of_attempt
            .chain(&facts.list)
            .rfind(|fact| fact.kind == kind)
            .cloned()
    };
    if new.aborted_at.is_some() {
        if is_home(new) {
            let reason = last(FactKind::Aborted);
            restored(facts, new.current_pod_hash.clone(), reason);
        }
    } else if new.fully_promoted() && is_whole(facts, new) {
        if let Some(back) = last(FactKind::RolledBack) {
            restored(facts, back.from.clone(), Some(back));
        } else {
            facts.push_with_origin(FactKind::Published, Cause::Controller);
            facts.push_with_origin(FactKind::Finished, Cause::Controller);
        }
    }
}

/// Whether there is nothing left to do. A restart, which may be days ahead, is no part of an attempt.
fn is_whole(facts: &Facts<'_>, new: &Status) -> bool {
    let spec = facts.observed.spec.as_ref();
    let restarts = || spec.is_ok_and(|spec| restart::is_pending(spec, new));
    let is_healthy = |condition: &Condition| condition.status == Truth::True;
    match new.phase {
        Phase::Healthy => true,
        Phase::Progressing => restarts() && new.condition(ConditionType::Healthy).is_some_and(is_healthy),
        Phase::Paused | Phase::Degraded => false,
    }
}

/// Whether all users are with the stable revision again after an abort: by the routes, by the active Service, or, where
/// there is neither, since no pod of the other revision is left.
fn is_home(new: &Status) -> bool {
    match (&new.traffic, &new.blue_green) {
        (Some(traffic), _) => traffic.verified && traffic.requested.percent() == 0,
        (None, Some(blue_green)) => blue_green.active_selector == new.stable_hash,
        (None, None) => new.updated_replicas == 0,
    }
}

/// Tells that users are safe again, and why they had to be brought back: by `reason`, the fact that told of it.
fn restored(facts: &mut Facts<'_>, from: Option<String>, reason: Option<Fact>) {
    let stable = facts.snapshot.stable.clone();
    let image = stable.as_deref().and_then(|stable| facts.image(stable));
    let cause = reason.as_ref().map_or(Cause::Controller, |reason| reason.cause);
    if let Some(fact) = facts.push(FactKind::Restored, cause) {
        if let Some(reason) = reason {
            fact.message = reason.message;
            fact.evidence = reason.evidence;
        }
        fact.revision = stable;
        fact.from = from;
        fact.image = image;
    }
}

/// Where a status was lost in mid-rollout, an attempt is told from here on.
const fn opens_when_none_is_open(kind: FactKind) -> bool {
    matches!(kind, FactKind::Aborted | FactKind::Promoted)
}

/// Numbers the facts from `first` on, and says to which attempt each belongs.
pub(super) fn number(list: &mut [Fact], old: &Status, first: u64) {
    let mut chain = open(&old.history);
    for (fact, sequence) in list.iter_mut().zip(first..) {
        fact.sequence = sequence;
        if fact.kind.begins_chain() || chain.is_none() && opens_when_none_is_open(fact.kind) {
            chain = Some(sequence);
        }
        fact.chain = chain;
        if fact.kind.ends_chain() {
            chain = None;
        }
    }
}
