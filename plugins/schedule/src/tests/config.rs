//! Configurations that make no sense, and the schema.

use kulta_plugin_sdk::{Plugin, schema};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::Schedule;
use crate::config::Config;

fn fault(config: &Value) -> String {
    Schedule::configure(&config.to_string()).unwrap_err().to_string()
}

fn window(changes: &[(&str, Value)]) -> Value {
    let mut config = json!({"timeZone": "UTC", "allowed": [{"from": "09:00", "until": "17:00"}]});
    for (field, value) in changes {
        config["allowed"][0][*field] = value.clone();
    }
    config
}

fn freeze(changes: &[(&str, Value)]) -> Value {
    let freeze = json!({"from": "2026-12-20", "until": "2027-01-02", "reason": "Christmas"});
    let mut config = json!({"timeZone": "UTC", "freezes": [freeze]});
    for (field, value) in changes {
        config["freezes"][0][*field] = value.clone();
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
fn everything_that_can_be_written_is_understood() {
    let config = json!({
        "timeZone": "Europe/Berlin",
        "allowed": [
            {"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat"], "from": "09:00", "until": "24:00"},
            {"days": ["Sun"], "from": "22:00", "until": "04:00"},
            {"from": "00:00", "until": "00:30"},
        ],
        "freezes": [{"from": "2026-12-20T18:00", "until": "2027-01-02", "reason": "Christmas business"}],
    });
    let config = Schedule::configure(&config.to_string()).unwrap();
    assert_eq!(config.allowed.unwrap().len(), 3);
    assert_eq!(config.freezes.unwrap().len(), 1);
}

#[test]
fn no_freezes_are_a_configuration_too() {
    let none = json!({"timeZone": "UTC", "freezes": []});
    assert!(Schedule::configure(&none.to_string()).is_ok());
}

#[test]
fn a_time_zone_is_needed() {
    assert_eq!(fault(&json!({"freezes": []})), "missing field `timeZone`");
    assert_eq!(
        fault(&json!({"timeZone": " ", "freezes": []})),
        "timeZone: is empty"
    );
}

#[test]
fn a_gate_that_is_always_open_is_refused() {
    assert_eq!(fault(&json!({"timeZone": "UTC"})), "allowed or freezes is needed");
}

#[test]
fn a_gate_that_never_opens_is_refused() {
    assert_eq!(
        fault(&json!({"timeZone": "UTC", "allowed": []})),
        "allowed: is empty, so that the gate would never open; leave it out to allow all hours"
    );
    assert_eq!(
        fault(&window(&[("days", json!([]))])),
        "allowed[0].days: is empty; leave it out for every day"
    );
}

#[test]
fn a_misspelt_field_is_named() {
    assert!(fault(&window(&[("untill", json!("18:00"))])).starts_with("allowed[0].untill: unknown field"));
}

#[test]
fn a_field_that_is_missing_is_named() {
    let config = json!({"timeZone": "UTC", "freezes": [{"from": "2026-12-20", "until": "2027-01-02"}]});
    assert_eq!(fault(&config), "freezes[0]: missing field `reason`");
}

#[test]
fn a_day_has_three_letters() {
    assert!(
        fault(&window(&[("days", json!(["Mon", "Tuesday"]))])).starts_with("allowed[0].days[1]: unknown")
    );
}

#[test]
fn a_time_of_day_that_is_none_is_named() {
    assert_eq!(
        fault(&window(&[("from", json!("9:00"))])),
        "allowed[0].from: \"9:00\" is not a time of day from \"00:00\" to \"24:00\""
    );
}

#[test]
fn a_time_without_quotes_may_be_a_number_and_is_named() {
    assert_eq!(
        fault(&window(&[("until", json!(1020))])),
        "allowed[0].until: expected a string, found a number"
    );
}

#[test]
fn a_window_does_not_begin_at_the_end_of_a_day() {
    assert_eq!(
        fault(&window(&[("from", json!("24:00"))])),
        "allowed[0].from: has to be from \"00:00\" to \"23:59\""
    );
}

#[test]
fn a_moment_that_is_none_is_named() {
    assert_eq!(
        fault(&freeze(&[("until", json!("2027-02-29"))])),
        "freezes[0].until: \"2027-02-29\" is neither a date such as \"2026-12-20\" nor a date and time such as \
         \"2026-12-20T18:00\""
    );
}

#[test]
fn a_freeze_ends_after_it_begins() {
    assert_eq!(
        fault(&freeze(&[("until", json!("2026-12-20"))])),
        "freezes[0].until: has to be after from; a date alone is that date's 00:00"
    );
}

#[test]
fn a_freeze_has_a_reason() {
    assert_eq!(
        fault(&freeze(&[("reason", json!(" "))])),
        "freezes[0].reason: is empty"
    );
}
