//! What is a JSON document, and what is none: as `serde_json` has it.

use serde_json::Value;

use crate::json::Json;

#[test]
fn a_document_is_read_as_others_read_it() {
    for text in [
        "null",
        " true ",
        "-1.5e3",
        r#""a\u00e9\"\\""#,
        "[]",
        "[ ]",
        "[1, [2, {}]]",
        r#"{"a": {"b": [null, false]}, "c": ""}"#,
    ] {
        let document = Json::read(text).unwrap();
        assert_eq!(document.text, text.trim());
        serde_json::from_str::<Value>(document.text).unwrap();
    }
}

#[test]
fn of_one_name_the_last_counts() {
    let document = Json::read(r#"{"a": 1, "a": 2}"#).unwrap();
    assert_eq!(document.field("a").and_then(Json::number), Some(2.0));
}

#[test]
fn what_is_none_is_refused() {
    let deep = "[".repeat(100);
    for text in [
        "",
        "<html>",
        "nul",
        "1 2",
        "01",
        "1.",
        "+1",
        "[1,]",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{a: 1}",
        "{\"a\": 1,}",
        "\"a",
        r#""\x""#,
        "'a'",
        &deep,
    ] {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        let read = Json::read(text);
        assert!(read.is_err(), "{text}: {read:?}");
    }
}
