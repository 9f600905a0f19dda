//! What others do to the shares of experiments, and to what they are written in.

use kulta_core::observed::BackendView;

use super::*;

/// Somebody writes a ref without a weight behind those of the two versions.
fn adds_ref(world: &mut World, name: &str) {
    let tick = world.cluster.tick;
    let written = world.cluster.routes.get_mut(&route(0)).expect("the route");
    let mut refs = written.backends().to_vec();
    refs.push(backend(0, 2, name, Some(0)));
    written.edit(tick, refs);
    world.cluster.changed();
}

/// So many refs in one rule, the first two those of the two versions.
fn crowded(count: usize) -> Vec<BackendView> {
    let pair = [backend(0, 0, STABLE, Some(100)), backend(0, 1, CANARY, Some(0))];
    let others = (2..count).map(|index| backend(0, index, &format!("other-{index}"), Some(0)));
    pair.into_iter().chain(others).collect()
}

#[test]
fn a_ref_that_somebody_wrote_for_a_service_of_an_experiment_is_left_alone() {
    let mut world = begun();
    let name = format!("{}-baseline", world.cluster.analysis_runs[0].name);
    adds_ref(&mut world, &name);

    world.rests();

    let shares = world.shares();
    assert_eq!(
        shares,
        [("baseline".to_owned(), 0), ("canary".to_owned(), 5)],
        "{}",
        world.describe()
    );
}

#[test]
fn a_share_that_somebody_takes_out_comes_again() {
    let mut world = sharing();

    let reference = route(0);
    let tick = world.cluster.tick;
    let written = world.cluster.routes.get_mut(&reference).unwrap();
    written.apply_first(tick, GITOPS);
    assert!(world.shares().is_empty());
    world.rests();

    assert_eq!(
        (world.shares(), world.stable_weight()),
        (five_each(), 70),
        "{}",
        world.describe()
    );
}

#[test]
fn a_lost_status_leaves_nothing_behind() {
    let mut world = sharing();

    world.user(&UserAction::WipeStatus);
    thinks(&mut world, Opinion::After(5, AnalysisPhase::Successful));
    world.rests();

    assert!(
        world.is_stable(2) && world.has_no_shares(),
        "{}",
        world.describe()
    );
}

#[test]
fn shares_of_another_controller_stay_and_are_noted() {
    let mut world = sharing();
    world.cluster.analysis_runs[0].pods.routed = None;
    world.cluster.changed();

    world.rests();

    assert_eq!(world.shares(), five_each(), "{}", world.describe());
    assert!(world.is_marked());
}

#[test]
fn a_strategy_without_routes_can_t_leave_shares_behind() {
    let mut world = sharing();
    let method = Box::new(basic(1, 0).spec.method);

    world.user(&UserAction::SetStrategy(method, Vec::new()));
    world.rests();

    let message = &world.status().message;
    assert!(message.contains("experiment"), "{message}");
    assert!(world.is_marked(), "{}", world.describe());
}

#[test]
fn a_rule_that_has_no_room_for_shares_is_told() {
    let mut world = canary().backends(crowded(15)).new_rollout();

    world.rests();

    let message = &world.status().message;
    assert!(
        message.contains("has 15 backendRefs, and with the 2 templates"),
        "{message}"
    );
}

#[test]
fn a_rule_with_just_enough_room_has_its_shares() {
    let mut world = sharing_with(canary().backends(crowded(14)));

    world.rests();

    assert_eq!(world.shares(), five_each(), "{}", world.describe());
}

#[test]
fn a_route_of_another_namespace_is_told_that_it_can_have_no_shares() {
    let mut rollout = canary();
    if let Method::Routed(canary) = &mut rollout.spec.method {
        canary.routing.routes[0].reference.namespace = "edge".to_owned();
    }
    let mut world = rollout.new_rollout();

    world.rests();

    let message = &world.status().message;
    assert!(
        message.contains("\"edge/web-0\" is in another namespace"),
        "{message}"
    );
}

/// Whoever may write the status could have refs of others taken away.
#[test]
fn a_status_that_names_other_services_takes_nothing_away() {
    let mut world = sharing();
    world.user(&UserAction::Abort);
    world.rests();
    let forged = [STABLE, "orders"].map(|service| AdditionalWeight {
        weight: 0,
        service_name: service.to_owned(),
        pod_template_hash: String::new(),
    });
    let traffic = world.cluster.rollout.status.traffic.as_mut();
    traffic.expect("a split").additional = forged.into();
    world.cluster.others.insert("orders".to_owned());
    adds_ref(&mut world, "orders");

    world.rests();

    let names: Vec<_> = first(&world)
        .backends()
        .iter()
        .map(|backend| backend.name.as_str())
        .collect();
    assert_eq!(names, [STABLE, CANARY, "orders"], "{}", world.describe());
    assert_eq!(world.additional(), []);
}

#[test]
fn a_route_of_another_namespace_never_gets_a_share() {
    let mut world = sharing();
    let elsewhere = RouteReference {
        namespace: "edge".to_owned(),
        ..route(0)
    };
    let other = first(&world).clone();
    world.cluster.routes.insert(elsewhere.clone(), other);
    if let Method::Routed(canary) = &mut world.cluster.rollout.spec.method {
        let mut named = canary.routing.routes[0].clone();
        named.reference = elsewhere.clone();
        canary.routing.routes.push(named);
    }
    world.cluster.rollout.generation += 1;
    world.cluster.changed();

    world.rests();

    let refs = world.cluster.routes[&elsewhere].backends();
    assert!(refs.len() <= 4, "{refs:?}");
}

#[test]
fn an_experiment_stays_as_long_as_a_route_that_is_no_longer_the_rollouts_names_it() {
    let mut world = sharing();
    let elsewhere = RouteReference {
        name: "former".to_owned(),
        ..route(0)
    };
    let former = first(&world).clone();
    world.cluster.routes.insert(elsewhere.clone(), former);

    world.user(&UserAction::Abort);
    world.rests();
    assert!(
        world.additional().is_empty() && world.is_marked(),
        "{}",
        world.describe()
    );

    world.cluster.routes.remove(&elsewhere);
    world.cluster.changed();
    world.rests();
    assert!(world.has_no_shares(), "{}", world.describe());
}

#[test]
fn somebody_who_keeps_taking_a_share_out_is_told_to_leave_it() {
    let mut world = sharing();

    for _ in 0..6 {
        world.passes(10);
        let tick = world.cluster.tick;
        let written = world.cluster.routes.get_mut(&route(0)).unwrap();
        written.apply_first(tick, GITOPS);
        world.cluster.changed();
        world.passes(10);
    }

    let condition = world.status().condition(ConditionType::RouteContested);
    let message = condition.map_or("", |condition| &condition.message);
    assert!(
        message.contains("[.spec.rules[].backendRefs]"),
        "{}",
        world.describe()
    );
}

#[test]
fn a_gateway_that_rejects_a_share_does_not_keep_the_rollout_from_going_home() {
    let mut world = begun();
    world.reaches("refs", |world| !world.shares().is_empty());
    world.cluster.routes.get_mut(&route(0)).unwrap().gateways[0].answer = Answer::Rejects(0);
    world.passes(20);

    world.user(&UserAction::Abort);
    world.passes(10);

    assert!(world.shares().is_empty(), "{}", world.describe());
}

#[test]
fn a_rule_that_comes_in_the_middle_of_it_gets_its_share_in_turn() {
    let mut world = sharing();
    let tick = world.cluster.tick;
    let written = world.cluster.routes.get_mut(&route(0)).unwrap();
    let mut refs = written.backends().to_vec();
    refs.extend([backend(1, 0, STABLE, Some(80)), backend(1, 1, CANARY, Some(20))]);
    written.write(tick, Author::Controller, refs);
    world.cluster.changed();

    world.rests();

    let both = [five_each(), five_each()].concat();
    assert_eq!(world.shares(), both, "{}", world.describe());
}

#[test]
fn shares_of_an_experiment_that_somebody_deleted_go() {
    let mut world = sharing();
    thinks(&mut world, Opinion::Held);

    world.user(&UserAction::DeleteAnalysisRuns);
    world.passes(2);

    assert!(world.shares().is_empty(), "{}", world.describe());
    assert_eq!((world.weight(), world.stable_weight()), (20, 80));
}
