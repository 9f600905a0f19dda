//! Configurations that make no sense, and the schema.

use kulta_plugin_sdk::schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::json;

use super::*;
use crate::config::Config;

fn fault(changes: &[(&str, Value)]) -> String {
    let mut config = json!({"url": URL});
    for (field, value) in changes {
        config[*field] = value.clone();
    }
    Web::configure(&config.to_string()).unwrap_err().to_string()
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
fn what_makes_no_sense_is_refused_with_the_path_of_the_field() {
    let cases = [
        (
            vec![("url", json!("ftp://a"))],
            "url: has to begin with http:// or https://",
        ),
        (vec![("method", json!("DELETE"))], "method: "),
        (
            vec![("body", json!("a"))],
            "body: can only be used with the methods POST and PUT",
        ),
        (
            vec![("timeoutSeconds", json!(56))],
            "timeoutSeconds: has to be from 1 to 55",
        ),
        (
            vec![("timeoutSeconds", json!(0))],
            "timeoutSeconds: has to be from 1 to 55",
        ),
        (
            vec![("headers", json!([{"key": "", "value": "a"}]))],
            "headers[0].key: is empty",
        ),
        (vec![("jsonPath", json!("{$.a"))], "jsonPath: has a { without }"),
        (vec![("jsonpath", json!("{$.a}"))], "jsonpath: unknown field"),
        (
            vec![(
                "authentication",
                json!({"oauth2": {"tokenUrl": "a", "clientId": "b", "clientSecret": "c"}}),
            )],
            "authentication.oauth2.tokenUrl: has to begin with",
        ),
    ];
    for (changes, words) in cases {
        let told = fault(&changes);
        assert!(told.starts_with(words), "{told}, not {words}");
    }
}

#[test]
fn an_empty_body_is_none() {
    let config = json!({"url": URL, "body": ""});
    assert!(Web::configure(&config.to_string()).is_ok());
}
