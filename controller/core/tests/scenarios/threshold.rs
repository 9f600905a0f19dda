//! A canary that goes on with some of its pods: `strategy.canary.replicaProgressThreshold` (1.1, 2.4 of Argo Rollouts'
//! specification).

use jiff::SignedDuration;
use kulta_core::spec::{Amount, Step};
use kulta_core::status::Phase;

use crate::simulation::builder::{RolloutBuilder, basic, pause, routed, weight};
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::world::World;

fn steps() -> Vec<Step> {
    vec![weight(50), pause()]
}

impl RolloutBuilder {
    fn threshold(self, threshold: Amount) -> Self {
        self.spec(|spec| spec.progress_threshold = Some(threshold))
    }
}

impl World {
    fn available(&self, version: u32) -> u32 {
        self.of_version(version).map_or(0, ReplicaSet::available)
    }

    /// Version 2 is asked for, and the namespace has room for so many pods in all.
    fn applied_with_room_for(mut self, pods: u32) -> Self {
        self.cluster.environment.pod_quota = pods;
        self.applies(2);
        self.passes(60);
        self
    }
}

#[test]
fn a_step_is_done_with_that_share_of_its_pods() {
    for threshold in [
        Amount::Percent(80),
        Amount::Percent(71),
        Amount::Pods(4),
        Amount::Pods(1),
    ] {
        let world = routed().steps(steps()).threshold(threshold).deployed();

        let world = world.applied_with_room_for(14);

        let state = (world.step(), world.weight(), world.available(2));
        assert_eq!(state, (Some(1), 50, 4), "{threshold:?}");
    }
}

#[test]
fn with_fewer_pods_the_step_waits() {
    for threshold in [
        Amount::Percent(81),
        Amount::Percent(100),
        Amount::Pods(5),
        Amount::Pods(100),
    ] {
        let world = routed().steps(steps()).threshold(threshold).deployed();

        let world = world.applied_with_room_for(14);

        assert_eq!((world.step(), world.weight()), (Some(0), 0), "{threshold:?}");
    }
}

#[test]
fn no_threshold_asks_for_more_than_all_pods() {
    let world = routed().steps(steps()).threshold(Amount::Pods(100)).deployed();

    let world = world.applied_with_room_for(100);

    assert_eq!((world.step(), world.weight()), (Some(1), 50));
}

#[test]
fn a_version_is_promoted_with_that_share_of_its_pods_and_healthy_with_all() {
    let mut world = routed()
        .threshold(Amount::Percent(80))
        .canary(|canary| canary.scale_down_delay = SignedDuration::from_secs(600))
        .deployed()
        .applied_with_room_for(18);
    let early = (world.is_stable(2), world.available(2), world.phase());

    world.cluster.environment.pod_quota = 100;
    world.rests();

    assert_eq!(early, (true, 8, Phase::Progressing));
    assert_eq!((world.phase(), world.available(2)), (Phase::Healthy, 10));
}

#[test]
fn no_weight_goes_to_a_canary_without_a_ready_pod_whatever_the_threshold() {
    for threshold in [Amount::Percent(0), Amount::Pods(0)] {
        let mut world = routed().steps(steps()).threshold(threshold).deployed();
        let fate = Fate::Pending;
        world.cluster.behave(
            2,
            Behaviour {
                fate,
                ..Behaviour::default()
            },
        );

        let world = world.applied_with_room_for(100);

        assert_eq!((world.step(), world.weight()), (Some(0), 0), "{threshold:?}");
    }
}

#[test]
fn a_basic_canary_goes_on_with_that_share_of_its_pods() {
    let enough = basic(2, 2).steps(steps()).threshold(Amount::Percent(80));
    let world = enough.deployed().applied_with_room_for(9);
    assert_eq!(
        (world.step(), world.available(1), world.available(2)),
        (Some(1), 5, 4)
    );

    let too_few = basic(2, 2).steps(steps()).threshold(Amount::Percent(90));
    let world = too_few.deployed().applied_with_room_for(9);
    assert_eq!(world.step(), Some(0));
}

#[test]
fn with_dynamic_stable_scale_weight_falls_on_as_many_stable_pods_as_are_enough() {
    let mut world = routed()
        .steps(steps())
        .threshold(Amount::Percent(50))
        .canary(|canary| canary.dynamic_stable_scale = true)
        .paused_at_version_2();
    assert_eq!(world.pods(1), 5);
    // Of the other five pods of the stable version, none can come up.
    world.cluster.environment.pod_quota = 10;

    world.user(&crate::simulation::user::UserAction::Abort);
    world.reaches("all traffic is back", |world| world.weight() == 0);

    assert_eq!(world.available(1), 5);
}
