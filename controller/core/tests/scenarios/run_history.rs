//! How many analyses that are complete are kept.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::spec::RunHistory;

use super::{judged, names};
use crate::simulation::builder::{RolloutBuilder, analyse, routed, weight};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), analyse(), weight(50)])
}

/// So many rollouts of version 2 end in this way.
fn analysed(rollout: RolloutBuilder, phase: AnalysisPhase, times: usize) -> World {
    let mut world = judged(rollout, phase);
    world.applies(2);
    for _ in 1..times {
        world.rests();
        world.user(&UserAction::Retry);
    }
    world.rests();
    world
}

fn limits(successful: u32, unsuccessful: u32) -> RolloutBuilder {
    canary().spec(|spec| {
        spec.run_history = RunHistory {
            successful,
            unsuccessful,
        };
    })
}

#[test]
fn no_more_unsuccessful_analyses_are_kept_than_the_limit_says() {
    let world = analysed(limits(5, 2), AnalysisPhase::Failed, 6);

    // The latest is still referred to, and kept besides.
    assert_eq!(names(&world).len(), 3, "{:?}", names(&world));
}

#[test]
fn the_limit_of_the_others_means_nothing_to_successful_analyses() {
    let kept = analysed(limits(1, 0), AnalysisPhase::Successful, 1);
    assert_eq!(names(&kept).len(), 1, "{:?}", names(&kept));

    let gone = analysed(limits(0, 5), AnalysisPhase::Successful, 1);
    assert!(names(&gone).is_empty(), "{:?}", names(&gone));
}

#[test]
fn the_analysis_that_a_rollout_refers_to_is_kept_whatever_the_limit() {
    let world = analysed(limits(0, 0), AnalysisPhase::Failed, 3);

    assert_eq!(names(&world).len(), 1, "{:?}", names(&world));
}

#[test]
fn an_analysis_goes_with_the_replica_set_of_its_revision() {
    let rollout = canary().spec(|spec| spec.revision_history_limit = 0);
    let mut world = analysed(rollout, AnalysisPhase::Failed, 1);
    let of_version_2 = names(&world).len();

    world.applies(3);
    world.rests();

    assert_eq!(of_version_2, 1);
    assert!(world.of_version(2).is_none(), "{}", world.describe());
    let left = world.cluster.analysis_runs.iter().filter(|run| run.version == 2);
    assert_eq!(left.count(), 0, "{:?}", names(&world));
}
