use serde_json::{Value, json};

use super::*;
use crate::events::Reason;
use crate::lease::Claim;
use crate::scenario::{Exchange, Reply, expect, scenario, sighting};

const CREATE: &str = "POST /apis/events.k8s.io/v1/namespaces/shop/events?&fieldManager=kulta";

fn notice(reason: Reason, note: &str) -> Notice {
    Notice {
        reason,
        note: note.to_owned(),
    }
}

/// Publishes `notices` to an API server that expects `exchanges`; the metrics as text.
async fn published(notices: Vec<Notice>, exchanges: Vec<Exchange>) -> String {
    published_with(Permission::default(), notices, exchanges).await
}

async fn published_with(permission: Permission, notices: Vec<Notice>, exchanges: Vec<Exchange>) -> String {
    let ended = scenario(exchanges, async |context| {
        let metrics = Arc::new(Metrics::new("0.0.0"));
        let client = context.client.clone();
        let (publisher, sending) = Publisher::new(client, Arc::clone(&metrics), permission, "kulta-0");
        publisher.tell(&sighting(), notices);
        drop(publisher);
        sending.await;
        metrics.render().unwrap()
    })
    .await;
    ended.outcome
}

#[tokio::test]
async fn a_replica_that_leads_no_more_sends_nothing_that_waits() {
    let follows = Permission::leading(Claim::default());

    let metrics = published_with(follows, vec![notice(Reason::RolloutAborted, "no")], Vec::new()).await;

    assert!(
        metrics.contains(r#"kulta_events_total{result="dropped"} 1"#),
        "{metrics}"
    );
}

#[test]
fn an_event_names_the_rollout_and_who_reports_it() {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();

    let event = event(
        &Regarding::of_rollout(&sighting()),
        &notice(Reason::RolloutAborted, "Rollout aborted"),
        "kulta-0",
        now,
    );

    let written = serde_json::to_value(event).unwrap();
    assert_eq!(
        written,
        json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": "web-", "namespace": "shop"},
            "eventTime": "2026-03-01T12:00:00.000000Z",
            "reportingController": EVENT_REPORTER,
            "reportingInstance": "kulta-0",
            "action": "RolloutAborted",
            "reason": "RolloutAborted",
            "regarding": {
                "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "namespace": "shop", "name": "web",
                "uid": "uid-1", "resourceVersion": "50",
            },
            "note": "Rollout aborted",
            "type": "Warning",
        })
    );
}

#[test]
fn a_note_is_cut_between_characters() {
    let note = "ü".repeat(NOTE_BYTES);
    let cut = truncated(&note, NOTE_BYTES - 1);
    assert_eq!(cut.len(), NOTE_BYTES - 2);
    assert!(note.starts_with(cut));
}

#[tokio::test]
async fn two_notes_of_one_reason_are_two_events() {
    let answer = || Reply::With(201, json!({"metadata": {"name": "web.1"}}));

    let metrics = published(
        vec![
            notice(Reason::ScalingReplicaSet, "up"),
            notice(Reason::ScalingReplicaSet, "down"),
        ],
        vec![expect(CREATE, answer()), expect(CREATE, answer())],
    )
    .await;

    assert!(
        metrics.contains(r#"kulta_events_total{result="published"} 2"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_event_that_is_refused_does_not_stop_the_next() {
    let refused = Reply::failure(403, "Forbidden", "events is forbidden", &[]);

    let metrics = published(
        vec![
            notice(Reason::RolloutPaused, "first"),
            notice(Reason::RolloutPaused, "second"),
        ],
        vec![
            expect(CREATE, refused),
            expect(CREATE, Reply::With(201, Value::Object(serde_json::Map::new()))),
        ],
    )
    .await;

    assert!(
        metrics.contains(r#"kulta_events_total{result="failed"} 1"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"kulta_events_total{result="published"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn events_beyond_the_queue_are_dropped_and_counted() {
    let metrics = Arc::new(Metrics::new("0.0.0"));
    let (publisher, _waiting) = Publisher::unsent(Arc::clone(&metrics), "kulta-0");

    publisher.tell(
        &sighting(),
        vec![notice(Reason::RolloutPaused, "again"); QUEUE_LENGTH + 2],
    );

    assert!(
        metrics
            .render()
            .unwrap()
            .contains(r#"kulta_events_total{result="dropped"} 2"#)
    );
}
