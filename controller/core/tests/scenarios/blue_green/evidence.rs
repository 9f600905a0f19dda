//! Analyses before and after the switch, and gates.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::status::{PauseReason, Phase};

use super::super::{hash, judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::blue_green;
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::user::UserAction;

#[test]
fn the_analysis_before_the_switch_begins_with_the_preview_ready() {
    let mut world = blue_green().pre_promotion().deployed();
    thinks(&mut world, Opinion::Endless);

    world.applies(2);
    world.reaches("an analysis", |world| !world.cluster.analysis_runs.is_empty());

    assert!(world.serves(1) && world.previews(2), "{}", world.describe());
    assert_eq!(world.of_version(2).map(ReplicaSet::available), Some(10));
    assert_eq!(names(&world), [format!("web-{}-2-pre", hash(2))]);
}

#[test]
fn a_preview_of_fewer_pods_is_judged_before_the_others_come() {
    let mut world = blue_green()
        .pre_promotion()
        .blue_green(|blue_green| blue_green.preview_replicas = Some(2))
        .deployed();
    thinks(&mut world, Opinion::After(20, AnalysisPhase::Successful));

    world.applies(2);
    world.reaches("an analysis", |world| !world.cluster.analysis_runs.is_empty());
    let judged = world.pods(2);
    world.rests();

    assert_eq!((judged, world.pods(2), world.serves(2)), (2, 10, true));
}

#[test]
fn a_version_that_fails_before_the_switch_meets_no_user() {
    let mut world = judged(blue_green().pre_promotion(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    assert!(world.serves(1) && world.status().abort, "{}", world.describe());
    let message = &world.status().message;
    assert!(
        message.contains("Blue/green pre-promotion analysis phase error/failed: Metric"),
        "{message}"
    );
}

#[test]
fn a_version_that_fails_after_the_switch_is_taken_back() {
    let mut world = judged(blue_green().post_promotion(), AnalysisPhase::Failed);

    world.applies(2);
    world.reaches("the switch", |world| world.serves(2));
    assert!(world.is_stable(1));
    world.rests();

    assert!(world.serves(1) && world.is_stable(1), "{}", world.describe());
    let message = &world.status().message;
    assert!(
        message.contains("Blue/green post-promotion analysis phase error/failed: Metric"),
        "{message}"
    );
}

#[test]
fn a_version_is_stable_once_its_analysis_after_the_switch_is_successful() {
    let mut world = judged(
        blue_green().pre_promotion().post_promotion(),
        AnalysisPhase::Successful,
    );

    world.applies(2);
    world.reaches("the analysis after the switch", |world| {
        world.status().analyses.post_promotion.is_some()
    });
    let (stable, message) = (world.is_stable(1), world.status().message.clone());
    world.rests();

    assert!(stable && message.contains("-post"), "{message}");
    assert!(world.is_stable(2) && world.serves(2));
    assert_eq!(names(&world).len(), 2);
}

#[test]
fn an_analysis_in_doubt_pauses_and_keeps_the_old_version() {
    let mut world = judged(blue_green().post_promotion(), AnalysisPhase::Inconclusive);

    world.applies(2);
    world.reaches("doubt", |world| {
        world
            .status()
            .pause_for(PauseReason::InconclusiveAnalysisRun)
            .is_some()
    });
    world.passes(300);
    assert_eq!(
        (world.pods(1), world.serves(2), world.is_stable(1)),
        (10, true, true)
    );
    thinks(&mut world, Opinion::After(3, AnalysisPhase::Successful));
    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn gates_are_asked_after_the_pause_and_hold_the_switch() {
    let mut world = blue_green().by_hand().promotion_gates().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.waits_for_the_switch();
    assert!(names(&world).is_empty());

    world.user(&UserAction::Resume);
    world.passes(100);
    let held = (world.serves(1), world.phase());
    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));
    world.rests();

    assert_eq!(held, (true, Phase::Progressing));
    assert!(world.serves(2) && world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_gate_that_holds_keeps_the_preview_at_its_own_size() {
    let mut world = blue_green()
        .promotion_gates()
        .blue_green(|blue_green| blue_green.preview_replicas = Some(2))
        .deployed();
    thinks(&mut world, Opinion::Endless);

    world.applies(2);
    world.passes(100);

    assert_eq!((world.pods(2), world.serves(1)), (2, true));
    assert!(
        world.status().message.contains("waiting for gates"),
        "{}",
        world.describe()
    );
}

#[test]
fn a_gate_that_denies_aborts() {
    let mut world = judged(blue_green().promotion_gates(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    assert!(world.status().abort && world.serves(1), "{}", world.describe());
    assert!(world.status().message.contains("Promotion gate denied"));
}

#[test]
fn consent_does_not_outlast_a_pause_of_the_user() {
    let mut world = blue_green()
        .promotion_gates()
        .blue_green(|blue_green| blue_green.preview_replicas = Some(2))
        .deployed();
    world.cluster.environment.pod_quota = 15;
    world.applies(2);
    world.reaches("consent", |world| world.pods(2) == 10);

    world.user(&UserAction::Pause(true));
    world.passes(10);
    world.cluster.environment.pod_quota = 100;
    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((names(&world).len(), world.serves(2)), (2, true));
}

#[test]
fn a_missing_analysis_template_holds_the_new_version() {
    let mut world = blue_green().pre_promotion().deployed();
    world.user(&UserAction::DeleteAnalysisTemplate);

    world.applies(2);
    world.rests();

    assert_eq!((world.pods(2), world.serves(1)), (0, true));
}

#[test]
fn an_analysis_that_was_passed_is_not_asked_again_by_another_of_its_words() {
    let mut world = blue_green().by_hand().pre_promotion().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(names(&world).len(), 1);
    assert!(world.is_stable(2));
}
