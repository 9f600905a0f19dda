//! What a Rollout says of its pods: restarts, labels and annotations, and where they are kept apart.

use kulta_core::spec::{Amount, AntiAffinity, Restart};
use serde_json::{Value, json};

use super::{accepted, assert_refused, basic, canary, parse, routed, with};
use crate::Group;

const TIME: &str = "2026-01-02T03:04:05Z";

fn restart(spec: Value) -> Restart {
    let spec = with(spec, "/restartAt", json!(TIME));
    accepted(&spec).pods.restart.expect("a restart")
}

fn blue_green(fields: &Value) -> Value {
    let mut strategy = fields.clone();
    strategy["activeService"] = json!("active");
    with(basic(), "/strategy", json!({"blueGreen": strategy}))
}

#[test]
fn a_restart_has_its_time_and_a_quarter_of_the_pods_may_be_missing() {
    for spec in [basic(), routed(), blue_green(&json!({}))] {
        let expected = Restart {
            at: TIME.parse().unwrap(),
            max_unavailable: Amount::Percent(25),
        };
        assert_eq!(restart(spec), expected);
    }
}

#[test]
fn max_unavailable_of_every_strategy_bounds_a_restart() {
    let amount = json!("40%");
    for spec in [
        canary(basic(), "maxUnavailable", amount.clone()),
        canary(routed(), "maxUnavailable", amount.clone()),
        blue_green(&json!({"maxUnavailable": amount})),
    ] {
        assert_eq!(restart(spec).max_unavailable, Amount::Percent(40));
    }
}

#[test]
fn without_restart_at_nothing_is_restarted() {
    assert_eq!(accepted(&basic()).pods.restart, None);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let spec = with(basic(), "/restartAt", json!("tomorrow"));
    assert_refused(&spec, "spec.restartAt", "such as 2026-01-02T03:04:05Z");
}

#[test]
fn more_missing_pods_than_there_are_are_refused() {
    let spec = blue_green(&json!({"maxUnavailable": "101%"}));
    let path = "spec.strategy.blueGreen.maxUnavailable";
    assert_refused(&spec, path, "must not be greater than 100%");
}

#[test]
fn a_percentage_without_its_sign_is_one_on_argoproj_io() {
    let spec = blue_green(&json!({"maxUnavailable": "30"}));
    let spec = with(spec, "/restartAt", json!(TIME));
    let parsed = parse(Group::Argo, "shop", &spec).expect("valid");
    let restart = parsed.pods.restart.expect("a restart");
    assert_eq!(restart.max_unavailable, Amount::Percent(30));
}

/// Both strategies, with what is written for the new and for the stable version.
fn with_metadata(new: &Value, stable: &Value) -> [(Value, &'static str); 2] {
    let canary = canary(
        canary(basic(), "canaryMetadata", new.clone()),
        "stableMetadata",
        stable.clone(),
    );
    let blue_green = blue_green(&json!({"previewMetadata": new, "activeMetadata": stable}));
    [
        (canary, "spec.strategy.canary.canaryMetadata"),
        (blue_green, "spec.strategy.blueGreen.previewMetadata"),
    ]
}

#[test]
fn metadata_of_both_strategies_is_that_of_the_new_and_of_the_stable_version() {
    let new = json!({"labels": {"role": "new", "example.com/empty": ""}, "annotations": {"note": "any text: of them"}});
    let stable = json!({"labels": {"role": "stable"}});
    for (spec, _) in with_metadata(&new, &stable) {
        let pods = accepted(&spec).pods;
        assert_eq!(
            (json!(pods.new_metadata), json!(pods.stable_metadata)),
            (new.clone(), stable.clone())
        );
    }
}

#[test]
fn labels_that_pods_have_anyway_are_refused() {
    let cases = [
        ("rollouts-pod-template-hash", "KULTA sets this label itself"),
        ("app", "spec.selector asks for this label"),
        ("tier", "metadata.labels of the pod template has it, too"),
    ];
    for (key, words) in cases {
        for (spec, path) in with_metadata(&json!({"labels": {key: "x"}}), &json!({})) {
            assert_refused(&spec, &format!("{path}.labels.{key}"), words);
        }
    }
}

#[test]
fn a_label_that_the_selector_asks_not_to_be_there_is_refused() {
    let selector = json!({
        "matchLabels": {"app": "web"}, "matchExpressions": [{"key": "role", "operator": "DoesNotExist"}],
    });
    let spec = canary(basic(), "canaryMetadata", json!({"labels": {"role": "canary"}}));
    let path = "spec.strategy.canary.canaryMetadata.labels.role";
    assert_refused(&with(spec, "/selector", selector), path, "must not change hands");
}

#[test]
fn annotations_that_the_template_has_are_refused() {
    let spec = with(basic(), "/template/metadata/annotations", json!({"note": "own"}));
    let spec = canary(spec, "stableMetadata", json!({"annotations": {"note": "other"}}));
    let path = "spec.strategy.canary.stableMetadata.annotations.note";
    assert_refused(&spec, path, "write it in one place");
}

#[test]
fn keys_and_values_that_the_api_server_would_refuse_are_refused_at_once() {
    let long = "a".repeat(64);
    let cases = [
        (json!({"labels": {"a b": "x"}}), "labels.a b", "is no key"),
        (json!({"labels": {"": "x"}}), "labels.", "is no key"),
        (
            json!({"labels": {"Example.com/role": "x"}}),
            "labels.Example.com/role",
            "is no key",
        ),
        (
            json!({"annotations": {long.clone(): "x"}}),
            &format!("annotations.{long}"),
            "is no key",
        ),
        (
            json!({"labels": {"role": "a b"}}),
            "labels.role",
            "is no value of a label",
        ),
        (
            json!({"labels": {"role": long.clone()}}),
            "labels.role",
            "is no value of a label",
        ),
    ];
    for (metadata, field, words) in cases {
        let spec = canary(basic(), "canaryMetadata", metadata);
        assert_refused(
            &spec,
            &format!("spec.strategy.canary.canaryMetadata.{field}"),
            words,
        );
    }
}

#[test]
fn a_misspelt_part_of_metadata_is_named() {
    let spec = canary(basic(), "canaryMetadata", json!({"label": {}}));
    assert_refused(
        &spec,
        "spec.strategy.canary.canaryMetadata.label",
        "unknown field",
    );
}

const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

#[test]
fn versions_are_kept_apart_as_preferred_or_required() {
    let cases = [
        (json!({PREFERRED: {"weight": 1}}), AntiAffinity::Preferred(1)),
        (json!({PREFERRED: {"weight": 100}}), AntiAffinity::Preferred(100)),
        (json!({REQUIRED: {}}), AntiAffinity::Required),
    ];
    for (written, how) in cases {
        for spec in [
            canary(basic(), "antiAffinity", written.clone()),
            blue_green(&json!({"antiAffinity": written})),
        ] {
            assert_eq!(accepted(&spec).pods.anti_affinity, Some(how));
        }
    }
}

#[test]
fn no_anti_affinity_and_two_are_refused() {
    for written in [json!({}), json!({PREFERRED: {"weight": 1}, REQUIRED: {}})] {
        let spec = canary(basic(), "antiAffinity", written);
        let path = "spec.strategy.canary.antiAffinity";
        assert_refused(&spec, path, "AntiAffinity must have exactly one strategy listed");
    }
}

#[test]
fn a_weight_of_anti_affinity_outside_of_1_to_100_is_refused() {
    for weight in [0, 101, -1] {
        let spec = canary(basic(), "antiAffinity", json!({PREFERRED: {"weight": weight}}));
        let path = format!("spec.strategy.canary.antiAffinity.{PREFERRED}.weight");
        assert_refused(&spec, &path, "AntiAffinity weight must be between 1-100");
    }
}
