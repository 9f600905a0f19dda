//! Analyses: a new version goes on only by evidence.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::{Cause, FactKind};
use kulta_core::status::{ConditionType, Phase};

use super::{judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, analyse, pause, routed, weight};
use crate::simulation::user::UserAction;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), analyse(), weight(50)])
}

#[test]
fn a_step_waits_for_its_analysis() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);

    world.applies(2);
    world.rests();

    assert_eq!((world.step(), world.weight()), (Some(1), 20));
    assert!(
        world.status().message.starts_with("waiting for analysis"),
        "{}",
        world.status().message
    );
}

#[test]
fn a_successful_analysis_lets_the_rollout_go_on() {
    let mut world = judged(canary(), AnalysisPhase::Successful);

    world.applies(2);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert_eq!(world.phase(), Phase::Healthy);
    assert_eq!(names(&world).len(), 1);
}

#[test]
fn a_failed_analysis_aborts_and_says_why() {
    for phase in [AnalysisPhase::Failed, AnalysisPhase::Error] {
        let mut world = judged(canary(), phase);

        world.applies(2);
        world.rests();

        assert!(world.is_stable(1), "{}", world.describe());
        assert_eq!((world.phase(), world.weight()), (Phase::Degraded, 0));
        assert!(
            world
                .status()
                .message
                .starts_with("RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: "),
            "{}",
            world.status().message
        );
    }
}

#[test]
fn the_history_tells_what_an_analysis_found_and_that_it_aborted() {
    let mut world = judged(canary(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    let facts = &world.status().history;
    let kinds: Vec<_> = facts
        .iter()
        .filter(|fact| {
            matches!(
                fact.kind,
                FactKind::AnalysisStarted | FactKind::AnalysisCompleted | FactKind::Aborted
            )
        })
        .map(|fact| (fact.kind, fact.cause))
        .collect();
    assert_eq!(
        kinds,
        [
            (FactKind::AnalysisStarted, Cause::Controller),
            (FactKind::AnalysisCompleted, Cause::Analysis),
            (FactKind::Aborted, Cause::Analysis)
        ]
    );
    let aborted = facts.iter().find(|fact| fact.kind == FactKind::Aborted);
    assert!(aborted.unwrap().message.contains("failureLimit"));
}

#[test]
fn an_analysis_in_doubt_pauses_the_rollout() {
    let mut world = judged(canary(), AnalysisPhase::Inconclusive);

    world.applies(2);
    world.rests();

    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(1), 20)
    );
    assert_eq!(world.status().message, "InconclusiveAnalysisRun");
}

#[test]
fn resumed_after_doubt_another_analysis_is_begun() {
    let mut world = judged(canary(), AnalysisPhase::Inconclusive);
    world.applies(2);
    world.rests();
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Successful));

    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert_eq!(names(&world).len(), 2);
    assert!(names(&world)[1].ends_with("-2-1.1"), "{:?}", names(&world));
}

#[test]
fn a_retry_begins_another_analysis() {
    let mut world = judged(canary(), AnalysisPhase::Failed);
    world.applies(2);
    world.rests();
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Successful));

    world.user(&UserAction::Retry);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_failed_background_analysis_aborts_in_the_middle_of_a_pause() {
    let rollout = routed().steps([weight(20), pause()]).background(0);
    let mut world = judged(rollout, AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Degraded, 0));
    assert!(
        world
            .status()
            .message
            .contains("Background analysis phase error/failed")
    );
}

#[test]
fn a_background_analysis_begins_at_its_step_and_ends_with_the_rollout() {
    let rollout = routed()
        .steps([weight(20), pause(), weight(50), pause()])
        .background(2);
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    assert!(names(&world).is_empty());

    world.user(&UserAction::Resume);
    world.rests();
    assert_eq!(world.cluster.analysis_runs[0].phase, AnalysisPhase::Running);
    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert!(world.cluster.analysis_runs[0].terminate);
}

#[test]
fn after_a_promotion_no_analysis_is_referred_to() {
    let mut world = judged(canary().background(0), AnalysisPhase::Successful);

    world.applies(2);
    world.rests();

    let analyses = &world.status().analyses;
    assert_eq!((&analyses.background, &analyses.step), (&None, &None));
}

#[test]
fn an_abort_by_hand_ends_the_analyses() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();

    world.user(&UserAction::Abort);
    world.rests();

    assert!(world.cluster.analysis_runs[0].terminate);
    assert!(
        !world.status().message.contains("analysis"),
        "{}",
        world.status().message
    );
}

#[test]
fn a_full_promotion_does_not_ask_the_analyses() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert!(world.cluster.analysis_runs[0].terminate);
}

#[test]
fn a_first_deploy_is_not_analysed() {
    let world = canary().background(0).deployed();

    assert!(names(&world).is_empty());
}

#[test]
fn an_analysis_that_somebody_deletes_is_begun_again() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    let before = names(&world).join(" ");

    world.user(&UserAction::DeleteAnalysisRuns);
    world.rests();

    assert_eq!(names(&world), [before]);
    assert_eq!(world.step(), Some(1));
}

#[test]
fn a_lost_status_does_not_revive_an_old_result() {
    let mut world = routed().steps([weight(20), analyse(), pause()]).deployed();
    world.applies(2);
    world.rests();
    assert_eq!(world.step(), Some(2));
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Failed));

    world.user(&UserAction::WipeStatus);
    world.rests();

    assert_eq!(world.phase(), Phase::Degraded, "{}", world.describe());
}

#[test]
fn an_analysis_that_takes_long_is_no_missed_deadline() {
    let mut world = canary()
        .spec(|spec| spec.progress_deadline = jiff::SignedDuration::from_secs(30))
        .deployed();
    thinks(&mut world, Opinion::Endless);

    world.applies(2);
    world.passes(120);

    assert_eq!(world.phase(), Phase::Progressing, "{}", world.describe());
    assert!(world.condition(ConditionType::Stalled).is_some());
}

#[test]
fn only_the_latest_analyses_are_kept() {
    let mut world = judged(canary(), AnalysisPhase::Failed);
    world.applies(2);
    for _ in 0..8 {
        world.rests();
        world.user(&UserAction::Retry);
    }
    world.rests();

    // The latest is still referred to, and kept besides.
    assert_eq!(names(&world).len(), 6, "{:?}", names(&world));
}

#[test]
fn a_failed_analysis_aborts_a_rollout_whose_spec_was_spoilt_meanwhile() {
    let rollout = routed().steps([weight(20), pause()]).background(0);
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world.user(&UserAction::SpoilSpec);
    world.rests();
    assert_eq!(world.weight(), 20);

    thinks(&mut world, Opinion::After(0, AnalysisPhase::Failed));
    world.rests();

    assert_eq!(world.weight(), 0, "{}", world.describe());
}
