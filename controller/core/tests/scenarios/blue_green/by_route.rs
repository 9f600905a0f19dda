//! The switch by the weights of routes.

use jiff::SignedDuration;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::FactKind;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::super::{hash, judged, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{blue_green_by_route, gates, route};
use crate::simulation::cluster::{ACTIVE, PREVIEW};
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::route::Answer;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Version 2 serves all users by the preview Service and is measured without end.
fn switched() -> World {
    let mut world = blue_green_by_route().post_promotion().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.reaches("the analysis after the switch", |world| {
        world.status().analyses.post_promotion.is_some()
    });
    assert_eq!(world.weight(), 100, "{}", world.describe());
    world
}

impl World {
    fn gateway_answers(&mut self, answer: Answer) {
        let route = self.cluster.routes.get_mut(&route(0)).expect("a route");
        route.gateways[0].answer = answer;
    }

    fn position_of(&self, kind: FactKind) -> Option<usize> {
        self.status().history.iter().rposition(|fact| fact.kind == kind)
    }
}

#[test]
fn users_of_a_first_deploy_are_sent_to_the_active_service() {
    let world = blue_green_by_route().deployed();

    assert!(world.serves(1) && world.previews(1), "{}", world.describe());
    assert_eq!((world.weight(), world.pods(1)), (0, 10));
}

#[test]
fn the_route_switches_and_the_active_service_follows_when_the_version_is_proven() {
    let mut world = switched();
    assert!(world.serves(1) && world.previews(2), "{}", world.describe());
    assert_eq!(world.of_version(2).map(ReplicaSet::available), Some(10));

    thinks(&mut world, Opinion::After(0, AnalysisPhase::Successful));
    world.reaches("the promotion", |world| world.is_stable(2));
    assert_eq!(world.weight(), 100);
    world.reaches("the active Service", |world| world.serves(2));
    assert_eq!(world.weight(), 100);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Healthy, 0));
    assert!(world.serves(2) && world.previews(2), "{}", world.describe());
}

#[test]
fn every_new_version_is_switched_to_by_the_route() {
    let mut world = blue_green_by_route().two_routes().deployed();

    for version in [2, 3, 1, 4] {
        world.applies(version);
        world.rests();
        let is_home = world.serves(version) && world.is_stable(version);
        assert!(is_home && world.weight() == 0, "{}", world.describe());
    }
}

#[test]
fn the_route_waits_for_the_pause_before_the_switch() {
    let mut world = blue_green_by_route().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    let (weight, is_looked_at) = (world.weight(), world.previews(2));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((weight, is_looked_at), (0, true));
    assert!(world.serves(2) && world.is_stable(2), "{}", world.describe());
}

#[test]
fn the_switch_counts_when_the_gateway_has_accepted_it() {
    let mut world = blue_green_by_route().post_promotion().deployed();
    world.gateway_answers(Answer::Accepts(40));

    world.applies(2);
    world.reaches("the weight", |world| world.weight() == 100);
    world.passes(20);
    let early = (world.status().is_switched(), world.cluster.analysis_runs.len());
    world.reaches("the switch", |world| world.status().is_switched());

    assert_eq!(early, (false, 0));
    assert!(!world.is_stable(2));
}

#[test]
fn a_switch_that_a_gateway_rejects_is_told_and_promotes_nobody() {
    let mut world = blue_green_by_route().deployed();
    world.gateway_answers(Answer::Rejects(0));

    world.applies(2);
    world.passes(200);
    assert!(world.is_stable(1) && world.pods(1) == 10, "{}", world.describe());
    let told = world.condition(ConditionType::RouteNotAccepted);
    assert_eq!(told, Some((Truth::True, Reason::RouteRejected)));

    world.user(&UserAction::Abort);
    world.passes(5);
    assert_eq!((world.weight(), world.pods(2)), (0, 10));
    world.gateway_answers(Answer::Accepts(0));
    world.user(&UserAction::EditRoute(route(0)));
    world.rests();
    assert_eq!((world.weight(), world.pods(2), world.serves(1)), (0, 0, true));
}

#[test]
fn a_version_that_fails_after_the_switch_goes_back_by_one_write() {
    let mut world = judged(blue_green_by_route().post_promotion(), AnalysisPhase::Failed);
    world.applies(2);
    world.reaches("the switch", |world| world.weight() == 100);
    let generation = |world: &World| world.cluster.routes[&route(0)].generation();
    let at_the_switch = generation(&world);

    world.reaches("the way back", |world| world.weight() == 0);
    let services = (world.serves(1), world.previews(2), world.pods(2));
    world.rests();

    assert_eq!(generation(&world), at_the_switch + 1);
    assert_eq!(services, (true, true, 10));
    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Degraded, true));
    assert_eq!((world.pods(1), world.pods(2), world.previews(1)), (10, 0, true));
}

#[test]
fn pods_of_an_aborted_version_stay_until_the_way_back_is_in_force() {
    let mut world = switched();
    world.gateway_answers(Answer::Accepts(100));

    world.user(&UserAction::Abort);
    world.passes(80);
    let before = (world.weight(), world.pods(2));
    world.reaches("the end of the way back", |world| world.pods(2) == 0);

    assert_eq!(before, (0, 10));
    assert!(world.serves(1) && world.previews(1), "{}", world.describe());
}

#[test]
fn users_wait_for_pods_of_a_stable_version_that_has_lost_them() {
    let mut world = switched();
    let stable = hash(1);
    let mut all = world.cluster.replica_sets.iter_mut();
    all.find(|one| one.hash == stable)
        .expect("version 1")
        .spec_replicas = 0;
    world.cluster.step();
    world.user(&UserAction::Abort);

    world.reaches("users are back", |world| world.weight() == 0);

    let available = world.of_version(1).map_or(0, ReplicaSet::available);
    assert!(available >= 5, "{available} pods for all users");
}

#[test]
fn users_of_a_version_that_loses_its_pods_after_the_switch_are_sent_back_by_the_route() {
    let mut world = switched();
    let begun = world.cluster.analysis_runs.len();

    world.cluster.lose_pods(&hash(2), 8);
    world.reaches("users are back", |world| world.weight() == 0);
    world.reaches("the switch again", |world| world.weight() == 100);

    world.reaches("another analysis", |world| {
        world.cluster.analysis_runs.len() > begun
    });
    assert!(world.is_stable(1), "{}", world.describe());
}

#[test]
fn weights_that_somebody_takes_back_after_the_switch_are_corrected_and_contested() {
    let mut world = switched();
    for _ in 0..6 {
        world.user(&UserAction::ForceWeights(route(0), Some(100), Some(0)));
        world.passes(2);
    }

    world.reaches("the correction", |world| world.weight() == 100);

    let contested = world.condition(ConditionType::RouteContested);
    assert_eq!(contested, Some((Truth::True, Reason::ForeignManager)));
    assert!(world.status().is_switched(), "{}", world.describe());
    let runs = world.cluster.analysis_runs.len();
    assert_eq!(runs, 1, "nothing is asked again");
}

#[test]
fn users_that_somebody_sends_to_a_version_that_waits_are_sent_back() {
    let mut world = blue_green_by_route().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::ForceWeights(route(0), Some(0), Some(100)));
    world.passes(5);

    assert_eq!((world.weight(), world.phase()), (0, Phase::Paused));
    assert!(!world.status().is_switched());
}

#[test]
fn another_version_after_the_switch_comes_only_when_users_are_home() {
    let mut world = switched();
    world.user(&UserAction::SetGates(Some(gates("1"))));
    world.gateway_answers(Answer::Accepts(20));

    world.applies(3);
    world.reaches("the weight", |world| world.weight() == 0);
    world.passes(10);
    let looked_at = world.previews(2);
    world.reaches("the next version", |world| world.previews(3));

    assert!(
        looked_at && world.serves(1) && world.is_stable(1),
        "{}",
        world.describe()
    );
    assert_eq!(world.weight(), 0);
}

#[test]
fn going_back_to_a_version_that_is_still_up_asks_nothing_of_the_route_either() {
    let mut world = blue_green_by_route().by_hand().post_promotion();
    world = world.blue_green(|blue_green| blue_green.scale_down_delay = SignedDuration::from_secs(600));
    let mut world = world.deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Resume);
    world.reaches("the way home", |world| world.is_stable(2) && world.weight() == 0);
    let analyses = world.cluster.analysis_runs.len();

    world.applies(1);
    world.reaches("users are back", |world| {
        world.weight() == 100 && world.previews(1)
    });
    assert!(world.blue_green().fast_rollback);
    world.rests();

    assert_eq!((world.phase(), world.is_stable(1)), (Phase::Healthy, true));
    assert!(world.serves(1) && world.weight() == 0, "{}", world.describe());
    assert_eq!(world.cluster.analysis_runs.len(), analyses);
}

#[test]
fn the_stable_template_brings_users_home_at_once() {
    let mut world = switched();

    world.applies(1);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Healthy, 0));
    assert!(world.serves(1) && world.is_stable(1) && world.pods(2) == 0);
}

#[test]
fn a_promoted_version_keeps_the_old_one_for_the_delay() {
    let mut world = blue_green_by_route().deployed();

    world.applies(2);
    world.reaches("the switch", |world| world.weight() == 100);
    world.reaches("the way home", |world| world.serves(2) && world.weight() == 0);
    let at_home = world.pods(1);
    world.rests();

    assert_eq!((at_home, world.pods(1)), (10, 0));
}

#[test]
fn a_route_that_is_missing_holds_the_switch_and_is_told_at_its_path() {
    let mut world = blue_green_by_route()
        .routing(|routing| routing.routes[0].path = "spec.strategy.blueGreen.trafficRouting".to_owned())
        .deployed();
    world.user(&UserAction::DeleteRoute(route(0)));

    world.applies(2);
    world.rests();

    assert!(world.serves(1) && world.is_stable(1), "{}", world.describe());
    let message = &world.status().message;
    assert!(
        message.contains("spec.strategy.blueGreen.trafficRouting"),
        "{message}"
    );
}

#[test]
fn a_preview_service_that_is_made_again_sends_users_home() {
    let mut world = switched();

    world.user(&UserAction::DeleteService(PREVIEW.to_owned()));
    world.user(&UserAction::CreateService(PREVIEW.to_owned()));
    world.reaches("users are home", |world| world.weight() == 0);
    world.reaches("the switch again", |world| world.weight() == 100);

    assert!(world.serves(1) && world.previews(2), "{}", world.describe());
}

#[test]
fn an_active_service_that_is_made_again_goes_to_the_stable_version_behind_the_route() {
    let mut world = switched();

    world.user(&UserAction::DeleteService(ACTIVE.to_owned()));
    world.passes(5);
    world.user(&UserAction::CreateService(ACTIVE.to_owned()));
    world.passes(10);

    assert!(world.serves(1) && world.weight() == 100, "{}", world.describe());
}

#[test]
fn a_lost_status_is_found_out_from_the_active_service_behind_the_route() {
    let mut world = switched();
    world.user(&UserAction::SetGates(Some(gates("1"))));
    thinks(&mut world, Opinion::Endless);

    world.user(&UserAction::WipeStatus);
    world.passes(30);

    assert!(world.is_stable(1) && world.serves(1), "{}", world.describe());
    assert_eq!(world.weight(), 0);
}

#[test]
fn the_autoscaler_counts_what_users_meet_by_the_route() {
    let world = switched();

    let status = world.status();
    let selector = format!("app=web,rollouts-pod-template-hash={}", hash(2));
    assert_eq!((status.replicas, status.hpa_replicas), (20, 10));
    assert_eq!(status.selector, selector);
}

#[test]
fn the_history_tells_of_the_weight_and_the_switch_before_the_promotion() {
    let mut world = blue_green_by_route().deployed();

    world.applies(2);
    world.rests();

    let switched = world.position_of(FactKind::Switched);
    assert!(switched.is_some() && switched < world.position_of(FactKind::Promoted));
    let history = &world.status().history;
    let weights: Vec<_> = history
        .iter()
        .filter(|fact| fact.kind == FactKind::WeightInForce)
        .filter_map(|fact| Some((fact.revision.clone()?, fact.in_force?.percent())))
        .collect();
    assert_eq!(weights, [(hash(1), 0), (hash(2), 100), (hash(2), 0)]);
}
