//! A Rollout that is scaled to nothing in mid-rollout: nothing can be found out of a version without pods.

use jiff::SignedDuration;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::status::{ConditionType, Phase, Truth};

use super::super::{names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, blue_green};
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Version 1 is Healthy, version 2 is asked for, and no pods are wanted any more.
fn scaled_to_nothing(rollout: RolloutBuilder, behaviour: Behaviour) -> World {
    let mut world = rollout.deployed();
    world.cluster.behave(2, behaviour);
    world.applies(2);
    world.reaches("pods of the new version", |world| world.pods(2) > 0);
    world.user(&UserAction::Scale(0));
    world.rests();
    world
}

fn never_ready() -> Behaviour {
    Behaviour {
        fate: Fate::Pending,
        ..Behaviour::default()
    }
}

#[test]
fn a_version_that_was_never_ready_is_not_promoted() {
    let mut world = scaled_to_nothing(blue_green(), never_ready());
    world.passes(5_000);

    assert!(world.is_stable(1) && world.serves(1), "{}", world.describe());
    assert_eq!((world.pods(1), world.pods(2)), (0, 0));
}

#[test]
fn the_rollout_rests_and_says_so() {
    let mut world = scaled_to_nothing(
        blue_green().spec(|spec| spec.progress_deadline = SignedDuration::from_secs(60)),
        never_ready(),
    );
    world.passes(5_000);

    assert_eq!(world.phase(), Phase::Paused);
    let message = &world.status().message;
    assert!(message.contains("spec.replicas is 0"), "{message}");
    let paused = world.condition(ConditionType::Paused).map(|(truth, _)| truth);
    assert_eq!(paused, Some(Truth::True));
}

#[test]
fn with_pods_again_the_old_version_serves_until_the_new_one_is_whole() {
    let mut world = scaled_to_nothing(
        blue_green().spec(|spec| spec.progress_deadline = SignedDuration::from_secs(60)),
        Behaviour {
            ready_after: 20,
            ..Behaviour::default()
        },
    );
    world.passes(5_000);

    world.user(&UserAction::Scale(4));
    world.reaches("the old version is up", |world| {
        world.of_version(1).is_some_and(|old| old.available() == 4)
    });
    let meanwhile = (world.serves(1), world.is_stable(1), world.phase());
    world.rests();

    assert_eq!(meanwhile, (true, true, Phase::Progressing));
    assert!(world.serves(2) && world.is_stable(2), "{}", world.describe());
    assert_eq!((world.phase(), world.pods(2)), (Phase::Healthy, 4));
}

#[test]
fn nothing_is_asked_of_a_version_without_pods() {
    let mut world = blue_green().pre_promotion().deployed();
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Failed));
    world.user(&UserAction::Scale(0));
    world.rests();

    world.applies(2);
    world.rests();
    assert!(names(&world).is_empty(), "{:?}", names(&world));
    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Paused, true));

    world.user(&UserAction::Scale(3));
    world.rests();
    assert_eq!(
        (world.phase(), world.serves(1)),
        (Phase::Degraded, true),
        "{}",
        world.describe()
    );
}

#[test]
fn a_full_promotion_waits_for_pods_as_well() {
    let mut world = scaled_to_nothing(blue_green().by_hand(), Behaviour::default());

    world.user(&UserAction::PromoteFull);
    world.rests();
    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Paused, true));

    world.user(&UserAction::Scale(2));
    world.rests();
    assert_eq!((world.phase(), world.is_stable(2)), (Phase::Healthy, true));
}

#[test]
fn after_the_switch_nothing_is_promoted_without_pods_either() {
    let mut world = blue_green().post_promotion().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.reaches("the switch", |world| world.serves(2));

    world.user(&UserAction::Scale(0));
    thinks(&mut world, Opinion::After(1, AnalysisPhase::Successful));
    world.rests();
    assert!(world.is_stable(1), "{}", world.describe());

    world.user(&UserAction::Scale(3));
    world.rests();
    assert_eq!(
        (world.phase(), world.is_stable(2)),
        (Phase::Healthy, true),
        "{}",
        world.describe()
    );
}

#[test]
fn an_abort_without_pods_goes_home() {
    let mut world = scaled_to_nothing(blue_green().by_hand(), Behaviour::default());

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!((world.phase(), world.serves(1)), (Phase::Degraded, true));
    world.user(&UserAction::Scale(3));
    world.rests();
    assert_eq!(
        (world.pods(1), world.pods(2), world.serves(1)),
        (3, 0, true),
        "{}",
        world.describe()
    );
}

#[test]
fn scaling_to_nothing_and_back_is_no_harm_to_a_version_that_is_stable() {
    let mut world = blue_green().deployed();

    world.user(&UserAction::Scale(0));
    world.rests();
    assert_eq!((world.phase(), world.pods(1)), (Phase::Healthy, 0));

    world.user(&UserAction::Scale(5));
    world.rests();
    assert_eq!(
        (world.phase(), world.pods(1), world.serves(1)),
        (Phase::Healthy, 5, true)
    );
}
