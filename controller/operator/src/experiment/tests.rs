//! What the engine reads and writes, against an API server that expects exactly this.

use serde_json::{Value, json};

use super::ExperimentEngine;
use super::observed::Found;
use crate::controller::Reconcile as _;
use crate::instance::Instance;
use crate::scenario::{Ended, Exchange, Reply, expect, scenario};
use crate::watch::samples::{self, key};

const READ: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/experiments/try";
const WRITE: &str =
    "PATCH /apis/kulta.io/v1alpha1/namespaces/shop/experiments/try/status?&fieldManager=kulta";
const READ_SET: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/try-canary";
const CREATE_SET: &str = "POST /apis/apps/v1/namespaces/shop/replicasets?&fieldManager=kulta";
const SCALE_SET: &str = "PATCH /apis/apps/v1/namespaces/shop/replicasets/try-canary?&fieldManager=kulta";
const READ_SERVICE: &str = "GET /api/v1/namespaces/shop/services/try-canary";
const CREATE_SERVICE: &str = "POST /api/v1/namespaces/shop/services?&fieldManager=kulta";

fn experiment() -> Value {
    samples::experiment("web", "try")
}

/// The ReplicaSet of its template, with so many of one wanted pod available.
fn replica_set(available: u32) -> Value {
    let mut set = samples::replica_set("try", "canary");
    set["metadata"]["ownerReferences"][0] = json!({
        "apiVersion": "kulta.io/v1alpha1", "kind": "Experiment", "name": "try", "uid": "uid-try", "controller": true,
    });
    set["spec"]["replicas"] = json!(1);
    set["status"] = json!({"replicas": 1, "readyReplicas": available, "availableReplicas": available});
    set
}

fn missing() -> Reply {
    Reply::failure(404, "NotFound", "not found", &[])
}

async fn reconciled(exchanges: Vec<Exchange>) -> Ended<bool> {
    scenario(exchanges, async |context| {
        let engine = ExperimentEngine::new(context.clone());
        engine.reconcile(&key("try")).await.is_some()
    })
    .await
}

#[tokio::test]
async fn one_that_is_gone_or_going_is_left() {
    let mut going = experiment();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");

    assert!(!reconciled(vec![expect(READ, missing())]).await.outcome);
    assert!(
        !reconciled(vec![expect(READ, Reply::With(200, going))])
            .await
            .outcome
    );
}

#[tokio::test]
async fn the_pods_of_a_template_are_made_and_the_status_says_so() {
    let exchanges = vec![
        expect(READ, Reply::With(200, experiment())),
        expect(READ_SET, missing()),
        expect(CREATE_SET, Reply::written("1")),
        expect(WRITE, Reply::written("101")),
    ];

    let ended = reconciled(exchanges).await;

    assert!(ended.outcome, "it looks again");
    // Pending is where it begins.
    assert_eq!(ended.events, []);
}

#[tokio::test]
async fn it_is_running_when_all_pods_are_available() {
    let exchanges = vec![
        expect(READ, Reply::With(200, experiment())),
        expect(READ_SET, Reply::With(200, replica_set(1))),
        expect(WRITE, Reply::written("101")),
    ];

    let ended = reconciled(exchanges).await;

    let told = (
        "ExperimentRunning".to_owned(),
        "Experiment 'try' is Running".to_owned(),
    );
    assert_eq!(ended.events, [told]);
}

#[tokio::test]
async fn a_service_is_made_once_there_are_pods() {
    let mut served = experiment();
    served["spec"]["templates"][0]["service"] = json!({});
    let exchanges = vec![
        expect(READ, Reply::With(200, served)),
        expect(READ_SERVICE, missing()),
        expect(READ_SET, Reply::With(200, replica_set(0))),
        expect(CREATE_SERVICE, Reply::written("1")),
        expect(WRITE, Reply::written("101")),
    ];

    reconciled(exchanges).await;
}

#[tokio::test]
async fn one_that_makes_no_sense_is_over_and_told() {
    let mut wrong = experiment();
    wrong["spec"]["templates"][0]["name"] = json!("Canary");
    let exchanges = vec![
        expect(READ, Reply::With(200, wrong)),
        expect(WRITE, Reply::written("101")),
    ];

    let ended = reconciled(exchanges).await;

    let (reason, note) = &ended.events[0];
    assert_eq!(reason, "ExperimentError");
    assert!(note.contains("spec.templates[0].name"), "{note}");
}

#[tokio::test]
async fn what_is_left_of_one_that_makes_no_sense_any_more_goes() {
    let mut wrong = experiment();
    wrong["spec"]["templates"] = json!([]);
    wrong["status"] = json!({
        "phase": "Error",
        "templateStatuses": [{"name": "canary", "replicas": 1, "podTemplateHash": "abc"}],
    });
    let scaled = json!({"metadata": {"resourceVersion": "100"}, "spec": {"replicas": 0}});
    let exchanges = vec![
        expect(READ, Reply::With(200, wrong)),
        expect(READ_SET, Reply::With(200, replica_set(1))),
        expect(SCALE_SET, Reply::written("101")).with_body(scaled),
        expect(WRITE, Reply::written("102")),
    ];

    reconciled(exchanges).await;
}

#[tokio::test]
async fn a_template_of_an_analysis_that_is_missing_is_waited_for() {
    let mut measured = experiment();
    measured["spec"]["analyses"] = json!([{"name": "errors", "templateName": "errors"}]);
    let exchanges = vec![
        expect(READ, Reply::With(200, measured)),
        expect(READ_SET, missing()),
        expect(
            "GET /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/try-errors",
            missing(),
        ),
        expect(WRITE, Reply::written("101")),
    ];

    assert!(reconciled(exchanges).await.outcome, "it looks again");
}

fn found(experiment: Value, instance: &Instance) -> Option<Found> {
    Found::of(serde_json::from_value(experiment).unwrap(), &key("try"), instance)
}

fn own(experiment: Value) -> Found {
    found(experiment, &Instance::default()).unwrap()
}

/// The paths of what is wrong with it.
fn problems(experiment: Value) -> Vec<String> {
    let found = own(experiment);
    let work = found.work();
    let problems = work.task.err().unwrap_or_default();
    problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn one_of_another_controller_is_left() {
    let blue = Instance::from(Some("blue".parse().unwrap()));
    let mut marked = experiment();
    marked["metadata"]["labels"] = json!({"argo-rollouts.argoproj.io/controller-instance-id": "blue"});

    assert!(found(experiment(), &blue).is_none());
    assert!(found(marked.clone(), &Instance::default()).is_none());
    assert!(found(marked, &blue).is_some());
}

#[test]
fn what_was_begun_can_not_be_taken_out_of_the_spec() {
    let mut begun = experiment();
    begun["spec"]["analyses"] = json!([{"name": "errors", "templateName": "errors"}]);
    begun["status"] = json!({
        "phase": "Running",
        "templateStatuses": [{"name": "canary", "serviceName": "try-canary"}],
        "analysisRuns": [{"name": "errors", "analysisRun": "try-errors", "phase": "Running"}],
    });
    let without = |change: fn(&mut Value)| {
        let mut changed = begun.clone();
        changed["spec"]["templates"][0]["service"] = json!({});
        change(&mut changed["spec"]);
        problems(changed)
    };

    assert_eq!(without(|_| ()), Vec::<String>::new());
    assert_eq!(
        without(|spec| spec["templates"][0]["name"] = json!("other")),
        ["spec.templates"]
    );
    assert_eq!(
        without(|spec| spec["templates"][0]["service"] = Value::Null),
        ["spec.templates"]
    );
    assert_eq!(without(|spec| spec["analyses"] = json!([])), ["spec.analyses"]);
}

#[test]
fn a_name_that_no_service_can_have_is_told_before_anything_is_made() {
    let mut long = experiment();
    long["spec"]["templates"][0]["service"] = json!({});
    long["spec"]["templates"][0]["name"] = json!("c".repeat(60));

    assert_eq!(problems(long), ["spec.templates[0].service.name"]);
}

#[test]
fn arguments_are_told_when_it_was_available_and_the_hash_that_its_pods_bear() {
    let mut available = experiment();
    available["spec"]["duration"] = json!("1m");
    available["status"] = json!({
        "phase": "Running", "availableAt": "2026-01-01T00:00:00Z",
        "templateStatuses": [{"name": "canary", "podTemplateHash": "borne"}],
    });
    let found = own(available);

    let facts = found.facts(&found.work());

    let fact = |name: &str| facts.get(name).map(String::as_str);
    assert_eq!(fact("experiment.availableAt"), Some("2026-01-01T00:00:00Z"));
    assert_eq!(fact("experiment.finishedAt"), Some("2026-01-01T00:01:00Z"));
    assert_eq!(fact("templates.canary.podTemplateHash"), Some("borne"));
}

#[tokio::test]
async fn pods_that_routes_may_send_to_stay_until_that_is_taken_back() {
    let over = |annotations: Value| {
        let mut experiment = experiment();
        experiment["spec"]["scaleDownDelaySeconds"] = json!(0);
        experiment["metadata"]["annotations"] = annotations;
        experiment["status"] = json!({
            "phase": "Successful",
            "availableAt": "2026-01-01T00:00:00Z",
            "templateStatuses": [{
                "name": "canary", "status": "Successful", "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                "availableReplicas": 1, "lastTransitionTime": "2026-01-01T00:00:00Z", "podTemplateHash": "canary",
            }],
            "conditions": [
                {"type": "Completed", "status": "True", "reason": "ExperimentCompleted", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ],
        });
        experiment
    };
    let noted = over(json!({"kulta.io/in-routes": "try-canary"}));
    let mut without_rollout = noted.clone();
    without_rollout["metadata"]["ownerReferences"] = json!([]);
    let looks = |experiment: Value| {
        vec![
            expect(READ, Reply::With(200, experiment)),
            expect(READ_SET, Reply::With(200, replica_set(1))),
        ]
    };
    let goes = |experiment: Value| {
        let mut exchanges = looks(experiment);
        exchanges.push(expect(SCALE_SET, Reply::written("101")));
        exchanges
    };

    reconciled(looks(noted)).await;
    reconciled(goes(over(Value::Null))).await;
    reconciled(goes(without_rollout)).await;
}
