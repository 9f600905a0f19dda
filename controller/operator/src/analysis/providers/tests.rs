//! What is asked of a provider, and what comes of its answers: by a server on this machine.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use jiff::{SignedDuration, Timestamp};
use kulta_plugin_host::metrics::Data;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

const UP: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}"#;

/// What the server was asked: method, path and body.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

#[derive(Clone)]
struct Served {
    asked: Asked,
    answer: Answered,
}

#[derive(Clone)]
enum Answered {
    With(StatusCode, String),
    Redirect,
    Never,
}

async fn serve(State(served): State<Served>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let entry = (parts.method.to_string(), parts.uri.path().to_owned(), body);
    served.asked.lock().push(entry);
    match served.answer {
        Answered::With(status, text) => (status, text).into_response(),
        Answered::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Answered::Never => std::future::pending().await,
    }
}

async fn providers(answer: Answered) -> (Arc<Providers>, Asked) {
    let asked = Asked::default();
    let served = Served {
        asked: Arc::clone(&asked),
        answer,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/prometheus", listener.local_addr().unwrap());
    let router = Router::new().fallback(any(serve)).with_state(served);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let provider = Provider {
        address: address.parse().unwrap(),
        namespaces: vec!["shop".to_owned()],
        timeout_seconds: 5,
    };
    let known = BTreeMap::from([("main".to_owned(), provider)]);
    (Arc::new(Providers::new(known)), asked)
}

fn query(expression: &str) -> Query {
    Query {
        provider: "main".to_owned(),
        expression: expression.to_owned(),
        window: Window::Instant {
            at: Timestamp::from_millisecond(1_500).unwrap(),
        },
        answer_bytes: 1_000,
        time: Duration::from_millis(500),
    }
}

async fn ask(answer: Answered, query: Query) -> Result<Answer, QueryError> {
    let (providers, _) = providers(answer).await;
    providers.for_namespace("shop").query(&query).await
}

fn ok(text: &str) -> Answered {
    Answered::With(StatusCode::OK, text.to_owned())
}

#[tokio::test]
async fn a_query_is_posted_with_its_time() {
    let (providers, asked) = providers(ok(UP)).await;

    let answer = providers
        .for_namespace("shop")
        .query(&query("up{a=\"&\"}"))
        .await
        .unwrap();

    assert!(matches!(answer.data, Data::Vector(list) if list.len() == 1));
    let (method, path, body) = asked.lock()[0].clone();
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("POST", "/prometheus/api/v1/query")
    );
    assert_eq!(body, "query=up%7Ba%3D%22%26%22%7D&time=1.500");
}

#[tokio::test]
async fn a_range_is_asked_for_with_its_ends_and_step() {
    let (providers, asked) = providers(ok(UP)).await;
    let range = Query {
        window: Window::Range {
            start: Timestamp::from_second(1).unwrap(),
            end: Timestamp::from_second(61).unwrap(),
            step: SignedDuration::from_secs(15),
        },
        ..query("up")
    };

    providers.for_namespace("shop").query(&range).await.unwrap();

    let (_, path, body) = asked.lock()[0].clone();
    assert_eq!(path, "/prometheus/api/v1/query_range");
    assert_eq!(body, "query=up&start=1.000&end=61.000&step=15.000");
}

#[tokio::test]
async fn a_namespace_that_is_not_listed_is_denied_without_asking() {
    let (providers, asked) = providers(ok(UP)).await;

    let denied = providers.for_namespace("bank").query(&query("up")).await;

    assert!(matches!(denied, Err(QueryError::Denied(message)) if message.contains("bank")));
    assert!(asked.lock().is_empty());
}

#[tokio::test]
async fn a_provider_that_nobody_set_up_is_denied() {
    let other = Query {
        provider: "other".to_owned(),
        ..query("up")
    };

    assert!(
        matches!(ask(ok(UP), other).await, Err(QueryError::Denied(message)) if message.contains("other"))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (providers, asked) = providers(Answered::Redirect).await;

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    assert!(matches!(answer, Err(QueryError::Unavailable(message)) if message.contains("302")));
    assert_eq!(asked.lock().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let answer = ask(ok(&" ".repeat(2_000)), query("up")).await;

    assert_eq!(answer, Err(QueryError::TooLarge { bytes: 1_000 }));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    assert_eq!(ask(Answered::Never, query("up")).await, Err(QueryError::Timeout));
}

#[tokio::test]
async fn an_error_of_the_server_is_told_with_its_status() {
    let busy = Answered::With(StatusCode::TOO_MANY_REQUESTS, "slow down".to_owned());

    assert!(
        matches!(ask(busy, query("up")).await, Err(QueryError::Unavailable(message)) if message.contains("429"))
    );
}

#[tokio::test]
async fn a_provider_that_is_away_is_unavailable() {
    let provider = Provider {
        address: "http://127.0.0.1:1".parse().unwrap(),
        namespaces: vec!["*".to_owned()],
        timeout_seconds: 5,
    };
    let providers = Arc::new(Providers::new(BTreeMap::from([("main".to_owned(), provider)])));

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    assert!(matches!(answer, Err(QueryError::Unavailable(message)) if message.contains("127.0.0.1")));
}
