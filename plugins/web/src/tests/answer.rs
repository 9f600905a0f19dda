//! What is sent, and what is measured of an answer.

use std::time::Duration;

use kulta_plugin_sdk::{Header, Method, RequestError, Value as Measured};
use serde_json::json;

use super::*;

fn measured(json_path: &str, body: &str) -> Measured {
    let config = json!({"url": URL, "jsonPath": json_path});
    let Verdict::Measured(outcome) = evaluate(&config, &answering(200, body)).unwrap() else {
        panic!("judged")
    };
    outcome.measurement.value
}

fn fault(json_path: &str, status: u16, body: &str) -> String {
    let config = json!({"url": URL, "jsonPath": json_path});
    let error = evaluate(&config, &answering(status, body)).unwrap_err();
    assert!(matches!(error, PluginError::Upstream(_)), "{error:?}");
    error.to_string()
}

#[test]
fn a_get_has_no_body_and_ten_seconds() {
    let host = answering(200, "{}");

    evaluate(&json!({"url": URL}), &host).unwrap();

    let [sent] = host.sent().try_into().unwrap();
    assert_eq!((sent.method, sent.body), (Method::Get, None));
    assert_eq!(sent.timeout, Duration::from_secs(10));
    assert_eq!(sent.headers, []);
}

#[test]
fn headers_and_body_are_sent_as_they_are_written() {
    let host = answering(200, "{}");
    let headers = json!([{"key": "X-Team", "value": "shop"}]);
    let config =
        json!({"url": URL, "method": "PUT", "headers": headers, "body": "some body", "timeoutSeconds": 3});

    evaluate(&config, &host).unwrap();

    let [sent] = host.sent().try_into().unwrap();
    assert_eq!(
        (sent.method, sent.body.as_deref()),
        (Method::Put, Some("some body"))
    );
    assert_eq!(sent.timeout, Duration::from_secs(3));
    assert_eq!(sent.headers, [Header::new("X-Team", "shop")]);
}

#[test]
fn a_value_is_what_conditions_see_in_argo_rollouts() {
    let body =
        r#"{"n": 1.5, "t": "\u0075p", "b": true, "z": null, "l": [1, 2], "m": [1, "a"], "o": {"k": 1.0}}"#;
    let cases = [
        ("{$.n}", Measured::Scalar(1.5)),
        ("{$.t}", Measured::Text("up".to_owned())),
        ("{$.b}", Measured::Json("true".to_owned())),
        ("{$.z}", Measured::None),
        ("{$.l}", Measured::Vector(vec![1.0, 2.0])),
        ("{$.m}", Measured::Json(r#"[1, "a"]"#.to_owned())),
        ("{$.o}", Measured::Json(r#"{"k": 1.0}"#.to_owned())),
    ];
    for (path, expected) in cases {
        assert_eq!(measured(path, body), expected, "{path}");
    }
}

#[test]
fn an_answer_that_is_no_json_is_a_text_for_conditions_to_judge() {
    assert_eq!(measured("{$}", "it works"), Measured::Text("it works".to_owned()));
    assert!(fault("{$.a}", 200, "<html>").contains("the answer is no JSON"));
}

#[test]
fn other_statuses_than_2xx_are_no_measurement() {
    assert_eq!(fault("{$}", 500, "{}"), "received non 2xx response code: 500");
    assert!(fault("{$}", 302, "{}").contains("302: redirects are not followed"));
}

#[test]
fn a_path_that_leads_nowhere_is_told() {
    let told = fault("{$.a.c}", 200, r#"{"a": {"b": 1}}"#);
    assert_eq!(told, "could not find jsonPath in the answer: c is not found");
}

#[test]
fn a_value_that_is_too_large_is_told_with_what_to_do() {
    let body = format!(r#"{{"a": "{}"}}"#, "x".repeat(5000));
    assert!(fault("{$}", 200, &body).contains("write a jsonPath that leads to less of it"));
    assert!(fault("{$.a}", 200, &body).contains("at most 4096"));
}

#[test]
fn no_answer_is_an_error_that_is_tried_again() {
    let host = host().server(URL, Err(RequestError::Denied("not in the list".to_owned())));
    let error = evaluate(&json!({"url": URL}), &host).unwrap_err();
    assert_eq!(
        error,
        PluginError::Upstream("not allowed: not in the list".to_owned())
    );
}

#[test]
fn where_only_the_status_counts_any_2xx_is_well() {
    let config = json!({"url": URL, "statusOnly": true});
    let verdict = evaluate(&config, &answering(204, "")).unwrap();
    assert!(matches!(&verdict, Verdict::Pass(_)), "{verdict:?}");
    assert_eq!(verdict.summary(), "status 204");
    assert!(evaluate(&config, &answering(503, "")).is_err());
}

#[test]
fn a_token_is_asked_for_first_and_sent_as_bearer() {
    const TOKENS: &str = "https://login.example/token";
    let host = answering(200, "1").server(
        TOKENS,
        Ok(response(200, r#"{"access_token": "t0ken", "expires_in": 1}"#)),
    );
    let oauth2 =
        json!({"tokenUrl": TOKENS, "clientId": "kulta & co", "clientSecret": "s", "scopes": ["a", "b"]});

    evaluate(&json!({"url": URL, "authentication": {"oauth2": oauth2}}), &host).unwrap();

    let [first, second] = host.sent().try_into().unwrap();
    assert_eq!(
        first.body.as_deref(),
        Some("grant_type=client_credentials&client_id=kulta%20%26%20co&client_secret=s&scope=a%20b")
    );
    assert_eq!(second.headers, [Header::new("authorization", "Bearer t0ken")]);
}

#[test]
fn without_a_token_nothing_else_is_sent() {
    const TOKENS: &str = "https://login.example/token";
    let host = host().server(TOKENS, Ok(response(200, r#"{"token": "t0ken"}"#)));
    let oauth2 = json!({"tokenUrl": TOKENS, "clientId": "a", "clientSecret": "b"});

    let error = evaluate(&json!({"url": URL, "authentication": {"oauth2": oauth2}}), &host).unwrap_err();

    assert_eq!(
        error.to_string(),
        "authentication.oauth2: the answer has no access_token"
    );
    assert_eq!(host.sent().len(), 1);
}
