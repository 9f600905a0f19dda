//! Changes of the spec in mid-rollout.

use jiff::SignedDuration;
use kulta_core::history::{Fact, FactKind, MAX_BYTES};
use kulta_core::status::Phase;

use super::hash;
use crate::simulation::builder::{pause, routed, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::user::UserAction;

fn steps() -> Vec<kulta_core::spec::Step> {
    vec![weight(20), pause(), weight(60), pause()]
}

#[test]
fn a_new_template_in_mid_rollout_begins_at_the_first_step_with_the_same_stable() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    world.user(&UserAction::Resume);
    world.rests();

    world.applies(3);
    world.rests();

    assert!(world.is_stable(1));
    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(1), 20)
    );
    assert_eq!((world.pods(1), world.pods(2), world.pods(3)), (10, 0, 2));
    assert_eq!(world.selects(CANARY), Some(hash(3).as_str()));
}

#[test]
fn a_new_template_takes_all_traffic_off_the_version_it_replaces() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    world.applies(3);
    world.reaches("version 2 has no pods", |world| world.pods(2) == 0);

    assert!(world.weight() <= 20);
    assert_eq!(world.selects(STABLE), Some(hash(1).as_str()));
}

#[test]
fn changed_steps_begin_again() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    world.user(&UserAction::SetSteps(vec![weight(10), weight(30), pause()]));
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(2), 30)
    );
    assert!(
        world
            .status()
            .history
            .iter()
            .any(|fact| fact.kind == FactKind::StepsChanged)
    );
}

#[test]
fn changed_steps_of_a_healthy_rollout_start_nothing() {
    let mut world = routed().steps(steps()).deployed();

    world.user(&UserAction::SetSteps(vec![weight(10), pause()]));
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Healthy, Some(2), 0)
    );
}

#[test]
fn the_stable_template_again_is_a_rollback_without_steps() {
    let mut world = routed().steps(steps()).paused_at_version_2();

    world.applies(1);
    world.reaches("the rollback", |world| world.phase() == Phase::Healthy);

    assert_eq!((world.weight(), world.step()), (0, Some(4)));
    assert!(
        world
            .status()
            .history
            .iter()
            .any(|fact| fact.kind == FactKind::RolledBack)
    );
    world.rests();
    assert_eq!((world.pods(1), world.pods(2)), (10, 0));
}

#[test]
fn a_promoted_version_keeps_the_old_one_for_the_scale_down_delay() {
    let mut world = routed().deployed();
    world.applies(2);
    world.reaches("the promotion", |world| {
        world.phase() == Phase::Healthy && world.is_stable(2)
    });

    world.passes(20);
    let before = world.pods(1);
    world.passes(15);

    assert_eq!((before, world.pods(1)), (10, 0));
}

#[test]
fn no_more_old_versions_of_a_canary_wait_than_the_limit_allows() {
    let mut world = routed()
        .canary(|canary| {
            canary.scale_down_delay = SignedDuration::from_secs(500);
            canary.scale_down_delay_revision_limit = Some(1);
        })
        .deployed();
    for version in [2, 3] {
        world.applies(version);
        world.reaches("the promotion", |world| {
            world.phase() == Phase::Healthy && world.is_stable(version)
        });
    }

    world.passes(10);

    assert_eq!((world.pods(1), world.pods(2), world.pods(3)), (0, 10, 10));
}

#[test]
fn a_version_that_comes_back_within_the_delay_keeps_its_pods_and_walks_the_steps() {
    let mut world = routed().steps([weight(50), pause()]).paused_at_version_2();
    world.user(&UserAction::Resume);
    world.reaches("the promotion", |world| {
        world.phase() == Phase::Healthy && world.is_stable(2)
    });
    world.passes(5);

    world.applies(1);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Paused, 50));
    let deadline = world
        .of_version(1)
        .and_then(|replica_set| replica_set.scale_down_deadline);
    assert_eq!(deadline, None);
}

#[test]
fn the_history_tells_a_rollout_in_order() {
    let mut world = routed().steps([weight(20), pause()]).paused_at_version_2();
    world.user(&UserAction::Resume);
    world.rests();

    let told: Vec<FactKind> = world
        .status()
        .history
        .iter()
        .filter(|fact| fact.revision == Some(hash(2)))
        .map(|fact| fact.kind)
        .filter(|kind| *kind != FactKind::PhaseChanged)
        .collect();

    let expected = [
        FactKind::Started,
        FactKind::WeightRequested,
        FactKind::Paused,
        FactKind::Resumed,
        FactKind::Promoted,
    ];
    let mut rest = told.iter();
    let in_order = expected.iter().all(|kind| rest.any(|other| other == kind));
    assert!(in_order, "{told:?}");
}

#[test]
fn the_history_stays_within_its_bound_and_forgets_the_oldest() {
    let mut world = routed().steps(steps()).deployed();
    let last = world.status().history[world.status().history.len() - 1].clone();
    let old = (1..=400).map(|number| Fact {
        sequence: last.sequence + number,
        message: "told long ago ".repeat(4),
        ..last.clone()
    });
    world.cluster.rollout.status.history.extend(old);
    while serde_json::to_vec(&world.status().history)
        .expect("facts are JSON")
        .len()
        > MAX_BYTES
    {
        world.cluster.rollout.status.history.remove(0);
    }
    let oldest = world.status().history[0].sequence;

    world.applies(2);
    world.rests();

    let history = &world.status().history;
    assert!(history[0].sequence > oldest);
    assert!(serde_json::to_vec(history).expect("facts are JSON").len() <= MAX_BYTES);
}

#[test]
fn an_abort_while_a_plan_is_carried_out_is_not_overwritten() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    world.controller.meanwhile = Some(UserAction::Abort);

    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.status().abort);
    assert_eq!((world.phase(), world.weight()), (Phase::Degraded, 0));
}
