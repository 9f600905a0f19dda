//! From the command line to what is told.

use clap::Parser;
use kulta_core::history::{Cause, FactKind};
use kulta_core::status::Phase;
use kulta_events::{Producer, Subject, envelope, removed, render};

use super::*;

const UID: &str = "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05";
const NEXT_UID: &str = "0e8e4f0c-6c4e-4a53-8d3e-5f0f3d6b8a11";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: HistoryArguments,
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn fact(sequence: u64, time: i64, kind: FactKind) -> Fact {
    Fact {
        sequence,
        phase: Some(Phase::Progressing),
        revision: Some("abc".to_owned()),
        ..Fact::new(kind, Cause::Controller, second(time))
    }
}

fn facts() -> Vec<Fact> {
    vec![
        fact(1, 100, FactKind::Started),
        fact(2, 200, FactKind::Paused),
        fact(3, 300, FactKind::Resumed),
    ]
}

fn subject(uid: &str) -> Subject {
    Subject {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        uid: uid.to_owned(),
    }
}

/// A file that tells of the facts, of the removal at 400, and of another Rollout of the name from 500 on.
fn journal(name: &str) -> PathBuf {
    let producer = Producer {
        source: "/test".to_owned(),
        environment: "test".to_owned(),
    };
    let mut events: Vec<_> = facts()
        .iter()
        .map(|fact| render(&producer, &subject(UID), fact))
        .collect();
    events.push(removed(&producer, &subject(UID), second(400)));
    events.push(render(
        &producer,
        &subject(NEXT_UID),
        &fact(1, 500, FactKind::Started),
    ));
    let lines = events.iter().map(|event| envelope::line(event).unwrap() + "\n");
    let path = std::env::temp_dir().join(format!("kulta-history-{}-{name}", std::process::id()));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    path
}

/// It has shop/web, and no other.
fn cluster(rollout: &RolloutName) -> Result<Known, Box<dyn Error + Send + Sync>> {
    if rollout.to_string() != "shop/web" {
        return Err("not found".into());
    }
    Ok(Known {
        uid: UID.to_owned(),
        history: facts(),
        until: second(1_000),
    })
}

/// What is told to a person who types this.
fn told(words: &[&str]) -> Result<String, HistoryError> {
    told_of("shop/web", words)
}

fn told_of(rollout: &str, words: &[&str]) -> Result<String, HistoryError> {
    let line = Line::try_parse_from(["history", rollout].iter().chain(words)).unwrap();
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    run(&line.arguments, second(1_000), cluster, &mut out, &mut complaints)?;
    assert_eq!(String::from_utf8_lossy(&complaints), "");
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn every_fact_is_a_row() {
    let table = told(&[]).unwrap();

    let kinds = ["Started", "Paused", "Resumed"];
    let rows: Vec<_> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), kinds.len(), "{table}");
    for (row, kind) in rows.iter().zip(kinds) {
        assert!(row.contains(kind), "{table}");
    }
}

#[test]
fn an_instant_is_answered_with_what_was_true_then() {
    let state = told(&["--at", "1970-01-01T00:03:21Z"]).unwrap();

    assert!(state.contains("#2 Paused at 1970-01-01T00:03:20Z"), "{state}");
}

#[test]
fn programs_are_told_the_same_as_json() {
    let state = told(&["--at", "1970-01-01T00:03:21Z", "--output", "json"]).unwrap();

    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["state"]["change"]["kind"], "Paused");
    assert_eq!(state["rollout"]["uid"], UID);
}

#[test]
fn a_file_gives_the_same_answer_as_the_cluster() {
    let path = journal("same");
    let at = "1970-01-01T00:05:01Z";

    let replayed = told(&["--at", at, "--file", path.to_str().unwrap()]).unwrap();

    assert_eq!(replayed, told(&["--at", at]).unwrap());
}

#[test]
fn a_file_tells_of_one_that_is_gone_and_of_the_next_of_its_name() {
    let path = journal("gone");
    let at = |second: i64| {
        let at = self::second(second).to_string();
        told(&["--at", &at, "--file", path.to_str().unwrap(), "--output", "json"])
    };

    assert!(matches!(at(450), Err(HistoryError::Removed { time, .. }) if time == second(400)));
    assert!(at(500).unwrap().contains(NEXT_UID));
}

#[test]
fn what_comes_after_the_end_of_a_file_is_not_known() {
    let path = journal("end");

    let later = told(&["--at", "1970-01-01T00:10:00Z", "--file", path.to_str().unwrap()]);

    assert!(matches!(
        later,
        Err(HistoryError::OutOfRange(OutOfRange::TooLate { .. }))
    ));
}

#[test]
fn a_rollout_that_the_cluster_does_not_have_is_named() {
    let error = told_of("shop/cart", &[]).unwrap_err();

    assert!(error.to_string().contains("shop/cart"), "{error}");
}

#[test]
fn a_file_that_tells_of_others_is_named() {
    let path = std::env::temp_dir().join(format!("kulta-history-{}-empty", std::process::id()));
    std::fs::write(&path, "").unwrap();

    let error = told(&["--file", path.to_str().unwrap()]).unwrap_err();

    assert!(matches!(error, HistoryError::NoSuchRollout { .. }), "{error}");
}
