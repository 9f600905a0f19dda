use std::collections::BTreeMap;

use kulta_core::history::FactKind;

use super::*;
use crate::delivery::worker::tests::{fact, subject};

const SINK: &str = "dashboard";

fn lane() -> Lane {
    wanting(Filter::default())
}

fn wanting(filter: Filter) -> Lane {
    Lane::new(SINK, filter, Arc::new(Metrics::new("test")))
}

/// Wants what the standard knows, and nothing of KULTA's own, which weights are.
fn standard() -> Filter {
    Filter {
        types: Some(vec!["dev.cdevents.".to_owned()]),
        ..Filter::default()
    }
}

fn metrics(lane: &Lane) -> String {
    lane.metrics.render().unwrap()
}

/// A status whose history has these facts, of which the sink has those up to `delivered`.
fn status(facts: std::ops::RangeInclusive<u64>, delivered: u64) -> Status {
    Status {
        history: facts.map(fact).collect(),
        delivered: BTreeMap::from([(SINK.to_owned(), delivered)]),
        ..Status::default()
    }
}

fn offer(lane: &Lane, status: &Status) {
    lane.offer(&subject().uid, subject, status);
}

fn numbers(job: &Job) -> Vec<u64> {
    job.facts.iter().map(|fact| fact.sequence).collect()
}

/// The next job, if there is one now.
fn job(lane: &Lane) -> Option<Job> {
    match lane.look() {
        Look::Job(job) => Some(job),
        Look::Nothing | Look::Paused(_) => None,
    }
}

/// All of `job` was sent.
fn deliver(lane: &Lane, job: &Job) -> bool {
    for fact in &job.facts {
        lane.done(&job.subject.uid, fact.sequence, None);
    }
    lane.end(job, Ending::Done)
}

#[tokio::test]
async fn what_is_stored_and_not_delivered_is_sent_in_order_and_once() {
    let lane = lane();
    offer(&lane, &status(1..=5, 2));
    offer(&lane, &status(1..=5, 2));

    let first = job(&lane).unwrap();

    assert_eq!(numbers(&first), [3, 4, 5]);
    assert!(deliver(&lane, &first));
    offer(&lane, &status(1..=5, 2));
    assert!(job(&lane).is_none());
    assert_eq!(lane.progress(&subject().uid).0, 5);
}

#[tokio::test]
async fn a_rollout_has_one_sender_at_a_time() {
    let lane = lane();
    offer(&lane, &status(1..=2, 0));
    let first = job(&lane).unwrap();
    offer(&lane, &status(1..=4, 0));

    assert!(job(&lane).is_none());
    deliver(&lane, &first);

    assert_eq!(numbers(&job(&lane).unwrap()), [3, 4]);
}

#[tokio::test]
async fn a_status_that_does_not_list_the_sink_has_nothing_for_it() {
    let lane = lane();
    let mut unlisted = status(1..=5, 0);
    unlisted.delivered.clear();

    offer(&lane, &unlisted);

    assert!(job(&lane).is_none());
}

#[tokio::test]
async fn nothing_is_kept_of_a_rollout_whose_progress_is_noted() {
    let lane = lane();
    offer(&lane, &status(1..=2, 0));
    let first = job(&lane).unwrap();
    deliver(&lane, &first);

    offer(&lane, &status(1..=2, 2));

    assert!(!lane.state.lock().lines.has(&subject().uid));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_nothing_is_left_alone_and_then_tried_with_one_event() {
    let lane = lane();
    offer(&lane, &status(1..=3, 0));
    let first = job(&lane).unwrap();
    lane.end(&first, Ending::Stopped(None));

    assert!(job(&lane).is_none());
    tokio::time::advance(LONGEST_DELAY).await;
    let probe = job(&lane).unwrap();

    assert_eq!(numbers(&probe), [1]);
    deliver(&lane, &probe);
    assert_eq!(numbers(&job(&lane).unwrap()), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_a_sink_asks_for_is_kept() {
    let lane = lane();
    offer(&lane, &status(1..=1, 0));
    let first = job(&lane).unwrap();
    lane.end(&first, Ending::Stopped(Some(Duration::from_secs(90))));

    tokio::time::advance(Duration::from_secs(89)).await;
    assert!(job(&lane).is_none());
    tokio::time::advance(Duration::from_secs(1)).await;

    assert!(job(&lane).is_some());
}

#[tokio::test(start_paused = true)]
async fn waits_grow_until_the_sink_takes_an_event() {
    let lane = lane();
    offer(&lane, &status(1..=9, 0));
    let mut waits = Vec::new();
    for _ in 0..10 {
        let next = lane.next().await;
        let before = Instant::now();
        lane.end(&next, Ending::Stopped(None));
        if let Look::Paused(until) = lane.look() {
            waits.push(until - before);
        }
    }

    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!(waits.last(), Some(&LONGEST_DELAY));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_asks_for_no_wait_is_not_asked_all_the_time() {
    let lane = lane();
    offer(&lane, &status(1..=1, 0));
    let first = job(&lane).unwrap();

    lane.end(&first, Ending::Stopped(Some(Duration::ZERO)));

    assert!(job(&lane).is_none());
}

/// Facts of another Rollout are under way.
fn other_job(lane: &Lane) -> Job {
    let other = || Subject {
        uid: "other".to_owned(),
        ..subject()
    };
    lane.offer("other", other, &status(1..=2, 0));
    job(lane).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_sent_before_does_not_end_the_wait_that_a_sink_asks_for() {
    let lane = lane();
    offer(&lane, &status(1..=1, 0));
    let (first, other) = (job(&lane).unwrap(), other_job(&lane));
    lane.end(&first, Ending::Stopped(Some(Duration::from_secs(90))));

    lane.done("other", 1, None);

    assert!(lane.is_paused());
    lane.end(&other, Ending::Interrupted);
    assert!(job(&lane).is_none());
}

/// A history with a promotion in the middle.
fn promoted() -> Status {
    let mut status = status(1..=3, 0);
    status.history[1].kind = FactKind::Promoted;
    status
}

#[tokio::test]
async fn what_a_sink_does_not_want_waits_for_nothing() {
    let lane = wanting(standard());
    offer(&lane, &promoted());

    let only = job(&lane).unwrap();
    assert_eq!(numbers(&only), [2]);
    assert!(metrics(&lane).contains(r#"kulta_sink_events_pending{sink="dashboard"} 1"#));
    deliver(&lane, &only);

    assert_eq!(lane.progress(&subject().uid).0, 3);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_lacks_nothing_that_it_does_not_want() {
    let lane = wanting(standard());
    let mut other = promoted();
    other.history.truncate(2);
    lane.offer(
        "other",
        || Subject {
            uid: "other".to_owned(),
            ..subject()
        },
        &other,
    );
    let first = job(&lane).unwrap();
    lane.end(&first, Ending::Stopped(None));

    offer(&lane, &status(1..=3, 0));

    assert_eq!(lane.progress(&subject().uid).0, 3);
    offer(&lane, &status(1..=3, 3));
    assert!(!lane.state.lock().lines.has(&subject().uid));
}

#[tokio::test]
async fn how_a_sink_does_is_told_by_metrics() {
    let lane = lane();
    offer(&lane, &status(1..=2, 0));
    let first = job(&lane).unwrap();
    lane.count(&Outcome::Refused {
        message: String::new(),
    });
    lane.end(&first, Ending::Stopped(None));
    let (pending, up) = (
        r#"kulta_sink_events_pending{sink="dashboard"}"#,
        r#"kulta_sink_up{sink="dashboard"}"#,
    );
    let oldest = r#"kulta_sink_oldest_pending_timestamp_seconds{sink="dashboard"}"#;

    let told = metrics(&lane);
    let since = fact(1).time.as_second();
    assert!(
        told.contains(&format!("{pending} 2")) && told.contains(&format!("{up} 0")),
        "{told}"
    );
    assert!(told.contains(&format!("{oldest} {since}")), "{told}");
    let refused = r#"kulta_sink_events_total{sink="dashboard",result="refused"} 1"#;
    assert!(told.contains(refused), "{told}");

    lane.state.lock().pause = None;
    deliver(&lane, &first);
    let told = metrics(&lane);
    assert!(
        told.contains(&format!("{pending} 0")) && told.contains(&format!("{up} 1")),
        "{told}"
    );
    assert!(told.contains(&format!("{oldest} 0.0")), "{told}");
}

#[tokio::test]
async fn a_replica_that_does_not_lead_any_more_tells_nothing_more() {
    let lane = lane();
    offer(&lane, &status(1..=3, 0));
    let under_way = job(&lane).unwrap();
    other_job(&lane);

    lane.leave();

    assert!(!lane.has(&subject().uid, 2), "what was not sent yet is left out");
    assert!(!deliver(&lane, &under_way), "nothing is to be noted");
    assert!(job(&lane).is_none());
    assert!(metrics(&lane).contains(r#"kulta_sink_events_pending{sink="dashboard"} 0"#));
}

#[tokio::test]
async fn a_sink_that_takes_nothing_is_the_trouble_of_the_replica_that_leads() {
    let lane = lane();
    offer(&lane, &status(1..=3, 0));
    let first = job(&lane).unwrap();
    lane.end(&first, Ending::Stopped(None));
    let up = r#"kulta_sink_up{sink="dashboard"}"#;
    assert!(metrics(&lane).contains(&format!("{up} 0")));

    lane.leave();

    assert!(metrics(&lane).contains(&format!("{up} 1")));
    assert!(!lane.is_paused());
}

#[tokio::test]
async fn a_long_history_is_noted_once() {
    let lane = lane();
    let length = 2 * u64::try_from(MOST_IN_A_ROW).unwrap() + 2;
    offer(&lane, &status(1..=length, 0));

    let mut noted = 0;
    while let Some(next) = job(&lane) {
        noted += u32::from(deliver(&lane, &next));
    }

    assert_eq!((noted, lane.progress(&subject().uid).0), (1, length));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_sink_went_down_is_not_sent_again() {
    let lane = lane();
    offer(&lane, &status(1..=3, 0));
    let first = job(&lane).unwrap();
    lane.done(&subject().uid, 1, None);
    lane.end(&first, Ending::Stopped(None));
    tokio::time::advance(LONGEST_DELAY).await;

    assert_eq!(numbers(&job(&lane).unwrap()), [2]);
    assert_eq!(lane.progress(&subject().uid).0, 1);
}

#[tokio::test]
async fn a_refused_event_is_kept_until_it_is_noted() {
    let lane = lane();
    offer(&lane, &status(1..=2, 0));
    let first = job(&lane).unwrap();
    lane.done(&subject().uid, 1, Some("400 Bad Request"));
    lane.done(&subject().uid, 2, None);
    lane.end(&first, Ending::Done);
    let refused = lane.progress(&subject().uid).1;

    offer(&lane, &status(1..=2, 2));

    assert_eq!((refused.len(), refused[0].sequence), (1, 1));
    assert!(lane.progress(&subject().uid).1.is_empty());
}

#[tokio::test]
async fn what_has_left_the_history_is_not_sent_any_more() {
    let lane = lane();
    offer(&lane, &status(1..=5, 0));

    offer(&lane, &status(4..=6, 0));

    assert_eq!(numbers(&job(&lane).unwrap()), [4, 5, 6]);
}

#[tokio::test]
async fn the_end_of_a_rollout_is_told_after_all_that_happened_before() {
    let lane = lane();
    offer(&lane, &status(1..=2, 0));
    let first = job(&lane).unwrap();
    lane.gone(subject(), "2026-03-01T13:00:00Z".parse().unwrap());

    assert!(first.removed.is_none());
    deliver(&lane, &first);
    let last = job(&lane).unwrap();

    assert!(last.facts.is_empty() && last.removed.is_some());
    deliver(&lane, &last);
    assert!(!lane.state.lock().lines.has(&subject().uid));
}
