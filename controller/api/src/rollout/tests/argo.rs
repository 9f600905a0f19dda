//! What manifests for Argo Rollouts say otherwise, and what of them is refused by name.

use super::*;

/// A canary as it is written for Argo Rollouts with its plugin for the Gateway API.
fn plugged(configuration: &Value) -> Value {
    let routing = json!({"plugins": {"argoproj-labs/gatewayAPI": configuration}});
    canary(routed(), "trafficRouting", routing)
}

fn routes_of(spec: &Value) -> Vec<String> {
    let spec = accepted(spec);
    let routes = spec.routing().expect("traffic routing").routes.iter();
    routes.map(|route| route.reference.to_string()).collect()
}

fn told(group: Group, spec: &Value) -> Vec<Problem> {
    parse(group, "shop", spec)
        .err()
        .map_or_else(Vec::new, |invalid| invalid.problems)
}

const PLUGIN: &str = "spec.strategy.canary.trafficRouting.plugins.argoproj-labs/gatewayAPI";

#[test]
fn the_plugins_configuration_names_one_route_or_many_in_one_namespace() {
    let cases = [
        (json!({"httpRoute": "web"}), vec!["shop/web"]),
        (json!({"httpRoute": "web", "namespace": "edge"}), vec!["edge/web"]),
        (
            json!({"httpRoutes": [{"name": "a"}, {"name": "b"}], "namespace": ""}),
            vec!["shop/a", "shop/b"],
        ),
        (
            json!({"httpRoute": "web", "httpRoutes": [{"name": "a"}]}),
            vec!["shop/web", "shop/a"],
        ),
    ];
    for (configuration, expected) in cases {
        assert_eq!(routes_of(&plugged(&configuration)), expected, "{configuration}");
    }
}

#[test]
fn a_plugin_without_a_route_or_with_one_twice_is_told() {
    let none = told(Group::Argo, &plugged(&json!({})));
    assert_eq!(none[0].path, format!("{PLUGIN}.httpRoutes"));
    let twice = json!({"httpRoute": "web", "httpRoutes": [{"name": "web"}]});
    let twice = told(Group::Argo, &plugged(&twice));
    assert_eq!(twice[0].path, format!("{PLUGIN}.httpRoutes[0]"));
}

#[test]
fn routes_are_named_in_one_place_only() {
    let mut spec = plugged(&json!({"httpRoute": "web"}));
    spec["strategy"]["canary"]["trafficRouting"]["gatewayAPI"] = json!({"httpRoutes": [{"name": "web"}]});

    assert_eq!(told(Group::Argo, &spec)[0].path, PLUGIN);
}

#[test]
fn what_the_plugin_does_not_know_either_is_refused_by_name() {
    for field in ["udpRoute", "tcpRouteSelectors"] {
        let problems = told(Group::Argo, &plugged(&json!({"httpRoute": "web", field: "x"})));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, format!("{PLUGIN}.{field}"));
    }
}

#[test]
fn routes_of_connections_are_named_as_those_of_requests_and_take_no_managed_rules() {
    let configuration = json!({
        "tlsRoute": "db", "tlsRoutes": [{"name": "mail"}], "tcpRoute": "db", "tcpRoutes": [{"name": "queue"}],
        "httpRoute": "web", "tcpRouteSelector": {"matchLabels": {"app": "db"}}, "namespace": "edge",
    });

    let routing = routing_of(&configuration);

    let routes: Vec<_> = routing
        .routes
        .iter()
        .map(|route| {
            let (kind, takes) = (route.reference.kind, route.takes_managed_rules);
            (kind.as_str(), route.reference.to_string(), takes)
        })
        .collect();
    let expected = [
        ("HTTPRoute", "edge/web".to_owned(), true),
        ("TCPRoute", "edge/db".to_owned(), false),
        ("TCPRoute", "edge/queue".to_owned(), false),
        ("TLSRoute", "edge/db".to_owned(), false),
        ("TLSRoute", "edge/mail".to_owned(), false),
    ];
    assert_eq!(routes, expected);
    let path = format!("{PLUGIN}.tcpRouteSelector");
    assert_eq!(routing.selectors, [(RouteKind::Tcp, path)]);
    assert!(routing.in_progress_label.is_some());
}

/// Its plugin passes over it.
#[test]
fn managed_rules_of_connections_pass_with_argo_rollouts_and_are_refused_here() {
    for field in ["tcpRoutes", "tlsRoutes"] {
        let spec = plugged(&json!({field: [{"name": "db", "useHeaderRoutes": true}]}));

        assert_eq!(told(Group::Argo, &spec), []);
        let path = format!("{PLUGIN}.{field}[0].useHeaderRoutes");
        assert_refused(&spec, &path, "whole connections");
    }
}

fn routing_of(configuration: &Value) -> kulta_core::spec::TrafficRouting {
    let spec = accepted(&plugged(configuration));
    spec.routing().expect("traffic routing").clone()
}

#[test]
fn routes_under_way_have_the_plugins_label_unless_it_is_another_or_none() {
    let label = |configuration: Value| {
        let label = routing_of(&configuration).in_progress_label;
        label.map(|label| format!("{}={}", label.key, label.value))
    };
    let of_the_plugin = "rollouts.argoproj.io/gatewayapi-canary=in-progress";
    assert_eq!(label(json!({"httpRoute": "web"})).as_deref(), Some(of_the_plugin));
    let other = json!({"httpRoute": "web", "inProgressLabelKey": "a", "inProgressLabelValue": "b"});
    assert_eq!(label(other).as_deref(), Some("a=b"));
    let none = json!({"httpRoute": "web", "disableInProgressLabel": true});
    assert_eq!(label(none), None);
    assert_eq!(accepted(&routed()).routing().unwrap().in_progress_label, None);
}

#[test]
fn what_can_not_be_a_label_is_told() {
    for (field, value) in [
        ("inProgressLabelKey", "a b"),
        ("inProgressLabelKey", "Example.com/a"),
        ("inProgressLabelValue", "-"),
    ] {
        let problems = told(Group::Argo, &plugged(&json!({"httpRoute": "web", field: value})));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, format!("{PLUGIN}.{field}"));
    }
}

#[test]
fn routes_of_another_namespace_get_no_label_that_means_something_else() {
    let problems = |namespace: &str, more: Value| {
        let mut configuration = json!({"httpRoute": "web", "namespace": namespace});
        let fields = configuration.as_object_mut().unwrap();
        fields.extend(more.as_object().cloned().unwrap());
        told(Group::Argo, &plugged(&configuration))
    };
    let key = |key: &str| json!({"inProgressLabelKey": key});

    for foreign in ["team", "example.com/exposed", "gateway.networking.k8s.io/gateway"] {
        let told = problems("edge", key(foreign));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].path, format!("{PLUGIN}.inProgressLabelKey"));
        assert!(told[0].message.contains("\"edge\""), "{told:?}");
    }
    for (namespace, more) in [
        ("edge", json!({})),
        ("edge", key("kulta.io/canary")),
        ("edge", key("rollouts.argoproj.io/mine")),
        (
            "edge",
            json!({"inProgressLabelKey": "team", "disableInProgressLabel": true}),
        ),
        ("", key("team")),
    ] {
        assert_eq!(problems(namespace, more.clone()).len(), 0, "{namespace} {more}");
    }
}

#[test]
fn a_selector_finds_routes_that_need_no_name() {
    let configuration = json!({
        "httpRouteSelector": {"matchLabels": {"app": "web"}}, "grpcRouteSelector": {"matchLabels": {"app": "api"}},
        "namespace": "edge",
    });
    let spec = plugged(&configuration);

    let routing = routing_of(&configuration);
    let selectors = crate::rollout::route_selectors(&spec);

    assert_eq!(routing.routes, []);
    let paths: Vec<_> = routing.selectors.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            format!("{PLUGIN}.httpRouteSelector"),
            format!("{PLUGIN}.grpcRouteSelector")
        ]
    );
    let labels = |index: usize| selectors[index].selector.match_labels.clone().unwrap()["app"].clone();
    assert_eq!((labels(0), labels(1)), ("web".to_owned(), "api".to_owned()));
    assert_eq!(selectors[0].namespace.as_deref(), Some("edge"));
}

#[test]
fn a_selector_that_can_not_be_meant_is_told() {
    for (selector, path) in [
        (json!({}), "httpRouteSelector"),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            "httpRouteSelector.matchExpressions[0]",
        ),
    ] {
        let problems = told(Group::Argo, &plugged(&json!({"httpRouteSelector": selector})));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, format!("{PLUGIN}.{path}"));
    }
}

#[test]
fn a_negative_threshold_is_none_and_one_above_100_percent_is_all_pods() {
    let of = |kind: &str, value: i32| {
        let threshold = json!({"type": kind, "value": value});
        let spec = canary(basic(), "replicaProgressThreshold", threshold);
        let spec = parse(Group::Argo, "shop", &spec).expect("accepted");
        (spec.progress_threshold, spec.enough(7))
    };

    assert_eq!(of("Percent", -1), (None, 7));
    assert_eq!(of("Pods", -1), (None, 7));
    assert_eq!(of("Percent", 150), (Some(Amount::Percent(150)), 7));
}

#[test]
fn fields_of_argo_rollouts_that_kulta_does_not_have_are_refused_by_name() {
    let routers = [
        "istio",
        "nginx",
        "alb",
        "smi",
        "ambassador",
        "appMesh",
        "traefik",
        "apisix",
    ];
    let routers = routers.map(|router| format!("trafficRouting/{router}"));
    let others = [
        "pingPong",
        "trafficRouting/plugins/example~1router",
        "steps/0/plugin",
    ];
    let places = routers.into_iter().chain(others.map(str::to_owned));
    for place in places {
        let pointer = format!("/strategy/canary/{place}");
        let path = format!(
            "spec.strategy.canary.{}",
            place.replace('/', ".").replace("~1", "/")
        );
        let path = path.replace("steps.0", "steps[0]");
        let mut spec = canary(plugged(&json!({"httpRoute": "web"})), "steps", json!([{}]));
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let place = if parent.is_empty() {
            &mut spec
        } else {
            spec.pointer_mut(parent).unwrap()
        };
        place[field.replace("~1", "/")] = json!({});

        let problems = told(Group::Argo, &spec);

        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path);
    }
}

#[test]
fn an_amount_that_is_a_text_is_a_percentage_there() {
    let spec = canary(basic(), "maxSurge", json!("25"));

    let parsed = parse(Group::Argo, "shop", &spec).unwrap();

    let Method::Basic { max_surge, .. } = parsed.method else {
        panic!("{parsed:?}");
    };
    assert_eq!(max_surge, Amount::Percent(25));
    assert!(parse(Group::Kulta, "shop", &spec).is_err());
}

#[test]
fn more_missing_pods_than_there_are_are_all_pods_there() {
    let spec = canary(basic(), "maxUnavailable", json!("150%"));

    let parsed = parse(Group::Argo, "shop", &spec).unwrap();

    let Method::Basic { max_unavailable, .. } = parsed.method else {
        panic!("{parsed:?}");
    };
    assert_eq!(max_unavailable, Amount::Percent(100));
}

#[test]
fn what_means_nothing_without_traffic_routing_is_borne_as_there() {
    let borne = ["abortScaleDownDelaySeconds", "minPodsPerReplicaSet"];
    for field in borne {
        let spec = canary(basic(), field, json!(5));
        assert_eq!(told(Group::Argo, &spec), [], "{field}");
        assert!(!told(Group::Kulta, &spec).is_empty(), "{field}");
    }
    for (field, value) in [
        ("scaleDownDelaySeconds", json!(5)),
        ("dynamicStableScale", json!(true)),
    ] {
        let problems = told(Group::Argo, &canary(basic(), field, value));
        let words = format!("Canary {field} can only be used with traffic routing");
        assert!(problems[0].message.starts_with(&words), "{problems:?}");
    }
}
