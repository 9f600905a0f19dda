use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::{Cause, Evidence, Origin};
use kulta_core::spec::Weight;

use super::*;

fn producer() -> Producer {
    Producer {
        source: "/clusters/test".to_owned(),
        environment: "test".to_owned(),
    }
}

fn subject() -> Subject {
    Subject {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        uid: "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05".to_owned(),
    }
}

/// The fact number `sequence` of an attempt that began with number 4.
fn fact(kind: FactKind, sequence: u64) -> Fact {
    Fact {
        sequence,
        chain: Some(4),
        revision: Some("new".to_owned()),
        from: Some("old".to_owned()),
        image: Some("registry.example/web:2".to_owned()),
        ..Fact::new(kind, Cause::Controller, "2026-03-01T12:00:00.5Z".parse().unwrap())
    }
}

fn rendered(fact: &Fact) -> Event {
    render(&producer(), &subject(), fact)
}

fn link(event: &Event, kind: &str) -> Option<Value> {
    let links = event.body["context"]["links"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    links.into_iter().find(|link| link["linkType"] == kind)
}

#[test]
fn the_same_fact_is_the_same_event() {
    let fact = fact(FactKind::WeightRequested, 5);

    assert_eq!(rendered(&fact), rendered(&fact));
}

#[test]
fn the_id_is_that_of_the_rollout_and_the_number() {
    let one = rendered(&fact(FactKind::Aborted, 5));
    let other = rendered(&fact(FactKind::Aborted, 6));

    let space = Uuid::parse_str(&subject().uid).unwrap();
    assert_eq!(one.id, Uuid::new_v5(&space, b"5"));
    assert_ne!(one.id, other.id);
}

#[test]
fn a_first_version_is_deployed_and_a_later_one_upgrades() {
    let later = fact(FactKind::Promoted, 5);
    let first = Fact {
        from: None,
        ..later.clone()
    };

    assert_eq!(rendered(&first).kind, "dev.cdevents.service.deployed.0.3.0");
    let event = rendered(&later);
    assert_eq!(event.kind, "dev.cdevents.service.upgraded.0.3.0");
    let content = &event.body["subject"]["content"];
    assert_eq!(content["environment"]["id"], "test");
    assert_eq!(
        content["artifactId"],
        "pkg:oci/web?repository_url=registry.example%2Fweb&tag=2"
    );
}

#[test]
fn what_is_restored_is_a_rollback_and_the_end() {
    let event = rendered(&fact(FactKind::Restored, 9));

    assert_eq!(event.kind, "dev.cdevents.service.rolledback.0.3.0");
    let before = event_id(&subject().uid, 8).to_string();
    assert_eq!(link(&event, "END").unwrap()["from"]["contextId"], json!(before));
    assert_eq!(link(&event, "PATH"), None);
}

#[test]
fn events_of_an_attempt_are_chained() {
    let first = rendered(&fact(FactKind::Started, 4));
    let second = rendered(&fact(FactKind::StepCompleted, 5));

    assert_eq!(
        first.body["context"]["chainId"],
        second.body["context"]["chainId"]
    );
    assert_eq!(
        first.body["customData"]["kulta"]["startLink"]["start"]["contextId"],
        json!(first.id.to_string())
    );
    assert_eq!(link(&first, "PATH"), None);
    assert_eq!(
        link(&second, "PATH").unwrap()["from"]["contextId"],
        json!(first.id.to_string())
    );
}

#[test]
fn what_led_to_an_attempt_is_a_relation() {
    let origin = Origin {
        triggered_by: Some("ci-chain".to_owned()),
        ..Origin::default()
    };
    let mut started = fact(FactKind::Started, 4);
    started.origin = Some(Box::new(origin));

    let relation = link(&rendered(&started), "RELATION").unwrap();

    assert_eq!(
        (&relation["linkKind"], &relation["target"]["contextId"]),
        (&json!("TRIGGER"), &json!("ci-chain"))
    );
    // It is an attempt of its own all the same, with a chain of its own.
    let event = rendered(&started);
    assert_ne!(event.body["context"]["chainId"], "ci-chain");
    assert!(event.body["customData"]["kulta"].get("startLink").is_some());
}

#[test]
fn between_attempts_there_is_no_chain() {
    let event = rendered(&Fact {
        chain: None,
        ..fact(FactKind::PhaseChanged, 20)
    });

    assert_eq!(event.kind, "dev.cdeventsx.kulta-deployment.progressed.0.1.0");
    assert_eq!(event.body["context"].get("chainId"), None);
    assert_eq!(event.body["context"].get("links"), None);
}

#[test]
fn going_back_after_an_abort_fails_nothing_more() {
    let after = Fact {
        chain: None,
        ..fact(FactKind::RolledBack, 20)
    };

    assert!(rendered(&fact(FactKind::RolledBack, 6)).kind.contains(".failed."));
    assert!(rendered(&after).kind.contains(".progressed."));
}

#[test]
fn weights_are_told_as_asked_for_and_as_in_force() {
    let mut weight = fact(FactKind::WeightRequested, 5);
    (weight.weight, weight.in_force) = (Weight::new(40).ok(), Weight::new(20).ok());

    let event = rendered(&weight);

    assert_eq!(
        event.body["subject"]["content"]["weight"],
        json!({"requested": 40, "inForce": 20})
    );
}

#[test]
fn a_failure_tells_what_was_measured() {
    let mut aborted = fact(FactKind::Aborted, 5);
    aborted.evidence = vec![Evidence {
        metric: "errors".to_owned(),
        phase: AnalysisPhase::Failed,
        value: "0.05".to_owned(),
    }];

    let event = rendered(&aborted);

    let measured = &event.body["subject"]["content"]["measurements"][0];
    assert_eq!(
        (&measured["metric"], &measured["value"]),
        (&json!("errors"), &json!("0.05"))
    );
}

#[test]
fn a_revision_without_an_image_has_an_artifact_all_the_same() {
    let event = rendered(&Fact {
        image: None,
        ..fact(FactKind::Promoted, 5)
    });

    assert_eq!(
        event.body["subject"]["content"]["artifactId"],
        "pkg:generic/shop%2Fweb@new"
    );
}

#[test]
fn an_event_tells_its_fact_again() {
    let fact = fact(FactKind::Aborted, 5);

    let bare = crate::read(&rendered(&fact).body.to_string()).unwrap();
    let line = crate::read(&crate::envelope::line(&rendered(&fact)).unwrap()).unwrap();

    assert_eq!((bare.subject.clone(), bare.fact.clone()), (subject(), Some(fact)));
    assert_eq!(bare, line);
}

#[test]
fn a_removal_has_one_id_whoever_finds_out() {
    let event = |time: &str| removed(&producer(), &subject(), time.parse().unwrap());

    let (one, other) = (event("2026-03-01T12:00:00Z"), event("2026-03-01T13:00:00Z"));

    assert_eq!(
        (one.id, one.kind.as_str()),
        (other.id, "dev.cdevents.service.removed.0.3.0")
    );
    assert_eq!(crate::read(&one.body.to_string()).unwrap().fact, None);
}

#[test]
fn events_of_others_are_told_apart() {
    assert!(matches!(crate::read("{}"), Err(crate::ReadError::Foreign)));
    assert!(matches!(crate::read("half a li"), Err(crate::ReadError::Json(_))));
}
