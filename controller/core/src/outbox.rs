//! The outbox: the history is what the sinks of events are told from, so it says how far each of them has come, and what
//! its bound forces out before a sink has it is never lost silently.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::history::{Fact, MAX_BYTES};
use crate::observed::Sinks;
use crate::status::{ConditionType, Reason, Status, Truth};
use crate::text;

/// JSON of a fact without its texts: names of fields, numbers, times and words of closed sets at their longest.
const FACT_BYTES: usize = 512;
/// JSON of one of its measurements without the texts.
const EVIDENCE_BYTES: usize = 64;
/// A character of a text takes at most so many bytes for each of its own (`\u0000`).
const ESCAPED_BYTES: usize = 6;
/// The bytes around the facts and between them: a bracket or a comma each, and the closing bracket.
const BRACKET_BYTES: usize = 1;

/// Notes what the sinks have got, and appends `facts` to the history. Returns how many facts each sink has lost.
pub(crate) fn record(
    status: &mut Status,
    facts: &[Fact],
    sinks: &Sinks,
    now: Timestamp,
) -> BTreeMap<String, u64> {
    let before = status.delivered.clone();
    acknowledge(status, facts, sinks);
    let forgotten = append(&mut status.history, facts);
    let lost = lost_of(status, &forgotten, sinks);
    if facts.iter().any(|fact| fact.kind.begins_chain()) {
        status.remove_condition(ConditionType::EventsLost);
    }
    // What a sink refused counts once: before it is noted that the fact is done with.
    let is_new = |sink: &str, sequence: u64| before.get(sink).is_some_and(|done| sequence > *done);
    let mut refusals = sinks.refusals.iter();
    if let Some(refusal) = refusals.rfind(|refusal| is_new(&refusal.sink, refusal.sequence)) {
        let message = format!(
            "the sink {:?} refused the event of fact {}, which is left out there: {}",
            refusal.sink, refusal.sequence, refusal.message
        );
        status.set_condition(
            ConditionType::EventsLost,
            Truth::True,
            Reason::EventRefused,
            text::message(&message),
            now,
        );
    }
    if let Some((sink, number)) = lost.iter().next() {
        let message = format!(
            "{number} events left the full history before the sink {sink:?} had taken them: see to the sink, or take it \
             out of the controller's configuration"
        );
        status.set_condition(
            ConditionType::EventsLost,
            Truth::True,
            Reason::HistoryFull,
            message,
            now,
        );
    }
    lost
}

/// Notes what the sinks have got. A sink is listed from the first fact on that comes after it was set up: what happened
/// before is not for it. One that is not set up any more is forgotten.
fn acknowledge(status: &mut Status, facts: &[Fact], sinks: &Sinks) {
    if let Some(first) = facts.first() {
        status
            .delivered
            .retain(|sink, _| sinks.acknowledged.contains_key(sink));
        for sink in sinks.acknowledged.keys() {
            let from_here = first.sequence.saturating_sub(1);
            status.delivered.entry(sink.clone()).or_insert(from_here);
        }
    }
    for (sink, done) in &mut status.delivered {
        let acknowledged = sinks.acknowledged.get(sink).copied().unwrap_or_default();
        *done = acknowledged.max(*done);
    }
}

/// How many of the forgotten facts each sink has not got.
fn lost_of(status: &Status, forgotten: &[Fact], sinks: &Sinks) -> BTreeMap<String, u64> {
    let missed = |done: u64| forgotten.iter().filter(|fact| fact.sequence > done).count();
    let set_up = status
        .delivered
        .iter()
        .filter(|(sink, _)| sinks.acknowledged.contains_key(*sink));
    set_up
        .map(|(sink, done)| (sink.clone(), u64::try_from(missed(*done)).unwrap_or(u64::MAX)))
        .filter(|(_, missed)| *missed > 0)
        .collect()
}

/// Appends facts and forgets the oldest beyond the bound, but never the newest. Returns the forgotten ones.
fn append(history: &mut Vec<Fact>, facts: &[Fact]) -> Vec<Fact> {
    if facts.is_empty() {
        return Vec::new();
    }
    history.extend_from_slice(facts);
    // Most histories are far from the bound: writing each fact as JSON to know its size would cost more than all the
    // rest of a decision.
    if history.iter().map(longest).sum::<usize>() <= MAX_BYTES {
        return Vec::new();
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
    history.drain(..surplus).collect()
}

/// At least the bytes that `fact` takes as JSON.
fn longest(fact: &Fact) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let origin = fact.origin.iter().flat_map(|origin| origin.texts()).map(str::len);
    let evidence = fact
        .evidence
        .iter()
        .map(|measured| measured.metric.len() + measured.value.len());
    let texts =
        text(&fact.revision) + text(&fact.from) + text(&fact.stable) + text(&fact.image) + fact.message.len();
    FACT_BYTES
        + EVIDENCE_BYTES * fact.evidence.len()
        + ESCAPED_BYTES * (texts + origin.sum::<usize>() + evidence.sum::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::run::AnalysisPhase;
    use crate::history::{Cause, Evidence, FactKind, Origin};
    use crate::spec::Weight;
    use crate::status::Phase;

    #[test]
    fn no_fact_is_longer_than_it_is_taken_for() {
        let texts = ["", "web", "\u{0}\u{1}\u{2}", "ü日\"\\"];
        for text in texts {
            let fact = Fact {
                sequence: u64::MAX,
                time: Timestamp::MIN,
                kind: FactKind::AnalysisCompleted,
                chain: Some(u64::MAX),
                revision: Some(text.to_owned()),
                from: Some(text.to_owned()),
                stable: Some(text.to_owned()),
                step: Some(u32::MAX),
                weight: Some(Weight::FULL),
                in_force: Some(Weight::FULL),
                phase: Some(Phase::Progressing),
                cause: Cause::Controller,
                image: Some(text.to_owned()),
                origin: Some(Box::new(Origin {
                    commit: Some(text.to_owned()),
                    committed_at: Some(Timestamp::MIN),
                    repository: Some(text.to_owned()),
                    actor: Some(text.to_owned()),
                    triggered_by: Some(text.to_owned()),
                })),
                evidence: vec![
                    Evidence {
                        metric: text.to_owned(),
                        phase: AnalysisPhase::Inconclusive,
                        value: format!("{text}."),
                    };
                    3
                ],
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
            message,
            ..Fact::new(
                FactKind::AnalysisCompleted,
                Cause::Analysis,
                Timestamp::UNIX_EPOCH,
            )
        };
        let mut history = vec![fact(1, "before".to_owned())];

        let forgotten = append(&mut history, &[fact(2, "x".repeat(2 * MAX_BYTES))]);

        let left: Vec<_> = history.iter().map(|fact| fact.sequence).collect();
        assert_eq!((left, forgotten.len()), (vec![2], 1));
    }
}
