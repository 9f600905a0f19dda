//! Paths as kubectl has them.

use serde_json::{Value, json};

use crate::json::Json;
use crate::path::Path;

fn document() -> Value {
    json!({
        "a": {"b": [10, 20, 30, 40], "c.d": "dotted", "e": {"name": "deep"}},
        "items": [
            {"name": "one", "ready": true, "weight": 1},
            {"name": "two", "ready": false, "weight": 5, "extra": null},
        ],
        "limit": 5,
    })
}

fn first(path: &str) -> Result<Value, String> {
    let text = document().to_string();
    let document = Json::read(&text)?;
    let found = Path::parse(path)?.first(&document)?;
    Ok(serde_json::from_str(found.text).unwrap())
}

#[test]
fn a_path_leads_to_the_first_value() {
    let cases = [
        ("{$}", document()),
        ("{.}", document()),
        ("{$.a.b[0]}", json!(10)),
        ("{.a.b[0]}", json!(10)),
        ("$.a.b[0]", json!(10)),
        ("{ $.a['b'][-1] }", json!(40)),
        ("{$.a[\"b\"][1:3]}", json!(20)),
        ("{$.a.b[-2:]}", json!(30)),
        ("{$.a.b[1::2]}", json!(20)),
        ("{$.a.b[3,0]}", json!(40)),
        ("{$.a.b[*]}", json!(10)),
        (r"{$.a.c\.d}", json!("dotted")),
        ("{$.a['c.d']}", json!("dotted")),
        ("{$.a['x','c.d']}", json!("dotted")),
        ("{..name}", json!("deep")),
        ("{$.items..name}", json!("one")),
        ("{$.items[*].name}", json!("one")),
        ("{$.items[1].extra}", Value::Null),
        ("{$.items[?(@.ready==false)].name}", json!("two")),
        ("{$.items[?(@.ready == true)].name}", json!("one")),
        ("{$.items[?(@.weight>=5)].name}", json!("two")),
        ("{$.items[?(@.weight == $.limit)].name}", json!("two")),
        ("{$.items[?(@.name!='one')].weight}", json!(5)),
        ("{$.items[?(@.extra)].name}", json!("two")),
    ];
    for (path, expected) in cases {
        assert_eq!(first(path), Ok(expected), "{path}");
    }
}

#[test]
fn a_path_that_leads_nowhere_says_where_it_ends() {
    let cases = [
        ("{$.a.x}", "x is not found"),
        ("{$.limit.x}", "x is not found"),
        ("{$.a.b[4]}", "there is no [4] of a list"),
        ("{$.limit[0]}", "there is no [0] of a list"),
        ("{$.a.b[-5]}", "there is no [-5] of a list"),
        ("{$.a.b[9:]}", "there is nothing in it"),
        ("{$.items[?(@.weight > 9)]}", "nothing in it fits the filter"),
        (
            "{$.items[?(@.* == 1)]}",
            "a filter can only compare one value at a time",
        ),
    ];
    for (path, words) in cases {
        assert_eq!(first(path), Err(words.to_owned()), "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    let deep = "[?(@".repeat(9);
    let long = format!("{{$.{}}}", "a".repeat(1100));
    let cases = [
        "{$.a",
        "{$.a}}",
        "{$a}",
        "{a}",
        "{$.a.}",
        "{$.a[}",
        "{$.a[]}",
        "{$.a[x]}",
        "{$.a['x}",
        "{$.a['x',y]}",
        "{$.a[1:2:0]}",
        "{$.a[1:2:-1]}",
        "{$.a[--1]}",
        "{$.a[?(@.b]}",
        "{$.a[?(@.b ==)]}",
        "{$.a[?()]}",
        "{.a}{.b}",
        "{range .items[*]}{.name}{end}",
        "{$.a[99999999999999999999]}",
        &deep,
        &long,
    ];
    for path in cases {
        let parsed = Path::parse(path);
        assert!(parsed.is_err(), "{path}: {parsed:?}");
    }
}
