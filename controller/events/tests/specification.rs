//! What is sent is what the specification says: every type of event against the official schemas, against the schema of
//! KULTA's own events, and parsed by the SDK of `CDEvents` and that of `CloudEvents`.
//!
//! The official schemas are no part of this repository: see `tests/cdevents`.

#![expect(clippy::unwrap_used, reason = "a test ends by a panic")]

use jiff::Timestamp;
use kulta_cdevents_check::{Specification, check_own};
use kulta_core::history::{Cause, Evidence, Fact, FactKind, Origin};
use kulta_core::spec::Weight;
use kulta_core::status::Phase;
use kulta_events::envelope::{self, Mode};
use kulta_events::{Event, Producer, Subject, removed, render};
use serde_json::{Value, json};

/// Every kind of fact.
const KINDS: [FactKind; 21] = [
    FactKind::Started,
    FactKind::RolledBack,
    FactKind::StepsChanged,
    FactKind::StepsSkipped,
    FactKind::StepCompleted,
    FactKind::WeightRequested,
    FactKind::WeightInForce,
    FactKind::Switched,
    FactKind::Paused,
    FactKind::Resumed,
    FactKind::Aborted,
    FactKind::Retried,
    FactKind::Superseded,
    FactKind::Promoted,
    FactKind::Published,
    FactKind::Finished,
    FactKind::Restored,
    FactKind::AnalysisStarted,
    FactKind::AnalysisCompleted,
    FactKind::PhaseChanged,
    FactKind::Unknown,
];

fn producer() -> Producer {
    Producer {
        source: "https://clusters.example/one".to_owned(),
        environment: "production".to_owned(),
    }
}

fn subject() -> Subject {
    Subject {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        uid: "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05".to_owned(),
    }
}

/// Each kind of fact, with everything in it that it can have, and with nothing.
fn facts() -> impl Iterator<Item = Fact> {
    let bare = |kind| Fact {
        sequence: 7,
        ..Fact::new(
            kind,
            Cause::Controller,
            "2026-03-01T12:00:00.123456789Z".parse().unwrap(),
        )
    };
    let full = move |kind| Fact {
        chain: Some(if matches!(kind, FactKind::Started | FactKind::Retried) {
            7
        } else {
            5
        }),
        revision: Some("new".to_owned()),
        from: Some("old".to_owned()),
        stable: Some("old".to_owned()),
        step: Some(2),
        weight: Weight::new(40).ok(),
        in_force: Weight::new(20).ok(),
        phase: Some(Phase::Progressing),
        image: Some("registry.example/web:2".to_owned()),
        origin: Some(Box::new(Origin {
            commit: Some("4f2a".to_owned()),
            committed_at: Some("2026-03-01T10:00:00Z".parse().unwrap()),
            repository: Some("https://git.example/web".to_owned()),
            actor: Some("ada".to_owned()),
            triggered_by: Some("5328c37f-bb7e-4bb7-84ea-9f5f85e4a7ce".to_owned()),
        })),
        evidence: vec![Evidence {
            metric: "errors".to_owned(),
            phase: kulta_core::analysis::run::AnalysisPhase::Failed,
            value: "0.05".to_owned(),
        }],
        message: "5 % errors".to_owned(),
        ..bare(kind)
    };
    KINDS.into_iter().flat_map(move |kind| [bare(kind), full(kind)])
}

fn events() -> Vec<Event> {
    let gone = removed(&producer(), &subject(), "2026-03-01T12:00:00Z".parse().unwrap());
    facts()
        .map(|fact| render(&producer(), &subject(), &fact))
        .chain([gone])
        .collect()
}

#[test]
fn every_event_fits_the_official_schema_of_its_type() {
    let Some(specification) = Specification::find() else {
        return;
    };
    for event in events() {
        specification.check(&event.body).unwrap();
    }
}

#[test]
fn every_own_event_fits_the_schema_that_is_published() {
    for event in events() {
        check_own(&event.body).unwrap();
    }
}

#[test]
fn start_links_fit_their_schema() {
    let Some(specification) = Specification::find() else {
        return;
    };
    let started = events()
        .into_iter()
        .filter_map(|event| event.body.pointer("/customData/kulta/startLink").cloned());
    let started: Vec<Value> = started.collect();
    assert_eq!(started.len(), 2);
    for link in started {
        specification
            .check_against("schemas/links/linkstart.json", &link)
            .unwrap();
    }
}

#[test]
fn the_sdk_of_cdevents_reads_every_event_without_loss() {
    for event in events() {
        let parsed: cdevents_sdk::CDEvent = serde_json::from_value(event.body.clone()).unwrap();

        assert_eq!(parsed.id().to_string(), event.id.to_string());
        assert_eq!(parsed.ty(), event.kind);
        assert_eq!(without_version(json!(parsed)), without_version(event.body));
    }
}

#[test]
fn the_examples_of_the_specification_are_read_and_written_without_loss() {
    let Some(specification) = Specification::find() else {
        return;
    };
    let directory = specification.directory();
    let examples = std::fs::read_dir(directory.join("conformance")).unwrap();
    let standard = examples.map(|entry| entry.unwrap().path());
    let standard = standard.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let examples = standard.chain([directory.join("custom/conformance.json")]);
    let mut seen = 0;
    for path in examples {
        let example: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        specification.check(&example).unwrap();
        let parsed: cdevents_sdk::CDEvent = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(
            without_version(json!(parsed)),
            without_version(example),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen > 40, "{seen} examples");
}

/// The whole of an event, but for the version of the specification, where the SDK writes its own, and for how a time is written.
fn without_version(mut event: Value) -> Value {
    let context = event.get_mut("context").and_then(Value::as_object_mut).unwrap();
    context.remove("specversion");
    let time = context.get("timestamp").and_then(Value::as_str).unwrap();
    let time: Timestamp = time.parse().unwrap();
    context.insert("timestamp".to_owned(), json!(time));
    event
}

#[test]
fn both_modes_carry_the_same_event() {
    for event in events() {
        let structured = envelope::message(&event, Mode::Structured).unwrap();
        let binary = envelope::message(&event, Mode::Binary).unwrap();

        let whole: cloudevents::Event = serde_json::from_slice(&structured.body).unwrap();
        let data: Value = serde_json::to_value(&whole).unwrap()["data"].clone();
        assert_eq!(data, event.body);
        assert_eq!(serde_json::from_slice::<Value>(&binary.body).unwrap(), event.body);
        let header = |name: &str| {
            binary
                .headers
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.clone())
        };
        let context = &event.body["context"];
        for (name, field) in [("ce-id", "id"), ("ce-source", "source"), ("ce-type", "type")] {
            assert_eq!(header(name).as_deref(), context[field].as_str(), "{name}");
        }
        let time: jiff::Timestamp = header("ce-time").unwrap().parse().unwrap();
        assert_eq!(
            (header("ce-subject").as_deref(), time),
            (Some("shop/web"), event.time)
        );
    }
}
