//! Managed routes, and the steps that set them.

use kulta_core::spec::{HeaderMatch, HeaderRoute, MirrorRoute, RequestMatch, TextMatch};

use super::*;

/// A canary with these managed routes and steps.
fn managed(names: &[&str], steps: &Value) -> Value {
    let names: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let spec = with(
        routed(),
        "/strategy/canary/trafficRouting/managedRoutes",
        json!(names),
    );
    canary(spec, "steps", steps.clone())
}

fn header_step(value: &Value) -> Value {
    json!([{"setHeaderRoute": {"name": "testers", "match": [{"headerName": "X-Tester", "headerValue": value}]}}])
}

fn mirror_step(matched: &Value) -> Value {
    json!([{"setMirrorRoute": {"name": "testers", "match": [matched]}}])
}

const STEP: &str = "spec.strategy.canary.steps[0]";

#[test]
fn a_header_route_asks_for_values_in_three_ways() {
    for (value, expected) in [
        (json!({"exact": "a"}), TextMatch::Exact("a".to_owned())),
        (json!({"prefix": "a"}), TextMatch::Prefix("a".to_owned())),
        (
            json!({"regex": "a", "exact": ""}),
            TextMatch::Regex("a".to_owned()),
        ),
    ] {
        let spec = accepted(&managed(&["testers"], &header_step(&value)));

        let header = HeaderMatch {
            name: "X-Tester".to_owned(),
            value: expected,
        };
        let route = HeaderRoute {
            name: "testers".to_owned(),
            matches: vec![header],
        };
        assert_eq!(spec.steps, [Meaning::SetHeaderRoute(route)]);
        assert_eq!(spec.routing().unwrap().managed_routes, ["testers"]);
    }
}

#[test]
fn a_mirror_route_asks_for_method_path_and_headers() {
    let matched = json!({
        "method": {"exact": "GET"}, "path": {"prefix": "/shop"}, "headers": {"x-a": {"regex": "1.*"}},
    });
    let mut steps = mirror_step(&matched);
    steps[0]["setMirrorRoute"]["percentage"] = json!(30);

    let spec = accepted(&managed(&["testers"], &steps));

    let matched = RequestMatch {
        method: Some("GET".to_owned()),
        path: Some(TextMatch::Prefix("/shop".to_owned())),
        headers: vec![HeaderMatch {
            name: "x-a".to_owned(),
            value: TextMatch::Regex("1.*".to_owned()),
        }],
    };
    let route = MirrorRoute {
        name: "testers".to_owned(),
        matches: vec![matched],
        percentage: Some(Weight::new(30).unwrap()),
    };
    assert_eq!(spec.steps, [Meaning::SetMirrorRoute(route)]);
}

#[test]
fn without_match_a_route_is_taken_away() {
    let steps = json!([{"setHeaderRoute": {"name": "a"}}, {"setMirrorRoute": {"name": "b", "match": []}}]);

    let spec = accepted(&managed(&["a", "b"], &steps));

    let is_empty = |step: &Meaning| match step {
        Meaning::SetHeaderRoute(route) => route.matches.is_empty(),
        Meaning::SetMirrorRoute(route) => route.matches.is_empty(),
        _ => false,
    };
    assert!(spec.steps.iter().all(is_empty), "{:?}", spec.steps);
}

#[test]
fn a_value_is_asked_for_in_exactly_one_way() {
    let path = format!("{STEP}.setHeaderRoute.match[0].headerValue");
    for (value, words) in [
        (Value::Null, "StringMatch value missed"),
        (json!({}), "StringMatch value missed"),
        (json!({"exact": ""}), "StringMatch value missed"),
        (json!({"exact": "a", "regex": "a"}), "must have exactly one of"),
    ] {
        assert_refused(&managed(&["testers"], &header_step(&value)), &path, words);
    }
}

#[test]
fn what_a_route_can_not_ask_for_is_refused() {
    let path = format!("{STEP}.setMirrorRoute.match[0]");
    for (matched, field, words) in [
        (json!({"method": {"prefix": "G"}}), "method", "exactly one method"),
        (
            json!({"method": {"exact": "FETCH"}}),
            "method",
            "exactly one method",
        ),
        (
            json!({"path": {"exact": "shop"}}),
            "path",
            "must begin with \"/\"",
        ),
        (
            json!({"headers": {"x-a": {}}}),
            "headers.x-a",
            "StringMatch value missed",
        ),
        (
            json!({"headers": {"x a": {"exact": "1"}}}),
            "headers.x a",
            "not the name of a header",
        ),
    ] {
        let spec = managed(&["testers"], &mirror_step(&matched));
        assert_refused(&spec, &format!("{path}.{field}"), words);
    }
    let mut steps = mirror_step(&json!({}));
    steps[0]["setMirrorRoute"]["percentage"] = json!(101);
    assert_refused(
        &managed(&["testers"], &steps),
        &format!("{STEP}.setMirrorRoute.percentage"),
        "between 0 and 100",
    );
}

#[test]
fn a_header_is_asked_for_once() {
    let twice = json!([
        {"headerName": "X-A", "headerValue": {"exact": "1"}}, {"headerName": "x-a", "headerValue": {"exact": "2"}},
    ]);
    let steps = json!([{"setHeaderRoute": {"name": "testers", "match": twice}}]);

    assert_refused(
        &managed(&["testers"], &steps),
        &format!("{STEP}.setHeaderRoute.match"),
        "twice",
    );
}

#[test]
fn steps_set_managed_routes_only() {
    let steps = header_step(&json!({"exact": "a"}));
    let words =
        "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
    assert_refused(
        &managed(&["other"], &steps),
        &format!("{STEP}.setHeaderRoute.name"),
        words,
    );
    assert_refused(
        &canary(routed(), "steps", steps.clone()),
        &format!("{STEP}.setHeaderRoute"),
        "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'",
    );
    assert_refused(
        &canary(basic(), "steps", steps),
        &format!("{STEP}.setHeaderRoute"),
        "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix",
    );
    assert_refused(
        &canary(basic(), "steps", mirror_step(&json!({}))),
        &format!("{STEP}.setMirrorRoute"),
        "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
    );
}

#[test]
fn names_of_managed_routes_are_names_of_rules_that_can_be_numbered() {
    let path = "spec.strategy.canary.trafficRouting.managedRoutes";
    for (names, index, words) in [
        (vec!["Testers"], 0, "can't be the name of a rule"),
        (vec![""], 0, "can't be the name of a rule"),
        (vec!["a", "a"], 1, "could have the same name"),
        (vec!["a", "a-12"], 1, "could have the same name"),
        (vec!["a-1", "a"], 1, "could have the same name"),
    ] {
        let spec = managed(&names, &json!([]));
        assert_refused(&spec, &format!("{path}[{index}].name"), words);
    }
    accepted(&managed(&["a", "a-b", "ab"], &json!([])));
}

#[test]
fn which_routes_take_managed_rules_is_said_at_each_of_them() {
    let gateway_api = json!({
        "httpRoutes": [{"name": "a"}, {"name": "b", "useHeaderRoutes": false}], "grpcRoutes": [{"name": "a"}],
    });
    let spec = with(
        routed(),
        "/strategy/canary/trafficRouting/gatewayAPI",
        gateway_api,
    );

    let spec = accepted(&spec);

    let routes = spec.routing().unwrap().routes.iter();
    let routes: Vec<_> = routes
        .map(|route| {
            (
                route.reference.kind.as_str(),
                route.reference.name.as_str(),
                route.takes_managed_rules,
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("HTTPRoute", "a", true),
            ("HTTPRoute", "b", false),
            ("GRPCRoute", "a", true)
        ]
    );
}

#[test]
fn routes_of_connections_take_no_managed_rules() {
    let by = |gateway_api| {
        let spec = managed(&["testers"], &header_step(&json!({"exact": "a"})));
        with(spec, "/strategy/canary/trafficRouting/gatewayAPI", gateway_api)
    };
    let beside = by(
        json!({"httpRoutes": [{"name": "a"}], "tcpRoutes": [{"name": "a"}], "tlsRoutes": [{"name": "a"}]}),
    );
    let routes = accepted(&beside).routing().unwrap().routes.clone();
    let takes: Vec<_> = routes.iter().map(|route| route.takes_managed_rules).collect();
    assert_eq!(takes, [true, false, false]);

    let path = "spec.strategy.canary.trafficRouting";
    let alone = by(json!({"tlsRoutes": [{"name": "a"}]}));
    assert_refused(&alone, path, "setHeaderRoute would do nothing");
    let asked =
        by(json!({"httpRoutes": [{"name": "a"}], "tcpRoutes": [{"name": "a", "useHeaderRoutes": true}]}));
    let path = format!("{path}.gatewayAPI.tcpRoutes[0].useHeaderRoutes");
    assert_refused(&asked, &path, "unknown field");
}

#[test]
fn the_plugin_takes_one_route_for_a_header_route_and_others_only_if_they_say_so() {
    let configuration = json!({
        "httpRoute": "a", "httpRoutes": [{"name": "b"}, {"name": "c", "useHeaderRoutes": true}],
        "grpcRoute": "a", "grpcRoutes": [{"name": "b"}],
    });
    let spec = canary(
        routed(),
        "trafficRouting",
        json!({"plugins": {"argoproj-labs/gatewayAPI": configuration}}),
    );

    let spec = accepted(&spec);

    let routes = spec.routing().unwrap().routes.iter();
    let routes: Vec<_> = routes
        .map(|route| (route.path.rsplit('.').next().unwrap(), route.takes_managed_rules))
        .collect();
    let expected = [
        ("httpRoute", true),
        ("httpRoutes[0]", false),
        ("httpRoutes[1]", true),
        ("grpcRoute", true),
        ("grpcRoutes[0]", false),
    ];
    assert_eq!(routes.len(), 5);
    for ((path, takes), (field, expected)) in routes.into_iter().zip(expected) {
        assert!(path.ends_with(field), "{path}");
        assert_eq!(takes, expected, "{path}");
    }
}

#[test]
fn a_step_that_no_route_would_follow_is_refused_here_and_passes_with_argo_rollouts() {
    let spec = managed(&["testers"], &header_step(&json!({"exact": "a"})));
    let routes = json!({"httpRoutes": [{"name": "web", "useHeaderRoutes": false}]});
    let spec = with(spec, "/strategy/canary/trafficRouting/gatewayAPI", routes);

    assert_refused(
        &spec,
        "spec.strategy.canary.trafficRouting",
        "setHeaderRoute would do nothing",
    );
    assert!(parse(Group::Argo, "shop", &spec).is_ok());
    let grpc = json!({"grpcRoutes": [{"name": "web"}]});
    let mirrored = |matched: &Value| {
        let spec = managed(&["testers"], &mirror_step(matched));
        with(spec, "/strategy/canary/trafficRouting/gatewayAPI", grpc.clone())
    };
    assert_refused(
        &mirrored(&json!({"method": {"exact": "GET"}})),
        "spec.strategy.canary.trafficRouting",
        "setMirrorRoute with nothing but paths and methods of HTTP would do nothing",
    );
    accepted(&mirrored(&json!({"headers": {"x-test": {"exact": "1"}}})));
}
