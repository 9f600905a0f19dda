//! A real server on a loopback port, one behaviour for each test.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hyper::StatusCode;

use super::*;
use crate::client::{Client, get};

/// A drain that no test waits for.
const NEVER_OVER: Duration = Duration::from_hours(1);

fn on_loopback() -> Settings {
    Settings {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        drain: NEVER_OVER,
        ..Settings::default()
    }
}

#[tokio::test]
async fn every_path_says_which_version_and_pod_answers() {
    let settings = Settings {
        version_label: "v7".to_owned(),
        pod: "shop-7".to_owned(),
        ..on_loopback()
    };
    let server = Server::start(&settings).await.unwrap();
    for path in ["/", "/any/thing?else"] {
        let answer = get(server.address(), path).await.unwrap();
        assert_eq!(answer.code, StatusCode::OK);
        assert_eq!(answer.headers["x-version"], "v7");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body, serde_json::json!({ "version": "v7", "pod": "shop-7" }));
    }
}

#[tokio::test]
async fn a_version_label_that_is_no_header_value_is_refused() {
    let settings = Settings {
        version_label: "v1\n".to_owned(),
        ..on_loopback()
    };
    let refused = Server::start(&settings).await;
    assert!(
        matches!(refused, Err(ServerError::VersionLabel { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_in_the_error() {
    let first = Server::start(&on_loopback()).await.unwrap();
    let settings = Settings {
        port: first.address().port(),
        ..on_loopback()
    };
    let refused = Server::start(&settings).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("cannot listen on {}", first.address())
    );
}

#[tokio::test]
async fn the_error_rate_is_the_share_of_500() {
    let settings = Settings {
        error_rate: "0.25".parse().unwrap(),
        ..on_loopback()
    };
    let server = Server::start(&settings).await.unwrap();
    let mut client = Client::connect(server.address()).await.unwrap();
    let mut errors = 0;
    for _ in 0..40 {
        let answer = client.get("/").await.unwrap();
        errors += u32::from(answer.code == StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers["x-version"], "v1");
    }
    assert_eq!(errors, 10);
}

#[tokio::test]
async fn probes_are_never_made_to_fail() {
    let settings = Settings {
        error_rate: "1.0".parse().unwrap(),
        ..on_loopback()
    };
    let server = Server::start(&settings).await.unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(
            get(server.address(), path).await.unwrap().code,
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn it_is_alive_but_not_ready_during_the_readiness_delay() {
    let settings = Settings {
        readiness_delay: NEVER_OVER,
        ..on_loopback()
    };
    let server = Server::start(&settings).await.unwrap();
    assert_eq!(
        get(server.address(), "/livez").await.unwrap().code,
        StatusCode::OK
    );
    assert_eq!(
        get(server.address(), "/readyz").await.unwrap().code,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_control_changes_the_next_answer() {
    let server = Server::start(&on_loopback()).await.unwrap();
    let mut client = Client::connect(server.address()).await.unwrap();
    let state = client
        .post("/control", r#"{"error_rate": 1.0, "ready": false}"#)
        .await
        .unwrap();
    assert_eq!(
        state.body,
        r#"{"error_rate":1.0,"latency":"0s","latency_jitter":"0s","ready":false}"#
    );
    assert_eq!(
        client.get("/").await.unwrap().code,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        client.get("/readyz").await.unwrap().code,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_control_that_is_not_understood_is_refused_and_changes_nothing() {
    let server = Server::start(&on_loopback()).await.unwrap();
    let mut client = Client::connect(server.address()).await.unwrap();
    for body in [
        r#"{"error_rate": 2.0}"#,
        r#"{"eror_rate": 1.0}"#,
        r#"{"latency": "soon"}"#,
        "",
        "[]]",
    ] {
        assert_eq!(
            client.post("/control", body).await.unwrap().code,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    assert_eq!(client.get("/").await.unwrap().code, StatusCode::OK);
}

#[tokio::test]
async fn a_control_is_only_taken_by_post() {
    let server = Server::start(&on_loopback()).await.unwrap();
    assert_eq!(
        get(server.address(), "/control").await.unwrap().code,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn metrics_count_answers_and_leave_probes_out() {
    let server = Server::start(&on_loopback()).await.unwrap();
    for path in ["/", "/", "/livez", "/readyz", "/metrics"] {
        get(server.address(), path).await.unwrap();
    }
    let metrics = get(server.address(), "/metrics").await.unwrap();
    assert_eq!(metrics.headers["content-type"], crate::metrics::CONTENT_TYPE);
    assert!(
        metrics
            .body
            .contains(r#"http_requests_total{version="v1",code="200"} 2"#),
        "{}",
        metrics.body
    );
}

#[tokio::test]
async fn a_drain_turns_readiness_off_at_once_and_keeps_accepting_and_answering() {
    let server = Server::start(&on_loopback()).await.unwrap();
    server.drain();
    assert_eq!(
        get(server.address(), "/readyz").await.unwrap().code,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        get(server.address(), "/livez").await.unwrap().code,
        StatusCode::OK
    );
    assert_eq!(get(server.address(), "/").await.unwrap().code, StatusCode::OK);
}

#[tokio::test]
async fn a_drain_asks_kept_alive_connections_to_close_with_their_next_answer() {
    let server = Server::start(&on_loopback()).await.unwrap();
    let mut client = Client::connect(server.address()).await.unwrap();
    assert!(client.get("/").await.unwrap().headers.get("connection").is_none());
    server.drain();
    let answer = client.get("/").await.unwrap();
    assert_eq!(
        (answer.code, &answer.headers["connection"]),
        (StatusCode::OK, &HeaderValue::from_static("close"))
    );
    client.closed().await.unwrap();
}

#[tokio::test]
async fn when_the_drain_is_over_idle_connections_are_closed_and_no_new_one_is_taken() {
    let server = Server::start(&Settings {
        drain: Duration::ZERO,
        ..on_loopback()
    })
    .await
    .unwrap();
    let address = server.address();
    let mut idle = Client::connect(address).await.unwrap();
    idle.get("/").await.unwrap();
    server.drain();
    server.closed().await.unwrap();
    idle.closed().await.unwrap();
    assert!(Client::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_in_flight_when_the_drain_is_over_is_still_answered() {
    // Long enough for the observer to see it in flight on a busy machine.
    let latency = Duration::from_secs(1);
    let settings = Settings {
        drain: Duration::ZERO,
        latency,
        ..on_loopback()
    };
    let server = Server::start(&settings).await.unwrap();
    let mut busy = Client::connect(server.address()).await.unwrap();
    let mut observer = Client::connect(server.address()).await.unwrap();
    let request = tokio::spawn(async move { busy.get("/").await });
    let in_flight = r#"http_requests_in_flight{version="v1"} 1"#;
    while !observer.get("/metrics").await.unwrap().body.contains(in_flight) {
        assert!(!request.is_finished(), "answered before it was seen in flight");
    }
    server.drain();
    server.closed().await.unwrap();
    let answer = request.await.unwrap().unwrap();
    assert_eq!(
        (answer.code, &answer.headers["connection"]),
        (StatusCode::OK, &HeaderValue::from_static("close"))
    );
}

#[tokio::test]
async fn a_dropped_server_stops_listening() {
    let server = Server::start(&on_loopback()).await.unwrap();
    let address = server.address();
    drop(server);
    while Client::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
