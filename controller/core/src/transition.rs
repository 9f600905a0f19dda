//! Transitions: the facts that tell how one status became the next.

use jiff::Timestamp;

use crate::history::{Cause, Fact, FactKind, MAX_BYTES};
use crate::observed::Observed;
use crate::status::Status;

/// The facts between `old` and `new`, numbered after those of the history.
pub(crate) fn between(old: &Status, new: &Status, observed: &Observed, now: Timestamp) -> Vec<Fact> {
    let mut facts = Facts {
        list: Vec::new(),
        revision: new.current_pod_hash.clone(),
        now,
    };
    revision(&mut facts, old, new);
    user_actions(&mut facts, old, new);
    traffic(&mut facts, old, new);
    steps(&mut facts, old, new);
    pauses(&mut facts, old, new);
    outcome(&mut facts, old, new);
    let first = next_sequence(old, observed, now);
    for (fact, sequence) in facts.list.iter_mut().zip(first..) {
        fact.sequence = sequence;
    }
    facts.list
}

/// Appends facts and forgets the oldest beyond the bound.
pub(crate) fn record(history: &mut Vec<Fact>, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    history.extend_from_slice(facts);
    let size = |fact: &Fact| serde_json::to_string(fact).map_or(0, |text| text.len() + 1);
    let mut bytes: usize = history.iter().map(size).sum();
    let surplus = history
        .iter()
        .take_while(|fact| {
            let too_much = bytes > MAX_BYTES;
            bytes -= size(fact).min(bytes);
            too_much
        })
        .count();
    history.drain(..surplus);
}

/// The number of the next fact. Where a history was lost, counting goes on from the time in milliseconds: facts come
/// more slowly than one a millisecond, so no number is used twice.
fn next_sequence(old: &Status, observed: &Observed, now: Timestamp) -> u64 {
    match old.history.last() {
        Some(last) => last.sequence + 1,
        None if observed.replica_sets.is_empty() && observed.rollout.revision.is_none() => 1,
        None => u64::try_from(now.as_millisecond()).unwrap_or(1),
    }
}

struct Facts {
    list: Vec<Fact>,
    revision: Option<String>,
    now: Timestamp,
}

impl Facts {
    fn push(&mut self, kind: FactKind, cause: Cause) -> Option<&mut Fact> {
        self.list.push(Fact {
            sequence: 0,
            time: self.now,
            kind,
            revision: self.revision.clone(),
            from: None,
            step: None,
            weight: None,
            phase: None,
            cause,
            message: String::new(),
        });
        self.list.last_mut()
    }
}

fn revision(facts: &mut Facts, old: &Status, new: &Status) {
    if old.current_pod_hash != new.current_pod_hash {
        let kind = if new.fully_promoted() && old.stable_hash == new.stable_hash && old.stable_hash.is_some()
        {
            FactKind::RolledBack
        } else {
            FactKind::Started
        };
        if let Some(fact) = facts.push(kind, Cause::Spec) {
            fact.from.clone_from(&old.current_pod_hash);
        }
    } else if old.current_step_hash != new.current_step_hash {
        facts.push(FactKind::StepsChanged, Cause::Spec);
    }
}

fn user_actions(facts: &mut Facts, old: &Status, new: &Status) {
    let same = old.current_pod_hash == new.current_pod_hash;
    match (old.aborted_at, new.aborted_at) {
        (None, Some(_)) => {
            facts.push(FactKind::Aborted, Cause::User);
        }
        (Some(_), None) if same && !new.fully_promoted() => {
            facts.push(FactKind::Retried, Cause::User);
        }
        _ => {}
    }
}

fn traffic(facts: &mut Facts, old: &Status, new: &Status) {
    let Some(traffic) = &new.traffic else { return };
    let before = old.traffic.as_ref();
    if before.map(|before| before.requested) != Some(traffic.requested)
        && let Some(fact) = facts.push(FactKind::WeightRequested, Cause::Controller)
    {
        fact.weight = Some(traffic.requested);
    }
    if traffic.verified
        && before.and_then(|before| before.in_force) != Some(traffic.requested)
        && let Some(fact) = facts.push(FactKind::WeightInForce, Cause::Controller)
    {
        fact.weight = Some(traffic.requested);
    }
}

fn steps(facts: &mut Facts, old: &Status, new: &Status) {
    let same = old.current_pod_hash == new.current_pod_hash && old.current_step_hash == new.current_step_hash;
    if let (Some(from), Some(to)) = (old.current_step_index, new.current_step_index)
        && same
        && to == from + 1
        && let Some(fact) = facts.push(FactKind::StepCompleted, Cause::Controller)
    {
        fact.step = Some(from);
    }
}

fn pauses(facts: &mut Facts, old: &Status, new: &Status) {
    if let Some(pause) = new
        .pause_conditions
        .iter()
        .find(|pause| !old.pause_conditions.contains(pause))
        && let Some(fact) = facts.push(FactKind::Paused, Cause::Controller)
    {
        fact.step = new.current_step_index;
        fact.message = format!("{:?}", pause.reason);
    }
    if old.controller_pause && !new.controller_pause {
        let cause = if old.pause_conditions.is_empty() {
            Cause::User
        } else {
            Cause::Controller
        };
        facts.push(FactKind::Resumed, cause);
    }
}

fn outcome(facts: &mut Facts, old: &Status, new: &Status) {
    if new.fully_promoted() && old.stable_hash != new.stable_hash {
        let cause = if old.promote_full {
            Cause::User
        } else {
            Cause::Controller
        };
        if let Some(fact) = facts.push(FactKind::Promoted, cause) {
            fact.from.clone_from(&old.stable_hash);
        }
    }
    if old.phase != new.phase
        && let Some(fact) = facts.push(FactKind::PhaseChanged, Cause::Controller)
    {
        fact.phase = Some(new.phase);
    }
}
