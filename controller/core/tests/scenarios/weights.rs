//! Weights that are parts of another whole than 100 (`maxTrafficWeight`).

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::FactKind;
use kulta_core::spec::Weight;
use kulta_core::status::{ConditionType, Phase};
use serde_json::json;

use super::judged;
use crate::simulation::builder::{RolloutBuilder, parts, pause, routed, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::data_plane::is_service;
use crate::simulation::route::Route;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// The canary gets 5 of 1000 parts.
fn little() -> RolloutBuilder {
    routed().steps([parts(5, 1000), pause()]).whole(1000)
}

impl World {
    /// The weights of the stable version and of the canary as they are in the routes.
    fn written(&self) -> (Option<u32>, Option<u32>) {
        let routes = self.cluster.routes.values();
        let backends: Vec<_> = routes.flat_map(Route::backends).collect();
        let of = |name| backends.iter().find(|backend| is_service(backend, name))?.weight;
        (of(STABLE), of(CANARY))
    }
}

#[test]
fn both_weights_together_are_the_whole() {
    let world = little().paused_at_version_2();

    assert_eq!(world.written(), (Some(995), Some(5)));
    assert_eq!((world.pods(1), world.pods(2)), (10, 1));
    let requested = world.status().traffic.as_ref().map(|traffic| traffic.requested);
    let requested = requested.map(|weight| (weight.parts(), weight.whole().parts()));
    assert_eq!(requested, Some((5, 1000)));
}

#[test]
fn the_last_weight_is_the_whole_and_all_of_it_comes_home() {
    let mut world = little().paused_at_version_2();

    world.user(&UserAction::Resume);
    world.reaches("all traffic on the new version", |world| {
        world.written() == (Some(0), Some(1000))
    });
    world.rests();

    assert_eq!((world.phase(), world.is_stable(2)), (Phase::Healthy, true));
    assert_eq!(world.written(), (Some(1000), Some(0)));
}

#[test]
fn an_abort_takes_all_parts_back() {
    let mut world = little().paused_at_version_2();

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!(world.written(), (Some(1000), Some(0)));
}

#[test]
fn dynamic_stable_scale_counts_in_parts() {
    let dynamic = routed()
        .steps([parts(3, 10), pause()])
        .whole(10)
        .canary(|canary| canary.dynamic_stable_scale = true);

    let world = dynamic.paused_at_version_2();

    assert_eq!(world.written(), (Some(7), Some(3)));
    assert_eq!((world.pods(1), world.pods(2)), (7, 3));
}

#[test]
fn another_whole_in_mid_rollout_keeps_the_share_and_is_no_contest() {
    let mut world = routed().steps([weight(20), pause()]).paused_at_version_2();
    assert_eq!(world.written(), (Some(80), Some(20)));

    let other = routed().steps([parts(200, 1000), pause()]).whole(1000).spec;
    world.user(&UserAction::SetStrategy(Box::new(other.method), other.steps));
    world.rests();

    assert_eq!(world.written(), (Some(800), Some(200)));
    assert_eq!((world.phase(), world.pods(2)), (Phase::Paused, 2));
    assert_eq!(world.condition(ConditionType::RouteContested), None);
}

#[test]
fn the_history_tells_percent() {
    let world = little().paused_at_version_2();

    let history = world.status().history.iter();
    let asked = history.filter(|fact| fact.kind == FactKind::WeightRequested);
    let asked: Vec<_> = asked.map(|fact| fact.weight.map(Weight::parts)).collect();
    assert_eq!(asked.last(), Some(&Some(1)));
}

#[test]
fn gates_are_asked_before_a_rise_that_is_less_than_a_percent() {
    let gated = routed()
        .steps([parts(1, 1000), parts(5, 1000)])
        .whole(1000)
        .promotion_gates();
    let mut world = judged(gated, AnalysisPhase::Successful);

    world.applies(2);
    world.rests();

    let runs = world.cluster.analysis_runs.iter();
    let questions: Vec<_> = runs.map(|run| run.spec["next"].clone()).collect();
    let expected = [
        json!({"fromWeight": 0, "toWeight": 1, "isLast": false}),
        json!({"fromWeight": 1, "toWeight": 1, "isLast": false}),
        json!({"fromWeight": 1, "toWeight": 100, "isLast": true}),
    ];
    assert_eq!(questions, expected);
}
