//! Whole loads against a scripted server: pace, bounds, and that nothing due is left out.

use super::*;
use crate::scripted::{ANSWER, Act, Scripted, until};

/// A bound that no test waits for.
const NEVER: Duration = Duration::from_hours(1);

#[test]
fn requests_are_due_at_the_rate_without_drift() {
    assert_eq!(due_after(0, 3), Duration::ZERO);
    assert_eq!(due_after(1, 3), Duration::from_nanos(333_333_333));
    assert_eq!(due_after(3, 3), Duration::from_secs(1));
    assert_eq!(due_after(300_000_000, 3), Duration::from_secs(100_000_000));
}

#[test]
fn a_share_is_exact_over_a_hundred() {
    for percent in [0, 1, 33, 50, 100] {
        let mut share = EvenShare::of_percent(percent);
        assert_eq!(
            (0..100).filter(|_| share.next_is_in()).count(),
            usize::from(percent)
        );
    }
}

#[tokio::test]
async fn every_request_is_counted_once_and_by_its_version() {
    let other = "HTTP/1.1 200 OK\r\nx-version: v2\r\ncontent-length: 0\r\n\r\n";
    let server = Scripted::start(move |number| Act::Keep(if number % 4 == 0 { other } else { ANSWER }))
        .await
        .unwrap();
    let load = Load::start(Config {
        max_requests: 200,
        ..server.config()
    })
    .unwrap();
    assert_eq!(load.ended().await, Ended::MaxRequests);
    let Report { total, ended } = load.stop().await;
    assert_eq!(
        (total.sent, total.ok, total.failed_total(), total.in_flight()),
        (200, 200, 0, 0)
    );
    assert_eq!((total.answers_of("v1"), total.answers_of("v2")), (150, 50));
    assert_eq!((server.requests(), ended), (200, Ended::MaxRequests));
}

#[tokio::test]
async fn half_of_the_requests_open_a_connection_each() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let load = Load::start(Config {
        max_requests: 100,
        ..server.config()
    })
    .unwrap();
    load.ended().await;
    let total = load.stop().await.total;
    // At least one for the kept-alive half, and never as many as if it kept none.
    assert!(
        (51..100).contains(&total.connections_opened),
        "{}",
        total.connections_opened
    );
    assert_eq!(server.connections(), total.connections_opened);
}

#[tokio::test]
async fn a_server_that_answers_nothing_does_not_slow_the_load_down() {
    let server = Scripted::start(|_| Act::Hold).await.unwrap();
    let load = Load::start(Config {
        max_requests: 50,
        timeout: NEVER,
        ..server.config()
    })
    .unwrap();
    until(|| server.requests() == 50).await;
    let held = load.snapshot();
    assert_eq!((held.sent, held.ok, held.in_flight()), (50, 0, 50));
    server.release();
    load.ended().await;
    assert_eq!(load.stop().await.total.ok, 50);
}

#[tokio::test]
async fn requests_above_the_bound_in_flight_are_counted_and_not_sent() {
    let server = Scripted::start(|_| Act::Hold).await.unwrap();
    let config = Config {
        max_requests: 50,
        max_in_flight: 10,
        timeout: NEVER,
        ..server.config()
    };
    let load = Load::start(config).unwrap();
    until(|| load.snapshot().sent == 50).await;
    server.release();
    load.ended().await;
    let total = load.stop().await.total;
    assert_eq!((total.ok, total.not_sent(), total.failed_total()), (10, 40, 0));
    assert_eq!(server.requests(), 10);
}

#[tokio::test]
async fn a_load_ends_when_its_time_is_over() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let max_duration = Duration::from_millis(50);
    let load = Load::start(Config {
        max_duration,
        ..server.config()
    })
    .unwrap();
    assert_eq!(load.ended().await, Ended::MaxDuration);
    // A thousand a second for fifty milliseconds, however busy the machine is.
    assert_eq!(load.stop().await.total.sent, 50);
}

#[tokio::test]
async fn stopping_waits_for_the_requests_in_flight() {
    let server = Scripted::start(|_| Act::Hold).await.unwrap();
    let load = Load::start(Config {
        timeout: NEVER,
        ..server.config()
    })
    .unwrap();
    until(|| server.requests() >= 5).await;
    let stopping = tokio::spawn(load.stop());
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    server.release();
    let Report { total, ended } = stopping.await.unwrap();
    assert_eq!(
        (total.ok, total.in_flight(), ended),
        (total.sent, 0, Ended::Stopped)
    );
    assert_eq!(server.requests(), total.sent);
}

#[tokio::test]
async fn a_dropped_load_stops() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let load = Load::start(server.config()).unwrap();
    until(|| server.requests() >= 5).await;
    let mut ended = load.ended.clone();
    drop(load);
    let why = *ended.wait_for(Option::is_some).await.unwrap();
    assert_eq!(why, Some(Ended::Stopped));
}

#[tokio::test]
async fn a_refused_target_starts_nothing() {
    let server = Scripted::start(|_| Act::Keep(ANSWER)).await.unwrap();
    let mut config = server.config();
    config.target.address = "192.0.2.1:80".parse().unwrap();
    assert_eq!(
        Load::start(config).unwrap_err(),
        ConfigError::Target("192.0.2.1:80".parse().unwrap())
    );
}
