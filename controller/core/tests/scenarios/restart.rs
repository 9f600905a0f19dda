//! Restarts: which pods go, when, and how many at once (argo-behaviour.md 2.14).

use kulta_core::history::FactKind;
use kulta_core::spec::Amount;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use crate::simulation::builder::{RolloutBuilder, basic, blue_green, pause, routed, weight};
use crate::simulation::cluster::at;
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

const NOW: UserAction = UserAction::Restart(0);

/// Pods that were there before `tick`.
fn old(world: &World, tick: u64) -> usize {
    let sets = world.cluster.replica_sets.iter();
    sets.flat_map(ReplicaSet::pod_views)
        .filter(|pod| pod.created < at(tick))
        .count()
}

/// The version 1 of a Rollout, long enough for all of its pods to be old.
fn deployed(rollout: RolloutBuilder) -> World {
    let mut world = rollout.deployed();
    world.passes(10);
    world
}

/// Restarts now, and lets time pass until the end; the fewest pods that were available meanwhile.
fn restarts(world: &mut World) -> u32 {
    let tick = world.cluster.tick;
    world.user(&NOW);
    let mut fewest = u32::MAX;
    for _ in 0..600 {
        world.passes(1);
        fewest = fewest.min(world.cluster.available());
        if world.is_restarted() {
            assert_eq!(old(world, tick), 0, "{}", world.describe());
            return fewest;
        }
    }
    world.fails("never restarted");
}

#[test]
fn a_quarter_of_the_pods_is_replaced_at_a_time() {
    let mut world = deployed(routed());

    let fewest = restarts(&mut world);
    world.rests();

    assert_eq!(fewest, 8, "25 % of 10, rounded down");
    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn of_blue_green_the_pods_are_replaced_as_of_a_canary() {
    let mut world = deployed(blue_green());

    assert_eq!(restarts(&mut world), 8);
}

#[test]
fn one_pod_at_a_time_goes_where_none_may_be_missing() {
    let mut world = deployed(basic(1, 0));

    assert_eq!(restarts(&mut world), 9);
}

#[test]
fn a_single_pod_is_replaced_though_nothing_serves_meanwhile() {
    let mut world = deployed(basic(1, 0).replicas(1));

    assert_eq!(restarts(&mut world), 0);
}

#[test]
fn the_last_pod_that_serves_stays_until_others_do() {
    let mut world = deployed(routed().replicas(3));
    world.user(&NOW);
    let restart = world.cluster.rollout.spec.pods.restart.as_mut().unwrap();
    restart.max_unavailable = Amount::Percent(100);

    world.reaches("two of three are gone", |world| world.cluster.available() == 1);
    world.rests();

    assert!(world.is_restarted());
}

#[test]
fn no_revision_begins_by_a_restart() {
    let mut world = deployed(routed());
    let before = (
        world.cluster.replica_sets.len(),
        world.status().current_pod_hash.clone(),
    );

    restarts(&mut world);

    let after = (
        world.cluster.replica_sets.len(),
        world.status().current_pod_hash.clone(),
    );
    assert_eq!(before, after);
    assert_eq!(world.cluster.rollout.revision, Some(1));
}

#[test]
fn the_phase_tells_of_a_restart_until_its_end() {
    let mut world = deployed(routed());
    world.user(&NOW);
    world.passes(1);

    let status = world.status();
    assert_eq!(
        (status.phase, status.message.as_str()),
        (Phase::Progressing, "rollout is restarting")
    );
    world.rests();
    assert_eq!(
        (world.phase(), world.status().message.as_str()),
        (Phase::Healthy, "")
    );
}

#[test]
fn a_restart_that_is_to_come_waits_for_its_time() {
    let mut world = deployed(routed());
    let tick = world.cluster.tick;
    world.user(&UserAction::Restart(3_600));
    world.passes(30);
    assert_eq!(old(&world, tick), 10);

    world.rests();

    assert_eq!(old(&world, tick + 3_600), 0);
    assert!(world.cluster.tick > tick + 3_600);
}

#[test]
fn the_stable_version_is_restarted_before_the_new_one() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();
    world.passes(10);
    let tick = world.cluster.tick;
    world.user(&NOW);
    world.passes(2);

    let young = |version| {
        let pods = world.of_version(version).unwrap().pod_views();
        pods.filter(|pod| pod.created >= at(tick)).count()
    };
    assert_eq!((young(1), young(2)), (2, 0));
    world.rests();
    assert_eq!(old(&world, tick), 0);
    assert_eq!(
        (world.weight(), world.step()),
        (50, Some(1)),
        "the rollout stays where it is"
    );
}

#[test]
fn a_pause_by_hand_does_not_keep_pods_from_being_restarted() {
    let mut world = deployed(routed());
    world.user(&UserAction::Pause(true));

    restarts(&mut world);
}

#[test]
fn a_disruption_budget_is_waited_for_and_asked_again() {
    let mut world = deployed(routed());
    let tick = world.cluster.tick;
    world.cluster.environment.budget = 10;
    world.user(&NOW);
    world.passes(100);
    assert_eq!((old(&world, tick), world.is_restarted()), (10, false));
    assert_eq!(world.status().message, "rollout is restarting");

    world.cluster.environment.budget = 9;
    world.passes(30);
    assert!(
        old(&world, tick) < 10,
        "asked again within 30 s though nothing was seen to change"
    );
    world.rests();

    assert!(world.is_restarted());
}

#[test]
fn a_new_version_takes_the_place_of_a_restart() {
    let mut world = deployed(routed().steps([weight(50), pause()]));
    world.user(&UserAction::Restart(600));
    world.passes(5);
    let tick = world.cluster.tick;

    world.applies(2);
    world.passes(1);

    assert!(world.is_restarted());
    world.rests();
    assert_eq!(
        world
            .of_version(1)
            .unwrap()
            .pod_views()
            .filter(|pod| pod.created < at(tick))
            .count(),
        10
    );
}

#[test]
fn a_restart_that_is_to_come_keeps_no_rollout_from_coming_to_its_end() {
    let mut world = routed().deployed();
    world.applies(2);
    world.passes(2);
    world.user(&UserAction::Restart(50_000));

    world.passes(200);

    let kinds = world.status().history.iter().map(|fact| fact.kind);
    assert_eq!(kinds.filter(|kind| *kind == FactKind::Finished).count(), 2);
    assert!(!world.is_restarted());
}

#[test]
fn pods_that_serve_nobody_are_replaced_at_once() {
    let mut world = deployed(routed().replicas(2));
    let stuck = Behaviour {
        fate: Fate::Crashes(5),
        ..Behaviour::default()
    };
    world.cluster.behave(1, stuck);
    world.reaches("nothing serves", |world| world.cluster.available() == 0);
    let tick = world.cluster.tick;

    world.user(&NOW);
    world.passes(5);

    assert_eq!(old(&world, tick), 0);
}

#[test]
fn pods_that_do_not_come_up_again_are_told_as_overdue() {
    let mut world = deployed(routed().spec(|spec| {
        spec.progress_deadline = jiff::SignedDuration::from_secs(60);
    }));
    world.passes(600);
    let broken = Behaviour {
        fate: Fate::Crashes(100_000),
        ready_after: 100_000,
        ..Behaviour::default()
    };
    world.user(&NOW);
    world.passes(1);
    world.cluster.behave(1, broken);

    world.passes(50);
    assert_eq!(world.phase(), Phase::Progressing, "{}", world.describe());
    world.passes(30);

    assert_eq!(world.phase(), Phase::Degraded);
    assert!(world.status().message.starts_with("ProgressDeadlineExceeded"));
}

#[test]
fn what_is_long_in_service_is_not_overdue_when_it_is_restarted() {
    let mut world = deployed(routed().spec(|spec| {
        spec.progress_deadline = jiff::SignedDuration::from_secs(60);
    }));
    world.passes(600);
    world.user(&NOW);

    while !world.is_restarted() || world.phase() != Phase::Healthy {
        world.passes(1);
        assert_ne!(world.phase(), Phase::Degraded, "{}", world.describe());
    }
}

#[test]
fn pods_that_can_t_be_listed_are_told_and_hold_nothing_else_up() {
    let mut world = deployed(routed());
    world.cluster.environment.hides_pods = Some("pods is forbidden".to_owned());
    world.user(&NOW);
    world.passes(3);
    let failed = (Truth::True, Reason::WriteFailed);
    assert_eq!(world.condition(ConditionType::PodsFailed), Some(failed));

    world.user(&UserAction::Scale(12));
    world.passes(5);
    assert_eq!(world.pods(1), 12);

    world.cluster.environment.hides_pods = None;
    world.rests();
    assert_eq!(world.condition(ConditionType::PodsFailed), None);
    assert!(world.is_restarted());
}
