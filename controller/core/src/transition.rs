//! Transitions: the facts that tell how one status became the next.

use jiff::Timestamp;

use crate::analyses;
use crate::analysis::run::AnalysisPhase;
use crate::history::{Cause, Fact, FactKind, MAX_BYTES};
use crate::observed::Observed;
use crate::status::{AnalysisReference, Status};
use crate::text;

/// The facts between `old` and `new`, numbered after those of the history.
pub(crate) fn between(old: &Status, new: &Status, observed: &Observed, now: Timestamp) -> Vec<Fact> {
    let mut facts = Facts {
        list: Vec::new(),
        revision: new.current_pod_hash.clone(),
        now,
    };
    revision(&mut facts, old, new);
    analyses_of(&mut facts, old, new, observed);
    user_actions(&mut facts, old, new);
    traffic(&mut facts, old, new);
    steps(&mut facts, old, new);
    pauses(&mut facts, old, new);
    outcome(&mut facts, old, new);
    let first = next_sequence(old, observed, now);
    for (fact, sequence) in facts.list.iter_mut().zip(first..) {
        fact.sequence = sequence;
        // One fact must not push the others out of the history.
        fact.message = text::message(&fact.message);
    }
    facts.list
}

/// JSON of a fact without its texts: names of fields, numbers, times and words of closed sets at their longest.
const FACT_BYTES: usize = 256;
/// A character of a text takes at most so many bytes for each of its own (`\u0000`).
const ESCAPED_BYTES: usize = 6;
/// The bytes around the facts and between them: a bracket or a comma each, and the closing bracket.
const BRACKET_BYTES: usize = 1;

/// Appends facts and forgets the oldest beyond the bound, but never the newest.
pub(crate) fn record(history: &mut Vec<Fact>, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    history.extend_from_slice(facts);
    // Most histories are far from the bound: writing each fact as JSON to know its size would cost more than all the
    // rest of a decision.
    if history.iter().map(longest).sum::<usize>() <= MAX_BYTES {
        return;
    }
    let size = |fact: &Fact| serde_json::to_string(fact).map_or(0, |text| text.len() + BRACKET_BYTES);
    let mut bytes: usize = BRACKET_BYTES + history.iter().map(size).sum::<usize>();
    let surplus = history
        .iter()
        .take(history.len() - 1)
        .take_while(|fact| {
            let too_much = bytes > MAX_BYTES;
            if too_much {
                bytes -= size(fact).min(bytes);
            }
            too_much
        })
        .count();
    history.drain(..surplus);
}

/// At least the bytes that `fact` takes as JSON.
fn longest(fact: &Fact) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    FACT_BYTES + ESCAPED_BYTES * (text(&fact.revision) + text(&fact.from) + fact.message.len())
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
        (None, Some(_)) if old.abort => {
            facts.push(FactKind::Aborted, Cause::User);
        }
        (None, Some(_)) => {
            if let Some(fact) = facts.push(FactKind::Aborted, Cause::Analysis) {
                fact.message = analyses::verdict_against(new).unwrap_or_default();
            }
        }
        (Some(_), None) if same && !new.fully_promoted() => {
            facts.push(FactKind::Retried, Cause::User);
        }
        _ => {}
    }
}

fn analyses_of(facts: &mut Facts, old: &Status, new: &Status, observed: &Observed) {
    let (old, new) = (&old.analyses, &new.analyses);
    let pairs = [
        (&old.background, &new.background),
        (&old.step, &new.step),
        (&old.gate, &new.gate),
    ];
    for (before, after) in pairs {
        let doubted = before.as_ref().filter(|before| before.paused);
        if doubted.is_some_and(|doubted| after.as_ref().is_some_and(|after| after.name != doubted.name)) {
            facts.push(FactKind::Resumed, Cause::User);
        }
        let same = |one: &AnalysisReference, other: &AnalysisReference| one.name == other.name;
        let stays = before
            .iter()
            .zip(after)
            .any(|(before, after)| same(before, after));
        // What let the rollout go on is forgotten as it does.
        if let Some(before) = before
            .as_ref()
            .filter(|before| !stays && !before.phase.completed())
        {
            let mut runs = observed.analysis_runs.iter();
            let run = runs.find(|run| run.name == before.name && !run.terminate);
            if let Some(run) = run.filter(|run| run.phase.completed()) {
                completed(facts, &run.name, run.phase, &run.message);
            }
        }
        let Some(after) = after else { continue };
        let before = before.as_ref().filter(|_| stays);
        if before.is_none()
            && let Some(fact) = facts.push(FactKind::AnalysisStarted, Cause::Controller)
        {
            fact.message.clone_from(&after.name);
        }
        if after.phase.completed() && !before.is_some_and(|before| before.phase.completed()) {
            completed(facts, &after.name, after.phase, &after.message);
        }
    }
}

fn completed(facts: &mut Facts, name: &str, phase: AnalysisPhase, message: &str) {
    if let Some(fact) = facts.push(FactKind::AnalysisCompleted, Cause::Analysis) {
        fact.message = format!("{name}: {}: {message}", phase.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Weight;
    use crate::status::Phase;

    #[test]
    fn no_fact_is_longer_than_it_is_taken_for() {
        let texts = ["", "web", "\u{0}\u{1}\u{2}", "ü日\"\\"];
        for text in texts {
            let fact = Fact {
                sequence: u64::MAX,
                time: Timestamp::MIN,
                kind: FactKind::WeightRequested,
                revision: Some(text.to_owned()),
                from: Some(text.to_owned()),
                step: Some(u32::MAX),
                weight: Some(Weight::FULL),
                phase: Some(Phase::Progressing),
                cause: Cause::Controller,
                message: format!("{text}."),
            };

            let written = serde_json::to_string(&fact).unwrap();

            assert!(
                written.len() + 2 <= longest(&fact),
                "{} bytes: {written}",
                written.len()
            );
        }
    }

    #[test]
    fn the_newest_fact_stays_however_long_it_is() {
        let fact = |sequence, message: String| Fact {
            sequence,
            time: Timestamp::UNIX_EPOCH,
            kind: FactKind::AnalysisCompleted,
            revision: None,
            from: None,
            step: None,
            weight: None,
            phase: None,
            cause: Cause::Analysis,
            message,
        };
        let mut history = vec![fact(1, "before".to_owned())];

        record(&mut history, &[fact(2, "x".repeat(2 * MAX_BYTES))]);

        let left: Vec<_> = history.iter().map(|fact| fact.sequence).collect();
        assert_eq!(left, [2]);
    }
}
