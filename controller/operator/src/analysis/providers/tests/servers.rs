//! Requests of plugins: whom they reach, with which texts of Secrets, and what comes back.

use std::path::PathBuf;

use kulta_api::analysis::parse;
use kulta_plugin_host::http::{HttpClient as _, Method, Request, RequestError, Response};
use serde_json::{Value, json};

use super::*;
use crate::access::{Allowed, https_server::https_server};
use crate::analysis::configuration::Servers;

const SECRET: &str = "s3cret-\"word\n";
const STAND_IN: &str = "kulta-secret-0123456789abcdef0123456789abcdef";

fn allowing(origins: Vec<Allowed>) -> ForNamespace {
    let servers = Servers {
        origins,
        ca_file: None,
    };
    let providers = Arc::new(Providers::new(&Configuration::default()));
    providers.for_namespace("shop").with_servers("web", &servers)
}

/// A server that answers so, and a plugin that may ask it.
async fn asking(answer: Answered) -> (ForNamespace, Address, Asked) {
    let (address, asked) = server(answer).await;
    let origin = address.origin();
    let secrets = SecretTexts::new(vec![(STAND_IN.to_owned(), SECRET.to_owned())]);
    let analysis = allowing(vec![Allowed::Exactly(origin.clone())]).with_secrets(secrets);
    (analysis, origin, asked)
}

fn get(url: &str) -> Request {
    Request {
        method: Method::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        answer_bytes: 1_000,
        time: Duration::from_millis(500),
    }
}

fn post(url: &str, content_type: &str, body: &str) -> Request {
    Request {
        method: Method::Post,
        headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
        body: Some(body.to_owned()),
        ..get(url)
    }
}

#[track_caller]
fn assert_denied(answer: &Result<Response, RequestError>, words: &str) {
    assert!(
        matches!(answer, Err(RequestError::Denied(message)) if message.contains(words)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_listed_is_asked_and_its_answer_comes_whatever_its_status() {
    let (analysis, origin, asked) = asking(Answered::With(StatusCode::NOT_FOUND, "nothing".to_owned())).await;
    let headers = vec![("X-Team".to_owned(), "shop".to_owned())];
    let request = Request {
        headers,
        ..get(&format!("{origin}/a/b?c=d"))
    };

    let answer = analysis.send(&request).await.unwrap();

    assert_eq!((answer.status, answer.body.as_str()), (404, "nothing"));
    assert!(
        answer.headers.iter().any(|(name, _)| name == "content-type"),
        "{answer:?}"
    );
    let asked = asked.lock();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("GET", "/a/b")
    );
    assert_eq!(asked[0].headers["x-team"], "shop");
}

#[tokio::test]
async fn a_server_that_is_not_listed_is_not_asked() {
    let (_, origin, asked) = asking(ok("{}")).await;

    let answer = allowing(vec![Allowed::Cluster])
        .send(&get(&origin.to_string()))
        .await;

    assert_denied(&answer, "can list it in plugins.web.http.origins");
    let other = origin.to_string().replace("http://127.0.0.1", "http://localhost");
    let (analysis, _, _) = asking(ok("{}")).await;
    assert_denied(&analysis.send(&get(&other)).await, "may not be asked");
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn a_plugin_that_may_ask_the_cluster_reaches_nothing_in_the_namespace_of_a_provider() {
    let provider = for_shop(Address::parse("http://prometheus.monitoring.svc:9090").unwrap());
    let servers = Servers {
        origins: vec![Allowed::Cluster],
        ca_file: None,
    };
    let analysis = with(provider).for_namespace("bank").with_servers("web", &servers);

    let answer = analysis
        .send(&get(
            "http://prometheus-0.prometheus-operated.monitoring.svc:9090/",
        ))
        .await;

    assert_denied(
        &answer,
        "as `cluster` is not for the namespace \"monitoring\" of the provider \"main\"",
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = "http://169.254.169.254/latest";
    let answer = Answered::WithHeader(StatusCode::FOUND, header::LOCATION, elsewhere);
    let (analysis, origin, asked) = asking(answer).await;

    let answer = analysis.send(&get(&origin.to_string())).await.unwrap();

    assert_eq!(answer.status, 302);
    assert_eq!(asked.lock().len(), 1);
}

#[tokio::test]
async fn texts_of_secrets_are_written_as_the_body_has_them() {
    let cases = [
        (
            "application/json",
            r#"{"token":"<>"}"#,
            r#"{"token":"s3cret-\"word\n"}"#,
        ),
        (
            "application/problem+json; charset=utf-8",
            r#"["<>"]"#,
            r#"["s3cret-\"word\n"]"#,
        ),
        (
            "application/x-www-form-urlencoded",
            "a=<>&b=c",
            "a=s3cret-%22word%0A&b=c",
        ),
        ("text/plain", "<> and <>", "s3cret-\"word\n and s3cret-\"word\n"),
    ];
    for (content_type, body, expected) in cases {
        let (analysis, origin, asked) = asking(ok("{}")).await;
        let body = body.replace("<>", STAND_IN);

        analysis
            .send(&post(&origin.to_string(), content_type, &body))
            .await
            .unwrap();

        assert_eq!(asked.lock()[0].body, expected, "{content_type}");
    }
}

#[tokio::test]
async fn in_a_header_a_secret_has_no_line_end() {
    let (analysis, origin, asked) = asking(ok("{}")).await;
    let headers = vec![("Authorization".to_owned(), format!("Bearer {STAND_IN}"))];

    let request = Request {
        headers,
        ..get(&origin.to_string())
    };
    analysis.send(&request).await.unwrap();

    assert_eq!(asked.lock()[0].headers["authorization"], "Bearer s3cret-\"word");
}

#[tokio::test]
async fn a_secret_has_no_place_in_a_url() {
    let (analysis, origin, asked) = asking(ok("{}")).await;

    let answer = analysis.send(&get(&format!("{origin}/?token={STAND_IN}"))).await;

    assert_denied(&answer, "has no place in a URL");
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn what_stands_for_a_secret_in_another_call_stands_for_nothing() {
    let (analysis, origin, asked) = asking(ok("{}")).await;
    let body = STAND_IN.replace('0', "1");

    let answer = analysis
        .send(&post(&origin.to_string(), "text/plain", &body))
        .await;

    assert_denied(&answer, "another call");
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn what_a_server_sends_back_of_a_secret_is_hidden() {
    let (analysis, origin, _) = asking(ok(&format!("you said {}", SECRET.trim()))).await;

    let answer = analysis
        .send(&post(&origin.to_string(), "text/plain", STAND_IN))
        .await
        .unwrap();

    assert_eq!(answer.body, "you said (hidden)");
}

#[tokio::test]
async fn what_a_server_sends_back_of_a_token_that_a_plugin_was_given_is_hidden() {
    let said = r#"{"one": "Bearer t0ken/of-a-server", "other": "t0ken\/of-a-server", "team": "shop"}"#;
    let (analysis, origin, _) = asking(ok(said)).await;
    let request = Request {
        headers: vec![
            ("authorization".to_owned(), "Bearer t0ken/of-a-server".to_owned()),
            ("X-Team".to_owned(), "shop".to_owned()),
        ],
        ..get(&origin.to_string())
    };

    let answer = analysis.send(&request).await.unwrap();

    assert_eq!(
        answer.body,
        r#"{"one": "(hidden)", "other": "(hidden)", "team": "shop"}"#
    );
}

#[tokio::test]
async fn what_is_about_the_connection_is_not_for_plugins_to_say() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "no name",
    ] {
        let (analysis, origin, asked) = asking(ok("{}")).await;
        let headers = vec![(name.to_owned(), "a".to_owned())];

        let answer = analysis
            .send(&Request {
                headers,
                ..get(&origin.to_string())
            })
            .await;

        assert!(
            matches!(answer, Err(RequestError::BadRequest(_))),
            "{name}: {answer:?}"
        );
        assert!(asked.lock().is_empty());
    }
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_and_time() {
    let (analysis, origin, _) = asking(Answered::Endless).await;
    let answer = analysis.send(&get(&origin.to_string())).await;
    assert_eq!(answer, Err(RequestError::TooLarge { bytes: 1_000 }));
    for stuck in [Answered::Stuck, Answered::Never] {
        let (analysis, origin, _) = asking(stuck).await;
        assert_eq!(
            analysis.send(&get(&origin.to_string())).await,
            Err(RequestError::Timeout)
        );
    }
}

#[tokio::test]
async fn a_url_that_can_be_read_in_two_ways_is_refused() {
    let analysis = allowing(vec![Allowed::Cluster]);
    for url in [
        "",
        "shop.web",
        "ftp://shop.web/",
        "http://user:word@shop.web/",
        "http://shop.web@elsewhere.example/",
        "file:///etc/passwd",
    ] {
        let answer = analysis.send(&get(url)).await;
        assert!(
            matches!(answer, Err(RequestError::BadRequest(_))),
            "{url}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn certificates_are_those_of_the_file() {
    let (address, authority) = https_server("{}").await;
    let file = std::env::temp_dir().join(format!("kulta-http-{}.crt", std::process::id()));
    std::fs::write(&file, authority).unwrap();
    let ask = async |ca_file: Option<PathBuf>| {
        let origins = vec![Allowed::Exactly(address.origin())];
        let servers = Servers { origins, ca_file };
        let providers = Arc::new(Providers::new(&Configuration::default()));
        let analysis = providers.for_namespace("shop").with_servers("web", &servers);
        analysis.send(&get(&address.to_string())).await
    };

    assert_eq!(ask(Some(file.clone())).await.unwrap().status, 200);
    let without = ask(None).await;
    assert!(
        matches!(without, Err(RequestError::Unavailable(_))),
        "{without:?}"
    );
    std::fs::remove_file(file).unwrap();
}

/// Which field of a metric is refused where every Service of the cluster may be asked, and why.
fn refused_url(web: &Value) -> Option<(&'static str, String)> {
    let spec = json!({"metrics": [{"name": "health", "provider": {"web": web}}]});
    let task = parse(&spec, &|_, _| String::new()).unwrap();
    allowing(vec![Allowed::Cluster]).refuses_url_of(&task.measured[0])
}

#[test]
fn a_url_of_tokens_that_can_not_be_asked_is_known_before_anything_begins() {
    let refusal = |token_url: &str| {
        let oauth2 = json!({"tokenUrl": token_url, "clientId": "kulta", "clientSecret": "a"});
        refused_url(&json!({"url": "http://shop.web:8080/", "authentication": {"oauth2": oauth2}}))
    };

    assert_eq!(refusal("http://login.web/token"), None);
    let (field, message) = refusal("https://login.example.com/token").unwrap();
    assert_eq!(field, "authentication.oauth2.tokenUrl");
    assert!(
        message.starts_with("\"https://login.example.com:443\" may not be asked"),
        "{message}"
    );
}

#[test]
fn a_url_that_can_not_be_asked_is_known_before_anything_begins() {
    let refusal = |web: Value| refused_url(&web);

    assert_eq!(refusal(json!({"url": "http://shop.web:8080/health"})), None);
    let (field, outside) = refusal(json!({"url": "https://api.example.com/health"})).unwrap();
    assert_eq!(field, "url");
    assert!(
        outside.starts_with("\"https://api.example.com:443\" may not be asked"),
        "{outside}"
    );
    assert!(refusal(json!({"url": "http://"})).is_some());
}
