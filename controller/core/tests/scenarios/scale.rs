//! Sizes: scaling in mid-rollout, dynamic stable scale, floors.

use kulta_core::status::Phase;

use crate::simulation::builder::{canary_pods, pause, routed, weight};
use crate::simulation::user::UserAction;

#[test]
fn scaling_a_healthy_rollout_changes_only_the_number_of_pods() {
    let mut world = routed().replicas(3).deployed();

    world.user(&UserAction::Scale(7));
    world.rests();

    assert_eq!((world.pods(1), world.phase()), (7, Phase::Healthy));
    assert_eq!(
        world
            .of_version(1)
            .and_then(|replica_set| replica_set.desired_replicas),
        Some(7)
    );
}

#[test]
fn scaling_up_in_mid_rollout_scales_both_versions() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();

    world.user(&UserAction::Scale(20));
    world.rests();

    assert_eq!((world.pods(1), world.pods(2), world.weight()), (20, 10, 50));
    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
}

#[test]
fn scaling_down_in_mid_rollout_scales_both_versions() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();

    world.user(&UserAction::Scale(4));
    world.rests();

    assert_eq!((world.pods(1), world.pods(2), world.weight()), (4, 2, 50));
}

#[test]
fn scaling_during_a_users_pause_is_followed() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();
    world.user(&UserAction::Pause(true));
    world.rests();

    world.user(&UserAction::Scale(20));
    world.rests();

    assert_eq!(world.pods(1), 20);
    assert_eq!(world.phase(), Phase::Paused);
}

#[test]
fn a_users_pause_takes_no_pods_away_that_are_coming_up() {
    for steps in [
        vec![weight(50), pause()],
        vec![canary_pods(5), weight(50), pause()],
    ] {
        let mut world = routed().steps(steps).deployed();
        world.applies(2);
        world.reaches("pods come up", |world| {
            world.of_version(2).is_some_and(|new| new.spec_replicas == 5)
        });

        world.user(&UserAction::Pause(true));
        world.rests();

        assert_eq!(
            (world.pods(1), world.pods(2), world.weight()),
            (10, 5, 0),
            "{}",
            world.describe()
        );
    }
}

#[test]
fn a_users_pause_while_pods_come_up_moves_no_weight() {
    let steps = [weight(20), weight(50), pause()];
    let mut world = routed().steps(steps).deployed();
    world.applies(2);
    world.reaches("more pods come up", |world| {
        world.weight() == 20 && world.of_version(2).is_some_and(|new| new.spec_replicas == 5)
    });

    world.user(&UserAction::Pause(true));
    let lowest = std::cell::Cell::new(world.weight());
    for _ in 0..60 {
        world.passes(1);
        lowest.set(lowest.get().min(world.weight()));
    }

    assert_eq!(
        (world.pods(2), world.weight(), lowest.get()),
        (5, 20, 20),
        "{}",
        world.describe()
    );
}

#[test]
fn a_users_pause_does_not_keep_more_pods_than_its_step_asks_for() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();
    world.user(&UserAction::Pause(true));
    world.rests();

    world.user(&UserAction::Scale(4));
    world.rests();

    assert_eq!((world.pods(1), world.pods(2)), (4, 2));
}

#[test]
fn with_a_stable_version_that_shrinks_the_floor_is_for_a_number_of_pods_too() {
    for (dynamic, pods) in [(true, 3), (false, 1)] {
        let mut world = routed()
            .canary(|canary| {
                canary.dynamic_stable_scale = dynamic;
                canary.min_pods_per_replica_set = 3;
            })
            .steps([canary_pods(1), pause()])
            .paused_at_version_2();
        world.rests();

        assert_eq!(world.pods(2), pods);
    }
}

#[test]
fn a_number_of_pods_that_is_left_out_is_written() {
    let mut world = routed().replicas(1).deployed();
    world.cluster.rollout.lacks_replicas = true;
    world.cluster.rollout.resource_version = world.cluster.changed();

    world.rests();

    assert!(!world.cluster.rollout.lacks_replicas);
    assert_eq!((world.pods(1), world.phase()), (1, Phase::Healthy));
}

#[test]
fn scaling_to_zero_and_back_is_healthy_both_times() {
    let mut world = routed().replicas(3).deployed();

    world.user(&UserAction::Scale(0));
    world.rests();
    let asleep = (world.pods(1), world.phase());
    world.user(&UserAction::Scale(3));
    world.rests();

    assert_eq!(asleep, (0, Phase::Healthy));
    assert_eq!((world.pods(1), world.phase()), (3, Phase::Healthy));
}

#[test]
fn a_change_of_min_ready_seconds_reaches_the_pods_there_are() {
    let mut world = routed().deployed();

    world.cluster.rollout.spec.min_ready_seconds = 20;
    world.cluster.rollout.generation += 1;
    world.cluster.rollout.resource_version = world.cluster.changed();
    world.rests();

    let seconds = world
        .cluster
        .replica_sets
        .iter()
        .map(|replica_set| replica_set.min_ready_seconds);
    assert_eq!(seconds.collect::<Vec<_>>(), [20]);
}

#[test]
fn dynamic_stable_scale_shrinks_the_stable_version_as_traffic_leaves_it() {
    let dynamic = routed()
        .steps([weight(30), pause()])
        .canary(|canary| canary.dynamic_stable_scale = true);

    let world = dynamic.paused_at_version_2();

    assert_eq!((world.pods(1), world.pods(2), world.weight()), (7, 3, 30));
}

#[test]
fn without_dynamic_stable_scale_the_stable_version_keeps_its_size() {
    let world = routed().steps([weight(30), pause()]).paused_at_version_2();

    assert_eq!((world.pods(1), world.pods(2)), (10, 3));
}

#[test]
fn the_floor_of_pods_holds_for_a_version_that_has_any() {
    let floor = routed()
        .steps([weight(5), pause()])
        .canary(|canary| canary.min_pods_per_replica_set = 2);

    let world = floor.paused_at_version_2();

    assert_eq!((world.pods(1), world.pods(2)), (10, 2));
}

#[test]
fn the_floor_of_pods_never_exceeds_the_replicas() {
    let floor = routed().replicas(1).steps([weight(5), pause()]);
    let floor = floor.canary(|canary| canary.min_pods_per_replica_set = 2);

    let world = floor.paused_at_version_2();

    assert_eq!((world.pods(1), world.pods(2)), (1, 1));
}
