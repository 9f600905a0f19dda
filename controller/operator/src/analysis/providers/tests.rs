//! What is asked of a provider, and what comes of its answers: by a server on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use jiff::{SignedDuration, Timestamp};
use kulta_plugin_host::metrics::{Data, Window};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;
use crate::analysis::configuration::Provider;

mod answers;
mod credentials;
mod places;
mod secrets;
mod servers;
mod sources;

pub(in crate::analysis) const UP: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}"#;

/// One request that the server got.
pub(in crate::analysis) struct Got {
    method: String,
    path: String,
    pub(in crate::analysis) body: String,
    headers: HeaderMap,
}

pub(in crate::analysis) type Asked = Arc<Mutex<Vec<Got>>>;

#[derive(Clone)]
struct Served {
    asked: Asked,
    answer: Answered,
}

#[derive(Clone)]
pub(in crate::analysis) enum Answered {
    With(StatusCode, String),
    WithHeader(StatusCode, HeaderName, &'static str),
    /// A beginning, and then nothing.
    Stuck,
    /// More than anybody wants.
    Endless,
    Never,
}

async fn serve(State(served): State<Served>, request: axum::extract::Request) -> Response {
    use axum::body::{Body, Bytes};
    use futures::stream;

    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    served.asked.lock().push(Got {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        headers: parts.headers,
    });
    let chunk = |_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 << 10]));
    match served.answer {
        Answered::With(status, text) => (status, text).into_response(),
        Answered::WithHeader(status, name, value) => (status, [(name, value)]).into_response(),
        Answered::Stuck => {
            let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
            Body::from_stream(futures::StreamExt::chain(begun, stream::pending())).into_response()
        }
        Answered::Endless => {
            Body::from_stream(futures::StreamExt::map(stream::iter(0..160), chunk)).into_response()
        }
        Answered::Never => std::future::pending().await,
    }
}

/// A server that answers so, its address, and what it was asked.
pub(in crate::analysis) async fn server(answer: Answered) -> (Address, Asked) {
    let asked = Asked::default();
    let served = Served {
        asked: Arc::clone(&asked),
        answer,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/prometheus", listener.local_addr().unwrap());
    let router = Router::new().fallback(any(serve)).with_state(served);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Address::parse(&address).unwrap(), asked)
}

/// The provider `main`, for the namespace `shop`.
fn with(provider: Provider) -> Arc<Providers> {
    Arc::new(Providers::new(&configuration(provider)))
}

fn configuration(provider: Provider) -> Configuration {
    Configuration {
        providers: BTreeMap::from([("main".to_owned(), provider)]),
        ..Configuration::default()
    }
}

pub(in crate::analysis) fn for_shop(address: Address) -> Provider {
    Provider {
        namespaces: vec!["shop".to_owned()],
        ..Provider::plain(address)
    }
}

async fn providers(answer: Answered) -> (Arc<Providers>, Asked) {
    let (address, asked) = server(answer).await;
    (with(for_shop(address)), asked)
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

pub(in crate::analysis) fn ok(text: &str) -> Answered {
    Answered::With(StatusCode::OK, text.to_owned())
}

/// The provider `prometheus`, which others ask as much as they may, and never stop.
pub(crate) fn crowded_for_ever() -> (Configuration, Arc<Providers>) {
    let provider = Provider {
        namespaces: vec!["*".to_owned()],
        ..Provider::plain(Address::parse("http://127.0.0.1:1").unwrap())
    };
    let configuration = Configuration {
        providers: BTreeMap::from([(DEFAULT_PROVIDER.to_owned(), provider)]),
        ..Configuration::default()
    };
    let providers = Arc::new(Providers::new(&configuration));
    for namespace in ["bank", "bank", "bank", "bank", "depot", "depot", "depot", "depot"] {
        let other = providers.for_namespace(namespace);
        let known = other.choose(DEFAULT_PROVIDER).unwrap();
        assert!(other.has_place(&known));
        std::mem::forget(other);
    }
    (configuration, providers)
}

#[track_caller]
fn assert_unavailable(answer: Result<Answer, QueryError>, words: &[&str]) {
    let Err(QueryError::Unavailable(message)) = answer else {
        panic!("{answer:?}");
    };
    for word in words {
        assert!(message.contains(word), "no {word} in: {message}");
    }
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
    let asked = asked.lock();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("POST", "/prometheus/api/v1/query")
    );
    assert_eq!(asked[0].body, "query=up%7Ba%3D%22%26%22%7D&time=1.500");
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

    let asked = asked.lock();
    assert_eq!(asked[0].path, "/prometheus/api/v1/query_range");
    assert_eq!(asked[0].body, "query=up&start=1.000&end=61.000&step=15.000");
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
async fn another_configuration_counts_from_the_next_query_on() {
    let (providers, asked) = providers(ok(UP)).await;
    let (moved, asked_there) = server(ok(UP)).await;
    let analysis = providers.for_namespace("shop");
    analysis.query(&query("up")).await.unwrap();

    providers.configure(&configuration(for_shop(moved)));
    analysis.query(&query("up")).await.unwrap();
    providers.configure(&Configuration::default());
    let gone = analysis.query(&query("up")).await;

    assert_eq!((asked.lock().len(), asked_there.lock().len()), (1, 1));
    assert!(matches!(gone, Err(QueryError::Denied(message)) if message.contains("main")));
}

#[tokio::test]
async fn a_scope_label_is_demanded_of_every_series() {
    let (address, asked) = server(ok(UP)).await;
    let scoped = Provider {
        scope_label: Some("namespace".to_owned()),
        ..for_shop(address)
    };
    let providers = with(scoped);

    providers
        .for_namespace("shop")
        .query(&query(r#"up{namespace="bank"}"#))
        .await
        .unwrap();
    let refused = providers.for_namespace("shop").query(&query("info(up)")).await;

    let asked = asked.lock();
    let form: BTreeMap<_, _> = form_urlencoded::parse(asked[0].body.as_bytes()).collect();
    assert_eq!(form["query"], r#"up{namespace="bank",namespace="shop"}"#);
    assert!(matches!(refused, Err(QueryError::Denied(message)) if message.contains("info()")));
    assert_eq!(asked.len(), 1);
}
