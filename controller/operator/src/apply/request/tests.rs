use kulta_api::Group;
use kulta_core::spec::RouteKind;
use serde_json::json;

use super::*;

/// The requests of the Rollout shop/web.
fn with<T>(build: impl FnOnce(Requests<'_>) -> T) -> T {
    build(Requests {
        rollout: &ObjectKey::new("shop", "web"),
    })
}

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

fn merge(request: &Request) -> &Value {
    match &request.operation {
        Operation::Merge(patch) => patch,
        other => panic!("no merge patch: {other:?}"),
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

fn apply_to(route: &mut Value, request: &Request) -> Result<(), json_patch::PatchError> {
    match &request.operation {
        Operation::Test(patch) | Operation::TestStrictly(patch) | Operation::TestStatus(patch) => {
            json_patch::patch(route, patch)
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

const SCALE: Scale = Scale {
    replicas: 3,
    min_ready_seconds: 5,
    desired_replicas: 10,
};

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

#[test]
fn a_service_keeps_the_rest_of_its_selector() {
    let mut service = json!({"spec": {"selector": {"app": "web"}, "clusterIP": "10.0.0.1"}});

    json_patch::merge(
        &mut service,
        merge(&with(|requests| {
            requests.point_service("web-canary", "12", "abc")
        })),
    );

    assert_eq!(
        service,
        json!({
            "metadata": {"resourceVersion": "12", "annotations": {names::MANAGED_BY_ANNOTATION: "web"}},
            "spec": {"selector": {"app": "web", names::HASH_LABEL: "abc"}, "clusterIP": "10.0.0.1"},
        })
    );
}

#[test]
fn scaling_notes_the_desired_replicas_too() {
    let request = with(|requests| requests.scale_replica_set("web-abc", "12", SCALE));

    assert_eq!(
        merge(&request),
        &json!({
            "metadata": {"resourceVersion": "12", "annotations": {names::DESIRED_REPLICAS_ANNOTATION: "10"}},
            "spec": {"replicas": 3, "minReadySeconds": 5},
        })
    );
    assert_eq!(request.target.to_string(), "ReplicaSet shop/web-abc");
}

#[test]
fn a_deadline_is_written_in_utc_or_taken_away() {
    let deadline = "2026-03-01T13:30:00+01:00".parse().unwrap();
    for (deadline, written) in [
        (Some(deadline), json!("2026-03-01T12:30:00Z")),
        (None, Value::Null),
    ] {
        let request = with(|requests| requests.set_scale_down_deadline("web-abc", "12", deadline));

        let metadata = &merge(&request)["metadata"];
        assert_eq!(
            metadata["annotations"],
            json!({names::SCALE_DOWN_DEADLINE_ANNOTATION: written})
        );
        assert_eq!(metadata["resourceVersion"], json!("12"));
    }
}

#[test]
fn revisions_are_noted_as_text() {
    let digest = TemplateDigest::stored("d1gest");
    let recorded = with(|requests| requests.record_revision("web-abc", "12", 4, Some("1,2"), &digest));
    let annotated = with(|requests| requests.annotate_rollout("13", Some(4), None));

    assert_eq!(
        merge(&recorded)["metadata"],
        json!({"resourceVersion": "12", "annotations": {
            names::REVISION_ANNOTATION: "4",
            names::REVISION_HISTORY_ANNOTATION: "1,2",
            names::TEMPLATE_DIGEST_ANNOTATION: "d1gest",
        }})
    );
    assert_eq!(
        merge(&annotated)["metadata"],
        json!({"resourceVersion": "13", "annotations": {names::REVISION_ANNOTATION: "4"}})
    );
    assert_eq!(annotated.target.to_string(), "Rollout shop/web");
}

#[test]
fn a_delete_names_the_one_object_it_means() {
    assert_eq!(
        with(|requests| requests.delete(Kind::ReplicaSet, "web-abc", "uid-1", "12")).operation,
        Operation::Delete {
            uid: "uid-1".to_owned(),
            resource_version: "12".to_owned()
        }
    );
}

#[test]
fn an_adoption_writes_all_owners_under_uid_and_version() {
    let owners = [
        json!({"kind": "Other"}),
        json!({"kind": "Rollout", "controller": true}),
    ];

    let request = with(|requests| requests.adopt_replica_set("web-abc", "uid-1", "12", &owners));

    assert_eq!(
        merge(&request),
        &json!({"metadata": {"uid": "uid-1", "resourceVersion": "12", "ownerReferences": owners}})
    );
}

#[test]
fn a_status_is_replaced_as_a_whole() {
    let mut rollout = json!({"metadata": {"resourceVersion": "12"}, "status": {"abort": true, "old": 1}});

    apply_to(
        &mut rollout,
        &with(|requests| requests.replace_status("12", json!({"phase": "Healthy"}))),
    )
    .unwrap();

    assert_eq!(rollout["status"], json!({"phase": "Healthy"}));
}

#[test]
fn a_status_is_not_written_over_a_newer_object() {
    let mut rollout = json!({"metadata": {"resourceVersion": "13"}});
    assert!(
        apply_to(
            &mut rollout,
            &with(|requests| requests.replace_status("12", json!({})))
        )
        .is_err()
    );
}

mod argo {
    use super::*;

    fn target(kind: Kind, key: ObjectKey) -> Target {
        let version = None;
        Target { kind, key, version }
    }

    #[test]
    fn the_status_of_an_analysis_is_a_field_there() {
        let (own, argo) = Group::ALL
            .map(|group| ObjectKey::in_group(group, "shop", "web"))
            .into();
        let status = |key| replace_status(target(Kind::AnalysisRun, key), "7", json!({})).operation;

        assert!(matches!(status(own), Operation::TestStatus(_)));
        assert!(matches!(status(argo), Operation::Test(_)));
    }

    #[test]
    fn the_status_of_a_rollout_is_a_subresource_in_both_groups() {
        for group in Group::ALL {
            let rollout = ObjectKey::in_group(group, "shop", "web");
            let request = Requests { rollout: &rollout }.replace_status("7", json!({}));
            assert!(matches!(request.operation, Operation::TestStatus(_)), "{group}");
            assert_eq!(request.target.key, rollout);
        }
    }

    #[test]
    fn analyses_are_of_the_group_of_their_rollout() {
        let rollout = ObjectKey::in_group(Group::Argo, "shop", "web");
        let requests = Requests { rollout: &rollout };

        let run = requests.create(Judge::AnalysisRun, "web-abc-2", json!({}));
        let replica_set = requests.create_replica_set("web-abc", json!({}));

        assert_eq!(run.target.key, rollout.beside("web-abc-2"));
        assert_eq!(replica_set.target.key, ObjectKey::new("shop", "web-abc"));
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

#[test]
fn a_note_on_an_experiment_is_for_the_experiment_as_it_was_seen() {
    let left = "2026-01-01T00:00:00Z";
    let until = Routed::Until(left.parse().unwrap());
    let now = Routed::Now(["try-a", "try-b"].map(str::to_owned).into());
    let marked = with(|requests| requests.mark_experiment("try", "7", &now));
    let released = with(|requests| requests.mark_experiment("try", "8", &until));

    let note = |version: &str, note: &str| json!({"metadata": {"resourceVersion": version, "annotations": {"kulta.io/in-routes": note}}});
    assert_eq!(merge(&marked), &note("7", "try-a,try-b"));
    assert_eq!(merge(&released), &note("8", left));
    assert_eq!((Routed::read("try-a,try-b"), Routed::read(left)), (now, until));
    assert_eq!(marked.target.to_string(), "Experiment shop/try");
}
