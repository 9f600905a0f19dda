//! Routes: acceptance, drift, contests, and what is none of the controller's business.

use kulta_core::observed::BackendView;
use kulta_core::spec::RouteKind;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use crate::simulation::builder::{
    RolloutBuilder, backend, header_route, pause, pause_for, route, routed, weight,
};
use crate::simulation::cluster::{CANARY, STABLE};
use crate::simulation::route::{Answer, Gateway};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), pause()])
}

fn gateway(name: &str, answer: Answer) -> Gateway {
    let mut gateway = Gateway::new(name);
    gateway.answer = answer;
    gateway
}

fn answers(world: &mut World, answer: Answer) {
    for gateway in world
        .cluster
        .routes
        .get_mut(&route(0))
        .into_iter()
        .flat_map(|route| &mut route.gateways)
    {
        gateway.answer = answer;
    }
}

/// Split by a route of TCP connections and by one of TLS connections.
fn by_connections() -> RolloutBuilder {
    let kinds = [RouteKind::Tcp, RouteKind::Tls];
    routed().two_routes().routing(|routing| {
        for (route, kind) in routing.routes.iter_mut().zip(kinds) {
            route.reference.kind = kind;
            route.takes_managed_rules = false;
        }
    })
}

#[test]
fn routes_of_connections_have_weights_and_no_managed_rules() {
    let steps = [weight(20), header_route("testers", "alice"), pause()];
    let mut world = by_connections().steps(steps).deployed();
    let tick = world.cluster.tick;
    for route in world.cluster.routes.values_mut() {
        route.edit_rule(tick, 0, |rule| {
            rule.insert("name".to_owned(), "testers".into());
        });
    }

    world.applies(2);
    world.rests();
    assert_eq!((world.phase(), world.weight()), (Phase::Paused, 20));
    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Healthy, 0));
    assert_eq!(world.managed_rules(), ["testers", "testers"]);
}

#[test]
fn a_kind_that_the_cluster_does_not_know_is_told_with_what_to_install() {
    let mut world = by_connections().without("route").new_rollout();

    world.rests();

    let message = &world.status().message;
    for told in [
        "TCPRoute \"shop/web-0\" not found",
        "does not know the kind TCPRoute, install the definitions of the Gateway API first: it is in the experimental",
        "TLSRoute \"shop/web-1\" not found",
        "the standard channel from release 1.5 on",
    ] {
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn a_weight_counts_only_once_a_gateway_has_accepted_it() {
    let mut world = canary()
        .gateways([gateway("infra/slow", Answer::Accepts(20))])
        .deployed();

    world.applies(2);
    world.reaches("the weight is written", |world| world.weight() == 20);
    world.passes(15);
    let early = world.step();
    world.rests();

    assert_eq!((early, world.step()), (Some(0), Some(1)));
}

#[test]
fn a_silent_gateway_beside_one_that_accepts_is_waited_for_until_the_deadline() {
    let silent = [
        gateway("infra/edge", Answer::Accepts(0)),
        gateway("infra/gone", Answer::Silent),
    ];
    let mut world = canary().gateways(silent).deployed();
    world.applies(2);
    world.reaches("the weight is written", |world| world.weight() == 20);

    world.passes(50);
    let early = world.step();
    world.rests();

    assert_eq!((early, world.step()), (Some(0), Some(1)));
    assert_eq!(
        world.condition(ConditionType::RouteNotAccepted),
        Some((Truth::True, Reason::RouteSilent))
    );
    let told = world
        .status()
        .condition(ConditionType::RouteNotAccepted)
        .map(|condition| condition.message.clone());
    assert!(told.is_some_and(|message| message.contains("infra/gone")));
}

#[test]
fn without_any_accepting_gateway_no_weight_counts() {
    let mut world = canary().deployed();
    answers(&mut world, Answer::Silent);

    world.applies(2);
    world.rests();

    assert_eq!(world.step(), Some(0));
    assert_eq!(world.pods(1), 10);
}

#[test]
fn a_rejected_route_is_told_and_goes_on_when_mended() {
    let mut world = canary().deployed();
    answers(&mut world, Answer::Rejects(0));
    world.applies(2);
    world.rests();
    let told = world.condition(ConditionType::RouteNotAccepted);

    answers(&mut world, Answer::Accepts(0));
    world.user(&UserAction::EditRoute(route(0)));
    world.rests();

    assert_eq!(told, Some((Truth::True, Reason::RouteRejected)));
    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
    assert_eq!(world.condition(ConditionType::RouteNotAccepted), None);
}

#[test]
fn reports_of_parents_that_the_route_no_longer_names_do_not_count() {
    let mut world = canary().deployed();
    answers(&mut world, Answer::Rejects(0));
    world.applies(2);
    world.rests();

    answers(&mut world, Answer::Accepts(0));
    world.user(&UserAction::ReplaceParents(route(0)));
    world.rests();

    assert_eq!((world.phase(), world.weight()), (Phase::Paused, 20));
}

#[test]
fn drift_is_corrected_at_once() {
    let mut world = canary().paused_at_version_2();

    world.user(&UserAction::ForceWeights(route(0), Some(0), Some(100)));
    world.passes(1);

    assert_eq!(world.weight(), 20);
}

#[test]
fn weights_that_are_not_written_count_as_drift() {
    let mut world = routed().deployed();

    world.user(&UserAction::ForceWeights(route(0), None, None));
    world.passes(1);

    assert_eq!(world.weight(), 0);
}

#[test]
fn a_manager_that_keeps_writing_is_named_and_corrections_back_off() {
    let mut world = canary().paused_at_version_2();
    let mut wrong = 0;

    for _ in 0..40 {
        world.user(&UserAction::ForceWeights(route(0), Some(100), Some(0)));
        world.passes(5);
        wrong += u32::from(world.weight() != 20);
    }

    assert_eq!(
        world.condition(ConditionType::RouteContested),
        Some((Truth::True, Reason::ForeignManager))
    );
    let told = world
        .status()
        .condition(ConditionType::RouteContested)
        .map(|condition| condition.message.clone());
    assert!(told.is_some_and(|message| message.contains("argocd-controller")));
    assert!(
        (1..40).contains(&wrong),
        "{wrong} of 40 times the weight was not corrected within 5 s"
    );
}

#[test]
fn a_manager_that_keeps_writing_two_routes_is_named() {
    let mut world = canary().two_routes().paused_at_version_2();

    for _ in 0..10 {
        world.user(&UserAction::ForceWeights(route(0), Some(100), Some(0)));
        world.passes(1);
        world.user(&UserAction::ForceWeights(route(1), Some(100), Some(0)));
        world.passes(5);
    }

    assert_eq!(
        world.condition(ConditionType::RouteContested),
        Some((Truth::True, Reason::ForeignManager))
    );
}

#[test]
fn a_manager_that_is_faster_than_the_gateway_is_named() {
    let slow = gateway("infra/slow", Answer::Accepts(10));
    let mut world = canary().gateways([slow]).deployed();
    world.applies(2);
    world.reaches("the weight is written", |world| world.weight() == 20);

    for _ in 0..10 {
        world.user(&UserAction::ForceWeights(route(0), Some(100), Some(0)));
        world.passes(3);
    }

    assert_eq!(
        world.condition(ConditionType::RouteContested),
        Some((Truth::True, Reason::ForeignManager))
    );
}

#[test]
fn corrected_weights_scale_no_pods() {
    let mut world = canary().paused_at_version_2();

    world.user(&UserAction::ForceWeights(route(0), Some(1), Some(1)));
    let most = (0..10).map(|_| {
        world.passes(1);
        world.pods(2)
    });

    assert_eq!(most.max(), Some(2));
}

#[test]
fn an_edit_that_leaves_the_weights_alone_is_no_trouble() {
    let slow = gateway("infra/slow", Answer::Accepts(5));
    let mut world = canary().gateways([slow]).deployed();
    world.passes(500);
    let facts = world.status().history.len();

    world.user(&UserAction::EditRoute(route(0)));
    world.passes(3);
    let told = (world.phase(), world.condition(ConditionType::RouteNotAccepted));
    world.rests();

    assert_eq!(told, (Phase::Healthy, None));
    assert_eq!(world.status().history.len(), facts);
}

#[test]
fn a_contest_that_is_over_is_forgotten_and_its_weights_are_right() {
    let mut world = canary().paused_at_version_2();
    for _ in 0..8 {
        world.user(&UserAction::ForceWeights(route(0), Some(100), Some(0)));
        world.passes(5);
    }

    world.rests();

    assert_eq!(world.weight(), 20);
    assert_eq!(world.condition(ConditionType::RouteContested), None);
}

#[test]
fn everything_else_in_a_route_is_left_alone() {
    let foreign_namespace = BackendView {
        namespace: "other".to_owned(),
        ..backend(0, 3, CANARY, Some(7))
    };
    let other_kind = BackendView {
        is_service: false,
        ..backend(0, 4, STABLE, Some(9))
    };
    let backends = [
        backend(0, 0, STABLE, Some(100)),
        backend(0, 1, CANARY, Some(0)),
        backend(0, 2, "elsewhere", Some(5)),
        foreign_namespace,
        other_kind,
        backend(1, 0, STABLE, None),
        backend(2, 0, CANARY, Some(3)),
    ];

    let world = canary().backends(backends.clone()).paused_at_version_2();

    let now = world.cluster.routes[&route(0)].backends().to_vec();
    assert_eq!((now[0].weight, now[1].weight), (Some(80), Some(20)));
    assert_eq!(now[2..], backends[2..]);
}

#[test]
fn every_rule_of_every_route_has_the_same_split() {
    let mut builder = canary().two_routes();
    builder
        .backends
        .extend([backend(1, 0, STABLE, None), backend(1, 1, CANARY, None)]);

    let world = builder.paused_at_version_2();

    assert_eq!(world.weights(), [20, 20, 20, 20]);
}

#[test]
fn weights_are_withheld_while_a_route_can_not_be_written_and_sent_later() {
    let mut world = canary().deployed();
    world.cluster.environment.route_refusal = Some("denied by policy".to_owned());
    world.applies(2);
    world.passes(60);
    let told = world.status().history.len();
    let early = (world.weight(), world.step());

    world.cluster.environment.route_refusal = None;
    world.cluster.changed();
    world.rests();

    assert!(told > 0);
    assert_eq!(early, (0, Some(0)));
    assert_eq!((world.weight(), world.phase()), (20, Phase::Paused));
}

#[test]
fn an_edit_by_somebody_else_between_reading_and_writing_is_read_again() {
    let mut world = routed()
        .steps([weight(20), pause_for(10), weight(70), pause()])
        .deployed();
    world.applies(2);

    for _ in 0..40 {
        world.user(&UserAction::EditRoute(route(0)));
        world.passes(1);
    }
    world.rests();

    assert_eq!((world.weight(), world.phase()), (70, Phase::Paused));
}
