//! The canary without traffic routing: the numbers of pods are the split.

use kulta_core::spec::{Amount, Method};
use kulta_core::status::Phase;

use super::hash;
use crate::simulation::builder::{RolloutBuilder, basic, pause, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;

/// Replicas, weight, maxSurge, maxUnavailable; canary and stable pods at the pause after that weight.
const WORKED_EXAMPLES: &[(u32, u32, u32, u32, u32, u32)] = &[
    (10, 10, 1, 1, 1, 9),
    (10, 30, 3, 0, 3, 7),
    (10, 30, 0, 5, 3, 7),
    (10, 5, 0, 1, 1, 9),
    (1, 5, 1, 0, 1, 1),
    (1, 95, 1, 0, 1, 1),
    (10, 0, 1, 0, 0, 10),
    (10, 100, 1, 0, 10, 0),
    (4, 25, 1, 0, 1, 3),
    (3, 50, 0, 1, 2, 1),
];

#[test]
fn the_split_is_that_of_the_worked_examples() {
    for (replicas, percent, max_surge, max_unavailable, canary, stable) in WORKED_EXAMPLES {
        let steps = [weight(*percent), pause()];
        let world = basic(*max_surge, *max_unavailable)
            .replicas(*replicas)
            .steps(steps)
            .paused_at_version_2();

        let example =
            format!("{replicas} pods, {percent} %, surge {max_surge}, unavailable {max_unavailable}");
        assert_eq!((world.pods(2), world.pods(1)), (*canary, *stable), "{example}");
    }
}

/// Replicas, weight, maxSurge; canary and stable pods while a user pauses on that weight.
const PAUSED: &[(u32, u32, u32, u32, u32)] = &[(1, 5, 1, 1, 1), (2, 25, 1, 1, 2), (10, 50, 0, 5, 5)];

#[test]
fn a_users_pause_leaves_the_split_as_it_is() {
    for (replicas, percent, max_surge, canary, stable) in PAUSED {
        let steps = [weight(*percent), pause()];
        let mut world = basic(*max_surge, 1)
            .replicas(*replicas)
            .steps(steps)
            .paused_at_version_2();

        world.user(&UserAction::Pause(true));
        world.rests();

        let example = format!("{replicas} pods, {percent} %, surge {max_surge}");
        assert_eq!((world.pods(2), world.pods(1)), (*canary, *stable), "{example}");
    }
}

#[test]
fn scaled_down_in_a_users_pause_the_stable_version_keeps_its_share() {
    let mut world = basic(1, 0).steps([weight(50), pause()]).paused_at_version_2();
    world.user(&UserAction::Pause(true));

    world.user(&UserAction::Scale(4));
    world.rests();

    assert_eq!((world.pods(2), world.pods(1)), (2, 2));
}

#[test]
fn with_a_surge_the_canary_comes_up_before_stable_pods_go() {
    let mut world = basic(3, 0).steps([weight(30), pause()]).deployed();
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.passes(10);

    assert_eq!((world.pods(2), world.pods(1)), (3, 10));
}

#[test]
fn without_a_surge_stable_pods_make_room_first() {
    let mut world = basic(0, 5).steps([weight(30), pause()]).deployed();

    world.applies(2);
    world.trace = Some(Vec::new());
    world.rests();

    let trace = world.trace.take().unwrap_or_default().join("\n");
    let first = trace
        .lines()
        .find(|line| line.contains("ScaleReplicaSet"))
        .unwrap_or_default();
    assert!(
        first.contains(&hash(1)) && first.contains("from: 10, to: 7"),
        "{first}"
    );
    assert_eq!((world.pods(2), world.pods(1)), (3, 7));
}

#[test]
fn steps_are_walked_to_the_end_and_old_pods_are_gone() {
    let mut world = basic(1, 1)
        .steps([weight(20), pause(), weight(60)])
        .paused_at_version_2();

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.phase(), world.pods(1), world.pods(2)),
        (Phase::Healthy, 0, 10)
    );
    assert!(world.is_stable(2));
}

#[test]
fn a_version_that_never_becomes_ready_takes_no_promised_pod_away() {
    let mut world = basic(1, 2).deployed();
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.passes(500);

    assert_eq!(world.cluster.available(), 8);
}

#[test]
fn abort_gives_the_pods_back_to_stable() {
    let mut world = basic(2, 0).steps([weight(50), pause()]).paused_at_version_2();

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!(
        (world.phase(), world.pods(1), world.pods(2)),
        (Phase::Degraded, 10, 0)
    );
}

#[test]
fn the_stable_template_again_rolls_back() {
    let mut world = basic(2, 0).steps([weight(50), pause()]).paused_at_version_2();

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.pods(1), world.pods(2)),
        (Phase::Healthy, 10, 0)
    );
}

#[test]
fn a_third_version_drains_the_second_within_the_bounds() {
    let mut world = basic(1, 1).steps([weight(50), pause()]).paused_at_version_2();

    world.applies(3);
    world.rests();

    assert_eq!((world.pods(1), world.pods(2), world.pods(3)), (5, 0, 5));
}

#[test]
fn scaling_in_mid_rollout_keeps_the_split() {
    let mut world = basic(2, 0).steps([weight(50), pause()]).paused_at_version_2();

    world.user(&UserAction::Scale(20));
    world.rests();

    assert_eq!((world.pods(1), world.pods(2)), (10, 10));
}

#[test]
fn bounds_that_both_round_to_nothing_still_let_one_pod_go() {
    let mut world = percent_bounds(0, 5).replicas(2).deployed();

    world.applies(2);
    world.rests();

    assert_eq!(
        (world.phase(), world.pods(1), world.pods(2)),
        (Phase::Healthy, 0, 2)
    );
}

fn percent_bounds(max_surge: u32, max_unavailable: u32) -> RolloutBuilder {
    let mut builder = basic(1, 1);
    builder.spec.method = Method::Basic {
        stable_service: Some(STABLE.to_owned()),
        canary_service: Some(CANARY.to_owned()),
        max_surge: Amount::Percent(max_surge),
        max_unavailable: Amount::Percent(max_unavailable),
    };
    builder
}

#[test]
fn services_follow_their_versions() {
    let mut world = percent_bounds(25, 25)
        .steps([weight(50), pause()])
        .paused_at_version_2();
    let during = (
        world.selects(STABLE).map(str::to_owned),
        world.selects(CANARY).map(str::to_owned),
    );

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!(during, (Some(hash(1)), Some(hash(2))));
    assert_eq!(world.selects(CANARY), Some(hash(1).as_str()));
}
