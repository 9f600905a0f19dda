//! Who is told what.

use axum::http::HeaderValue;

use super::*;
use crate::context::Context;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::Rollout;
use crate::watch::samples::{key, put, rollout};

const TOKEN: &str = "Bearer secret-token";

fn api(context: &Context, is_ready: bool) -> HistoryApi {
    let (_, ready) = watch::channel(is_ready);
    HistoryApi::new(context.client.clone(), Arc::clone(&context.caches), ready)
}

fn headers(authorization: Option<&'static str>) -> HeaderMap {
    let value = authorization.map(HeaderValue::from_static);
    value
        .map(|value| (header::AUTHORIZATION, value))
        .into_iter()
        .collect()
}

/// The API server says whose token it is.
fn token_review(status: Value) -> Exchange {
    let asked = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": {"audiences": ["kulta"], "token": "secret-token"},
    });
    let mut answer = asked.clone();
    answer["status"] = status;
    expect(
        "POST /apis/authentication.k8s.io/v1/tokenreviews?",
        Reply::With(201, answer),
    )
    .with_body(asked)
}

fn authentic() -> Exchange {
    token_review(json!({
        "authenticated": true,
        "audiences": ["kulta"],
        "user": {"username": "ann", "groups": ["developers"]},
    }))
}

/// The API server says what that one may do.
fn access_review(allowed: bool) -> Exchange {
    let asked = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "groups": ["developers"],
            "resourceAttributes": {
                "group": "kulta.io", "name": "web", "namespace": "shop", "resource": "rollouts", "verb": "get",
                "version": "v1alpha1",
            },
            "user": "ann",
        },
    });
    let mut answer = asked.clone();
    answer["status"] = json!({"allowed": allowed});
    expect(
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews?",
        Reply::With(201, answer),
    )
    .with_body(asked)
}

/// What is told of shop/web, which has one fact.
async fn told(
    exchanges: Vec<Exchange>,
    authorization: Option<&'static str>,
    query: &str,
) -> Result<Value, Refusal> {
    let mut object = rollout("web");
    object["status"] = json!({"history": [
        {"sequence": 7, "time": "2026-03-01T12:00:00Z", "kind": "Paused", "cause": "Controller", "phase": "Paused"},
    ]});
    let ended = scenario(exchanges, async |context| {
        put::<Rollout>(&context.caches, &object);
        let api = api(context, true);
        api.tell(key("web"), &headers(authorization), Some(query)).await
    });
    ended.await.outcome
}

#[tokio::test]
async fn whoever_may_see_the_rollout_is_told_its_history() {
    let answer = told(vec![authentic(), access_review(true)], Some(TOKEN), "")
        .await
        .unwrap();

    assert_eq!(
        answer["rollout"],
        json!({"namespace": "shop", "name": "web", "uid": "uid-web"})
    );
    assert_eq!(answer["history"][0]["sequence"], 7);
}

#[tokio::test]
async fn an_instant_is_answered_with_what_was_true_then() {
    let exchanges = vec![authentic(), access_review(true)];

    let answer = told(exchanges, Some(TOKEN), "at=2026-03-01T12%3A00%3A01Z")
        .await
        .unwrap();

    assert_eq!(answer["state"]["phase"], "Paused");
    assert_eq!(answer["state"]["change"]["sequence"], 7);
}

#[tokio::test]
async fn an_instant_before_the_history_is_out_of_range() {
    let exchanges = vec![authentic(), access_review(true)];

    let refusal = told(exchanges, Some(TOKEN), "at=2026-03-01T11:00:00Z")
        .await
        .unwrap_err();

    assert_eq!(refusal.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refusal
            .to_string()
            .contains("the oldest fact that is kept is of 2026-03-01T12:00:00Z")
    );
}

#[tokio::test]
async fn without_a_token_nobody_is_asked() {
    for authorization in [None, Some("Basic YTpi"), Some("Bearer ")] {
        let refusal = told(Vec::new(), authorization, "").await.unwrap_err();

        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
        assert!(refusal.to_string().contains("--audience=kulta"), "{refusal}");
    }
}

#[tokio::test]
async fn a_token_for_another_audience_is_not_taken() {
    let statuses = [
        json!({"authenticated": false, "error": "token audiences do not match"}),
        json!({"authenticated": true, "user": {"username": "ann"}}),
        json!({"authenticated": true, "audiences": ["https://kubernetes.default"], "user": {"username": "ann"}}),
    ];
    for status in statuses {
        let refusal = told(vec![token_review(status)], Some(TOKEN), "")
            .await
            .unwrap_err();

        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn whoever_may_not_see_the_rollout_is_told_nothing_of_it() {
    let exchanges = vec![authentic(), access_review(false)];

    let refusal = told(exchanges, Some(TOKEN), "").await.unwrap_err();

    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    assert!(
        refusal
            .to_string()
            .starts_with("ann may not get the Rollout shop/web"),
        "{refusal}"
    );
}

#[tokio::test]
async fn an_api_server_that_does_not_say_lets_nobody_in() {
    let refused = Reply::failure(403, "Forbidden", "may not create tokenreviews", &[]);
    let exchange = expect("POST /apis/authentication.k8s.io/v1/tokenreviews?", refused);

    let refusal = told(vec![exchange], Some(TOKEN), "").await.unwrap_err();

    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.to_string().contains("system:auth-delegator"), "{refusal}");
}

#[tokio::test]
async fn what_is_no_instant_and_no_parameter_is_named() {
    for (query, words) in [("at=noon", "at=noon"), ("time=1", "\"time\" is no parameter")] {
        let exchanges = vec![authentic(), access_review(true)];

        let refusal = told(exchanges, Some(TOKEN), query).await.unwrap_err();

        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}

#[tokio::test]
async fn a_rollout_that_is_not_there_is_unknown() {
    let ended = scenario(vec![authentic(), access_review(true)], async |context| {
        let api = api(context, true);
        api.tell(key("web"), &headers(Some(TOKEN)), None).await
    });

    let refusal = ended.await.outcome.unwrap_err();

    assert_eq!(refusal.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_is_said_before_all_rollouts_were_seen() {
    let ended = scenario(vec![authentic(), access_review(true)], async |context| {
        api(context, false)
            .tell(key("web"), &headers(Some(TOKEN)), None)
            .await
    });

    let refusal = ended.await.outcome.unwrap_err();

    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn too_many_at_the_same_time_are_asked_to_come_again() {
    let ended = scenario(Vec::new(), async |context| {
        let api = api(context, true);
        let _all = api.places.try_acquire_many(8).unwrap();
        api.tell(key("web"), &headers(Some(TOKEN)), None).await
    });

    let response = ended.await.outcome.unwrap_err().into_response();

    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
}
