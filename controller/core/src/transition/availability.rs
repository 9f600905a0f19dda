//! What comes and goes between attempts, such as the pods of a version that is long in service: told, but never so often that
//! it pushes the story of the rollouts out of the history.
//!
//! A return to Healthy is told at once, so that the history ends with what is true as soon as all is well. Of what leaves
//! Healthy the first few are told at once, too, and then each has to wait twice as long as the one before; what is over by
//! then is not told. No fact that is told is ever taken back or changed: a sink may have it.

use jiff::{SignedDuration, Timestamp};

use crate::draft::after;
use crate::history::{Fact, FactKind};
use crate::status::{Phase, Status};

use super::attempt;

/// So many times in a row the phase leaves Healthy before it has to wait: a node that is drained, a bad evening.
const TOLD_AT_ONCE: usize = 4;
/// The first wait.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// No wait is longer, so that two such changes a day are told at most, for as long as it lasts: in a month they take half of
/// the history.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(12);
/// After so long without a fact the next ones are told at once again.
const CALM: SignedDuration = SignedDuration::from_hours(24);

/// Whether a change of the phase is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Telling {
    /// The history has it.
    No,
    /// Now; with words, where the next one has to wait.
    Now(String),
    /// Then, if it is still so.
    At(Timestamp),
}

/// Whether the phase of `new` is to be told by a fact of its own, where nothing else is told.
pub(super) fn telling(old: &Status, new: &Status, now: Timestamp) -> Telling {
    let last = old.history.last();
    let told = last.and_then(|last| last.phase).unwrap_or(old.phase);
    if told == new.phase {
        return Telling::No;
    }
    let Some(last) = last.filter(|_| attempt::open(&old.history).is_none()) else {
        return Telling::Now(String::new());
    };
    let falls = falls(&old.history, now, new.phase);
    if new.phase == Phase::Healthy {
        return Telling::Now(String::new());
    }
    let due = after(last.time, wait(falls));
    if due > now {
        return Telling::At(due);
    }
    Telling::Now(note(wait(falls + 1)))
}

/// How often the phase has come to be `phase` at the end of the history, without a calm between. Each counts for itself: pods
/// that come and go with every autoscaling must not keep an outage from being told.
fn falls(history: &[Fact], now: Timestamp, phase: Phase) -> usize {
    let mut later = now;
    let run = history.iter().rev().take_while(|fact| {
        let is_calm = later.duration_since(fact.time) >= CALM;
        later = fact.time;
        !is_calm && fact.kind == FactKind::PhaseChanged && fact.chain.is_none()
    });
    run.filter(|fact| fact.phase == Some(phase)).count()
}

/// How long after the fact before it the next one has to come, after so many.
fn wait(falls: usize) -> SignedDuration {
    let Some(doublings) = falls.checked_sub(TOLD_AT_ONCE) else {
        return SignedDuration::ZERO;
    };
    let doubled = u32::try_from(doublings)
        .ok()
        .and_then(|doublings| 2_i32.checked_pow(doublings))
        .and_then(|factor| FIRST_WAIT.checked_mul(factor));
    doubled.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))
}

/// Whoever reads the history has to know what it does not tell.
fn note(wait: SignedDuration) -> String {
    if wait.is_zero() {
        return String::new();
    }
    let minutes = wait.as_mins();
    format!(
        "the phase keeps changing: what changes within {minutes} min after the next fact, and back, is not told"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Cause;

    const MINUTE: i64 = 60;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * MINUTE).unwrap()
    }

    fn fact(kind: FactKind, phase: Phase, minute: i64) -> Fact {
        Fact {
            phase: Some(phase),
            ..Fact::new(kind, Cause::Controller, at(minute))
        }
    }

    fn status(phase: Phase, history: Vec<Fact>) -> Status {
        Status {
            phase,
            history,
            ..Status::default()
        }
    }

    /// A Rollout that is healthy since minute 0, after a rollout.
    fn healthy() -> Status {
        let mut end = fact(FactKind::Finished, Phase::Healthy, 0);
        end.chain = Some(1);
        status(Phase::Healthy, vec![end])
    }

    /// Lets the phase be so at that minute; answers whether that is told.
    fn becomes(status: &mut Status, phase: Phase, minute: i64) -> Telling {
        let mut new = status.clone();
        new.phase = phase;
        let telling = super::telling(status, &new, at(minute));
        if telling != Telling::No && !matches!(telling, Telling::At(_)) {
            new.history.push(fact(FactKind::PhaseChanged, phase, minute));
        }
        *status = new;
        telling
    }

    /// A pod that comes and goes every minute, over so many minutes; answers the minutes of what is told.
    fn flaps(status: &mut Status, minutes: std::ops::Range<i64>) -> Vec<i64> {
        let phase = |minute| match minute % 2 {
            0 => Phase::Healthy,
            _ => Phase::Progressing,
        };
        let told = |minute: &i64| matches!(becomes(status, phase(*minute), *minute), Telling::Now(_));
        minutes.filter(told).collect()
    }

    #[test]
    fn the_first_ones_are_told_at_once_and_then_ever_fewer() {
        let told = flaps(&mut healthy(), 1..200);

        let expected = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 19, 20, 29, 30, 47, 48, 81, 82, 147, 148,
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_pod_that_flaps_for_a_month_leaves_room_for_the_story_of_the_rollouts() {
        let told = flaps(&mut healthy(), 1..30 * 24 * 60);

        assert!(told.len() < 150, "{} facts", told.len());
    }

    #[test]
    fn what_lasts_is_told_when_its_time_has_come() {
        let mut status = healthy();
        flaps(&mut status, 1..149);

        let Telling::At(due) = becomes(&mut status, Phase::Progressing, 150) else {
            panic!("it has to wait");
        };

        assert_eq!(due, at(148 + 128));
        assert_eq!(becomes(&mut status, Phase::Progressing, 275), Telling::At(due));
        assert!(matches!(
            becomes(&mut status, Phase::Progressing, 276),
            Telling::Now(_)
        ));
        assert_eq!(becomes(&mut status, Phase::Progressing, 277), Telling::No);
    }

    #[test]
    fn an_outage_is_told_at_once_however_often_pods_came_and_went() {
        let mut status = healthy();
        flaps(&mut status, 1..149);

        let telling = becomes(&mut status, Phase::Degraded, 150);

        assert_eq!(telling, Telling::Now(String::new()));
    }

    #[test]
    fn what_is_over_before_its_time_has_come_is_not_told() {
        let mut status = healthy();
        flaps(&mut status, 1..149);
        becomes(&mut status, Phase::Progressing, 150);

        assert_eq!(becomes(&mut status, Phase::Healthy, 160), Telling::No);
    }

    #[test]
    fn whoever_reads_the_history_learns_that_something_is_not_told() {
        let mut status = healthy();
        flaps(&mut status, 1..7);

        let Telling::Now(words) = becomes(&mut status, Phase::Progressing, 7) else {
            panic!("it is told");
        };

        assert!(words.contains("keeps changing"), "{words}");
    }

    #[test]
    fn after_a_calm_all_is_told_at_once_again() {
        let mut status = healthy();
        flaps(&mut status, 1..149);
        let calm = 148 + CALM.as_mins() + 1;

        let telling = becomes(&mut status, Phase::Progressing, calm);

        assert_eq!(telling, Telling::Now(String::new()));
    }

    #[test]
    fn a_rollout_begins_the_count_anew() {
        let mut status = healthy();
        flaps(&mut status, 1..149);
        status.history.extend(healthy().history);
        for fact in &mut status.history[10..] {
            fact.time = fact.time.max(at(148));
        }

        assert_eq!(
            becomes(&mut status, Phase::Progressing, 149),
            Telling::Now(String::new())
        );
    }

    #[test]
    fn in_an_attempt_every_change_is_told() {
        let mut status = healthy();
        for minute in 1..20 {
            let mut step = fact(FactKind::PhaseChanged, Phase::Progressing, minute);
            step.chain = Some(9);
            status.history.push(step);
        }
        status.phase = Phase::Progressing;

        assert_eq!(
            becomes(&mut status, Phase::Degraded, 20),
            Telling::Now(String::new())
        );
    }

    #[test]
    fn a_history_without_phases_is_compared_with_the_status() {
        let mut status = healthy();
        status.history[0].phase = None;

        assert_eq!(becomes(&mut status, Phase::Healthy, 1), Telling::No);
        assert!(matches!(
            becomes(&mut status, Phase::Degraded, 1),
            Telling::Now(_)
        ));
    }
}
