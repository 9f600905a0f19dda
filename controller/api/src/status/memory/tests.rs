//! What is kept of the memory, and which fields hold it.

use super::*;
use crate::crd::Definition;

fn off() -> Vec<String> {
    [
        "spec.strategy.canary.promotionGates",
        "spec.strategy.canary.steps[].analysis.startingStep",
        "status.canary.inForce",
        "status.canary.currentStepAnalysisRunStatus.paused",
        "status.history",
        "status.delivered",
    ]
    .map(str::to_owned)
    .into()
}

fn status() -> Value {
    json!({
        "phase": "Paused", "currentPodHash": "b", "stableRS": "a",
        "canary": {"inForce": 10, "weights": {"canary": {"weight": 10}}},
        "history": [{"sequence": 1}],
        "conditions": [{"type": "Paused", "status": "True", "lastUpdateTime": "2026-03-01T12:00:00Z"}],
    })
}

fn written(off: &[String]) -> Value {
    let own_fields = ["strategy.canary.promotionGates".to_owned()];
    let keeping = Keeping {
        off,
        generation: 3,
        own_fields: &own_fields,
        lost: &[],
    };
    with_memory(Group::Argo, status(), keeping)
}

/// Without the conditions of the memory.
fn read(written: Value) -> Value {
    let mut read = with_remembered(written);
    let conditions = read["conditions"].as_array_mut().unwrap();
    conditions.retain(|condition| condition["type"] == "Paused");
    read
}

/// As definitions keep it that lack fields: the others put in place of KULTA's.
fn pruned(mut written: Value) -> Value {
    written["canary"].as_object_mut().unwrap().remove("inForce");
    written.as_object_mut().unwrap().remove("history");
    written
}

#[test]
fn fields_that_would_be_pruned_are_kept_in_a_condition_and_come_back_where_they_stood() {
    let written = written(&off());

    assert_eq!(written["canary"], json!({"weights": {"canary": {"weight": 10}}}));
    assert_eq!(written.get("history"), None);
    assert_eq!(read(written), status());
}

#[test]
fn what_moves_traffic_is_remembered_where_the_definitions_are_put_back_later() {
    let written = pruned(written(&[]));

    let read = read(written);

    assert_eq!(read["canary"]["inForce"], 10);
    assert_eq!(read.get("history"), None);
}

#[test]
fn fields_of_the_spec_that_are_off_are_told_with_the_remedy_and_without_those_that_mean_nothing() {
    let written = written(&off());

    let conditions = written["conditions"].as_array().unwrap();
    let told = conditions
        .iter()
        .find(|condition| condition["type"] == FIELDS_OFF)
        .unwrap();
    assert_eq!(told["lastTransitionTime"], "2026-03-01T12:00:00Z");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("strategy.canary.promotionGates") && message.contains("deploy/crds/argo"),
        "{message}"
    );
    assert!(!message.contains("startingStep"), "{message}");
}

#[test]
fn what_somebody_took_away_stays_away_with_what_was_below_it() {
    let mut written = written(&off());
    written.as_object_mut().unwrap().remove("canary");

    assert_eq!(with_remembered(written).get("canary"), None);
}

#[test]
fn field_of_the_status_goes_before_what_was_remembered() {
    let mut written = written(&[]);
    written["canary"]["inForce"] = 50.into();

    assert_eq!(with_remembered(written)["canary"]["inForce"], 50);
}

#[test]
fn after_another_controller_has_worked_only_the_history_is_true() {
    let mut written = written(&off());
    written["stableRS"] = "b".into();

    let read = with_remembered(written);

    assert_eq!(read["canary"].get("inForce"), None);
    assert_eq!(read["history"], json!([{"sequence": 1}]));
}

#[test]
fn field_that_a_user_took_away_is_not_remembered_where_the_definitions_have_it() {
    let mut status = status();
    status["lastProgressTime"] = "2026-03-01T12:00:00Z".into();
    let keeping = Keeping {
        off: &[],
        generation: 3,
        own_fields: &[],
        lost: &[],
    };
    let mut written = with_memory(Group::Argo, status, keeping);
    written["canary"].as_object_mut().unwrap().remove("inForce");

    assert_eq!(with_remembered(written)["canary"].get("inForce"), None);
}

#[test]
fn memory_that_somebody_spoilt_is_forgotten() {
    let mut written = written(&off());
    let conditions = written["conditions"].as_array_mut().unwrap();
    for condition in conditions {
        condition["message"] = "{".into();
    }

    assert_eq!(memory_of(&written), None);
    assert_eq!(with_remembered(written.clone()), written);
}

#[test]
fn definitions_are_told_apart_by_what_they_lack() {
    let memory = |off: &[String]| memory_of(&written(off)).unwrap();

    assert_eq!(memory(&[]).definitions, "");
    assert_eq!(memory(&off()).definitions, definitions(&off()));
    assert_ne!(definitions(&off()), definitions(&off()[1..]));
    assert_eq!(memory(&off()).own_fields, ["strategy.canary.promotionGates"]);
    assert_eq!(memory(&off()).generation, 3);
}

#[test]
fn status_of_the_own_group_has_no_memory() {
    let keeping = Keeping {
        off: &[],
        generation: 3,
        own_fields: &[],
        lost: &[],
    };

    assert_eq!(with_memory(Group::Kulta, status(), keeping), status());
    assert_eq!(memory_of(&status()), None);
}

#[test]
fn field_is_found_where_it_is_written_and_where_it_is_remembered() {
    assert_eq!(field(&status(), "canary.inForce"), Some(json!(10)));
    assert_eq!(field(&written(&off()), "canary.inForce"), Some(json!(10)));
    assert_eq!(field(&status(), "canary.contest"), None);
}

#[test]
fn own_fields_of_a_spec_are_found_in_lists_as_well() {
    let spec = json!({"strategy": {"canary": {
        "steps": [{"setWeight": 1}, {"gate": {"plugin": "x"}}], "promotionGates": null,
    }}});

    assert_eq!(own_fields(&spec), ["strategy.canary.steps[].gate"]);
}

#[test]
fn every_field_is_one_of_the_definition() {
    let generated = serde_json::to_value(Definition::Rollouts.generate(Group::Argo).unwrap()).unwrap();
    let root = &generated["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let all = OF_SPEC.map(|field| ("spec", field)).into_iter();
    for (part, field) in all.chain(OF_STATUS.map(|field| ("status", field))) {
        let mut schema = &root[part];
        for key in field.split('.') {
            schema = &schema["properties"][key.trim_end_matches("[]")];
            if key.ends_with("[]") {
                schema = &schema["items"];
            }
        }
        assert!(schema.is_object(), "{part}.{field}");
    }
}
