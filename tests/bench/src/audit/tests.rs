//! What is read out of lines of an audit log.

use serde_json::{Value, json};

use super::*;

fn event(verb: &str, resource: &str, name: &str, query: &str, at: (&str, &str)) -> Value {
    json!({
        "verb": verb,
        "requestURI": format!("/some/path?{query}"),
        "objectRef": { "resource": resource, "namespace": "bench-x", "name": name },
        "responseStatus": { "code": 200 },
        "requestReceivedTimestamp": format!("2026-01-01T00:00:0{}Z", at.0),
        "stageTimestamp": format!("2026-01-01T00:00:0{}Z", at.1),
    })
}

fn change(rollout: &str, at: (&str, &str)) -> Value {
    event("patch", "rollouts", rollout, "fieldManager=kulta-bench", at)
}

fn create(replica_set: &str, at: (&str, &str)) -> Value {
    event("create", "replicasets", replica_set, "fieldManager=kulta", at)
}

fn changes(events: &[Value]) -> Changes {
    let mut happened = Happened::default();
    for event in events {
        happened.add(&serde_json::from_value(event.clone()).unwrap(), "bench-x");
    }
    happened.matched()
}

fn times(events: &[Value]) -> Vec<u128> {
    changes(events).times.iter().map(Duration::as_millis).collect()
}

#[test]
fn a_change_counts_from_its_request_to_the_end_of_the_creation() {
    let events = [
        change("web", ("1.000", "1.010")),
        create("web-abc", ("1.030", "1.050")),
    ];
    assert_eq!(times(&events), [50]);
}

#[test]
fn every_change_has_its_own_replica_set() {
    let events = [
        change("web", ("1.0", "1.0")),
        create("web-abc", ("1.1", "1.2")),
        change("web", ("2.0", "2.0")),
        create("web-def", ("2.1", "2.3")),
    ];
    assert_eq!(times(&events), [200, 300]);
}

#[test]
fn a_change_that_was_overtaken_by_the_next_is_unanswered() {
    let events = [
        change("web", ("1.0", "1.0")),
        change("web", ("2.0", "2.0")),
        create("web-def", ("2.1", "2.2")),
    ];
    assert_eq!(
        changes(&events),
        Changes {
            times: vec![Duration::from_millis(200)],
            unanswered: 1
        }
    );
}

#[test]
fn dry_runs_and_other_writers_do_not_count() {
    let dry_run = event(
        "create",
        "replicasets",
        "web-abc-dry-run",
        "dryRun=All",
        ("1.1", "1.2"),
    );
    let annotated = event("patch", "rollouts", "web", "fieldManager=kulta", ("1.3", "1.4"));
    let events = [
        change("web", ("1.0", "1.0")),
        dry_run,
        annotated,
        create("web-abc", ("1.5", "1.6")),
    ];
    assert_eq!(
        changes(&events),
        Changes {
            times: vec![Duration::from_millis(600)],
            unanswered: 0
        }
    );
}

fn status(rollout: &str, at: (&str, &str)) -> Value {
    let mut event = event("patch", "rollouts", rollout, "fieldManager=kulta", at);
    event["objectRef"]["subresource"] = json!("status");
    event
}

#[test]
fn a_change_is_followed_when_both_its_replica_set_and_its_status_are_written() {
    let scale = |at| event("patch", "replicasets", "web-abc", "fieldManager=kulta", at);
    let events = [
        status("web", ("0.1", "0.2")),
        change("web", ("1.0", "1.0")),
        scale(("1.1", "1.2")),
        status("web", ("1.3", "1.5")),
        change("web", ("2.0", "2.0")),
        status("web", ("2.1", "2.2")),
    ];
    let mut happened = Happened::default();
    for event in events {
        happened.add_reaction(&serde_json::from_value(event).unwrap(), "bench-x");
    }

    let expected = Changes {
        times: vec![Duration::from_millis(500)],
        unanswered: 1,
    };
    assert_eq!(happened.followed(), expected);
}

#[test]
fn replica_sets_that_are_made_and_deleted_are_counted_without_dry_runs() {
    let dry_run = event("create", "replicasets", "web-abc", "dryRun=All", ("1.1", "1.2"));
    let events = [
        dry_run,
        create("web-abc", ("1.1", "1.2")),
        event("delete", "replicasets", "web-old", "", ("1.3", "1.4")),
        event("patch", "replicasets", "web-abc", "", ("1.5", "1.6")),
    ];
    let events = events.map(|event| serde_json::from_value(event).unwrap());

    let expected = ReplicaSetWrites {
        created: 1,
        deleted: 1,
    };
    assert_eq!(replica_set_writes(&events, "bench-x"), expected);
}

#[test]
fn what_was_refused_does_not_count() {
    let mut refused = create("web-abc", ("1.1", "1.2"));
    refused["responseStatus"]["code"] = json!(409);
    let events = [change("web", ("1.0", "1.0")), refused];
    assert_eq!(changes(&events).unanswered, 1);
}

#[test]
fn patches_of_routes_count_and_what_a_gateway_says_of_them_does_not() {
    let mut told = event("patch", "httproutes", "web", "", ("1.3", "1.4"));
    told["objectRef"]["subresource"] = json!("status");
    let events = [event("patch", "httproutes", "web", "", ("1.1", "1.2")), told];
    let events = events.map(|event| serde_json::from_value(event).unwrap());

    let writes = route_writes(&events, "bench-x");

    let at = |second: &str| {
        format!("2026-01-01T00:00:0{second}Z")
            .parse::<Timestamp>()
            .unwrap()
    };
    assert_eq!(
        writes,
        BTreeMap::from([("web".to_owned(), vec![(at("1.1"), at("1.2"))])])
    );
}
