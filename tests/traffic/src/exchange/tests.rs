//! One request at a time against a scripted server: how each end is counted, and that nothing is sent twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::config::{Config, MAX_IDLE};
use crate::scripted::{ANSWER, Act, Scripted, until};

fn exchanges(config: &Config) -> Exchanges {
    Exchanges {
        plan: config.plan().unwrap(),
        counters: Counters::new().unwrap(),
        idle: IdleConnections::default(),
    }
}

/// Sends one request on a fresh and one on a kept-alive connection to a server that always does the same, and checks
/// that both failed in this way and that the server saw each of them once.
async fn both_fail_as(act: Act, kind: FailureKind) {
    let server = Scripted::start(move |_| act).await.unwrap();
    let exchanges = exchanges(&server.config());
    for travel in [Travel::Fresh, Travel::KeptAlive] {
        exchanges.exchange(travel, Instant::now()).await;
    }
    let snapshot = exchanges.counters.snapshot();
    assert_eq!(
        snapshot.failed,
        BTreeMap::from([(kind, 2)]),
        "{:?}",
        snapshot.first_failures
    );
    assert_eq!((snapshot.ok, server.requests()), (0, 2));
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_failure() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let mut config = server.config();
    // Bound and never listening, so nobody else can listen there either.
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    config.target.address = unused.local_addr().unwrap();
    let exchanges = exchanges(&config);
    exchanges.exchange(Travel::Fresh, Instant::now()).await;
    assert_eq!(
        exchanges.counters.snapshot().failed,
        BTreeMap::from([(FailureKind::Connect, 1)])
    );
}

#[tokio::test]
async fn a_reset_without_an_answer_is_a_reset() {
    both_fail_as(Act::Reset(""), FailureKind::Reset).await;
}

#[tokio::test]
async fn a_close_without_an_answer_is_closed() {
    both_fail_as(Act::Close(""), FailureKind::Closed).await;
}

#[tokio::test]
async fn a_close_within_the_head_is_closed() {
    both_fail_as(Act::Close("HTTP/1.1 200 OK\r\nx-ver"), FailureKind::Closed).await;
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_malformed() {
    both_fail_as(Act::Close("SSH-2.0-OpenSSH\r\n\r\n"), FailureKind::Malformed).await;
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_cut_short() {
    both_fail_as(
        Act::Close("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        FailureKind::CutShort,
    )
    .await;
}

#[tokio::test]
async fn a_chunked_body_without_its_end_is_cut_short() {
    both_fail_as(
        Act::Close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        FailureKind::CutShort,
    )
    .await;
}

#[tokio::test]
async fn a_status_outside_the_two_hundreds_fails_with_its_code() {
    both_fail_as(
        Act::Keep("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
        FailureKind::Status(503),
    )
    .await;
    both_fail_as(
        Act::Keep("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"),
        FailureKind::Status(302),
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_timeout() {
    let server = Scripted::start(|_| Act::Hold).await.unwrap();
    let exchanges = exchanges(&Config {
        timeout: Duration::from_millis(20),
        ..server.config()
    });
    exchanges.exchange(Travel::Fresh, Instant::now()).await;
    assert_eq!(
        exchanges.counters.snapshot().failed,
        BTreeMap::from([(FailureKind::Timeout, 1)])
    );
}

#[tokio::test]
async fn a_failed_answer_counts_for_the_version_that_gave_it() {
    let busy = "HTTP/1.1 503 Busy\r\nx-version: v2\r\ncontent-length: 0\r\n\r\n";
    let server = Scripted::start(move |_| Act::Keep(busy)).await.unwrap();
    let exchanges = exchanges(&server.config());
    exchanges.exchange(Travel::Fresh, Instant::now()).await;
    assert_eq!(exchanges.counters.snapshot().versions["v2"].failed, 1);
}

#[tokio::test]
async fn kept_alive_requests_share_a_connection_and_fresh_ones_do_not() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let exchanges = exchanges(&server.config());
    for _ in 0..5 {
        exchanges.exchange(Travel::KeptAlive, Instant::now()).await;
    }
    assert_eq!((server.connections(), server.requests()), (1, 5));
    for _ in 0..5 {
        exchanges.exchange(Travel::Fresh, Instant::now()).await;
    }
    assert_eq!((server.connections(), server.requests()), (6, 10));
    assert_eq!(
        (
            exchanges.counters.snapshot().ok,
            exchanges.counters.snapshot().connections_opened
        ),
        (10, 6)
    );
}

#[tokio::test]
async fn a_kept_alive_connection_closed_while_idle_is_replaced_and_is_no_failure() {
    let server = Scripted::start(|_| Act::Close(ANSWER)).await.unwrap();
    let exchanges = exchanges(&server.config());
    for requests in 1..=3 {
        exchanges.exchange(Travel::KeptAlive, Instant::now()).await;
        until(|| server.left() == requests).await;
    }
    let snapshot = exchanges.counters.snapshot();
    assert_eq!(
        (snapshot.ok, snapshot.failed_total()),
        (3, 0),
        "{:?}",
        snapshot.first_failures
    );
    assert_eq!((server.connections(), server.requests()), (3, 3));
}

#[tokio::test]
async fn an_answer_with_connection_close_ends_the_connection_and_is_no_failure() {
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let server = Scripted::start(move |_| Act::Close(closing)).await.unwrap();
    let exchanges = exchanges(&server.config());
    for _ in 0..3 {
        exchanges.exchange(Travel::KeptAlive, Instant::now()).await;
    }
    let snapshot = exchanges.counters.snapshot();
    assert_eq!(
        (snapshot.ok, snapshot.failed_total()),
        (3, 0),
        "{:?}",
        snapshot.first_failures
    );
    assert_eq!(
        (
            server.connections(),
            server.requests(),
            snapshot.closed_while_idle
        ),
        (3, 3, 0)
    );
}

#[tokio::test]
async fn a_reset_after_a_request_was_sent_on_a_kept_alive_connection_fails_without_a_retry() {
    let server = Scripted::start(|number| {
        if number == 0 {
            Act::Keep(ANSWER)
        } else {
            Act::Reset("")
        }
    })
    .await
    .unwrap();
    let exchanges = exchanges(&server.config());
    for _ in 0..2 {
        exchanges.exchange(Travel::KeptAlive, Instant::now()).await;
    }
    let snapshot = exchanges.counters.snapshot();
    assert_eq!(
        (snapshot.ok, snapshot.failed),
        (1, BTreeMap::from([(FailureKind::Reset, 1)]))
    );
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test]
async fn a_close_after_a_request_was_sent_on_a_kept_alive_connection_fails_without_a_retry() {
    let server = Scripted::start(|number| {
        if number == 0 {
            Act::Keep(ANSWER)
        } else {
            Act::Close("")
        }
    })
    .await
    .unwrap();
    let exchanges = exchanges(&server.config());
    for _ in 0..2 {
        exchanges.exchange(Travel::KeptAlive, Instant::now()).await;
    }
    let snapshot = exchanges.counters.snapshot();
    assert_eq!(
        (snapshot.ok, snapshot.failed),
        (1, BTreeMap::from([(FailureKind::Closed, 1)]))
    );
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test]
async fn latency_counts_from_the_moment_a_request_was_due() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let exchanges = exchanges(&server.config());
    let late = Duration::from_secs(5);
    exchanges
        .exchange(Travel::Fresh, Instant::now().checked_sub(late).unwrap())
        .await;
    let slowest = Duration::from_micros(exchanges.counters.snapshot().latency.max());
    assert!(slowest >= late, "{slowest:?}");
}

#[tokio::test]
async fn after_a_crowd_only_so_many_connections_are_kept() {
    let server = Scripted::start(|_| Act::Hold).await.unwrap();
    let exchanges = Arc::new(exchanges(&server.config()));
    let mut crowd = JoinSet::new();
    for _ in 0..=MAX_IDLE {
        let exchanges = Arc::clone(&exchanges);
        crowd.spawn(async move { exchanges.exchange(Travel::KeptAlive, Instant::now()).await });
    }
    until(|| server.requests() > MAX_IDLE as u64).await;
    server.release();
    crowd.join_all().await;
    let kept: Vec<Connection> = std::iter::from_fn(|| exchanges.idle.take(|| ())).collect();
    assert_eq!(kept.len(), MAX_IDLE);
}
