//! A rollout that stands still goes back by itself, if asked to: `spec.progressDeadlineAbort` (2.11 of Argo Rollouts'
//! specification, progress deadline).

use jiff::SignedDuration;
use kulta_core::history::{Cause, FactKind};
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use crate::simulation::builder::{RolloutBuilder, basic, blue_green, pause, routed, weight};
use crate::simulation::cluster::CANARY;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

const TIMED_OUT: &str = "has timed out progressing";

/// A rollout to a version whose pods never become ready.
fn late(rollout: RolloutBuilder) -> World {
    let mut world = hasty(rollout).deployed();
    world.cluster.behave(2, never_ready());
    world.applies(2);
    world
}

fn hasty(rollout: RolloutBuilder) -> RolloutBuilder {
    rollout.spec(|spec| {
        spec.progress_deadline = SignedDuration::from_secs(60);
        spec.progress_deadline_abort = true;
    })
}

fn never_ready() -> Behaviour {
    Behaviour {
        fate: Fate::Pending,
        ..Behaviour::default()
    }
}

#[test]
fn a_version_whose_pods_do_not_come_up_is_taken_back() {
    for rollout in [routed().steps([weight(20)]), basic(1, 1), blue_green()] {
        let mut world = late(rollout);

        world.rests();

        assert!(world.status().abort && world.is_stable(1), "{}", world.describe());
        assert_eq!(
            (world.phase(), world.pods(1), world.pods(2)),
            (Phase::Degraded, 10, 0)
        );
    }
}

#[test]
fn the_message_is_that_of_the_deadline_until_somebody_acts() {
    let mut world = late(routed().steps([weight(20)]));

    world.rests();

    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::RolloutAborted))
    );
    let message = &world.status().message;
    assert!(
        message.starts_with("RolloutAborted: Rollout aborted update to revision 2: ReplicaSet"),
        "{message}"
    );
    assert!(message.contains(TIMED_OUT), "{message}");
}

#[test]
fn the_history_tells_that_the_deadline_has_ended_it() {
    let mut world = late(routed().steps([weight(20)]));
    world.rests();

    let mut history = world.status().history.iter();
    let told = history
        .find(|fact| fact.kind == FactKind::Aborted)
        .expect("it was told");

    assert_eq!(told.cause, Cause::Controller);
    assert!(told.message.contains(TIMED_OUT), "{}", told.message);
}

#[test]
fn a_retry_after_the_deadline_has_all_its_time_again() {
    let mut world = late(routed().steps([weight(20)]));
    world.rests();
    world.cluster.behave(2, Behaviour::default());

    world.user(&UserAction::Retry);
    world.rests();

    assert_eq!((world.phase(), world.is_stable(2)), (Phase::Healthy, true));
}

#[test]
fn a_rollout_that_moves_now_and_then_is_left_alone() {
    let slow = hasty(basic(1, 0)).replicas(5);
    let mut world = slow.deployed();
    let ready_after = 40;
    world.cluster.behave(
        2,
        Behaviour {
            ready_after,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.reaches("the end", |world| {
        world.phase() == Phase::Healthy && world.is_stable(2) || world.status().abort
    });

    assert!(!world.status().abort);
}

#[test]
fn a_pause_is_not_measured() {
    let mut world = hasty(routed().steps([weight(20), pause()])).paused_at_version_2();

    world.passes(200);

    assert!(!world.status().abort);
    assert_eq!(world.phase(), Phase::Paused);
}

#[test]
fn a_version_that_is_stable_is_not_given_up() {
    let mut world = hasty(routed()).deployed();
    world.cluster.behave(1, never_ready());
    world.user(&UserAction::Scale(12));

    world.rests();

    assert!(!world.status().abort);
    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::ProgressDeadlineExceeded))
    );
}

#[test]
fn a_first_deploy_has_nothing_to_go_back_to() {
    let mut world = hasty(routed()).new_rollout();
    world.cluster.behave(1, never_ready());

    world.rests();

    assert!(!world.status().abort);
    assert_eq!(world.phase(), Phase::Degraded);
}

#[test]
fn what_is_wrong_around_the_rollout_is_no_fault_of_the_version() {
    let mut world = late(routed().steps([weight(20)]));
    world.passes(5);
    world.user(&UserAction::DeleteService(CANARY.to_owned()));

    world.passes(200);

    assert!(!world.status().abort);
    assert_eq!(
        world.condition(ConditionType::InvalidSpec),
        Some((Truth::True, Reason::InvalidSpec))
    );
}

#[test]
fn without_the_field_the_deadline_is_only_told() {
    let mut world = routed()
        .steps([weight(20)])
        .spec(|spec| spec.progress_deadline = SignedDuration::from_secs(60))
        .deployed();
    world.cluster.behave(2, never_ready());

    world.applies(2);
    world.rests();

    assert!(!world.status().abort);
    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::ProgressDeadlineExceeded))
    );
}
