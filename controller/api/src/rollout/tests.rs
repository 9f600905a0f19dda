//! What is accepted, what it means, and what is refused with which words.

use jiff::SignedDuration;
use kulta_core::revision::steps_hash;
use kulta_core::spec::{
    Amount, Analysis, CanaryScale, Method, Problem, Route, RouteKind, RouteReference, Spec, Step as Meaning,
    Weight, Whole,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse;
use crate::Group;

mod argo;
mod blue_green;
mod field_paths;
mod managed;
mod pods;
mod refusals;
mod workload;

/// The least that is valid: a basic canary without steps.
fn basic() -> Value {
    json!({
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web", "tier": "front"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
        "strategy": {"canary": {}},
    })
}

/// The least that is valid with traffic routing.
fn routed() -> Value {
    let mut spec = basic();
    spec["strategy"]["canary"] = json!({
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {"gatewayAPI": {"httpRoutes": [{"name": "web"}]}},
    });
    spec
}

/// `spec` with `value` at the JSON pointer `pointer`, whose parent exists.
fn with(mut spec: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    spec.pointer_mut(parent).expect("the parent")[field] = value;
    spec
}

fn without(mut spec: Value, pointer: &str) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    spec.pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("the parent")
        .remove(field);
    spec
}

fn canary(spec: Value, field: &str, value: Value) -> Value {
    with(spec, &format!("/strategy/canary/{field}"), value)
}

fn accepted(spec: &Value) -> Spec {
    parse(Group::Kulta, "shop", spec).unwrap_or_else(|invalid| panic!("{invalid:?}"))
}

fn refused(spec: &Value) -> Vec<Problem> {
    parse(Group::Kulta, "shop", spec).expect_err("refused").problems
}

/// The spec is refused for one reason: at `path`, with a message that contains `words`.
#[track_caller]
fn assert_refused(spec: &Value, path: &str, words: &str) {
    let problems = refused(spec);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, path, "{problems:?}");
    assert!(problems[0].message.contains(words), "{problems:?}");
}

mod defaults {
    use super::*;

    #[test]
    fn of_a_basic_canary_are_those_of_argo_rollouts() {
        let spec = accepted(&basic());

        assert_eq!(
            (spec.replicas, spec.min_ready_seconds, spec.revision_history_limit),
            (1, 0, 10)
        );
        assert_eq!(spec.progress_deadline, SignedDuration::from_secs(600));
        assert!(!spec.paused);
        assert_eq!(spec.selector, "app=web");
        assert_eq!(spec.template_labels["tier"], "front");
        assert_eq!(spec.steps, []);
        assert_eq!(spec.steps_hash, steps_hash(&Value::Null));
        let quarter = Amount::Percent(25);
        let (stable_service, canary_service) = (None, None);
        let method = Method::Basic {
            stable_service,
            canary_service,
            max_surge: quarter,
            max_unavailable: quarter,
        };
        assert_eq!(spec.method, method);
    }

    #[test]
    fn of_a_routed_canary_are_those_of_argo_rollouts() {
        let spec = accepted(&routed());

        let routing = spec.routing().expect("a routed canary");
        assert_eq!(
            routing.routes,
            [Route {
                reference: RouteReference {
                    kind: RouteKind::Http,
                    namespace: "shop".into(),
                    name: "web".into()
                },
                path: "spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[0]".into(),
                takes_managed_rules: true,
            }]
        );
        assert_eq!(routing.managed_routes, Vec::<String>::new());
        let canary = spec.routed_canary().expect("a routed canary");
        assert_eq!(canary.scale_down_delay, SignedDuration::from_secs(30));
        assert_eq!(canary.abort_scale_down_delay, Some(SignedDuration::from_secs(30)));
        assert!(!canary.dynamic_stable_scale);
        assert_eq!(canary.min_pods_per_replica_set, 0);
        assert_eq!(spec.services(), (Some("stable"), Some("canary")));
    }

    #[test]
    fn with_dynamic_stable_scale_the_canary_goes_at_once_after_an_abort() {
        let spec = accepted(&canary(routed(), "dynamicStableScale", json!(true)));

        let canary = spec.routed_canary().expect("a routed canary");
        assert!(canary.dynamic_stable_scale);
        assert_eq!(canary.abort_scale_down_delay, Some(SignedDuration::ZERO));
    }
}

mod accepts {
    use super::*;

    #[test]
    fn every_kind_of_step() {
        let steps = json!([
            {"setWeight": 0},
            {"setWeight": 100},
            {"pause": {}},
            {"pause": {"duration": 30}},
            {"pause": {"duration": "30"}},
            {"pause": {"duration": "1m30s"}},
            {"pause": {"duration": "500ms"}},
            {"setCanaryScale": {"replicas": 0}},
            {"setCanaryScale": {"weight": 50}},
            {"setCanaryScale": {"matchTrafficWeight": true}},
            {"setCanaryScale": {"replicas": 3, "matchTrafficWeight": false}},
        ]);

        let spec = accepted(&canary(routed(), "steps", steps.clone()));

        let pause = |milliseconds| Meaning::Pause(Some(SignedDuration::from_millis(milliseconds)));
        let half = Weight::new(50).expect("a weight");
        let expected = [
            Meaning::SetWeight(Weight::ZERO),
            Meaning::SetWeight(Weight::FULL),
            Meaning::Pause(None),
            pause(30_000),
            pause(30_000),
            pause(90_000),
            pause(500),
            Meaning::SetCanaryScale(CanaryScale::Replicas(0)),
            Meaning::SetCanaryScale(CanaryScale::Weight(half)),
            Meaning::SetCanaryScale(CanaryScale::MatchTrafficWeight),
            Meaning::SetCanaryScale(CanaryScale::Replicas(3)),
        ];
        assert_eq!(spec.steps, expected);
        assert_eq!(spec.steps_hash, steps_hash(&steps));
    }

    #[test]
    fn an_analysis_as_a_step_and_beside_the_steps() {
        let metrics = json!([{"name": "errors", "provider": {"plugin": {"prometheus": {"query": "up"}}}}]);
        let steps = json!([{"setWeight": 20}, {"analysis": {"metrics": metrics}}]);
        let spec = canary(routed(), "steps", steps);
        let spec = canary(spec, "analysis", json!({"metrics": metrics, "startingStep": 1}));

        let spec = accepted(&spec);

        let run = json!({"metrics": metrics});
        let args = Vec::new();
        let analysis = Analysis { run, args };
        assert_eq!(spec.steps[1], Meaning::Analysis(analysis.clone()));
        let background = spec.background.expect("an analysis beside the steps");
        assert_eq!((background.starting_step, background.analysis), (1, analysis));
    }

    #[test]
    fn how_many_pods_are_enough() {
        let of = |kind: &str, value: i32| {
            let threshold = json!({"type": kind, "value": value});
            accepted(&canary(basic(), "replicaProgressThreshold", threshold)).progress_threshold
        };

        assert_eq!(of("Percent", 90), Some(Amount::Percent(90)));
        assert_eq!(of("Pods", 0), Some(Amount::Pods(0)));
        assert_eq!(accepted(&basic()).progress_threshold, None);
    }

    #[test]
    fn how_far_back_a_version_is_gone_back_to_at_once() {
        let windows = [
            json!(null),
            json!({}),
            json!({"revisions": 0}),
            json!({"revisions": 3}),
        ];

        let read = windows.map(|window| accepted(&with(basic(), "/rollbackWindow", window)).rollback_window);

        assert_eq!(read, [0, 0, 0, 3]);
    }

    #[test]
    fn whether_the_deadline_ends_a_rollout() {
        let written = [json!(null), json!(false), json!(true)];

        let read = written
            .map(|abort| accepted(&with(basic(), "/progressDeadlineAbort", abort)).progress_deadline_abort);

        assert_eq!(read, [false, false, true]);
    }

    #[test]
    fn amounts_as_numbers_and_percentages() {
        let cases = [
            (json!(0), Amount::Pods(0)),
            (json!(3), Amount::Pods(3)),
            (json!("0%"), Amount::Percent(0)),
            (json!("150%"), Amount::Percent(150)),
        ];
        for (written, meant) in cases {
            let spec = accepted(&canary(basic(), "maxSurge", written));
            let Method::Basic { max_surge, .. } = spec.method else {
                panic!("a basic canary")
            };
            assert_eq!(max_surge, meant);
        }
    }

    #[test]
    fn routes_in_their_order_and_of_other_namespaces() {
        let routes = json!([{"name": "web"}, {"name": "web", "namespace": "edge"}, {"name": "admin", "namespace": ""}]);

        let spec = accepted(&with(
            routed(),
            "/strategy/canary/trafficRouting/gatewayAPI/httpRoutes",
            routes,
        ));

        let routes: Vec<_> = spec
            .routing()
            .expect("routing")
            .routes
            .iter()
            .map(|route| route.reference.to_string())
            .collect();
        assert_eq!(routes, ["shop/web", "edge/web", "shop/admin"]);
    }

    #[test]
    fn an_abort_delay_of_0_as_for_ever() {
        let spec = accepted(&canary(routed(), "abortScaleDownDelaySeconds", json!(0)));

        let canary = spec.routed_canary().expect("a routed canary");
        assert_eq!(canary.abort_scale_down_delay, None);
    }

    #[test]
    fn surge_and_unavailability_beside_traffic_routing_as_argo_rollouts_does() {
        let spec = canary(canary(routed(), "maxSurge", json!(1)), "maxUnavailable", json!(0));

        assert!(accepted(&spec).routing().is_some());
    }

    #[test]
    fn services_without_traffic_routing() {
        let spec = canary(
            canary(basic(), "stableService", json!("stable")),
            "canaryService",
            json!(""),
        );

        assert_eq!(accepted(&spec).services(), (Some("stable"), None));
    }

    #[test]
    fn pod_fields_that_nobody_knows() {
        let spec = with(basic(), "/template/spec/fieldOfTheFuture", json!({"a": [1]}));

        assert!(parse(Group::Kulta, "shop", &spec).is_ok());
    }
}

/// The Rollout of an example.
fn rollout_of(example: &str) -> Spec {
    let objects: Vec<Value> = serde_saphyr::from_multiple(example).expect("YAML");
    let rollout = objects
        .iter()
        .find(|object| object["kind"] == super::KIND)
        .expect("a Rollout");
    accepted(&rollout["spec"])
}

#[test]
fn the_examples_are_valid() {
    let canary = rollout_of(include_str!("../../../../deploy/examples/canary.yaml"));
    let blue_green = rollout_of(include_str!("../../../../deploy/examples/blue-green.yaml"));

    assert_eq!(canary.services(), (Some("web-stable"), Some("web-canary")));
    assert_eq!(blue_green.services(), (Some("web"), Some("web-preview")));
}

#[test]
fn the_template_of_the_example_with_a_secret_can_be_used() {
    let example = include_str!("../../../../deploy/examples/secret.yaml");
    let objects: Vec<Value> = serde_saphyr::from_multiple(example).expect("YAML");
    let template = crate::analysis::template::parse(&objects[0]["spec"]);
    let analysis = json!({"templates": [{"templateName": "error-ratio"}]});
    let rollout = json!({"spec": {"strategy": {"canary": {"steps": [{"analysis": analysis}]}}}});

    let resolved = crate::analysis::references(&rollout)[0].resolve("shop", &|_| Some(&template));

    assert!(resolved.is_ok(), "{resolved:?}");
    assert_eq!(objects[1]["rules"][0]["verbs"], json!(["get"]));
}

/// Any JSON, made of names that the spec has, so that it gets deep into it.
fn near_spec() -> impl Strategy<Value = Value> {
    let names = proptest::sample::select(vec![
        "replicas",
        "selector",
        "matchLabels",
        "matchExpressions",
        "template",
        "metadata",
        "labels",
        "strategy",
        "canary",
        "trafficRouting",
        "gatewayAPI",
        "httpRoutes",
        "name",
        "steps",
        "setWeight",
        "pause",
        "duration",
        "setCanaryScale",
        "weight",
        "maxSurge",
        "maxUnavailable",
        "restartAt",
        "blueGreen",
        "activeService",
        "previewReplicaCount",
        "prePromotionAnalysis",
        "key",
        "operator",
        "values",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..102).prop_map(Value::from),
        "[-+0-9a-z%.µé]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        let object = proptest::collection::btree_map(names.clone(), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics_and_never_refuses_without_reason(strategy in near_spec(), spec in near_spec()) {
        let blue_green = json!({"blueGreen": strategy.clone()});
        let written = [
            spec,
            with(basic(), "/strategy", strategy.clone()),
            with(basic(), "/strategy", blue_green),
            canary(routed(), "steps", strategy),
        ];
        for spec in written {
            if let Err(invalid) = parse(Group::Kulta, "shop", &spec) {
                prop_assert!(!invalid.problems.is_empty());
                prop_assert!(invalid.problems.iter().all(|problem| problem.path.starts_with("spec")));
            }
        }
    }

    #[test]
    fn keeps_every_weight_of_the_range_and_no_other(percent in any::<i32>()) {
        let parsed = parse(Group::Kulta, "shop", &canary(basic(), "steps", json!([{"setWeight": percent}])));
        prop_assert_eq!(parsed.is_ok(), (0..=100).contains(&percent));
    }
}

#[test]
fn weights_are_parts_of_the_whole_that_is_written() {
    let spec = with(
        routed(),
        "/strategy/canary/trafficRouting/maxTrafficWeight",
        json!(1000),
    );
    let steps = json!([{"setWeight": 5}, {"setCanaryScale": {"weight": 200}}, {"setWeight": 1000}]);

    let spec = accepted(&canary(spec, "steps", steps));

    let whole = Whole::new(1000).expect("a whole");
    assert_eq!(spec.routing().map(|routing| routing.whole), Some(whole));
    let parts = |parts| Weight::of_whole(parts, whole).expect("a weight");
    let expected = [
        Meaning::SetWeight(parts(5)),
        Meaning::SetCanaryScale(CanaryScale::Weight(parts(200))),
        Meaning::SetWeight(Weight::FULL),
    ];
    assert_eq!(spec.steps, expected);
}

#[test]
fn five_analyses_of_each_kind_are_kept_unless_said_otherwise() {
    let kept = |spec: &Value| {
        let kept = accepted(spec).run_history;
        (kept.successful, kept.unsuccessful)
    };
    assert_eq!(kept(&basic()), (5, 5));
    let some = with(basic(), "/analysis", json!({"successfulRunHistoryLimit": 0}));
    assert_eq!(kept(&some), (0, 5));
    let other = with(basic(), "/analysis", json!({"unsuccessfulRunHistoryLimit": 7}));
    assert_eq!(kept(&other), (5, 7));
}

#[test]
fn how_many_old_versions_of_a_canary_wait() {
    let limit = |spec: &Value| {
        let spec = accepted(spec);
        spec.routed_canary()
            .and_then(|canary| canary.scale_down_delay_revision_limit)
    };
    assert_eq!(limit(&routed()), None);
    let field = "scaleDownDelayRevisionLimit";
    assert_eq!(limit(&canary(routed(), field, json!(2))), Some(2));

    let basic = canary(basic(), field, json!(2));
    let path = format!("spec.strategy.canary.{field}");
    assert_refused(&basic, &path, "can only be used with traffic routing");
    assert!(parse(Group::Argo, "shop", &basic).is_ok());
}
