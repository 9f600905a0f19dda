//! Steps, pauses and promotion.

use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::hash;
use crate::simulation::builder::{canary_pods, pause, pause_for, routed, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;

#[test]
fn steps_are_walked_to_the_end() {
    let mut world = routed().steps([weight(10), weight(50), weight(100)]).deployed();

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Healthy, Some(3)));
    assert!(world.is_stable(2));
    assert_eq!((world.pods(1), world.pods(2), world.weight()), (0, 10, 0));
    assert_eq!(world.selects(STABLE), Some(hash(2).as_str()));
}

#[test]
fn a_canary_without_steps_goes_straight_to_the_new_version() {
    let mut world = routed().deployed();

    world.applies(2);
    world.rests();

    assert!(world.is_stable(2));
    assert_eq!((world.phase(), world.step()), (Phase::Healthy, None));
}

#[test]
fn traffic_moves_only_once_the_canary_is_available() {
    let mut world = routed().steps([weight(50), pause()]).deployed();
    world.cluster.behave(
        2,
        Behaviour {
            ready_after: 8,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.passes(7);
    let early = world.weight();
    world.rests();

    assert_eq!((early, world.weight()), (0, 50));
    assert_eq!(world.selects(CANARY), Some(hash(2).as_str()));
}

#[test]
fn a_timed_pause_ends_by_itself() {
    let mut world = routed().steps([weight(20), pause_for(30)]).deployed();
    world.applies(2);
    world.reaches("the pause", |world| world.phase() == Phase::Paused);

    world.passes(29);
    let before = world.phase();
    world.passes(3);

    assert_eq!(before, Phase::Paused);
    assert_eq!(world.step(), Some(2));
}

#[test]
fn an_indefinite_pause_waits_for_the_user() {
    let mut world = routed().steps([weight(20), pause()]).paused_at_version_2();
    world.passes(1_000);
    let (before, weight) = (world.phase(), world.weight());

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((before, weight), (Phase::Paused, 20));
    assert!(world.is_stable(2));
    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn resuming_ends_one_pause_only() {
    let mut world = routed()
        .steps([weight(20), pause(), weight(40), pause()])
        .paused_at_version_2();

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(3), 40)
    );
}

#[test]
fn a_last_step_of_100_percent_with_a_pause_waits_before_promotion() {
    let mut world = routed().steps([weight(100), pause()]).paused_at_version_2();

    assert_eq!((world.weight(), world.pods(1), world.pods(2)), (100, 10, 10));
    assert!(world.is_stable(1));

    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2));
}

#[test]
fn full_promotion_skips_what_is_left_but_waits_for_the_pods() {
    let mut world = routed()
        .steps([weight(20), pause(), weight(40), pause()])
        .paused_at_version_2();
    world.cluster.behave(
        2,
        Behaviour {
            ready_after: 10,
            ..Behaviour::default()
        },
    );

    world.user(&UserAction::PromoteFull);
    world.passes(5);
    let early = world.is_stable(2);
    world.rests();

    assert!(!early);
    assert!(world.is_stable(2));
    assert_eq!(
        (world.phase(), world.step(), world.status().promote_full),
        (Phase::Healthy, Some(4), false)
    );
}

#[test]
fn a_users_pause_holds_the_rollout_where_it_is() {
    let mut world = routed()
        .steps([weight(20), pause_for(5), weight(60), weight(80)])
        .deployed();
    world.applies(2);
    world.reaches("the timed pause", |world| world.phase() == Phase::Paused);

    world.user(&UserAction::Pause(true));
    world.passes(60);
    let held = (world.phase(), world.weight());
    world.user(&UserAction::Pause(false));
    world.rests();

    assert_eq!(held, (Phase::Paused, 20));
    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn set_canary_scale_sizes_the_canary_apart_from_its_weight() {
    let mut world = routed()
        .steps([canary_pods(4), weight(10), pause()])
        .paused_at_version_2();

    assert_eq!((world.pods(2), world.weight()), (4, 10));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((world.pods(2), world.phase()), (10, Phase::Healthy));
}

#[test]
fn a_canary_scaled_to_nothing_loses_its_traffic_first() {
    let mut world = routed()
        .steps([weight(20), canary_pods(0), pause()])
        .paused_at_version_2();

    assert_eq!((world.pods(2), world.weight()), (0, 0));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn no_progress_within_the_deadline_is_degraded_and_heals() {
    let deadline = jiff::SignedDuration::from_secs(60);
    let mut world = routed()
        .steps([weight(20)])
        .spec(|spec| spec.progress_deadline = deadline)
        .deployed();
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );
    world.applies(2);
    world.rests();
    let told = (world.phase(), world.condition(ConditionType::Progressing));

    world.cluster.behave(2, Behaviour::default());
    world.cluster.changed();
    world.rests();

    assert_eq!(
        told,
        (
            Phase::Degraded,
            Some((Truth::False, Reason::ProgressDeadlineExceeded))
        )
    );
    assert_eq!((world.phase(), world.is_stable(2)), (Phase::Healthy, true));
}

/// Its pods are ready for a moment again and again: that is no progress.
#[test]
fn a_version_that_keeps_crashing_exceeds_the_deadline() {
    let deadline = jiff::SignedDuration::from_secs(60);
    let mut world = routed()
        .steps([weight(20)])
        .spec(|spec| {
            spec.progress_deadline = deadline;
            spec.min_ready_seconds = 10;
        })
        .deployed();
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Flaps { up: 5, down: 15 },
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.passes(200);

    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::ProgressDeadlineExceeded))
    );
}

#[test]
fn a_version_at_rest_that_loses_its_pods_is_given_the_deadline_to_bring_them_back() {
    let deadline = jiff::SignedDuration::from_secs(60);
    let mut world = routed()
        .steps([weight(20)])
        .spec(|spec| spec.progress_deadline = deadline)
        .deployed();
    world.passes(1_000);
    world.cluster.behave(
        1,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );
    world.cluster.changed();
    world.passes(30);
    let soon = world.phase();

    world.passes(60);

    assert_eq!((soon, world.phase()), (Phase::Progressing, Phase::Degraded));
}

#[test]
fn a_long_pause_is_no_lack_of_progress() {
    let deadline = jiff::SignedDuration::from_secs(60);
    let steps = [weight(20), pause_for(600), weight(40)];
    let mut world = routed()
        .steps(steps)
        .spec(|spec| spec.progress_deadline = deadline)
        .deployed();
    world.applies(2);
    world.reaches("the pause", |world| world.phase() == Phase::Paused);

    world.passes(500);

    assert_eq!(world.phase(), Phase::Paused);
}

/// Of ten canary pods one is left: it can't carry what ten did.
#[test]
fn a_canary_that_loses_most_of_its_pods_gives_traffic_back() {
    let mut world = routed()
        .steps([weight(20), pause_for(1), weight(100), pause()])
        .paused_at_version_2();
    world.reaches("all traffic", |world| world.weight() == 100);

    world.cluster.lose_pods(&hash(2), 9);

    world.reaches("traffic is given back", |world| world.weight() == 20);
}

#[test]
fn a_long_pause_by_hand_is_not_overdue_when_it_ends() {
    let deadline = jiff::SignedDuration::from_secs(60);
    let mut world = routed()
        .steps([weight(20)])
        .spec(|spec| spec.progress_deadline = deadline)
        .deployed();
    world.user(&UserAction::Pause(true));
    world.applies(2);
    world.passes(500);
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );

    world.user(&UserAction::Pause(false));
    world.passes(10);

    assert_eq!(world.phase(), Phase::Progressing);
}

#[test]
fn a_canary_that_crashes_within_a_step_loses_its_traffic() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();

    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );
    world.passes(10);

    assert_eq!(world.weight(), 0);
    assert_eq!(world.pods(1), 10);
}
