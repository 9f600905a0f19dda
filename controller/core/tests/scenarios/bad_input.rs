//! What is missing, wrong or contradictory: each ends in a clear condition, moves nothing, and heals by itself.

use kulta_core::spec::{Amount, Method};
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use crate::simulation::builder::{RolloutBuilder, backend, pause, route, routed, weight};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), pause()])
}

fn assert_invalid(world: &World, told: &str) {
    assert_eq!(
        world.condition(ConditionType::InvalidSpec),
        Some((Truth::True, Reason::InvalidSpec))
    );
    assert_eq!(world.phase(), Phase::Degraded);
    assert!(
        world.status().message.contains(told),
        "{told:?} is not in {:?}",
        world.status().message
    );
}

#[test]
fn a_rollout_made_before_its_services_becomes_healthy_once_they_exist() {
    let mut world = canary().without(STABLE).without(CANARY).new_rollout();
    world.rests();
    assert_invalid(&world, "web-stable");

    world.user(&UserAction::CreateService(STABLE.to_owned()));
    world.user(&UserAction::CreateService(CANARY.to_owned()));
    world.rests();

    assert_eq!(
        (world.phase(), world.condition(ConditionType::InvalidSpec)),
        (Phase::Healthy, None)
    );
}

#[test]
fn a_missing_route_is_told_and_no_step_is_made() {
    let mut world = canary().deployed();
    world.user(&UserAction::DeleteRoute(route(0)));
    world.applies(2);
    world.rests();
    assert_invalid(&world, "shop/web-0");
    assert_eq!((world.step(), world.pods(1)), (Some(0), 10));

    world.user(&UserAction::CreateRoute(route(0)));
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Paused, 20));
}

#[test]
fn a_service_deleted_in_mid_rollout_and_created_again_heals() {
    for service in [STABLE, CANARY] {
        let mut world = canary().paused_at_version_2();
        world.user(&UserAction::DeleteService(service.to_owned()));
        world.rests();
        assert_invalid(&world, service);

        world.user(&UserAction::CreateService(service.to_owned()));
        world.rests();

        assert_eq!((world.phase(), world.weight()), (Phase::Paused, 20), "{service}");
    }
}

#[test]
fn a_canary_replica_set_deleted_in_mid_rollout_is_made_again() {
    let mut world = canary().paused_at_version_2();

    world.user(&UserAction::DeleteReplicaSet { current: true });
    world.rests();

    assert_eq!(
        (world.phase(), world.weight(), world.pods(2)),
        (Phase::Paused, 20, 2)
    );
    assert!(world.is_stable(1));
}

#[test]
fn a_stable_replica_set_deleted_in_mid_rollout_leaves_the_canary_to_serve() {
    let mut world = canary().paused_at_version_2();

    world.user(&UserAction::DeleteReplicaSet { current: false });
    world.rests();

    assert!(world.is_stable(2));
    assert_eq!(
        (world.phase(), world.pods(2), world.weight()),
        (Phase::Healthy, 10, 0)
    );
}

#[test]
fn a_route_that_names_none_of_the_two_services_is_told() {
    let mut world = canary()
        .backends([backend(0, 0, "elsewhere", None)])
        .new_rollout();

    world.rests();

    assert_invalid(&world, "web-0");
}

#[test]
fn a_route_that_names_only_one_of_the_two_services_is_told() {
    let mut world = canary().backends([backend(0, 0, STABLE, None)]).new_rollout();

    world.rests();

    assert_invalid(&world, "both");
}

#[test]
fn a_port_that_the_service_does_not_serve_is_told() {
    let mut wrong = backend(0, 1, CANARY, Some(0));
    wrong.port = Some(8080);

    let mut world = canary()
        .backends([backend(0, 0, STABLE, Some(100)), wrong])
        .new_rollout();
    world.rests();

    assert_invalid(&world, "8080");
}

#[test]
fn a_service_whose_selector_does_not_match_the_template_is_told() {
    let mut world = canary().new_rollout();
    let service = world.cluster.services.get_mut(CANARY).expect("it was created");
    service.selector.insert("tier".to_owned(), "backend".to_owned());

    world.rests();

    assert_invalid(&world, "tier");
    assert_eq!(
        world.selects(CANARY),
        None,
        "a Service of somebody else is not taken"
    );
}

#[test]
fn a_service_without_a_selector_is_told_and_not_taken() {
    let mut world = canary().new_rollout();
    let service = world.cluster.services.get_mut(STABLE).expect("it was created");
    service.selector.clear();

    world.rests();

    assert_invalid(&world, "no selector");
    assert_eq!(world.selects(STABLE), None);
}

#[test]
fn a_route_without_a_gateway_is_told() {
    let mut world = canary().gateways([]).new_rollout();

    world.rests();

    assert_invalid(&world, "parentRefs");
}

#[test]
fn a_refused_route_does_not_keep_the_others_from_going_home() {
    let mut world = canary().two_routes().paused_at_version_2();
    world.cluster.environment.route_refusal = Some("policy".to_owned());
    world.cluster.environment.refused_route = Some(route(0));

    world.user(&UserAction::Abort);
    world.passes(20);

    assert_eq!(world.weights(), [20, 0]);
}

#[test]
fn a_service_of_another_rollout_is_not_taken() {
    let mut world = canary().new_rollout();
    world
        .cluster
        .services
        .get_mut(CANARY)
        .expect("it was created")
        .managed_by = Some("other".to_owned());

    world.rests();

    assert_invalid(&world, "other");
    assert_eq!(world.selects(CANARY), None);
}

#[test]
fn an_overlapping_selector_is_told_and_nothing_is_touched() {
    let mut world = canary().new_rollout();
    world.cluster.overlaps_with = Some("elder".to_owned());

    world.rests();

    assert_invalid(&world, "elder");
    assert!(world.cluster.replica_sets.is_empty());
}

#[test]
fn an_invalid_spec_in_mid_rollout_moves_nothing_until_it_is_mended() {
    let mut world = canary().paused_at_version_2();
    world.user(&UserAction::SpoilSpec);
    world.rests();
    assert_invalid(&world, "maxSurg");
    assert_eq!((world.weight(), world.pods(2)), (20, 2));

    world.user(&UserAction::MendSpec);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
}

#[test]
fn an_abort_brings_traffic_home_though_the_spec_is_invalid() {
    let mut world = canary().paused_at_version_2();
    world.user(&UserAction::SpoilSpec);
    world.rests();

    world.user(&UserAction::Abort);
    world.rests();
    assert_invalid(&world, "maxSurg");
    assert_eq!((world.weight(), world.pods(1)), (0, 10));

    world.user(&UserAction::MendSpec);
    world.rests();

    assert_eq!(
        world.condition(ConditionType::Progressing),
        Some((Truth::False, Reason::RolloutAborted))
    );
    assert_eq!((world.weight(), world.pods(2)), (0, 0));
}

#[test]
fn an_abort_does_nothing_where_the_traffic_of_an_invalid_spec_is_not_known() {
    let mut world = canary().paused_at_version_2();
    world.cluster.rollout.spec.method = Method::Basic {
        stable_service: None,
        canary_service: None,
        max_surge: Amount::Pods(1),
        max_unavailable: Amount::Pods(0),
    };
    world.user(&UserAction::SpoilSpec);

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!((world.weight(), world.pods(2)), (20, 2));
}

#[test]
fn a_status_wiped_in_mid_rollout_loses_no_traffic() {
    let mut world = routed()
        .steps([weight(40), pause(), weight(80), pause()])
        .paused_at_version_2();

    for _ in 0..3 {
        world.user(&UserAction::WipeStatus);
        world.passes(7);
    }
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Paused, 40));
    assert!(world.is_stable(1));
}
