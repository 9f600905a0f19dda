//! How long a rollout takes and what becomes of it: `status.duration` (1.2, 2.11 of Argo Rollouts' specification).

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::spec::Step;
use kulta_core::status::CompletionStatus::{
    Aborted, FastPromoted, FastRolledBack, Promoted, RolledBack, Superseded,
};
use kulta_core::status::{CompletionStatus, Phase, RolloutDuration};

use super::{hash, judged};
use crate::simulation::builder::{analyse, basic, blue_green, pause, pause_for, routed, weight};
use crate::simulation::controller::Witness;
use crate::simulation::template::Behaviour;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn steps() -> Vec<Step> {
    vec![weight(20), pause(), weight(60), pause()]
}

impl World {
    fn duration(&self) -> RolloutDuration {
        self.status().duration.clone().expect("it is counted")
    }

    fn outcome(&self) -> Option<CompletionStatus> {
        self.duration().completion_status
    }

    /// Seconds from the beginning to the end.
    fn took(&self) -> i64 {
        let duration = self.duration();
        let (from, to) = duration
            .rollout_started_at
            .zip(duration.finished_at)
            .unwrap_or_else(|| panic!("it has not ended: {duration:?}"));
        to.duration_since(from).as_secs()
    }

    /// Goes on after so many seconds of a pause.
    fn resumes_after(&mut self, seconds: u64) {
        self.passes(seconds);
        self.user(&UserAction::Resume);
    }
}

#[test]
fn a_first_deploy_is_counted_until_its_pods_are_available() {
    for rollout in [routed().steps(steps()), basic(1, 1), blue_green()] {
        let mut world = rollout.new_rollout();
        let ready_after = 30;
        world.cluster.behave(
            1,
            Behaviour {
                ready_after,
                ..Behaviour::default()
            },
        );

        world.reaches("all pods are available", |world| world.phase() == Phase::Healthy);

        assert_eq!(
            (world.outcome(), world.took()),
            (Some(Promoted), 31),
            "{}",
            world.describe()
        );
    }
}

#[test]
fn a_rollout_is_counted_from_the_change_to_the_promotion() {
    let mut world = routed().steps([weight(20), pause_for(100)]).deployed();
    let first = world.duration();

    world.applies(2);
    world.passes(50);
    let meanwhile = world.duration();
    world.rests();

    assert!(first.finished_at.is_some());
    assert!(
        meanwhile.is_running() && meanwhile.rollout_started_at > first.finished_at,
        "{meanwhile:?}"
    );
    assert_eq!(
        (meanwhile.completion_status, world.outcome()),
        (None, Some(Promoted))
    );
    assert!((100..130).contains(&world.took()), "{}", world.took());
    assert_eq!(world.duration().total_manual_pause_duration_seconds, 0);
}

#[test]
fn only_waiting_for_people_counts_as_a_pause_by_hand() {
    let mut world = routed().steps(steps()).deployed();
    world.applies(2);
    world.reaches("the first pause", |world| {
        world.duration().manual_pause_started_at.is_some()
    });
    world.resumes_after(40);
    world.reaches("the second pause", |world| world.step() == Some(3));
    let between = world.duration().total_manual_pause_duration_seconds;
    world.resumes_after(70);
    world.rests();

    assert!((40..=42).contains(&between), "{between}");
    let duration = world.duration();
    assert!(
        (110..=114).contains(&duration.total_manual_pause_duration_seconds),
        "{duration:?}"
    );
    assert_eq!(duration.manual_pause_started_at, None);
}

#[test]
fn a_users_pause_counts_and_so_does_a_switch_that_waits_for_somebody() {
    let mut paused = basic(1, 0).deployed();
    paused.applies(2);
    paused.passes(3);
    paused.user(&UserAction::Pause(true));
    paused.passes(50);
    paused.user(&UserAction::Pause(false));
    paused.rests();

    let mut switch = blue_green().by_hand().deployed();
    switch.applies(2);
    switch.passes(55);
    switch.user(&UserAction::Resume);
    switch.rests();

    for world in [paused, switch] {
        let waited = world.duration().total_manual_pause_duration_seconds;
        assert!((48..=55).contains(&waited), "{waited}");
        assert_eq!(world.outcome(), Some(Promoted));
    }
}

#[test]
fn doubt_waits_for_somebody() {
    let mut world = judged(
        routed().steps([weight(20), analyse()]),
        AnalysisPhase::Inconclusive,
    );

    world.applies(2);
    world.passes(60);

    assert!(
        world.duration().manual_pause_started_at.is_some(),
        "{:?}",
        world.duration()
    );
}

#[test]
fn a_full_promotion_is_told_as_such() {
    for rollout in [
        routed().steps(steps()),
        basic(1, 1).steps(steps()),
        blue_green().by_hand(),
    ] {
        let mut world = rollout.paused_at_version_2();

        world.user(&UserAction::PromoteFull);
        world.rests();

        assert_eq!(world.outcome(), Some(FastPromoted));
    }
}

#[test]
fn an_abort_ends_it_and_a_retry_begins_again() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    let began = world.duration().rollout_started_at;

    world.user(&UserAction::Abort);
    world.rests();
    let aborted = world.duration();
    world.user(&UserAction::Retry);
    world.rests();
    let again = world.duration();

    assert_eq!(
        (aborted.completion_status, aborted.rollout_started_at),
        (Some(Aborted), began)
    );
    assert!(aborted.total_manual_pause_duration_seconds > 0 && aborted.manual_pause_started_at.is_none());
    assert!(
        again.is_running() && again.rollout_started_at > aborted.finished_at,
        "{again:?}"
    );
    assert_eq!(again.completion_status, None);
}

#[test]
fn another_version_or_other_steps_in_mid_rollout_begin_again() {
    let mut other_version = routed().steps(steps()).paused_at_version_2();
    let mut other_steps = routed().steps(steps()).paused_at_version_2();
    let began = other_version.duration().rollout_started_at;

    other_version.applies(3);
    other_version.rests();
    other_steps.user(&UserAction::SetSteps(vec![weight(10), pause()]));
    other_steps.rests();

    for world in [other_version, other_steps] {
        let duration = world.duration();
        assert!(
            duration.is_running() && duration.rollout_started_at > began,
            "{duration:?}"
        );
        assert_eq!(duration.completion_status, None);
    }
}

/// Keeps every outcome that a plan reports.
#[derive(Clone, Default)]
struct Outcomes(std::rc::Rc<std::cell::RefCell<Vec<CompletionStatus>>>);

impl Witness for Outcomes {
    fn plan(
        &mut self,
        _observed: &kulta_core::observed::Observed,
        _now: jiff::Timestamp,
        plan: &kulta_core::plan::Plan,
    ) -> Result<(), String> {
        let duration = plan.status.duration.as_ref();
        let finished = duration.filter(|duration| duration.finished_at.is_some());
        let outcome = finished.and_then(|duration| duration.completion_status);
        self.0.borrow_mut().extend(outcome);
        self.0.borrow_mut().dedup();
        Ok(())
    }

    fn second(&mut self, _cluster: &crate::simulation::cluster::Cluster) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn what_is_replaced_by_a_newer_version_is_told_as_superseded_first() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    let outcomes = Outcomes::default();
    world.witnesses.push(Box::new(outcomes.clone()));

    world.applies(3);
    world.rests();

    assert_eq!(*outcomes.0.borrow(), [Superseded]);
}

#[test]
fn going_back_to_the_stable_version_goes_on_counting_until_users_are_back() {
    let mut world = routed().steps(steps()).paused_at_version_2();
    let began = world.duration().rollout_started_at;

    world.applies(1);
    world.rests();

    assert_eq!(world.outcome(), Some(FastRolledBack));
    assert_eq!(world.duration().rollout_started_at, began);
}

#[test]
fn an_older_version_in_mid_rollout_goes_on_counting_and_is_a_rollback() {
    let mut world = basic(1, 1).steps([weight(20), pause_for(5)]).deployed();
    world.applies(2);
    world.rests();
    world.applies(3);
    world.passes(6);
    let began = world.duration().rollout_started_at;

    world.applies(1);
    world.rests();

    assert_eq!(world.status().stable_hash, Some(hash(1)));
    assert_eq!(
        (world.outcome(), world.duration().rollout_started_at),
        (Some(RolledBack), began)
    );
}

#[test]
fn a_rollback_within_the_window_is_a_fast_one() {
    let window = routed()
        .steps([weight(20), pause_for(5)])
        .spec(|spec| spec.rollback_window = 1);
    let mut world = window.deployed();
    world.applies(2);
    world.rests();

    world.applies(1);
    world.rests();

    assert_eq!(world.outcome(), Some(FastRolledBack));
}

#[test]
fn what_happens_to_a_version_that_is_promoted_is_no_rollout() {
    let mut world = routed().steps(steps()).deployed();
    let before = world.duration();

    world.user(&UserAction::Scale(3));
    world.rests();
    world.user(&UserAction::SetSteps(vec![weight(50)]));
    world.rests();
    world.user(&UserAction::Pause(true));
    world.rests();

    assert_eq!(world.duration(), before);
}
