//! Analyses: a new version goes on only by evidence.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::past::state_at;
use kulta_core::history::{Cause, Evidence, FactKind};
use kulta_core::observed::{ApplyFailure, FailureKind};
use kulta_core::spec::{Analysis, Argument, ArgumentValue, BackgroundAnalysis, Problem, Step};
use kulta_core::status::{ConditionType, Phase};

use serde_json::json;

use super::{judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, analyse, analysis, basic, pause, routed, weight};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// The analysis of the step has these arguments.
fn with_args(args: Vec<Argument>) -> RolloutBuilder {
    let analysis = Analysis { args, ..analysis() };
    routed().steps([weight(20), Step::Analysis(analysis), weight(50)])
}

#[test]
fn an_analysis_is_begun_with_the_hashes_of_the_two_versions() {
    let argument = |name: &str, value| Argument {
        name: name.to_owned(),
        value,
    };
    let token = ArgumentValue::Secret {
        name: "access".to_owned(),
        key: "token".to_owned(),
    };
    let args = vec![
        argument("old", ArgumentValue::StableHash),
        argument("new", ArgumentValue::LatestHash),
        argument("text", ArgumentValue::Text("web".to_owned())),
        argument("later", ArgumentValue::Unknown),
        argument("token", token),
    ];
    let mut world = with_args(args).deployed();
    thinks(&mut world, Opinion::Endless);

    world.applies(2);
    world.rests();

    let status = world.status();
    let expected = json!([
        {"name": "old", "value": status.stable_hash},
        {"name": "new", "value": status.current_pod_hash},
        {"name": "text", "value": "web"},
        {"name": "later"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "access", "key": "token"}}},
    ]);
    assert_eq!(world.cluster.analysis_runs[0].spec["args"], expected);
}

#[test]
fn without_a_template_that_its_analysis_names_no_rollout_begins() {
    let mut world = canary().deployed();
    world.user(&UserAction::DeleteAnalysisTemplate);
    world.applies(2);
    world.rests();

    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(
        world.status().message,
        "InvalidSpec: The Rollout \"web\" is invalid: \
         spec.strategy.canary.steps[1].analysis.templates[0].templateName: AnalysisTemplate \"errors\" not found"
    );
    assert_eq!((world.pods(1), world.pods(2), world.weight()), (10, 0, 0));
    assert!(names(&world).is_empty());

    world.user(&UserAction::CreateAnalysisTemplate);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn without_a_template_that_its_analysis_names_nothing_is_deployed() {
    let mut world = canary().new_rollout();
    world.user(&UserAction::DeleteAnalysisTemplate);
    world.rests();
    assert_eq!((world.phase(), world.pods(1)), (Phase::Degraded, 0));

    world.user(&UserAction::CreateAnalysisTemplate);
    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn while_plugins_are_asked_about_their_configurations_nothing_new_begins() {
    let mut world = canary().deployed();
    world.cluster.rollout.awaits_plugins = true;
    world.applies(2);
    world.passes(60);

    let generation = world.cluster.rollout.generation;
    assert_eq!((world.phase(), world.pods(2)), (Phase::Progressing, 0));
    assert!(
        world.status().message.contains("are being asked"),
        "{}",
        world.describe()
    );
    assert!(
        world.status().observed_generation < Some(generation),
        "{}",
        world.describe()
    );

    world.cluster.rollout.awaits_plugins = false;
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_plugin_that_refuses_what_is_long_in_service_holds_nothing() {
    let mut world = canary().deployed();

    world.cluster.rollout.plugin_problems = vec![Problem::new("spec.strategy.canary.analysis", "refused")];
    world.rests();

    assert_eq!(world.phase(), Phase::Healthy, "{}", world.describe());
}

#[test]
fn what_a_plugin_refuses_does_not_begin_and_is_no_way_that_a_rollback_has_to_take() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world.cluster.rollout.plugin_problems = vec![Problem::new("spec.strategy.canary.analysis", "refused")];

    world.applies(3);
    world.rests();
    assert_eq!(
        (world.phase(), world.pods(3)),
        (Phase::Degraded, 0),
        "{}",
        world.describe()
    );

    world.applies(1);
    world.rests();
    assert_eq!(
        (world.weight(), world.phase()),
        (0, Phase::Healthy),
        "{}",
        world.describe()
    );
}

#[test]
fn an_abort_brings_traffic_home_while_plugins_are_asked() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world.cluster.rollout.awaits_plugins = true;

    world.user(&UserAction::Abort);
    world.passes(60);

    assert_eq!((world.weight(), world.pods(1)), (0, 10), "{}", world.describe());
}

#[test]
fn a_template_deleted_in_mid_rollout_holds_it_where_it_is() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::After(30, AnalysisPhase::Successful));
    world.applies(2);
    world.reaches("the analysis is begun", |world| names(world).len() == 1);

    world.user(&UserAction::DeleteAnalysisTemplate);
    world.rests();
    assert_eq!(
        (world.step(), world.weight()),
        (Some(1), 20),
        "{}",
        world.describe()
    );
    assert_eq!(names(&world).len(), 1);

    world.user(&UserAction::CreateAnalysisTemplate);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn an_abort_brings_traffic_home_while_a_template_is_missing() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world.user(&UserAction::DeleteAnalysisTemplate);

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!((world.weight(), world.pods(1)), (0, 10), "{}", world.describe());
}

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), analyse(), weight(50)])
}

#[test]
fn a_name_that_is_taken_is_left_and_the_next_attempt_made() {
    let mut world = judged(canary(), AnalysisPhase::Successful);
    world.applies(2);
    world.reaches("the analysis is begun", |world| names(world).len() == 1);
    let name = names(&world).remove(0).to_owned();
    world.cluster.taken_names.insert(name.clone());
    world.user(&UserAction::DeleteAnalysisRuns);

    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert_eq!(names(&world), [format!("{name}.1")]);
}

#[test]
fn an_analysis_that_can_not_be_ended_keeps_nothing_from_being_decided() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world.user(&UserAction::Abort);
    let mut observed = world.cluster.observe(world.cluster.caches(), None);
    let now = world.cluster.controller_time();
    let without = kulta_core::decide(&observed, now);

    observed.failure = Some(ApplyFailure {
        kind: FailureKind::Cleanup,
        message: "not by this policy".to_owned(),
    });
    let with = kulta_core::decide(&observed, now);

    let told = with.status.condition(ConditionType::CleanupFailed).unwrap();
    assert_eq!(told.message, "not by this policy");
    assert_eq!(with.actions, without.actions);
    let mut rest = with.status.clone();
    rest.remove_condition(ConditionType::CleanupFailed);
    assert_eq!(rest, without.status);
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
    let told = |kind| facts.iter().rfind(|fact| fact.kind == kind).unwrap();
    assert!(told(FactKind::Aborted).message.contains("failureLimit"));
    let evidence = [Evidence {
        metric: "errors".to_owned(),
        phase: AnalysisPhase::Failed,
        value: "0.2".to_owned(),
    }];
    assert_eq!(told(FactKind::AnalysisCompleted).evidence, evidence);
    assert_eq!(told(FactKind::Aborted).evidence, evidence);
}

#[test]
fn what_is_true_after_an_automatic_rollback_has_its_evidence() {
    let mut world = judged(canary(), AnalysisPhase::Failed);
    world.applies(2);
    world.rests();
    let now = world.cluster.controller_time();

    let change = state_at(&world.status().history, now, now).unwrap().change;

    assert_eq!((change.kind, change.cause), (FactKind::Restored, Cause::Analysis));
    assert!(change.message.contains("failureLimit"), "{}", change.message);
    assert_eq!(change.evidence.len(), 1);
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
    let resumed = world
        .status()
        .history
        .iter()
        .filter(|fact| fact.kind == FactKind::Resumed);
    assert_eq!(resumed.count(), 1);
}

/// As `kubectl argo rollouts promote` does where it sees the doubt and the controller's pause.
#[test]
fn a_step_in_doubt_can_be_passed_over_by_hand() {
    let mut world = judged(canary(), AnalysisPhase::Inconclusive);
    world.applies(2);
    world.rests();
    assert!(world.status().controller_pause);

    let status = &mut world.cluster.rollout.status;
    status.pause_conditions.clear();
    status.controller_pause = false;
    status.current_step_index = Some(2);
    world.cluster.rollout.resource_version = world.cluster.changed();
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert_eq!(names(&world).len(), 1);
}

#[test]
fn a_pause_that_comes_after_a_doubt_was_resumed_is_kept() {
    let steps = [weight(20), analyse(), pause()];
    let mut world = judged(routed().steps(steps), AnalysisPhase::Inconclusive);
    world.applies(2);
    world.rests();
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Successful));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(2)));
    assert_eq!(world.status().message, "CanaryPauseStep");
}

#[test]
fn a_pause_behind_a_step_that_was_skipped_in_doubt_is_kept() {
    let steps = [weight(20), analyse(), pause(), weight(50)];
    let mut world = judged(routed().steps(steps), AnalysisPhase::Inconclusive);
    world.applies(2);
    world.rests();

    world.user(&UserAction::SkipStep);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(2)));
    assert_eq!(world.status().message, "CanaryPauseStep");
}

#[test]
fn no_step_passes_before_the_analysis_beside_it_has_begun() {
    let rollout = routed().steps([weight(20), pause()]).background(0);
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);

    world.reaches("the pause", |world| world.step() == Some(1));

    assert_eq!((world.pods(2), world.weight()), (2, 20), "{}", world.describe());
}

#[test]
fn a_pause_that_has_not_begun_is_kept_by_a_doubt_beside_it() {
    let rollout = routed().steps([weight(20), pause()]).background(0);
    let mut world = judged(rollout, AnalysisPhase::Inconclusive);
    world.applies(2);
    world.reaches("the analysis is begun", |world| names(world).len() == 1);
    world.user(&UserAction::Pause(true));
    world.rests();
    assert!(world.status().is_held_by_analysis(), "{}", world.describe());
    thinks(&mut world, Opinion::Endless);
    world.user(&UserAction::Pause(false));
    world.rests();

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.phase(), world.step()),
        (Phase::Paused, Some(1)),
        "{}",
        world.describe()
    );
}

#[test]
fn a_pause_that_a_doubt_has_come_into_ends_with_it() {
    let mut world = routed().steps([weight(20), pause()]).background(0).deployed();
    thinks(&mut world, Opinion::After(15, AnalysisPhase::Inconclusive));
    world.applies(2);
    world.reaches("the doubt in the pause", |world| {
        world.status().pause_conditions.len() == 2
    });
    thinks(&mut world, Opinion::Endless);

    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
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

/// Version 2 is in its pause, with an analysis beside the steps that goes on.
fn accompanied() -> World {
    let mut world = routed().steps([weight(20), pause()]).background(0).deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world
}

fn other_background(world: &World) -> Option<BackgroundAnalysis> {
    let background = world.cluster.rollout.spec.background.clone();
    background.map(|background| BackgroundAnalysis {
        hash: "2".to_owned(),
        ..background
    })
}

#[test]
fn another_analysis_beside_the_steps_is_begun_instead_of_the_one_under_way() {
    let mut world = accompanied();

    world.user(&UserAction::SetBackground(other_background(&world)));
    world.rests();

    let runs = &world.cluster.analysis_runs;
    assert_eq!(runs.len(), 2, "{}", world.describe());
    assert!(runs[0].terminate);
    assert_eq!((runs[1].terminate, runs[1].definition.as_str()), (false, "2"));
}

#[test]
fn an_analysis_that_is_taken_out_of_the_spec_has_no_say_any_more() {
    let mut world = accompanied();

    world.user(&UserAction::SetBackground(None));
    world.rests();

    assert!(world.cluster.analysis_runs[0].terminate);
    assert_eq!(world.status().analyses.background, None);
}

#[test]
fn a_run_that_a_cut_off_plan_has_made_for_other_steps_is_not_taken_for_this_one() {
    let mut world = accompanied();
    let mut left_over = world.cluster.analysis_runs[0].clone();
    left_over.name = format!("{}-0", left_over.name);
    left_over.definition = "other steps".to_owned();
    world.cluster.analysis_runs.push(left_over);

    world.user(&UserAction::SetSteps(vec![analyse(), pause()]));
    world.rests();

    let step = world
        .status()
        .analyses
        .step
        .clone()
        .expect("an analysis of the step");
    assert!(
        step.name.ends_with("-0.2") || step.name.ends_with("-0.1"),
        "{}",
        step.name
    );
    assert!(world.cluster.analysis_runs[1].terminate);
}

#[test]
fn no_traffic_goes_to_a_version_whose_analysis_can_not_be_begun() {
    let mut world = routed().steps([weight(50), pause()]).background(0).deployed();
    world.cluster.refuses_analyses = true;

    world.applies(2);
    world.passes(120);
    assert_eq!(world.weight(), 0, "{}", world.describe());

    world.cluster.refuses_analyses = false;
    thinks(&mut world, Opinion::Endless);
    world.rests();
    assert_eq!(world.weight(), 50, "{}", world.describe());
}

#[test]
fn no_traffic_goes_to_a_version_whose_analysis_waits_for_people() {
    let mut world = routed().steps([weight(50)]).background(0).deployed();
    thinks(&mut world, Opinion::Held);

    world.applies(2);
    world.passes(120);
    assert_eq!(world.weight(), 0, "{}", world.describe());
    let message = &world.status().message;
    assert!(
        message.starts_with("waiting for analysis")
            && message.ends_with("the Secret \"token\" can't be read"),
        "{message}"
    );

    thinks(&mut world, Opinion::Endless);
    world.rests();
    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn an_analysis_of_a_step_that_waits_for_people_holds_the_rollout_until_it_can_begin() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Held);
    world.applies(2);
    world.passes(120);
    assert_eq!(world.weight(), 20, "{}", world.describe());
    assert!(!world.status().abort, "{}", world.describe());

    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn without_traffic_routing_no_pod_comes_before_the_analysis_that_is_to_judge_it() {
    let mut world = basic(1, 0).steps([weight(20), pause()]).background(0).deployed();
    world.cluster.refuses_analyses = true;

    world.applies(2);
    world.passes(120);

    assert_eq!(world.pods(2), 0, "{}", world.describe());
}
