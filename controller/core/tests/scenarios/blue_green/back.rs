//! Abort, retry, and the way back to a version of before.

use jiff::SignedDuration;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::FactKind;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::super::{judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{blue_green, gates};
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Version 2 serves all users and is measured without end.
fn switched() -> World {
    let mut world = blue_green().post_promotion().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.reaches("the analysis after the switch", |world| {
        world.status().analyses.post_promotion.is_some()
    });
    world
}

#[test]
fn an_abort_before_the_switch_lets_the_new_version_go_after_its_delay() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::Abort);
    world.passes(20);
    let (before, looked_at) = (world.pods(2), world.previews(2));
    world.rests();

    assert_eq!((before, looked_at), (10, true));
    assert_eq!(
        (world.pods(2), world.serves(1), world.previews(1)),
        (0, true, true)
    );
    let aborted = world.condition(ConditionType::Progressing);
    assert_eq!(
        (world.phase(), aborted),
        (Phase::Degraded, Some((Truth::False, Reason::RolloutAborted)))
    );
}

#[test]
fn an_aborted_version_stays_for_ever_if_asked_to() {
    let mut world = blue_green()
        .by_hand()
        .blue_green(|blue_green| blue_green.abort_scale_down_delay = None)
        .deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::Abort);
    world.passes(5_000);

    assert_eq!(
        (world.pods(2), world.previews(2), world.serves(1)),
        (10, true, true)
    );
}

#[test]
fn an_abort_after_the_switch_sends_users_back_first() {
    let mut world = switched();
    assert!(world.serves(2));

    world.user(&UserAction::Abort);
    world.reaches("users are back", |world| world.serves(1));
    let at_return = world.pods(2);
    world.rests();

    assert_eq!((at_return, world.pods(1), world.pods(2)), (10, 10, 0));
    assert!(world.is_stable(1) && world.phase() == Phase::Degraded);
}

#[test]
fn a_stable_version_that_was_scaled_down_comes_up_before_users_go_back() {
    let mut world = switched();
    let stable = world.of_version(1).expect("version 1").hash.clone();
    let scaled = world
        .cluster
        .replica_sets
        .iter_mut()
        .find(|one| one.hash == stable);
    scaled.expect("version 1").spec_replicas = 0;
    world.cluster.step();
    world.user(&UserAction::Abort);

    world.reaches("users are back", |world| world.serves(1));

    let available = world.of_version(1).map_or(0, ReplicaSet::available);
    assert!(available >= 5, "{available} pods for all users");
}

#[test]
fn a_retry_asks_everything_again() {
    let mut world = blue_green().by_hand().pre_promotion().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Abort);
    world.rests();

    world.user(&UserAction::Retry);
    world.waits_for_the_switch();

    assert!(world.serves(1) && world.previews(2), "{}", world.describe());
    assert_eq!(world.cluster.analysis_runs.len(), 2);
}

#[test]
fn full_promotion_after_an_abort_promotes() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Abort);
    world.rests();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert_eq!(
        (world.phase(), world.serves(2), world.is_stable(2)),
        (Phase::Healthy, true, true)
    );
}

#[test]
fn going_back_to_a_version_that_is_still_up_asks_nothing() {
    let mut world = blue_green()
        .by_hand()
        .pre_promotion()
        .post_promotion()
        .promotion_gates();
    world = world.blue_green(|blue_green| blue_green.scale_down_delay = SignedDuration::from_secs(600));
    let mut world = world.deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Resume);
    world.reaches("the promotion", |world| world.is_stable(2));
    let analyses = world.cluster.analysis_runs.len();

    world.applies(1);
    world.reaches("users are back", |world| world.serves(1));
    assert!(world.blue_green().fast_rollback);
    world.rests();

    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Healthy, true));
    assert_eq!(world.cluster.analysis_runs.len(), analyses);
}

#[test]
fn going_back_after_the_delay_asks_everything() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Resume);
    world.rests();
    assert_eq!(world.pods(1), 0);

    world.applies(1);
    world.waits_for_the_switch();

    assert!(world.serves(2) && world.previews(1), "{}", world.describe());
}

/// Argo Rollouts goes by the deadline alone, which a version that was given up has, too.
#[test]
fn a_version_that_was_given_up_is_not_gone_back_to_without_questions() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Abort);
    world.passes(5);
    world.applies(3);
    world.passes(5);

    world.applies(2);
    world.waits_for_the_switch();

    assert!(
        world.serves(1) && !world.blue_green().fast_rollback,
        "{}",
        world.describe()
    );
}

#[test]
fn the_stable_template_ends_an_update_at_once() {
    let mut world = switched();

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.serves(1), world.is_stable(1)),
        (Phase::Healthy, true, true)
    );
    assert_eq!(world.pods(2), 0);
}

/// What was switched to and not proven is nobody's to judge any more once another version is asked for.
#[test]
fn another_version_after_the_switch_sends_users_back_to_the_proven_one() {
    let mut world = switched();
    world.user(&UserAction::SetGates(Some(gates("1"))));
    thinks(&mut world, Opinion::Endless);

    world.applies(3);
    world.reaches("users are back", |world| world.serves(1));

    assert!(world.is_stable(1) && world.pods(2) > 0, "{}", world.describe());
}

#[test]
fn an_abort_with_a_misspelt_spec_sends_users_back() {
    let mut world = switched();
    world.user(&UserAction::SpoilSpec);

    world.user(&UserAction::Abort);
    world.rests();

    assert!(world.serves(1), "{}", world.describe());
}

#[test]
fn users_of_a_version_that_loses_its_pods_after_the_switch_are_sent_back() {
    let mut world = switched();
    let current = world.of_version(2).expect("version 2").hash.clone();

    world.cluster.lose_pods(&current, 8);
    world.reaches("users are back", |world| world.serves(1));
    world.reaches("the switch again", |world| world.serves(2));

    assert!(world.is_stable(1), "{}", world.describe());
}

#[test]
fn users_stay_while_a_larger_size_comes_up() {
    let mut world = switched();
    world.passes(60);

    world.user(&UserAction::Scale(30));
    for _ in 0..60 {
        world.passes(1);
        assert!(world.serves(2), "{}", world.describe());
    }
}

#[test]
fn a_version_that_users_were_taken_from_is_asked_everything_again() {
    let mut world = switched();
    let begun = names(&world).len();
    let current = world.of_version(2).expect("version 2").hash.clone();

    world.cluster.lose_pods(&current, 8);
    world.reaches("users are back", |world| world.serves(1));
    world.reaches("the switch again", |world| world.serves(2));

    world.reaches("another analysis", |world| names(world).len() > begun);
    assert!(world.is_stable(1), "{}", world.describe());
}

#[test]
fn the_end_of_an_abort_is_told_when_users_are_back() {
    let mut world = judged(blue_green().post_promotion(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    let kinds: Vec<_> = world.status().history.iter().map(|fact| fact.kind).collect();
    let position = |kind| kinds.iter().rposition(|other| *other == kind);
    assert!(position(FactKind::Aborted).is_some(), "{kinds:?}");
    assert!(
        position(FactKind::Aborted) < position(FactKind::Switched),
        "{kinds:?}"
    );
    assert!(
        position(FactKind::Switched) <= position(FactKind::Restored),
        "{kinds:?}"
    );
}
