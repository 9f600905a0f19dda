//! AnalysisRuns whose metric is measured by Jobs: what is written down before they are ended.

use serde_json::json;

use super::*;

const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";

fn name(number: u32) -> String {
    format!("uid-web-abc-2.smoke.{number}")
}

fn get(number: u32, reply: Reply) -> crate::scenario::Exchange {
    expect(&format!("GET {JOBS}/{}", name(number)), reply)
}

fn delete(number: u32, reply: Reply) -> crate::scenario::Exchange {
    expect(&format!("DELETE {JOBS}/{}?", name(number)), reply)
}

fn job() -> Reply {
    let owner = json!({
        "apiVersion": "kulta.io/v1alpha1", "kind": "AnalysisRun", "name": "web-abc-2", "uid": "uid-web-abc-2",
        "controller": true,
    });
    Reply::With(
        200,
        json!({"metadata": {"uid": "uid-job", "ownerReferences": [owner]}}),
    )
}

fn gone() -> Reply {
    Reply::failure(404, "NotFound", "jobs.batch not found", &[])
}

/// In this phase, with one measurement that goes on.
fn measuring(phase: &str) -> Value {
    let container = json!({"name": "check", "image": "check:1"});
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    let job = json!({"spec": {"template": {"spec": pod}}});
    let mut run = run();
    run["spec"]["metrics"] = json!([{"name": "smoke", "provider": {"job": job}}]);
    run["status"] = json!({
        "phase": phase,
        "startedAt": "2026-01-01T00:00:00Z",
        "metricResults": [{
            "name": "smoke",
            "phase": "Running",
            "measurements": [{
                "phase": "Running",
                "startedAt": "2026-01-01T00:00:00Z",
                "metadata": {"job-name": name(1)},
            }],
        }],
    });
    run
}

/// The same, asked to end.
fn terminated() -> Value {
    let mut run = measuring("Running");
    run["spec"]["terminate"] = json!(true);
    run
}

#[tokio::test]
async fn jobs_are_ended_only_after_the_end_is_written() {
    let exchanges = vec![
        expect(READ, Reply::With(200, terminated())),
        expect(WRITE, Reply::written("101")),
        get(1, job()),
        delete(1, Reply::With(200, json!({}))),
        get(2, gone()),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn an_end_that_is_not_written_ends_no_job() {
    let exchanges = vec![
        expect(READ, Reply::With(200, terminated())),
        expect(WRITE, Reply::test_failed()),
    ];

    assert!(reconciled(exchanges).await.is_some());
}

#[tokio::test]
async fn jobs_that_are_left_of_an_analysis_that_is_complete_are_ended() {
    let exchanges = vec![
        expect(READ, Reply::With(200, measuring("Failed"))),
        get(1, job()),
        delete(1, Reply::With(200, json!({}))),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn an_api_server_without_time_is_asked_again_to_end_what_is_left() {
    let busy = Reply::failure(429, "TooManyRequests", "later", &[]);
    let exchanges = vec![expect(READ, Reply::With(200, measuring("Failed"))), get(1, busy)];

    assert!(reconciled(exchanges).await.is_some());
}

#[tokio::test]
async fn an_analysis_that_makes_no_sense_any_more_leaves_no_jobs() {
    let mut wrong = measuring("Running");
    wrong["spec"]["metrics"][0]["provider"]["job"] = json!({"nonsense": true});
    let exchanges = vec![
        expect(READ, Reply::With(200, wrong)),
        expect(WRITE, Reply::written("101")),
        get(1, job()),
        delete(1, Reply::With(200, json!({}))),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn an_analysis_whose_status_is_too_large_leaves_no_jobs() {
    let too_large = Reply::failure(500, "InternalError", "etcdserver: request is too large", &[]);
    let exchanges = vec![
        expect(READ, Reply::With(200, terminated())),
        expect(WRITE, too_large),
        expect(WRITE, Reply::written("101")),
        get(1, job()),
        delete(1, Reply::With(200, json!({}))),
        get(2, gone()),
    ];

    assert!(reconciled(exchanges).await.is_none());
}

#[tokio::test]
async fn a_verdict_waits_for_jobs_that_are_being_asked_about_and_begins_none() {
    let mut two = measuring("Running");
    two["status"] = json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"});
    let absent =
        json!({"name": "errors", "consecutiveErrorLimit": 0, "provider": {"plugin": {"absent": {}}}});
    two["spec"]["metrics"].as_array_mut().unwrap().push(absent);
    let exchanges = vec![
        expect(READ, Reply::With(200, two)),
        get(1, gone()),
        expect(WRITE, Reply::written("101")),
        get(1, gone()),
    ];

    assert!(reconciled(exchanges).await.is_none());
}
