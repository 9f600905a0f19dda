//! Time travel: what was true of a Rollout at an instant, as its history tells.

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

use super::{Fact, FactKind};
use crate::spec::Weight;
use crate::status::Phase;

/// Where a Rollout stood at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'history> {
    /// The instant.
    pub at: Timestamp,
    /// Its phase.
    pub phase: Option<Phase>,
    /// The revision that the last change was about: the one that the spec asked for.
    pub revision: Option<&'history str>,
    /// The revision that was trusted with all traffic.
    pub stable: Option<&'history str>,
    /// Index of the step under way; the number of steps when all were done.
    pub step: Option<u32>,
    /// The canary's weight that was asked for; None without traffic routing.
    pub weight: Option<Weight>,
    /// The canary's weight that was in force.
    pub in_force: Option<Weight>,
    /// The last change before the instant: who or what caused it, when, and on what evidence.
    pub change: &'history Fact,
}

/// The history does not tell of the instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutOfRange {
    /// There is no history.
    #[error("there is no history yet")]
    Empty,
    /// The instant is before the oldest fact that is kept.
    #[error("{at} is before the history begins: the oldest fact that is kept is of {oldest}")]
    TooEarly {
        /// The instant.
        at: Timestamp,
        /// The time of the oldest fact.
        oldest: Timestamp,
    },
    /// The instant has not come yet.
    #[error("{at} has not come yet: the history is known until {until}")]
    TooLate {
        /// The instant.
        at: Timestamp,
        /// Until when the history is known.
        until: Timestamp,
    },
}

/// What was true at an instant, by a history that is complete from its first fact `until` a time. Of facts of the same
/// time the last one counts.
///
/// # Errors
/// When the history does not tell of that instant.
pub fn state_at(history: &[Fact], at: Timestamp, until: Timestamp) -> Result<State<'_>, OutOfRange> {
    let oldest = history.first().ok_or(OutOfRange::Empty)?.time;
    if at > until {
        return Err(OutOfRange::TooLate { at, until });
    }
    let before = history.partition_point(|fact| fact.time <= at);
    let last = before.checked_sub(1).and_then(|last| history.get(last));
    let change = last.ok_or(OutOfRange::TooEarly { at, oldest })?;
    let revision = match change.kind {
        // It is about the version that has all traffic back, and not about the one that the spec asked for.
        FactKind::Restored => before
            .checked_sub(2)
            .and_then(|earlier| history.get(earlier)?.revision.as_ref())
            .or(change.from.as_ref()),
        _ => change.revision.as_ref(),
    };
    let step = match change.kind {
        FactKind::StepCompleted => change.step.map(|done| done.saturating_add(1)),
        _ => change.step,
    };
    Ok(State {
        at,
        phase: change.phase,
        revision: revision.map(String::as_str),
        stable: change.stable.as_deref(),
        step,
        weight: change.weight,
        in_force: change.in_force,
        change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Cause;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn history() -> Vec<Fact> {
        let fact = |sequence, time, kind| Fact {
            sequence,
            phase: Some(Phase::Progressing),
            step: Some(1),
            ..Fact::new(kind, Cause::Controller, second(time))
        };
        vec![
            fact(7, 100, FactKind::Started),
            fact(8, 200, FactKind::WeightRequested),
            fact(9, 200, FactKind::StepCompleted),
            fact(10, 300, FactKind::Paused),
        ]
    }

    #[test]
    fn the_last_fact_before_the_instant_counts() {
        let history = history();

        let state = |at| state_at(&history, second(at), second(1_000)).map(|state| state.change.sequence);

        assert_eq!(
            [state(100), state(199), state(200), state(299), state(1_000)],
            [Ok(7), Ok(7), Ok(9), Ok(9), Ok(10)]
        );
    }

    #[test]
    fn after_a_step_the_next_one_is_under_way() {
        let history = history();

        assert_eq!(
            state_at(&history, second(250), second(300)).unwrap().step,
            Some(2)
        );
    }

    #[test]
    fn after_an_abort_the_spec_still_asks_for_the_version_that_was_taken_back() {
        let fact = |sequence, kind, revision: &str| Fact {
            sequence,
            revision: Some(revision.to_owned()),
            ..Fact::new(kind, Cause::User, second(100))
        };
        let restored = Fact {
            from: Some("new".to_owned()),
            ..fact(2, FactKind::Restored, "old")
        };
        let history = [fact(1, FactKind::Aborted, "new"), restored];

        let revisions = [&history[..], &history[1..]]
            .map(|history| state_at(history, second(100), second(100)).unwrap().revision);

        assert_eq!(revisions, [Some("new"), Some("new")]);
    }

    #[test]
    fn an_instant_out_of_range_is_none() {
        let history = history();
        let ask = |history, at| state_at(history, second(at), second(400)).unwrap_err();

        assert_eq!(ask(&[], 100), OutOfRange::Empty);
        assert_eq!(
            ask(&history, 99),
            OutOfRange::TooEarly {
                at: second(99),
                oldest: second(100)
            }
        );
        assert_eq!(
            ask(&history, 401),
            OutOfRange::TooLate {
                at: second(401),
                until: second(400)
            }
        );
    }
}
