use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::Request as Received;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kulta_events::envelope::Mode;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::access::https_server::https_server;
use crate::delivery::worker::tests::event;

/// A server that answers each request with the same, and hands it out.
async fn server(
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) -> (HttpTarget, mpsc::UnboundedReceiver<(HeaderMap, Vec<u8>)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let handler = move |request: Received| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let _ = sender.send((head.headers, body));
        answer()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/events", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (target(&format!("http://{address}/events")), received)
}

fn target(address: &str) -> HttpTarget {
    HttpTarget {
        address: crate::access::Address::parse(address).unwrap(),
        mode: Mode::Structured,
        timeout_seconds: 1,
        bearer_token_file: None,
        basic_auth: None,
        headers: std::collections::BTreeMap::new(),
        ca_file: None,
    }
}

async fn outcome(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Outcome {
    let (target, _received) = server(answer).await;
    HttpSink::new(target).deliver(&event(1)).await
}

fn message_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Delivered => "delivered".to_owned(),
        Outcome::Refused { message } | Outcome::Unavailable { message, .. } => message,
    }
}

#[tokio::test]
async fn a_structured_message_is_one_document() {
    let (target, mut received) = server(|| StatusCode::ACCEPTED.into_response()).await;

    let outcome = HttpSink::new(target).deliver(&event(7)).await;

    assert_eq!(outcome, Outcome::Delivered);
    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["content-type"], envelope::STRUCTURED_CONTENT_TYPE);
    let told = kulta_events::read(std::str::from_utf8(&body).unwrap()).unwrap();
    assert_eq!(told.fact.unwrap().sequence, 7);
}

#[tokio::test]
async fn a_binary_message_has_its_attributes_in_headers() {
    let (mut target, mut received) = server(|| StatusCode::NO_CONTENT.into_response()).await;
    target.mode = Mode::Binary;

    HttpSink::new(target).deliver(&event(7)).await;

    let (headers, body) = received.recv().await.unwrap();
    assert_eq!(headers["ce-id"], event(7).id.to_string().as_str());
    assert_eq!(headers["ce-specversion"], "1.0");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        event(7).body
    );
}

#[tokio::test]
async fn credentials_are_sent_and_never_told() {
    let path = std::env::temp_dir().join(format!("kulta-sink-token-{}", std::process::id()));
    std::fs::write(&path, "open sesame\n").unwrap();
    let (mut target, mut received) =
        server(|| (StatusCode::FORBIDDEN, "not with open sesame").into_response()).await;
    target.bearer_token_file = Some(path);

    let outcome = HttpSink::new(target).deliver(&event(1)).await;

    assert_eq!(
        received.recv().await.unwrap().0["authorization"],
        "Bearer open sesame"
    );
    assert!(matches!(outcome, Outcome::Unavailable { .. }));
    assert!(!message_of(outcome).contains("sesame"));
}

#[tokio::test]
async fn what_is_wrong_with_the_event_sets_it_aside() {
    let others = (400..500)
        .filter_map(|code| StatusCode::from_u16(code).ok())
        .filter(|status| !ABOUT_THE_SINK.contains(status));
    for status in others {
        let outcome = outcome(move || (status, "no such schema").into_response()).await;

        assert!(
            matches!(&outcome, Outcome::Refused { message } if message.contains("no such schema")),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_sink_costs_no_event() {
    let statuses = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY];
    for status in ABOUT_THE_SINK.into_iter().chain(statuses) {
        assert!(matches!(
            outcome(move || status.into_response()).await,
            Outcome::Unavailable { wait: None, .. }
        ));
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it() {
    let soon = outcome(|| (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "7")]).into_response()).await;
    let never =
        outcome(|| (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "999999999")]).into_response()).await;
    let past = outcome(|| {
        (
            StatusCode::TOO_MANY_REQUESTS,
            [(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")],
        )
            .into_response()
    })
    .await;

    assert!(matches!(soon, Outcome::Unavailable { wait: Some(wait), .. } if wait == Duration::from_secs(7)));
    assert!(matches!(
        never,
        Outcome::Unavailable {
            wait: Some(LONGEST_WAIT),
            ..
        }
    ));
    assert!(matches!(past, Outcome::Unavailable { wait: None, .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let outcome =
        outcome(|| (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response()).await;

    assert!(message_of(outcome).contains("redirects are not followed"));
}

#[tokio::test]
async fn a_giant_answer_is_not_read_to_its_end() {
    let giant = || (StatusCode::OK, Body::from(vec![b'x'; 64 << 20])).into_response();

    assert_eq!(outcome(giant).await, Outcome::Delivered);
}

#[tokio::test]
async fn an_answer_that_drips_takes_nothing_back() {
    let drip = || {
        let chunks = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>("."), ()))
        });
        (StatusCode::OK, Body::from_stream(chunks)).into_response()
    };

    assert_eq!(outcome(drip).await, Outcome::Delivered);
}

#[tokio::test]
async fn no_answer_in_time_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = HttpSink::new(target(&format!("http://{}/", listener.local_addr().unwrap())));

    assert!(message_of(sink.deliver(&event(1)).await).contains("no answer within 1 s"));
}

#[tokio::test]
async fn a_server_that_hangs_up_or_is_not_there_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sink = HttpSink::new(target(&format!("http://{address}/")));
    tokio::spawn(async move {
        let _ = listener.accept().await;
    });

    for _ in 0..2 {
        assert!(matches!(
            sink.deliver(&event(1)).await,
            Outcome::Unavailable { .. }
        ));
    }
}

#[tokio::test]
async fn a_server_that_the_authority_does_not_vouch_for_gets_nothing() {
    let (address, authority) = https_server("").await;
    let (_, other_authority) = https_server("").await;
    let path = std::env::temp_dir().join(format!("kulta-sink-ca-{}", std::process::id()));
    let mut target = target(&address.to_string());
    target.ca_file = Some(path.clone());
    let sink = HttpSink::new(target);

    std::fs::write(&path, other_authority).unwrap();
    let not_trusted = sink.deliver(&event(1)).await;
    std::fs::write(&path, authority).unwrap();
    let trusted = sink.deliver(&event(1)).await;

    assert!(matches!(&not_trusted, Outcome::Unavailable { message, .. } if message.contains("certificate")));
    assert_eq!(trusted, Outcome::Delivered);
}

#[tokio::test]
async fn an_authority_that_can_not_be_read_is_told() {
    let mut target = target("https://127.0.0.1:1/");
    target.ca_file = Some(PathBuf::from("/nowhere/ca.pem"));

    let message = message_of(HttpSink::new(target).deliver(&event(1)).await);

    assert!(message.contains("caFile /nowhere/ca.pem"), "{message}");
}
