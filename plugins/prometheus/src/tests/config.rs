//! Configurations that make no sense, and the schema.

use kulta_plugin_sdk::{Plugin, schema};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::Prometheus;
use crate::config::Config;

fn fault(config: &Value) -> String {
    Prometheus::configure(&config.to_string())
        .unwrap_err()
        .to_string()
}

fn error_rate(changes: &[(&str, Value)]) -> Value {
    let mut config = json!({"errorRate": {"bad": "b", "total": "t", "limit": 0.01}});
    for (field, value) in changes {
        config["errorRate"][*field] = value.clone();
    }
    config
}

fn latency(changes: &[(&str, Value)]) -> Value {
    let mut config = json!({"latency": {"quantile": 0.9, "buckets": "b", "total": "t", "limitSeconds": 1}});
    for (field, value) in changes {
        config["latency"][*field] = value.clone();
    }
    config
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    // A field that may be left out has no default that could be written.
    let without_null = |schema: &mut schemars::Schema| {
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
    };
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let text = serde_json::to_string(&schema).unwrap() + "\n";
    schema::assert_current(&text, concat!(env!("CARGO_MANIFEST_DIR"), "/config.schema.json"));
}

#[test]
fn exactly_one_thing_is_measured() {
    let expected = "exactly one of query, errorRate and latency is needed";
    assert_eq!(fault(&json!({})), expected);
    let mut two = error_rate(&[]);
    two["query"] = json!("up");
    assert_eq!(fault(&two), expected);
}

#[test]
fn a_misspelt_field_is_named() {
    assert!(fault(&error_rate(&[("limt", json!(1))])).starts_with("errorRate.limt: unknown field `limt`"));
}

#[test]
fn a_field_that_is_missing_is_named() {
    assert_eq!(
        fault(&json!({"errorRate": {"bad": "b", "limit": 0.1}})),
        "errorRate: missing field `total`"
    );
}

#[test]
fn queries_may_not_be_empty() {
    assert_eq!(fault(&json!({"query": " "})), "query: is empty");
    assert_eq!(
        fault(&error_rate(&[("bad", json!(""))])),
        "errorRate.bad: is empty"
    );
    assert_eq!(
        fault(&latency(&[("total", json!(""))])),
        "latency.total: is empty"
    );
}

#[test]
fn a_provider_has_a_name() {
    assert_eq!(
        fault(&json!({"query": "up", "provider": ""})),
        "provider: is empty"
    );
}

#[test]
fn a_place_for_a_fact_needs_a_name() {
    assert!(fault(&json!({"query": "up{a=\"$()\"}"})).starts_with("query: $() names no fact"));
}

#[test]
fn an_error_rate_needs_a_limit() {
    assert_eq!(
        fault(&json!({"errorRate": {"bad": "b", "total": "t"}})),
        "errorRate: limit or relativeToStable is needed"
    );
}

#[test]
fn a_limit_is_a_share() {
    for limit in [-0.1, 1.1, 5.0] {
        assert_eq!(
            fault(&error_rate(&[("limit", json!(limit))])),
            "errorRate.limit: has to be from 0 to 1"
        );
    }
}

#[test]
fn without_requests_nothing_can_be_told() {
    let none = ("minimumRequests", json!(0));
    assert_eq!(
        fault(&error_rate(std::slice::from_ref(&none))),
        "errorRate.minimumRequests: has to be 1 or more"
    );
    assert_eq!(
        fault(&latency(&[none])),
        "latency.minimumRequests: has to be 1 or more"
    );
}

#[test]
fn a_factor_is_1_or_more() {
    let stable = json!({"factor": 0.5, "bad": "b", "total": "t"});
    assert_eq!(
        fault(&error_rate(&[("relativeToStable", stable)])),
        "errorRate.relativeToStable.factor: has to be 1 or more"
    );
}

#[test]
fn slack_is_not_negative() {
    let stable = json!({"factor": 1, "slack": -1, "bad": "b", "total": "t"});
    assert_eq!(
        fault(&error_rate(&[("relativeToStable", stable)])),
        "errorRate.relativeToStable.slack: has to be from 0 to 1"
    );
    let stable = json!({"factor": 1, "slackSeconds": -1, "buckets": "b", "total": "t"});
    assert_eq!(
        fault(&latency(&[("relativeToStable", stable)])),
        "latency.relativeToStable.slackSeconds: has to be 0 or more"
    );
}

#[test]
fn the_stable_versions_query_is_written_where_the_canarys_names_no_canary() {
    assert_eq!(
        fault(&error_rate(&[("relativeToStable", json!({"factor": 2}))])),
        "errorRate.relativeToStable.bad: is needed: bad has no $(canary-...) that could be read as $(stable-...)"
    );
    assert_eq!(
        fault(&latency(&[("relativeToStable", json!({"factor": 2}))])),
        "latency.relativeToStable.buckets: is needed: buckets has no $(canary-...) that could be read as $(stable-...)"
    );
}

#[test]
fn a_latency_comes_from_one_place() {
    let expected = "latency: either quantile and buckets are needed, or query alone";
    assert_eq!(fault(&latency(&[("query", json!("q"))])), expected);
    assert_eq!(
        fault(&json!({"latency": {"quantile": 0.9, "total": "t", "limitSeconds": 1}})),
        expected
    );
}

#[test]
fn the_stable_versions_latency_comes_from_the_same_kind_of_place() {
    let stable = json!({"factor": 1, "query": "q", "total": "t"});
    assert_eq!(
        fault(&latency(&[("relativeToStable", stable)])),
        "latency.relativeToStable.query: has no place beside latency.buckets"
    );
}

#[test]
fn a_latency_needs_a_limit() {
    assert_eq!(
        fault(&json!({"latency": {"query": "q", "total": "t"}})),
        "latency: limitSeconds or relativeToStable is needed"
    );
}

#[test]
fn a_quantile_is_between_0_and_1() {
    for quantile in [0.0, 1.0, 99.0] {
        assert_eq!(
            fault(&latency(&[("quantile", json!(quantile))])),
            "latency.quantile: has to be from 0.001 to 0.99999"
        );
    }
}

#[test]
fn a_limit_of_a_latency_is_more_than_nothing() {
    assert_eq!(
        fault(&latency(&[("limitSeconds", json!(0))])),
        "latency.limitSeconds: has to be more than 0"
    );
}
