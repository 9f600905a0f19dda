//! Gates: a new version gets more traffic only when they let it.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::status::Phase;
use serde_json::json;

use super::{judged, names, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{RolloutBuilder, basic, gate, gates, pause, routed, weight};
use crate::simulation::template::Behaviour;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn gated() -> RolloutBuilder {
    routed()
        .steps([weight(20), weight(50), weight(20)])
        .promotion_gates()
}

/// Version 2 is held by its first gates.
fn held(rollout: RolloutBuilder) -> World {
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.rests();
    world
}

fn questions(world: &World) -> Vec<serde_json::Value> {
    let runs = world.cluster.analysis_runs.iter();
    runs.map(|run| run.spec["next"].clone()).collect()
}

#[test]
fn no_weight_and_no_pod_goes_before_its_gate() {
    let world = held(gated());

    assert_eq!((world.step(), world.weight(), world.pods(2)), (Some(0), 0, 0));
    assert_eq!(world.phase(), Phase::Progressing);
    assert!(
        world.status().message.starts_with("waiting for gates"),
        "{}",
        world.status().message
    );
}

#[test]
fn without_traffic_routing_no_pod_goes_before_its_gate() {
    let world = held(basic(1, 0).steps([weight(20)]).promotion_gates());

    assert_eq!((world.step(), world.pods(2)), (Some(0), 0));
}

#[test]
fn gates_are_asked_before_every_rise_and_before_the_promotion() {
    let mut world = judged(gated(), AnalysisPhase::Successful);

    world.applies(2);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert_eq!(
        questions(&world),
        [
            json!({"fromWeight": 0, "toWeight": 20, "isLast": false}),
            json!({"fromWeight": 20, "toWeight": 50, "isLast": false}),
            json!({"fromWeight": 20, "toWeight": 100, "isLast": true}),
        ]
    );
}

#[test]
fn a_canary_without_steps_asks_before_its_promotion() {
    let mut world = held(routed().promotion_gates());
    assert_eq!(world.weight(), 0);
    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));

    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn with_all_traffic_the_promotion_is_still_asked_for() {
    let mut world = judged(
        routed().steps([weight(100)]).promotion_gates(),
        AnalysisPhase::Successful,
    );
    world.applies(2);
    world.reaches("all traffic is on the canary", |world| world.weight() == 100);
    thinks(&mut world, Opinion::Endless);

    world.rests();

    assert_eq!(
        (world.weight(), world.is_stable(2)),
        (100, false),
        "{}",
        world.describe()
    );
}

#[test]
fn a_gate_that_denies_aborts_and_says_why() {
    let mut world = judged(gated(), AnalysisPhase::Failed);

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Degraded, 0));
    assert!(
        world.status().message.contains("Promotion gate denied: "),
        "{}",
        world.status().message
    );
}

#[test]
fn a_step_waits_for_its_gate_and_asks_about_the_next_weight() {
    let mut world = held(routed().steps([weight(20), gate(), pause(), weight(60)]));
    assert_eq!((world.step(), world.weight()), (Some(1), 20));
    assert_eq!(
        questions(&world),
        [json!({"fromWeight": 20, "toWeight": 60, "isLast": false})]
    );
    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));

    world.rests();

    assert_eq!(world.step(), Some(2));
}

#[test]
fn other_gates_are_asked_instead_of_those_that_hold() {
    let mut world = held(gated());
    let first = names(&world)[0].to_owned();

    world.user(&UserAction::SetGates(Some(gates("2"))));
    world.rests();

    assert_eq!(names(&world).len(), 2);
    assert_ne!(names(&world)[1], first);
    assert!(world.cluster.analysis_runs[0].terminate);
}

#[test]
fn gates_that_are_taken_away_hold_no_longer() {
    let mut world = held(gated());

    world.user(&UserAction::SetGates(None));
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_full_promotion_asks_no_gate() {
    let mut world = held(gated());

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
}

#[test]
fn a_skipped_step_does_not_bring_its_gates_answer_to_the_next() {
    let mut world = judged(
        routed()
            .steps([weight(20), pause(), weight(50)])
            .promotion_gates(),
        AnalysisPhase::Successful,
    );
    world.applies(2);
    world.rests();
    thinks(&mut world, Opinion::Endless);

    world.user(&UserAction::SkipStep);
    world.rests();

    assert_eq!((world.step(), world.weight()), (Some(2), 20));
}

#[test]
fn a_gate_may_hold_for_longer_than_the_progress_deadline() {
    let mut world = held(gated().spec(|spec| spec.progress_deadline = jiff::SignedDuration::from_secs(30)));

    world.passes(120);
    assert_eq!(world.phase(), Phase::Progressing, "{}", world.describe());
    let facts = world.status().history.len();
    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    let told = &world.status().history[facts..];
    assert!(
        told.iter().all(|fact| fact.phase != Some(Phase::Degraded)),
        "{told:?}"
    );
}

#[test]
fn a_first_deploy_and_the_way_back_ask_no_gate() {
    let mut world = held(gated());
    let asked = names(&world).len();

    world.applies(1);
    world.rests();

    assert_eq!((world.phase(), names(&world).len()), (Phase::Healthy, asked));
}

#[test]
fn a_step_skipped_while_its_gates_hold_does_not_bring_its_weight() {
    let mut world = held(
        routed()
            .steps([weight(20), pause(), weight(50)])
            .promotion_gates(),
    );

    world.user(&UserAction::SkipStep);
    world.rests();

    assert_eq!(
        (world.step(), world.weight()),
        (Some(1), 0),
        "{}",
        world.describe()
    );
    assert_eq!(questions(&world)[1]["toWeight"], 20);
}

#[test]
fn other_gates_take_nothing_of_what_the_former_ones_have_let_pass() {
    let mut world = judged(
        routed()
            .steps([weight(20), pause()])
            .promotion_gates()
            .spec(|spec| spec.min_ready_seconds = 20),
        AnalysisPhase::Successful,
    );
    world.applies(2);
    world.reaches("the weight is set", |world| world.weight() == 20);
    thinks(&mut world, Opinion::Endless);

    world.user(&UserAction::SetGates(Some(gates("2"))));
    world.rests();

    assert_eq!(world.weight(), 20, "{}", world.describe());
}

#[test]
fn an_answer_does_not_outlast_a_pause() {
    let mut world = judged(
        routed()
            .steps([weight(50), pause()])
            .promotion_gates()
            .spec(|spec| spec.min_ready_seconds = 60),
        AnalysisPhase::Successful,
    );
    world.applies(2);
    world.reaches("the gates have allowed", |world| {
        world
            .status()
            .analyses
            .consented
            .is_some_and(|weight| weight.percent() == 50)
    });

    world.user(&UserAction::Pause(true));
    world.rests();
    thinks(&mut world, Opinion::Endless);
    world.user(&UserAction::Pause(false));
    world.rests();

    assert_eq!(
        (world.weight(), questions(&world).len()),
        (0, 2),
        "{}",
        world.describe()
    );
}

#[test]
fn a_weight_that_was_lowered_is_asked_about_again() {
    let mut world = judged(
        routed()
            .steps([weight(50), weight(20), pause(), weight(50)])
            .promotion_gates(),
        AnalysisPhase::Successful,
    );
    world.applies(2);
    world.rests();
    thinks(&mut world, Opinion::Endless);

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.step(), world.weight()),
        (Some(3), 20),
        "{}",
        world.describe()
    );
}

#[test]
fn the_next_version_asks_its_gates_from_the_beginning() {
    let mut world = judged(gated(), AnalysisPhase::Successful);
    world.applies(2);
    world.rests();
    assert!(world.is_stable(2), "{}", world.describe());

    world.applies(3);
    world.cluster.behave(
        3,
        Behaviour {
            opinion: Opinion::Endless,
            ..Behaviour::default()
        },
    );
    world.rests();

    assert_eq!(
        (world.step(), world.weight()),
        (Some(0), 0),
        "{}",
        world.describe()
    );
}
