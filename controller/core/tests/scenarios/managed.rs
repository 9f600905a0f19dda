//! Routes by header and mirror routes: rules of the controller's own, beside those of users.

use kulta_core::spec::{MirrorRoute, RequestMatch, Step, TextMatch};
use kulta_core::status::{ConditionType, Phase, Reason, Truth};
use serde_json::{Value, json};

use crate::simulation::builder::{
    RolloutBuilder, backend, canary_pods, header_route, mirror_route, no_header_route, pause, route, routed,
    weight,
};
use crate::simulation::cluster::{CANARY, NAMESPACE, STABLE};
use crate::simulation::route::{Answer, Route};
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Two pods for those who test, and nobody else.
fn testers() -> RolloutBuilder {
    routed().steps([
        canary_pods(2),
        header_route("testers", "alice"),
        pause(),
        weight(20),
        pause(),
    ])
}

fn first(world: &World) -> &Route {
    &world.cluster.routes[&route(0)]
}

fn rule(world: &World, name: &str) -> Value {
    let rules = first(world).rules().into_iter();
    let mut named = rules.filter(|rule| rule["name"] == name);
    named.next().unwrap_or(Value::Null)
}

fn edit(world: &mut World, name: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let tick = world.cluster.tick;
    let edited = world.cluster.routes.get_mut(&route(0)).expect("a route");
    let index = edited
        .rules()
        .iter()
        .position(|rule| rule["name"] == name)
        .expect("a rule");
    edited.edit_rule(tick, index, change);
    world.cluster.changed();
}

#[test]
fn requests_with_a_header_go_to_the_canary_at_weight_0() {
    let world = testers().paused_at_version_2();

    let rule = rule(&world, "testers");

    assert_eq!((world.weight(), world.step()), (0, Some(2)));
    let header = json!({"type": "Exact", "name": "x-tester", "value": "alice"});
    assert_eq!(
        rule["matches"],
        json!([{"path": {"type": "PathPrefix", "value": "/0"}, "headers": [header]}])
    );
    assert_eq!(rule["backendRefs"][0]["name"], CANARY);
    assert_eq!(rule["backendRefs"][0]["weight"], 1);
    assert_eq!(rule["backendRefs"][1], Value::Null);
}

#[test]
fn a_header_route_before_any_canary_pod_comes_with_the_first_one_and_stays() {
    let steps = [header_route("testers", "alice"), weight(20), pause()];
    let mut world = routed().steps(steps).deployed();

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(2)));
    assert_eq!(world.managed_rules(), ["testers"]);
}

#[test]
fn a_header_route_does_not_come_before_a_canary_pod_is_ready() {
    let mut world = testers().deployed();
    world.cluster.behave(
        2,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.passes(60);

    assert_eq!(world.managed_rules(), Vec::<&str>::new());
}

#[test]
fn an_abort_takes_the_header_route_away_before_the_pods() {
    let mut world = testers().paused_at_version_2();

    world.user(&UserAction::Abort);
    world.passes(2);
    let (rules, pods) = (world.managed_rules().len(), world.pods(2));
    world.rests();

    assert_eq!((rules, pods), (0, 2));
    assert_eq!((world.pods(2), world.managed_rules().len()), (0, 0));
}

#[test]
fn pods_wait_until_a_slow_gateway_has_taken_the_removal_over() {
    let mut world = testers().paused_at_version_2();
    for gateway in &mut world.cluster.routes.get_mut(&route(0)).expect("a route").gateways {
        gateway.answer = Answer::Accepts(50);
    }

    world.user(&UserAction::Abort);
    world.passes(45);

    assert_eq!((world.managed_rules().len(), world.pods(2)), (0, 2));
}

#[test]
fn a_promotion_leaves_no_rule_behind() {
    let mut world = testers().paused_at_version_2();

    world.user(&UserAction::Resume);
    world.rests();
    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!((world.phase(), world.managed_rules().len()), (Phase::Healthy, 0));
    assert_eq!(first(&world).rules().len(), 1);
}

#[test]
fn a_full_promotion_takes_the_rules_away() {
    let mut world = testers().paused_at_version_2();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert_eq!((world.phase(), world.managed_rules().len()), (Phase::Healthy, 0));
}

#[test]
fn another_version_gets_the_rule_only_once_its_own_pods_are_ready() {
    let mut world = testers().paused_at_version_2();

    world.applies(3);
    world.reaches("the rule is gone", |world| world.managed_rules().is_empty());
    world.rests();

    assert_eq!((world.step(), world.managed_rules()), (Some(2), vec!["testers"]));
}

#[test]
fn without_matches_only_the_named_route_is_taken_away() {
    let mut world = routed()
        .steps([
            weight(20),
            header_route("testers", "alice"),
            mirror_route("shadow"),
            no_header_route("testers"),
            pause(),
        ])
        .deployed();

    world.applies(2);
    world.rests();

    assert_eq!(world.managed_rules(), ["shadow"]);
}

#[test]
fn rules_stand_in_the_order_of_managed_routes_before_those_that_split() {
    let mut world = routed()
        .steps([
            weight(20),
            mirror_route("shadow"),
            header_route("testers", "alice"),
            pause(),
        ])
        .deployed();

    world.applies(2);
    world.rests();

    let names: Vec<_> = first(&world)
        .rules()
        .iter()
        .map(|rule| rule["name"].clone())
        .collect();
    assert_eq!(names, [json!("testers"), json!("shadow"), Value::Null]);
}

#[test]
fn every_rule_that_splits_gets_one_of_its_own() {
    let backends = [
        backend(0, 0, STABLE, Some(100)),
        backend(0, 1, CANARY, Some(0)),
        backend(1, 0, STABLE, None),
        backend(2, 0, STABLE, Some(100)),
        backend(2, 1, CANARY, Some(0)),
    ];
    let world = testers().backends(backends).paused_at_version_2();

    assert_eq!(world.managed_rules(), ["testers", "testers-1"]);
    assert_eq!(rule(&world, "testers-1")["matches"][0]["path"]["value"], "/2");
}

#[test]
fn a_mirror_route_keeps_the_weights_that_everybody_else_has() {
    let mut world = routed()
        .steps([weight(20), mirror_route("shadow"), pause(), weight(50), pause()])
        .deployed();
    world.applies(2);
    world.rests();
    let before = rule(&world, "shadow");

    world.user(&UserAction::Resume);
    world.rests();
    let after = rule(&world, "shadow");

    let weights = |rule: &Value| {
        [
            rule["backendRefs"][0]["weight"].clone(),
            rule["backendRefs"][1]["weight"].clone(),
        ]
    };
    assert_eq!(
        (weights(&before), weights(&after)),
        ([json!(80), json!(20)], [json!(50), json!(50)])
    );
    assert_eq!(
        before["filters"][0]["requestMirror"]["backendRef"]["name"],
        CANARY
    );
    assert_eq!(before["matches"][0]["method"], "GET");
}

#[test]
fn an_edit_of_a_managed_rule_is_corrected_at_once() {
    let mut world = testers().paused_at_version_2();
    let before = rule(&world, "testers");

    edit(&mut world, "testers", |rule| {
        rule.insert("matches".to_owned(), json!([]));
    });
    world.passes(2);

    assert_eq!(rule(&world, "testers"), before);
}

#[test]
fn a_rule_that_somebody_took_away_comes_again() {
    let mut world = testers().paused_at_version_2();

    world.user(&UserAction::ApplyRoute(route(0)));
    world.passes(2);

    assert_eq!((world.managed_rules(), world.weight()), (vec!["testers"], 0));
}

#[test]
fn a_manager_that_keeps_taking_the_rule_away_is_named() {
    let mut world = testers().paused_at_version_2();

    for _ in 0..10 {
        world.user(&UserAction::ApplyRoute(route(0)));
        world.passes(5);
    }

    let contested = ConditionType::RouteContested;
    assert_eq!(
        world.condition(contested),
        Some((Truth::True, Reason::ForeignManager))
    );
    let message = world
        .status()
        .condition(contested)
        .map(|condition| condition.message.clone());
    assert!(message.is_some_and(|message| message.contains("^(testers|shadow)(-[0-9]+)?$")));
}

#[test]
fn a_rule_of_somebody_with_such_a_name_is_told_and_left() {
    let mut world = testers().deployed();
    let tick = world.cluster.tick;
    let edited = world.cluster.routes.get_mut(&route(0)).expect("a route");
    edited.edit_rule(tick, 0, |rule| {
        rule.insert("name".to_owned(), json!("testers"));
    });
    world.cluster.changed();

    world.applies(2);
    world.passes(60);

    assert_eq!(
        world.condition(ConditionType::InvalidSpec),
        Some((Truth::True, Reason::InvalidSpec))
    );
    let message = &world.status().message;
    assert!(message.contains("give one of the two another name"), "{message}");
    assert_eq!(first(&world).rules().len(), 1);
}

/// Somebody's rule of such a name behind the one that splits, with these Services.
fn with_foreign_rule(rollout: RolloutBuilder, services: &[&str], name: &str, more: &Value) -> World {
    let foreign = services.iter().enumerate();
    let foreign = foreign.map(|(index, service)| backend(1, index, service, None));
    let ours = [backend(0, 0, STABLE, Some(100)), backend(0, 1, CANARY, Some(0))];
    let backends: Vec<_> = ours.into_iter().chain(foreign).collect();
    let mut world = rollout.backends(backends).deployed();
    let tick = world.cluster.tick;
    let edited = world.cluster.routes.get_mut(&route(0)).expect("a route");
    edited.edit_rule(tick, 1, |rule| {
        rule.insert("name".to_owned(), json!(name));
        rule.extend(more.as_object().cloned().expect("fields"));
    });
    world.cluster.changed();
    world
}

#[test]
fn a_rule_that_sends_elsewhere_is_never_taken_for_one_of_the_controllers_whatever_the_status_says() {
    let mirror = |kind: &str, namespace: &str| {
        let to = json!({"kind": kind, "namespace": namespace, "name": CANARY});
        json!({"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": to}}]})
    };
    for (services, more) in [
        (&["api"][..], json!({})),
        (&["api"], mirror("Service", NAMESPACE)),
        (&[CANARY, "api"], json!({})),
        (&[STABLE, CANARY], mirror("Service", "elsewhere")),
        (&[STABLE, CANARY], mirror("ServiceImport", NAMESPACE)),
    ] {
        let mut world = with_foreign_rule(testers(), services, "testers-1", &more);
        let traffic = world.cluster.rollout.status.traffic.as_mut().expect("traffic");
        traffic.managed_routes = vec!["testers".to_owned()];
        world.cluster.changed();

        world.applies(2);
        world.passes(30);

        assert_eq!(world.managed_rules(), ["testers-1"], "{services:?} {more}");
        let message = &world.status().message;
        assert!(message.contains("rules[1] is called \"testers-1\""), "{message}");
    }
}

#[test]
fn a_name_that_only_the_status_remembers_is_free_for_others() {
    let mut world = with_foreign_rule(testers(), &["api"], "of-before", &json!({}));
    let traffic = world.cluster.rollout.status.traffic.as_mut().expect("traffic");
    traffic.managed_routes = vec!["of-before".to_owned()];
    world.cluster.changed();

    world.applies(2);
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(2)));
    let names: Vec<_> = first(&world)
        .rules()
        .iter()
        .map(|rule| rule["name"].clone())
        .collect();
    assert_eq!(names, [json!("testers"), Value::Null, json!("of-before")]);
}

#[test]
fn a_mirror_route_that_would_get_requests_of_another_rule_is_told() {
    for (asked, is_told) in [("/api", true), ("/api/v1", true), ("/cart", false), ("/", false)] {
        let request = RequestMatch {
            method: None,
            path: Some(TextMatch::Prefix(asked.to_owned())),
            headers: Vec::new(),
        };
        let shadow = Step::SetMirrorRoute(MirrorRoute {
            name: "shadow".to_owned(),
            matches: vec![request],
            percentage: None,
        });
        let backends = [
            backend(0, 0, STABLE, Some(100)),
            backend(0, 1, CANARY, Some(0)),
            backend(1, 0, "api", None),
        ];
        let steps = [weight(20), shadow, pause()];
        let mut world = routed().steps(steps).backends(backends).deployed();
        let tick = world.cluster.tick;
        let edited = world.cluster.routes.get_mut(&route(0)).expect("a route");
        for (index, path) in ["/", "/api"].into_iter().enumerate() {
            let path = json!({"type": "PathPrefix", "value": path});
            edited.edit_rule(tick, index, |rule| {
                rule.insert("matches".to_owned(), json!([{"path": path}]));
            });
        }
        world.cluster.changed();

        world.applies(2);
        world.rests();

        let message = &world.status().message;
        let expected = "match[0] of the managed route \"shadow\" asks for more than rules[0] does";
        assert_eq!(message.contains(expected), is_told, "{asked}: {message}");
        assert_eq!(world.managed_rules().is_empty(), is_told, "{asked}");
    }
}

#[test]
fn a_rule_of_another_rollout_on_the_same_route_is_let_be_and_its_name_forgotten() {
    let mut world = with_foreign_rule(testers(), &["canary-of-another"], "testers", &json!({}));
    let before = first(&world).generation();
    let traffic = world.cluster.rollout.status.traffic.as_mut().expect("traffic");
    traffic.managed_routes = vec!["testers".to_owned()];
    world.cluster.changed();

    world.user(&UserAction::SetSteps(Vec::new()));
    world.passes(30);

    assert_eq!(
        (first(&world).generation(), world.managed_rules()),
        (before, vec!["testers"])
    );
}

#[test]
fn a_rule_of_somebody_that_sends_to_the_canary_alone_stays() {
    let mut world = testers()
        .backends([
            backend(0, 0, STABLE, Some(100)),
            backend(0, 1, CANARY, Some(0)),
            backend(1, 0, CANARY, None),
        ])
        .paused_at_version_2();

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!(first(&world).rules().len(), 2);
}

#[test]
fn a_route_that_takes_no_managed_rules_gets_none() {
    let world = testers()
        .routing(|routing| routing.routes[0].takes_managed_rules = false)
        .paused_at_version_2();

    assert_eq!((world.step(), world.managed_rules().len()), (Some(2), 0));
}

#[test]
fn a_step_that_a_user_holds_sets_no_route() {
    let mut world = routed()
        .steps([canary_pods(2), pause(), header_route("testers", "alice"), pause()])
        .paused_at_version_2();

    world.user(&UserAction::Pause(true));
    world.passes(20);

    assert_eq!(world.managed_rules().len(), 0);
}

#[test]
fn the_first_deploy_has_no_header_route() {
    let world = testers().deployed();

    assert_eq!((world.phase(), world.managed_rules().len()), (Phase::Healthy, 0));
}

#[test]
fn a_route_that_the_spec_names_no_more_is_taken_away() {
    let mut world = testers().paused_at_version_2();

    if let kulta_core::spec::Method::Routed(canary) = &mut world.cluster.rollout.spec.method {
        canary.routing.managed_routes.clear();
    }
    world.user(&UserAction::SetSteps(vec![canary_pods(2), pause()]));
    world.rests();

    assert_eq!(world.managed_rules().len(), 0);
}

mod label {
    use super::*;
    use crate::simulation::builder::in_progress;

    fn labelled(steps: impl Into<Vec<kulta_core::spec::Step>>) -> World {
        let rollout = routed().routing(|routing| routing.in_progress_label = Some(in_progress()));
        rollout.steps(steps).paused_at_version_2()
    }

    #[test]
    fn is_there_while_the_canary_has_a_weight_and_gone_after() {
        let mut world = labelled([weight(20), pause()]);
        let during = world.is_labelled();

        world.user(&UserAction::Resume);
        world.rests();

        assert_eq!((during, world.is_labelled()), (true, false));
    }

    #[test]
    fn is_there_while_testers_alone_meet_the_canary() {
        let mut world = labelled([canary_pods(2), header_route("testers", "alice"), pause()]);
        let during = world.is_labelled();

        world.user(&UserAction::Abort);
        world.rests();

        assert_eq!((during, world.is_labelled()), (true, false));
    }

    #[test]
    fn comes_again_when_somebody_takes_it_away_and_holds_up_nothing() {
        let mut world = labelled([weight(20), pause()]);

        world
            .cluster
            .routes
            .get_mut(&route(0))
            .expect("a route")
            .labels
            .clear();
        world.cluster.changed();
        world.passes(1);

        let traffic = world.status().traffic.as_ref();
        assert!(world.is_labelled());
        assert!(traffic.is_some_and(|traffic| traffic.verified));
    }

    #[test]
    fn that_somebody_always_takes_away_comes_again_more_and_more_seldom() {
        let mut world = labelled([weight(20), pause()]);

        let mut set = 0;
        for _ in 0..60 {
            let route = world.cluster.routes.get_mut(&route(0)).expect("a route");
            set += u32::from(!route.labels.is_empty());
            route.labels.clear();
            world.cluster.changed();
            world.passes(1);
        }

        assert!((5..=12).contains(&set), "{set}");
        let contested = world.condition(ConditionType::RouteContested);
        assert_eq!(contested, Some((Truth::True, Reason::ForeignManager)));
        let traffic = world.status().traffic.as_ref();
        assert!(traffic.is_some_and(|traffic| traffic.verified));
    }

    #[test]
    fn with_another_value_is_somebodys_and_stays() {
        let mut world = routed()
            .routing(|routing| routing.in_progress_label = Some(in_progress()))
            .steps([weight(20), pause()])
            .deployed();
        let labels = &mut world.cluster.routes.get_mut(&route(0)).expect("a route").labels;
        labels.insert(in_progress().key, "mine".to_owned());
        world.cluster.changed();

        world.applies(2);
        world.rests();
        world.user(&UserAction::Abort);
        world.rests();

        assert_eq!(first(&world).labels[&in_progress().key], "mine");
    }
}
