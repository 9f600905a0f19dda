//! What is made of documents as an API server has them.

use kulta_api::VERSION;
use serde_json::json;

use super::*;
use crate::scenario::{Exchange, Reply, answering, expect};

const DOCUMENT: &str = "GET /openapi/v3/apis/argoproj.io/v1alpha1?hash=1";
const EVERY: Duration = Duration::from_secs(5);

fn index(hash: Option<&str>) -> Exchange {
    let mut paths = json!({"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=0"}});
    if let Some(hash) = hash {
        let address = format!("/openapi/v3/apis/argoproj.io/v1alpha1?hash={hash}");
        paths["apis/argoproj.io/v1alpha1"] = json!({"serverRelativeURL": address});
    }
    expect(&format!("GET {INDEX}"), Reply::With(200, json!({"paths": paths})))
}

fn schema(definition: Definition) -> Value {
    let generated = serde_json::to_value(definition.generate(Group::Argo).unwrap()).unwrap();
    generated["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The document with the own definitions, changed.
fn document(change: impl FnOnce(&mut Value)) -> Exchange {
    let mut schemas = json!({"io.argoproj.v1alpha1.Experiment": {"type": "object"}});
    for definition in Definition::ALL {
        schemas[format!("io.argoproj.{VERSION}.{}", definition.kind())] = schema(definition);
    }
    change(&mut schemas);
    let document = json!({"openapi": "3.0.0", "components": {"schemas": schemas}});
    expect(DOCUMENT, Reply::With(200, document))
}

async fn looked(exchanges: Vec<Exchange>, looks: usize) -> Vec<Look> {
    answering(exchanges, async |client| {
        let mut served = Served::new(client);
        let mut seen = Vec::new();
        for _ in 0..looks {
            seen.push(served.look().await.unwrap());
        }
        seen
    })
    .await
}

#[tokio::test]
async fn the_own_definitions_fit_and_are_read_once() {
    let exchanges = vec![index(Some("1")), document(|_| {}), index(Some("1"))];

    let fit = Look::Fit {
        without: Vec::new(),
        beside: Vec::new(),
    };
    assert_eq!(looked(exchanges, 2).await, [fit.clone(), fit]);
}

#[tokio::test]
async fn a_group_that_is_not_installed_is_missing() {
    let seen = looked(vec![index(None)], 1).await;

    assert!(
        matches!(&seen[0], Look::Missing { kinds } if kinds.contains(&"Rollout")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_kind_that_is_not_installed_is_named() {
    let without = document(|schemas| {
        let schemas = schemas.as_object_mut().unwrap();
        schemas.remove("io.argoproj.v1alpha1.ClusterAnalysisTemplate");
    });

    let seen = looked(vec![index(Some("1")), without], 1).await;

    let kinds = vec!["ClusterAnalysisTemplate"];
    assert_eq!(seen, [Look::Missing { kinds }]);
}

/// Takes away a field of the status of a kind.
fn without(schemas: &mut Value, kind: &str, fields: &str, name: &str) {
    let status = &mut schemas[format!("io.argoproj.v1alpha1.{kind}")]["properties"]["status"];
    status
        .as_object_mut()
        .unwrap()
        .remove("x-kubernetes-preserve-unknown-fields");
    let fields = status.pointer_mut(fields).and_then(Value::as_object_mut);
    fields.unwrap().remove(name);
}

#[tokio::test]
async fn a_rollouts_definition_without_a_field_can_be_worked_with() {
    let pruning = document(|schemas| without(schemas, "Rollout", "/properties", "history"));

    let seen = looked(vec![index(Some("1")), pruning], 1).await;

    let without = vec!["status.history".to_owned()];
    let beside = Vec::new();
    assert_eq!(seen, [Look::Fit { without, beside }]);
}

#[tokio::test]
async fn a_definition_that_loses_what_entries_of_a_list_have_is_told_with_kind_and_path() {
    let conditions = "/properties/conditions/items/properties";
    let pruning = document(|schemas| without(schemas, "Rollout", conditions, "message"));

    let seen = looked(vec![index(Some("1")), pruning], 1).await;

    let fields = vec!["Rollout status.conditions[].message".to_owned()];
    assert_eq!(seen, [Look::Pruning { fields }]);
}

#[tokio::test]
async fn a_definition_of_analyses_that_loses_a_field_is_told_with_kind_and_path() {
    let pruning = document(|schemas| without(schemas, "AnalysisRun", "/properties", "startedAt"));

    let seen = looked(vec![index(Some("1")), pruning], 1).await;

    let fields = vec!["AnalysisRun status.startedAt".to_owned()];
    assert_eq!(seen, [Look::Pruning { fields }]);
}

/// Takes away a field below the spec of a kind; `parents` are the keys that lead to it.
fn without_of_spec(schemas: &mut Value, kind: &str, parents: &[&str], name: &str) {
    let mut schema = &mut schemas[format!("io.argoproj.v1alpha1.{kind}")]["properties"]["spec"];
    for key in parents {
        let fields = schema.as_object_mut().unwrap();
        fields.remove("x-kubernetes-preserve-unknown-fields");
        schema = &mut schema["properties"][key];
        if schema.get("items").is_some() {
            schema = &mut schema["items"];
        }
    }
    let fields = schema.as_object_mut().unwrap();
    fields.remove("x-kubernetes-preserve-unknown-fields");
    fields["properties"].as_object_mut().unwrap().remove(name);
}

#[tokio::test]
async fn gates_of_analyses_may_be_missing_only_where_rollouts_have_none() {
    let of_analyses = |schemas: &mut Value| without_of_spec(schemas, "AnalysisRun", &[], "gates");
    let mixed = document(|schemas| {
        of_analyses(schemas);
        without(schemas, "Rollout", "/properties", "history");
    });
    let both = document(|schemas| {
        of_analyses(schemas);
        for (parents, name) in [
            (vec!["strategy", "canary"], "promotionGates"),
            (vec!["strategy", "canary", "steps"], "gate"),
            (vec!["strategy", "blueGreen"], "promotionGates"),
        ] {
            without_of_spec(schemas, "Rollout", &parents, name);
        }
    });

    let seen_mixed = looked(vec![index(Some("1")), mixed], 1).await;
    let seen_both = looked(vec![index(Some("1")), both], 1).await;

    let fields = vec!["AnalysisRun spec.gates".to_owned()];
    assert_eq!(seen_mixed, [Look::Pruning { fields }]);
    assert!(
        matches!(&seen_both[0], Look::Fit { beside, .. } if beside == &["AnalysisRun spec.gates"]),
        "{seen_both:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_asked_again() {
    let down = Reply::failure(503, "ServiceUnavailable", "down", &[]);
    let exchanges = vec![expect(&format!("GET {INDEX}"), down), index(None)];

    answering(exchanges, async |client| {
        let mut served = Served::new(client);
        served.until(|look| look.fit().is_none(), EVERY).await;
    })
    .await;
}
