//! What is sent to change a route, and what becomes of the rest of it.

use kulta_core::spec::RouteKind;
use serde_json::{Value, json};

use super::super::tests::apply_to;
use super::*;

/// The request for the route edge/web.
fn weights(generation: i64, changes: &[WeightChange]) -> Request {
    changed(generation, changes, &[])
}

fn changed(generation: i64, changes: &[WeightChange], rules: &[RuleChange]) -> Request {
    let route = RouteReference {
        kind: RouteKind::Http,
        namespace: "edge".to_owned(),
        name: "web".to_owned(),
    };
    let changes = RouteChanges {
        weights: changes,
        rules,
        ..nothing()
    };
    change_route(&route, "v1".to_owned(), generation, changes)
}

fn nothing() -> RouteChanges<'static> {
    RouteChanges {
        weights: &[],
        backends: &[],
        rules: &[],
        label: None,
    }
}

fn change(index: usize, name: &str, from: Option<u32>, to: u32) -> WeightChange {
    WeightChange {
        rule: 1,
        index,
        name: name.to_owned(),
        from,
        to,
    }
}

fn operations(request: &Request) -> Value {
    match &request.operation {
        Operation::Test(patch) | Operation::TestStrictly(patch) | Operation::TestStatus(patch) => {
            serde_json::to_value(patch).unwrap()
        }
        other => panic!("no JSON patch: {other:?}"),
    }
}

fn route() -> Value {
    json!({
        "metadata": {"generation": 7},
        "spec": {"rules": [
            {"backendRefs": [{"name": "other"}]},
            {
                "filters": [{"type": "ExtensionRef", "unknown": true}],
                "backendRefs": [
                    {"name": "web-stable", "weight": 90, "port": 80},
                    {"name": "web-canary", "port": 80},
                    {"name": "legacy", "weight": 3},
                ],
            },
        ]},
    })
}

#[test]
fn one_rule_is_put_in_changed_or_taken_out_by_its_index_and_name() {
    let name = || "testers".to_owned();
    let with_testers = |rule: &Value| {
        let mut route = route();
        route["spec"]["rules"]
            .as_array_mut()
            .unwrap()
            .insert(0, rule.clone());
        route
    };
    let (first, second) = (
        json!({"name": "testers", "a": 1}),
        json!({"name": "testers", "a": 2}),
    );
    let add = RuleChange::Add {
        index: 0,
        rule: first.clone(),
    };
    let replace = RuleChange::Replace {
        index: 0,
        name: name(),
        rule: second.clone(),
    };
    let remove = RuleChange::Remove {
        index: 0,
        name: name(),
    };
    for (before, change, after) in [
        (route(), add, with_testers(&first)),
        (with_testers(&first), replace, with_testers(&second)),
        (with_testers(&second), remove, route()),
    ] {
        let mut patched = before;
        let request = changed(7, &[], &[change]);
        apply_to(&mut patched, &request).unwrap();
        assert_eq!(patched, after);
        assert!(matches!(request.operation, Operation::TestStrictly(_)));
    }
}

#[test]
fn a_label_comes_beside_others_or_as_the_first_one_and_goes_alone() {
    let label = || RouteLabel {
        key: "example.com/rollout".to_owned(),
        value: "in-progress".to_owned(),
    };
    let labelled = |labels: Option<Value>| {
        let mut route = route();
        route["metadata"]["resourceVersion"] = json!("70");
        if let Some(labels) = labels {
            route["metadata"]["labels"] = labels;
        }
        route
    };
    let first = LabelChange::Set {
        label: label(),
        first: Some("70".to_owned()),
    };
    let next = LabelChange::Set {
        label: label(),
        first: None,
    };
    let own = json!({"example.com/rollout": "in-progress"});
    let both = json!({"a": "b", "example.com/rollout": "in-progress"});
    for (before, change, after) in [
        (None, first, Some(own)),
        (Some(json!({"a": "b"})), next, Some(both.clone())),
        (Some(both), LabelChange::Remove(label()), Some(json!({"a": "b"}))),
    ] {
        let mut patched = labelled(before);
        let reference = RouteReference {
            kind: RouteKind::Grpc,
            namespace: "edge".to_owned(),
            name: "web".to_owned(),
        };
        let changes = RouteChanges {
            label: Some(&change),
            ..nothing()
        };
        let request = change_route(&reference, "v1".to_owned(), 7, changes);
        apply_to(&mut patched, &request).unwrap();
        assert_eq!(patched, labelled(after));
        assert_eq!(request.target.to_string(), "GRPCRoute edge/web");
    }
}

#[test]
fn another_rule_than_the_named_one_is_neither_changed_nor_taken_out() {
    let name = || "testers".to_owned();
    for change in [
        RuleChange::Replace {
            index: 0,
            name: name(),
            rule: json!({}),
        },
        RuleChange::Remove {
            index: 0,
            name: name(),
        },
    ] {
        let mut patched = route();
        let request = changed(7, &[], &[change]);
        assert!(apply_to(&mut patched, &request).is_err());
    }
}

#[test]
fn weights_are_the_only_fields_of_a_route_that_change() {
    let mut patched = route();

    let request = weights(
        7,
        &[
            change(0, "web-stable", Some(90), 50),
            change(1, "web-canary", None, 50),
        ],
    );
    apply_to(&mut patched, &request).unwrap();

    let mut expected = route();
    expected["spec"]["rules"][1]["backendRefs"][0]["weight"] = json!(50);
    expected["spec"]["rules"][1]["backendRefs"][1]["weight"] = json!(50);
    assert_eq!(patched, expected);
    assert_eq!(request.target.to_string(), "HTTPRoute edge/web");
}

#[test]
fn a_written_weight_is_tested_before_it_is_replaced() {
    let request = weights(7, &[change(0, "web-stable", Some(90), 50)]);

    assert_eq!(
        operations(&request),
        json!([
            {"op": "test", "path": "/metadata/generation", "value": 7},
            {"op": "test", "path": "/spec/rules/1/backendRefs/0/name", "value": "web-stable"},
            {"op": "test", "path": "/spec/rules/1/backendRefs/0/weight", "value": 90},
            {"op": "replace", "path": "/spec/rules/1/backendRefs/0/weight", "value": 50},
        ])
    );
}

#[test]
fn a_weight_that_was_not_written_is_added() {
    let request = weights(7, &[change(1, "web-canary", None, 50)]);

    assert_eq!(
        operations(&request),
        json!([
            {"op": "test", "path": "/metadata/generation", "value": 7},
            {"op": "test", "path": "/spec/rules/1/backendRefs/1/name", "value": "web-canary"},
            {"op": "add", "path": "/spec/rules/1/backendRefs/1/weight", "value": 50},
        ])
    );
}

#[test]
fn a_route_that_changed_is_left_alone() {
    let cases = [
        ("another generation", 6, change(0, "web-stable", Some(90), 50)),
        (
            "another ref at the index",
            7,
            change(2, "web-stable", Some(90), 50),
        ),
        ("another weight", 7, change(0, "web-stable", Some(80), 50)),
        ("no such ref any more", 7, change(9, "web-stable", Some(90), 50)),
    ];
    for (name, generation, change) in cases {
        let mut patched = route();

        let result = apply_to(&mut patched, &weights(generation, &[change]));

        assert!(result.is_err(), "{name}");
        assert_eq!(patched, route(), "{name}");
    }
}

fn split(refs: &Value) -> Value {
    json!({"metadata": {"generation": 7}, "spec": {"rules": [{"backendRefs": refs}]}})
}

fn with_shares(backends: &[BackendChange]) -> Request {
    let reference = RouteReference {
        kind: RouteKind::Http,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    };
    let changes = RouteChanges {
        backends,
        ..nothing()
    };
    change_route(&reference, "v1".to_owned(), 7, changes)
}

#[test]
fn a_share_comes_behind_the_other_refs_and_goes_by_its_name() {
    let pair = [
        json!({"name": "web-stable", "weight": 90}),
        json!({"name": "web-canary", "weight": 10}),
    ];
    let share = json!({"group": "", "kind": "Service", "name": "try-new", "port": 8080, "weight": 0});
    let without = split(&json!(pair));
    let with = split(&json!([pair[0], pair[1], share]));
    let mut route = without.clone();

    let added = BackendChange::Add {
        rule: 0,
        name: "try-new".to_owned(),
        port: 8080,
    };
    apply_to(&mut route, &with_shares(&[added])).unwrap();
    assert_eq!(route, with);

    let removed = |name: &str| BackendChange::Remove {
        rule: 0,
        index: 2,
        name: name.to_owned(),
    };
    assert!(apply_to(&mut route.clone(), &with_shares(&[removed("try-old")])).is_err());
    apply_to(&mut route, &with_shares(&[removed("try-new")])).unwrap();
    assert_eq!(route, without);
}
