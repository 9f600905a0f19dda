//! Abort and retry.

use jiff::SignedDuration;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::hash;
use crate::simulation::builder::{pause, routed, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn steps() -> Vec<kulta_core::spec::Step> {
    vec![weight(20), pause(), weight(60), pause()]
}

fn aborted(mut world: World) -> World {
    world.user(&UserAction::Abort);
    world.reaches("the abort is seen", |world| world.status().aborted_at.is_some());
    world
}

#[test]
fn abort_returns_traffic_before_scaling_canary_down() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());
    world.reaches("traffic is back", |world| world.weight() == 0);
    let at_return = world.pods(2);

    world.rests();

    assert_eq!((at_return, world.pods(2), world.pods(1)), (2, 0, 10));
    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::RolloutAborted))
    );
    assert_eq!(world.selects(STABLE), Some(hash(1).as_str()));
    assert_eq!(world.selects(CANARY), Some(hash(1).as_str()));
}

#[test]
fn an_aborted_canary_keeps_its_pods_for_the_delay() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());

    world.passes(20);
    let before = world.pods(2);
    world.passes(20);

    assert_eq!((before, world.pods(2)), (2, 0));
}

#[test]
fn an_aborted_canary_keeps_its_pods_for_ever_if_asked_to() {
    let never = routed()
        .steps(steps())
        .canary(|canary| canary.abort_scale_down_delay = None);
    let mut world = aborted(never.paused_at_version_2());

    world.rests();
    world.passes(5_000);

    assert_eq!((world.pods(2), world.weight()), (2, 0));
}

#[test]
fn an_abort_stays_until_somebody_acts() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());

    world.rests();
    world.passes(5_000);

    assert_eq!(
        (world.phase(), world.status().abort, world.weight()),
        (Phase::Degraded, true, 0)
    );
}

#[test]
fn retry_begins_at_the_first_step() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    world.user(&UserAction::Resume);
    world.rests();
    let mut world = aborted(world);
    world.rests();

    world.user(&UserAction::Retry);
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(1), 20)
    );
    assert_eq!(world.status().aborted_at, None);
}

#[test]
fn retry_before_the_canary_is_gone_keeps_its_pods() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());
    world.passes(5);

    world.user(&UserAction::Retry);
    world.rests();

    assert_eq!(
        (world.phase(), world.weight(), world.pods(2)),
        (Phase::Paused, 20, 2)
    );
    assert_eq!(
        world
            .of_version(2)
            .and_then(|replica_set| replica_set.scale_down_deadline),
        None
    );
}

#[test]
fn a_new_template_ends_an_abort() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());

    world.applies(3);
    world.rests();

    assert!(!world.status().abort);
    assert_eq!(
        (world.phase(), world.weight(), world.pods(2)),
        (Phase::Paused, 20, 0)
    );
}

#[test]
fn the_stable_template_ends_an_abort_as_healthy() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.status().abort, world.pods(2)),
        (Phase::Healthy, false, 0)
    );
}

#[test]
fn an_abort_of_a_healthy_rollout_means_nothing() {
    let mut world = routed().steps(steps()).deployed();

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!((world.phase(), world.status().abort), (Phase::Healthy, false));
}

#[test]
fn full_promotion_after_an_abort_promotes() {
    let mut world = aborted(routed().steps(steps()).paused_at_version_2());
    world.rests();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert_eq!(
        (world.phase(), world.is_stable(2), world.pods(2)),
        (Phase::Healthy, true, 10)
    );
}

#[test]
fn with_a_dynamic_stable_scale_an_abort_does_not_wait_for_pods_that_never_come() {
    let dynamic = routed()
        .steps([weight(80), pause()])
        .canary(|canary| canary.dynamic_stable_scale = true);
    let mut world = dynamic.paused_at_version_2();
    world.cluster.environment.pod_quota = 10;

    world.user(&UserAction::Abort);
    world.passes(120);

    assert_eq!((world.weight(), world.pods(1)), (0, 10));
}

#[test]
fn with_a_dynamic_stable_scale_an_abort_waits_for_stable_pods() {
    let dynamic = routed().steps([weight(80), pause()]).canary(|canary| {
        canary.dynamic_stable_scale = true;
        canary.abort_scale_down_delay = Some(SignedDuration::from_secs(30));
    });
    let world = dynamic.paused_at_version_2();
    let shrunk = world.pods(1);

    let mut world = aborted(world);
    world.rests();

    assert_eq!(shrunk, 2);
    assert_eq!((world.pods(1), world.pods(2), world.weight()), (10, 0, 0));
}
