//! The story that the history tells, and what becomes of it on its way to the sinks.

use kulta_core::history::past::state_at;
use kulta_core::history::{Fact, FactKind, Origin};
use kulta_core::observed::Refusal;
use kulta_core::spec::{Step, Weight};
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::hash;
use crate::simulation::builder::{basic, pause, routed, weight};
use crate::simulation::delivery::{Delivery, SINK};
use crate::simulation::template::{Behaviour, Fate, Template, image};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn steps() -> Vec<Step> {
    vec![weight(20), pause(), weight(60)]
}

impl World {
    /// The kinds of the facts of each attempt, in order.
    fn attempts(&self) -> Vec<Vec<FactKind>> {
        let history = &self.status().history;
        let of_attempt = |first: u64| {
            let facts = history.iter().filter(|fact| fact.chain == Some(first));
            facts.map(|fact| fact.kind).collect()
        };
        let first = history.iter().filter(|fact| fact.chain == Some(fact.sequence));
        first.map(|fact| of_attempt(fact.sequence)).collect()
    }

    fn told(&self, kind: FactKind) -> &Fact {
        let mut facts = self.status().history.iter().rev();
        facts.find(|fact| fact.kind == kind).expect("it was told")
    }

    fn with_sink(mut self) -> Self {
        let delivery = Delivery::new(&mut self.cluster, 0, 1);
        self.delivery = Some(delivery);
        self
    }

    fn sink_is_up(&mut self, is_up: bool) {
        if let Some(delivery) = &mut self.delivery {
            delivery.is_up = is_up;
        }
    }
}

#[test]
fn a_first_deploy_is_an_attempt_that_is_published_and_finished() {
    for rollout in [routed(), basic(1, 1)] {
        let world = rollout.steps(steps()).deployed();

        let attempts = world.attempts();

        assert_eq!(attempts.len(), 1);
        let ends = [FactKind::Promoted, FactKind::Published, FactKind::Finished];
        let outcome: Vec<_> = attempts[0]
            .iter()
            .copied()
            .filter(|kind| ends.contains(kind))
            .collect();
        assert_eq!(outcome, ends);
        assert_eq!(
            (attempts[0][0], attempts[0].last()),
            (FactKind::Started, Some(&FactKind::Finished))
        );
        let promoted = world.told(FactKind::Promoted);
        assert_eq!(
            (promoted.from.as_ref(), promoted.image.clone()),
            (None, Some(image(1)))
        );
    }
}

#[test]
fn an_abort_is_told_at_once_and_restored_when_traffic_is_back() {
    for rollout in [routed(), basic(1, 1)] {
        let mut world = rollout.steps(steps()).paused_at_version_2();

        world.user(&UserAction::Abort);
        world.rests();

        let attempts = world.attempts();
        assert_eq!(attempts.len(), 2);
        assert!(attempts[1].contains(&FactKind::Aborted));
        assert_eq!(attempts[1].last(), Some(&FactKind::Restored));
        let restored = world.told(FactKind::Restored);
        assert_eq!(
            (restored.revision.clone(), restored.from.clone()),
            (Some(hash(1)), Some(hash(2)))
        );
        assert_eq!(restored.image, Some(image(1)));
        let aborted = world.told(FactKind::Aborted);
        assert_eq!(
            (aborted.revision.clone(), aborted.image.clone()),
            (Some(hash(2)), Some(image(2)))
        );
    }
}

#[test]
fn abort_retry_abort_are_two_attempts_with_a_restoration_each() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    for _ in 0..2 {
        world.user(&UserAction::Abort);
        world.rests();
        world.user(&UserAction::Retry);
        world.rests();
    }

    let attempts = world.attempts();
    let begins: Vec<_> = attempts.iter().map(|attempt| attempt[0]).collect();
    assert_eq!(
        begins,
        [
            FactKind::Started,
            FactKind::Started,
            FactKind::Retried,
            FactKind::Retried
        ]
    );
    let restored = attempts
        .iter()
        .filter(|attempt| attempt.last() == Some(&FactKind::Restored));
    assert_eq!(restored.count(), 2);
    // The ids of events are made of the numbers: three events that follow each other, each with one of its own.
    let told = world.status().history.iter();
    let told = told.filter(|fact| matches!(fact.kind, FactKind::Aborted | FactKind::Retried));
    let numbers: Vec<_> = told.map(|fact| fact.sequence).collect();
    assert_eq!(numbers.len(), 4);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn what_an_event_with_an_artifact_is_made_of_tells_where_the_version_is_from() {
    let mut world = routed().steps(steps()).deployed();
    world.cluster.rollout.origin = Origin {
        commit: Some("4f2a".to_owned()),
        actor: Some("ada".to_owned()),
        ..Origin::default()
    };
    world.applies(2);
    world.rests();
    world.user(&UserAction::Abort);
    world.rests();

    let commit = |kind| {
        let origin = world.told(kind).origin.as_ref();
        origin.and_then(|origin| origin.commit.as_deref())
    };
    assert_eq!(
        [commit(FactKind::Started), commit(FactKind::Aborted)],
        [Some("4f2a"); 2]
    );
    assert_eq!(commit(FactKind::StepCompleted), None);
}

#[test]
fn a_version_that_is_replaced_in_mid_rollout_is_superseded() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    world.applies(3);
    world.rests();

    let attempts = world.attempts();
    assert_eq!(attempts[1].last(), Some(&FactKind::Superseded));
    assert_eq!(world.told(FactKind::Superseded).revision, Some(hash(2)));
    assert_eq!(attempts[2][0], FactKind::Started);
}

#[test]
fn a_spec_that_goes_back_in_mid_rollout_ends_restored() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    world.applies(1);
    world.rests();

    let attempts = world.attempts();
    assert_eq!(attempts.len(), 2);
    assert!(attempts[1].contains(&FactKind::RolledBack));
    assert_eq!(attempts[1].last(), Some(&FactKind::Restored));
    assert_eq!(world.told(FactKind::Restored).from, Some(hash(2)));
}

#[test]
fn a_spec_that_goes_back_after_an_abort_begins_no_attempt() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    world.user(&UserAction::Abort);
    world.rests();

    world.applies(1);
    world.rests();

    assert_eq!(world.attempts().len(), 2);
    assert_eq!(world.told(FactKind::RolledBack).chain, None);
}

#[test]
fn the_state_of_every_instant_is_known_from_the_history() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    let paused = world.cluster.controller_time();
    world.user(&UserAction::Resume);
    world.rests();
    let now = world.cluster.controller_time();

    let history = &world.status().history;
    let then = state_at(history, paused, now).unwrap();
    let at_last = state_at(history, now, now).unwrap();

    assert_eq!(
        (then.phase, then.step, then.weight.map(Weight::percent)),
        (Some(Phase::Paused), Some(1), Some(20))
    );
    assert_eq!(
        (then.revision, then.stable),
        (Some(hash(2).as_str()), Some(hash(1).as_str()))
    );
    assert_eq!(
        (at_last.phase, at_last.stable),
        (Some(Phase::Healthy), Some(hash(2).as_str()))
    );
}

#[test]
fn a_sink_gets_all_that_happened_while_it_was_down() {
    let mut world = routed().steps(steps()).new_rollout().with_sink();
    world.sink_is_up(false);
    world.rests();
    world.applies(2);
    world.rests();

    world.sink_is_up(true);
    world.rests();

    let stored: Vec<u64> = world.cluster.stored.iter().map(|fact| fact.sequence).collect();
    assert_eq!(
        world.delivery.as_ref().map(|delivery| delivery.received.clone()),
        Some(stored.clone())
    );
    assert_eq!(world.status().delivered.get(SINK), stored.last());
}

#[test]
fn a_sink_that_is_set_up_later_gets_what_happens_from_then_on() {
    let world = routed().steps(steps()).deployed();
    let before = world.status().history.last().map_or(0, |fact| fact.sequence);

    let mut world = world.with_sink();
    world.applies(2);
    world.rests();

    assert_eq!(
        world
            .delivery
            .as_ref()
            .and_then(|delivery| delivery.received.first().copied()),
        Some(before + 1)
    );
}

#[test]
fn what_the_bound_forces_out_before_a_sink_has_it_is_counted_and_shown() {
    let mut world = routed().steps(steps()).new_rollout().with_sink();
    world.sink_is_up(false);
    world.rests();

    for version in (2..200).map(|version| version % 3 + 1) {
        world.user(&UserAction::SetTemplate(Template::of(version)));
        world.rests();
        if world.condition(ConditionType::EventsLost).is_some() {
            break;
        }
    }

    assert_eq!(
        world.condition(ConditionType::EventsLost),
        Some((Truth::True, Reason::HistoryFull))
    );
}

#[test]
fn a_refused_event_is_a_condition_until_the_next_attempt() {
    let mut world = routed().steps(steps()).new_rollout().with_sink();
    world.rests();
    let last = world.status().history.last().map_or(0, |fact| fact.sequence);
    world.delivery = None;
    world.cluster.sinks.refusals.push(Refusal {
        sink: SINK.to_owned(),
        sequence: last + 1,
        message: "400 Bad Request".to_owned(),
    });

    world.applies(2);
    world.rests();
    let refused = world.condition(ConditionType::EventsLost);
    world.cluster.sinks.acknowledged.insert(SINK.to_owned(), last + 1);
    world.cluster.changed();
    world.rests();
    world.applies(3);
    world.rests();

    assert_eq!(refused, Some((Truth::True, Reason::EventRefused)));
    assert_eq!(world.condition(ConditionType::EventsLost), None);
}

#[test]
fn pods_that_come_and_go_do_not_push_the_story_out_of_the_history() {
    let mut world = routed().steps(steps()).deployed();
    let told = world.status().history.len();

    for _ in 0..60 {
        world.cluster.lose_pods(&hash(1), 9);
        world.reaches("to miss pods", |world| world.phase() == Phase::Progressing);
        world.reaches("to be healthy again", |world| world.phase() == Phase::Healthy);
    }

    let more = world.status().history.len() - told;
    assert!((8..30).contains(&more), "{more} facts");
    assert_eq!(world.told(FactKind::PhaseChanged).phase, Some(Phase::Healthy));
}

#[test]
fn pods_that_stay_away_are_told_in_the_end_however_often_they_came_and_went() {
    let mut world = routed().steps(steps()).deployed();
    for _ in 0..8 {
        world.cluster.lose_pods(&hash(1), 9);
        world.reaches("to miss pods", |world| world.phase() == Phase::Progressing);
        world.reaches("to be healthy again", |world| world.phase() == Phase::Healthy);
    }
    let crashing = world.cluster.behaviour(1);
    let crashing = Behaviour {
        fate: Fate::Crashes(1),
        ..crashing
    };

    world.cluster.behave(1, crashing);
    world.reaches("to miss pods", |world| world.phase() != Phase::Healthy);
    let told_at_once = world.told(FactKind::PhaseChanged).phase;
    world.passes(1_000);

    assert_eq!(told_at_once, Some(Phase::Healthy));
    assert_ne!(world.told(FactKind::PhaseChanged).phase, Some(Phase::Healthy));
}
