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

    assert_eq!(looked(exchanges, 2).await, [Look::Fit, Look::Fit]);
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

#[tokio::test]
async fn a_definition_that_prunes_a_field_is_told_with_kind_and_path() {
    let pruning = document(|schemas| {
        let status = &mut schemas["io.argoproj.v1alpha1.Rollout"]["properties"]["status"];
        let status = status.as_object_mut().unwrap();
        status.remove("x-kubernetes-preserve-unknown-fields");
        status["properties"].as_object_mut().unwrap().remove("history");
    });

    let seen = looked(vec![index(Some("1")), pruning], 1).await;

    let fields = vec!["Rollout status.history".to_owned()];
    assert_eq!(seen, [Look::Pruning { fields }]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_asked_again() {
    let down = Reply::failure(503, "ServiceUnavailable", "down", &[]);
    let exchanges = vec![expect(&format!("GET {INDEX}"), down), index(None)];

    answering(exchanges, async |client| {
        let mut served = Served::new(client);
        served.until(|look| !look.is_fit(), EVERY).await;
    })
    .await;
}
