//! Texts of Secrets: in what is asked, and nowhere in what comes back.

use std::collections::BTreeMap;

use super::*;

const SECRET: &str = "s3cret-\"word";
const STAND_IN: &str = "kulta-secret-0123456789abcdef0123456789abcdef";

fn texts() -> SecretTexts {
    SecretTexts::new(vec![(STAND_IN.to_owned(), SECRET.to_owned())])
}

fn token_query() -> Query {
    query(&format!("up{{token=\"{STAND_IN}\"}}"))
}

fn asked_for(asked: &Asked) -> String {
    let asked = asked.lock();
    let form: BTreeMap<_, _> = form_urlencoded::parse(asked[0].body.as_bytes()).collect();
    form["query"].clone().into_owned()
}

#[tokio::test]
async fn it_is_put_into_the_query_and_then_the_label_is_demanded() {
    let (address, asked) = server(ok(UP)).await;
    let scoped = Provider {
        scope_label: Some("namespace".to_owned()),
        ..for_shop(address)
    };

    let analysis = with(scoped).for_namespace("shop").with_secrets(texts());
    analysis.query(&token_query()).await.unwrap();

    assert_eq!(asked_for(&asked), r#"up{namespace="shop",token="s3cret-\"word"}"#);
}

#[tokio::test]
async fn without_a_scope_it_is_put_in_too() {
    let (providers, asked) = providers(ok(UP)).await;

    let analysis = providers.for_namespace("shop").with_secrets(texts());
    analysis.query(&token_query()).await.unwrap();

    assert_eq!(asked_for(&asked), r#"up{token="s3cret-\"word"}"#);
}

#[tokio::test]
async fn what_stands_for_it_in_another_call_stands_for_nothing() {
    let (providers, asked) = providers(ok(UP)).await;
    let other = SecretTexts::new(vec![(STAND_IN.replace('0', "1"), SECRET.to_owned())]);

    for secrets in [SecretTexts::default(), other] {
        let analysis = providers.for_namespace("shop").with_secrets(secrets);
        let refused = analysis.query(&token_query()).await;

        assert!(
            matches!(&refused, Err(QueryError::Denied(message)) if message.contains("another call")),
            "{refused:?}"
        );
    }
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn a_name_that_only_begins_alike_is_a_name() {
    let (providers, asked) = providers(ok(UP)).await;

    let analysis = providers.for_namespace("shop").with_secrets(texts());
    analysis
        .query(&query(r#"up{role="kulta-secret-access"}"#))
        .await
        .unwrap();

    assert_eq!(asked_for(&asked), r#"up{role="kulta-secret-access"}"#);
}

#[tokio::test]
async fn an_answer_that_has_it_reaches_no_plugin() {
    let body = serde_json::json!({
        "status": "success",
        "warnings": [format!("slow: {SECRET}")],
        "data": {"resultType": "vector", "result": [
            {"metric": {"token": SECRET, SECRET: "x", "encoded": STANDARD_FORM}, "value": [1, "1"]},
        ]},
    });
    let (providers, _) = providers(ok(&body.to_string())).await;

    let analysis = providers.for_namespace("shop").with_secrets(texts());
    let answer = analysis.query(&token_query()).await.unwrap();

    let told = format!("{answer:?}");
    assert!(
        told.contains("(hidden)") && !told.contains("s3cret") && !told.contains(STANDARD_FORM),
        "{told}"
    );
}

/// `s3cret-"word` in base64.
const STANDARD_FORM: &str = "czNjcmV0LSJ3b3Jk";

#[tokio::test]
async fn an_error_that_has_it_reaches_no_plugin() {
    let quoted = serde_json::json!({
        "status": "error", "errorType": "bad_data",
        "error": format!("parse error in up{{token={SECRET:?}}}: {SECRET}"),
    });
    let (providers, _) = providers(Answered::With(StatusCode::BAD_REQUEST, quoted.to_string())).await;

    let analysis = providers.for_namespace("shop").with_secrets(texts());
    let error = analysis.query(&token_query()).await.unwrap_err();

    assert!(
        matches!(&error, QueryError::BadQuery(message) if message.contains("(hidden)")),
        "{error:?}"
    );
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
