//! The step `experiment`: a rollout goes on when some pods of both versions were looked at side by side.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::Judge;
use kulta_core::status::{PauseReason, Phase};

use super::{judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, analyse, experiment, routed, weight};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), experiment(), weight(50)])
}

fn under_way() -> World {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world
}

#[test]
fn a_step_waits_for_its_experiment() {
    let world = under_way();

    let hash = world.status().current_pod_hash.clone().unwrap();
    let expected = format!("web-{hash}-2-1");
    assert_eq!(
        (world.step(), world.weight()),
        (Some(1), 20),
        "{}",
        world.describe()
    );
    assert_eq!(names(&world), [expected.as_str()]);
    assert_eq!(world.cluster.analysis_runs[0].judge, Judge::Experiment);
    let message = &world.status().message;
    assert!(
        message.contains(&format!("waiting for experiment \"{expected}\"")),
        "{message}"
    );
}

#[test]
fn a_successful_experiment_lets_the_rollout_go_on() {
    let mut world = judged(canary(), AnalysisPhase::Successful);

    world.applies(2);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_failed_experiment_aborts_the_rollout_in_the_words_of_argo_rollouts() {
    let mut world = judged(canary(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    assert_eq!(
        (world.phase(), world.weight()),
        (Phase::Degraded, 0),
        "{}",
        world.describe()
    );
    let message = &world.status().message;
    assert!(
        message.contains("Experiment analysis phase is error/failed: Metric"),
        "{message}"
    );
}

#[test]
fn an_inconclusive_experiment_pauses_and_another_one_is_begun_on_resume() {
    let mut world = judged(canary(), AnalysisPhase::Inconclusive);
    world.applies(2);
    world.rests();
    let reasons: Vec<_> = world
        .status()
        .pause_conditions
        .iter()
        .map(|pause| pause.reason)
        .collect();
    assert_eq!(
        reasons,
        [PauseReason::InconclusiveExperiment],
        "{}",
        world.describe()
    );

    thinks(&mut world, Opinion::After(3, AnalysisPhase::Successful));
    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    let second = names(&world).into_iter().any(|name| name.ends_with("-2-1-1"));
    assert!(second, "{:?}", names(&world));
}

#[test]
fn an_abort_ends_the_experiment() {
    let mut world = under_way();

    world.user(&UserAction::Abort);
    world.rests();

    assert!(world.cluster.analysis_runs[0].terminate, "{}", world.describe());
    assert_eq!(world.weight(), 0);
}

#[test]
fn an_experiment_that_was_deleted_is_begun_again() {
    let mut world = under_way();
    let name = names(&world).remove(0).to_owned();

    world.user(&UserAction::DeleteAnalysisRuns);
    world.rests();

    assert_eq!(names(&world), [name.as_str()]);
    assert_eq!(world.step(), Some(1));
}

#[test]
fn an_analysis_of_the_same_name_is_none() {
    let mut world = routed().steps([weight(20), analyse(), experiment()]).deployed();
    thinks(&mut world, Opinion::After(3, AnalysisPhase::Successful));

    world.applies(2);
    world.rests();

    let judges: Vec<_> = world.cluster.analysis_runs.iter().map(|run| run.judge).collect();
    assert_eq!(
        judges,
        [Judge::AnalysisRun, Judge::Experiment],
        "{}",
        world.describe()
    );
    assert!(world.is_stable(2), "{}", world.describe());
}
