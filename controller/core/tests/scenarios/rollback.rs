//! The rollback window: `spec.rollbackWindow` (2.4, 2.10 of Argo Rollouts' specification).

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::FactKind;
use kulta_core::spec::Step;
use kulta_core::status::Phase;

use super::{hash, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, analyse, basic, blue_green, pause, routed, weight};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

const WORDS: &str = "Rollback to active ReplicaSets within RollbackWindow";

fn steps() -> Vec<Step> {
    vec![weight(20), pause(), analyse(), weight(60)]
}

impl RolloutBuilder {
    fn window(self, revisions: u32) -> Self {
        self.spec(|spec| spec.rollback_window = revisions)
    }

    /// The world in which all these versions have been promoted, one after the other.
    fn promoted(self, versions: &[u32]) -> World {
        let mut world = self.deployed();
        for version in versions {
            world.applies(*version);
            world.rests();
            world.user(&UserAction::PromoteFull);
            world.rests();
            assert!(world.is_stable(*version), "{}", world.describe());
        }
        world
    }
}

impl World {
    fn skipped(&self) -> Option<&str> {
        let mut facts = self.status().history.iter().rev();
        let fact = facts.find(|fact| fact.kind == FactKind::StepsSkipped)?;
        Some(fact.message.as_str())
    }
}

#[test]
fn a_version_that_was_given_up_goes_through_all_steps() {
    let mut world = routed().steps(steps()).window(3).deployed();
    world.applies(2);
    world.rests();
    world.user(&UserAction::Abort);
    world.rests();
    world.applies(3);
    world.rests();
    world.user(&UserAction::PromoteFull);
    world.rests();

    world.applies(2);
    world.rests();

    assert_eq!(world.phase(), Phase::Paused, "{}", world.describe());
    assert_eq!(world.step(), Some(1));
    assert_eq!(world.skipped(), None);
}

#[test]
fn a_version_within_the_window_is_gone_back_to_without_steps_pauses_analyses_and_gates() {
    for rollout in [routed(), basic(1, 1)] {
        let mut world = rollout
            .steps(steps())
            .background(0)
            .promotion_gates()
            .window(1)
            .promoted(&[2]);
        let asked = world.cluster.analysis_runs.len();

        world.applies(1);
        world.rests();

        assert_eq!(
            (world.phase(), world.is_stable(1)),
            (Phase::Healthy, true),
            "{}",
            world.describe()
        );
        assert_eq!(world.skipped(), Some(WORDS));
        assert_eq!(world.cluster.analysis_runs.len(), asked);
    }
}

#[test]
fn all_steps_are_left_out_at_once() {
    let mut world = routed().steps(steps()).window(1).promoted(&[2]);

    world.applies(1);
    world.reaches("the rollback is seen", |world| {
        world.status().current_pod_hash == Some(hash(1))
    });

    assert_eq!((world.step(), world.is_stable(2)), (Some(4), true));
}

#[test]
fn a_version_before_the_window_goes_through_all_steps() {
    let mut world = routed().steps(steps()).window(1).promoted(&[2, 3]);

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(1), 20)
    );
    assert_eq!(world.skipped(), None);
}

#[test]
fn fewer_revisions_in_between_than_the_window_has_are_within_it() {
    let mut world = routed().steps(steps()).window(2).promoted(&[2, 3]);

    world.applies(1);
    world.rests();

    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Healthy, true));
}

#[test]
fn a_newer_version_goes_through_all_steps() {
    let mut world = routed().steps(steps()).window(5).promoted(&[2]);
    world.applies(1);
    world.rests();

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
}

#[test]
fn without_a_window_going_back_is_a_rollout_like_any_other() {
    let mut world = routed().steps(steps()).promoted(&[2]);

    world.applies(1);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
}

#[test]
fn blue_green_switches_to_a_version_within_the_window_without_questions() {
    let mut world = blue_green()
        .by_hand()
        .pre_promotion()
        .post_promotion()
        .promotion_gates()
        .window(1)
        .promoted(&[2]);
    // Longer than old pods stay up: it is no fast rollback.
    world.passes(60);
    thinks(&mut world, Opinion::After(1, AnalysisPhase::Failed));
    let asked = world.cluster.analysis_runs.len();

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.is_stable(1)),
        (Phase::Healthy, true),
        "{}",
        world.describe()
    );
    assert_eq!(
        (world.skipped(), world.cluster.analysis_runs.len()),
        (Some(WORDS), asked)
    );
}

#[test]
fn a_rollback_within_the_window_can_be_aborted_and_retried() {
    let mut world = routed().steps(steps()).window(1).promoted(&[2]);
    world.applies(1);
    world.reaches("all of its pods come up", |world| world.pods(1) == 10);

    world.user(&UserAction::Abort);
    world.rests();
    let aborted = (world.phase(), world.is_stable(2), world.weight());
    world.user(&UserAction::Retry);
    world.rests();

    assert_eq!(aborted, (Phase::Degraded, true, 0));
    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Healthy, true));
}

#[test]
fn a_pause_holds_a_rollback_within_the_window() {
    let mut world = routed().steps(steps()).window(1).promoted(&[2]);
    world.user(&UserAction::Pause(true));

    world.applies(1);
    world.rests();

    assert_eq!(
        (world.phase(), world.is_stable(2), world.weight()),
        (Phase::Paused, true, 0)
    );
}
