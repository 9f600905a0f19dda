//! Configurations that make no sense, and the schema.

use kulta_plugin_sdk::{Plugin, schema};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::{error_rate, latency, weight};
use crate::Sequential;
use crate::config::Config;

fn fault(config: &Value) -> String {
    Sequential::configure(&config.to_string())
        .unwrap_err()
        .to_string()
}

fn with(mut config: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[field] = value;
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
fn what_makes_sense_is_accepted() {
    for config in [error_rate(), latency(), weight()] {
        assert!(Sequential::configure(&config.to_string()).is_ok(), "{config}");
    }
}

#[test]
fn exactly_one_thing_is_compared() {
    let expected = "exactly one of errorRate, latency and weight is needed";
    assert_eq!(fault(&json!({})), expected);
    let two = with(error_rate(), "/weight", weight()["weight"].clone());
    assert_eq!(fault(&two), expected);
}

#[test]
fn a_misspelt_field_is_named() {
    let config = with(error_rate(), "/errorRate/totl", json!("t"));
    assert!(fault(&config).starts_with("errorRate.totl: unknown field `totl`"));
}

#[test]
fn a_query_is_not_empty() {
    assert_eq!(
        fault(&with(error_rate(), "/errorRate/bad", json!(" "))),
        "errorRate.bad: is empty"
    );
    assert_eq!(
        fault(&with(latency(), "/latency/buckets", json!(""))),
        "latency.buckets: is empty"
    );
}

#[test]
fn the_stable_versions_query_is_written_where_the_canarys_names_no_canary() {
    assert_eq!(
        fault(&with(error_rate(), "/errorRate/bad", json!("bad"))),
        "errorRate.stableBad: is needed, or a $(canary-...) in the canary's query"
    );
    let written = with(error_rate(), "/errorRate/bad", json!("bad"));
    let written = with(written, "/errorRate/stableBad", json!("bad_before"));
    assert!(Sequential::configure(&written.to_string()).is_ok());
}

#[test]
fn a_provider_has_a_name() {
    assert_eq!(
        fault(&with(error_rate(), "/provider", json!(""))),
        "provider: is empty"
    );
}

#[test]
fn alpha_is_a_small_probability() {
    for alpha in [0.0, -0.1, 0.6] {
        assert_eq!(
            fault(&with(error_rate(), "/alpha", json!(alpha))),
            "alpha: has to be more than 0, and at most 0.5"
        );
    }
}

#[test]
fn margins_are_in_their_range_and_their_order() {
    assert_eq!(
        fault(&with(error_rate(), "/failMargin", json!(-0.1))),
        "failMargin: has to be from 0 to 20"
    );
    assert_eq!(
        fault(&with(latency(), "/passMargin", json!(21))),
        "passMargin: has to be from 0 to 20"
    );
    assert_eq!(
        fault(&with(error_rate(), "/passMargin", json!(0.25))),
        "passMargin: has to be more than failMargin"
    );
}

#[test]
fn shares_have_no_margins() {
    assert_eq!(
        fault(&with(weight(), "/failMargin", json!(0.1))),
        "failMargin: has no place beside weight"
    );
}

#[test]
fn there_are_one_to_three_boundaries_all_of_them_different() {
    for boundaries in [json!([]), json!([1, 2, 3, 4])] {
        assert_eq!(
            fault(&with(latency(), "/latency/boundaries", boundaries)),
            "latency.boundaries: has to have 1 to 3 items"
        );
    }
    assert_eq!(
        fault(&with(latency(), "/latency/boundaries", json!([0.3, 0]))),
        "latency.boundaries[1]: has to be more than 0"
    );
    assert_eq!(
        fault(&with(latency(), "/latency/boundaries", json!([0.3, 0.3]))),
        "latency.boundaries[0]: is there twice"
    );
}
