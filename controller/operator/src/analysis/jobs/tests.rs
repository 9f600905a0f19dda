//! Jobs of metrics: what is created, read and deleted, and what comes of it.

use kulta_api::Group;
use kulta_api::analysis::parse;
use kulta_core::analysis::run::Measurement;
use serde_json::{Value, json};

use super::*;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::samples::key;

const UID: &str = "0c9a2c1e-6f1d-4f4e-9a50-8d1f5d2f7a11";
const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";
const DRY_RUN: &str =
    "POST /apis/batch/v1/namespaces/shop/jobs?&dryRun=All&fieldManager=kulta&fieldValidation=Strict";
const CREATE: &str = "POST /apis/batch/v1/namespaces/shop/jobs?&fieldManager=kulta&fieldValidation=Strict";
const PODS: &str = "GET /api/v1/namespaces/shop/pods?&labelSelector=job-name%3D";
const CONTROLLER: &str = "system:serviceaccount:kulta-system:kulta-controller";

fn measured() -> Measured {
    let job = json!({
        "metadata": {"labels": {"team": "shop"}, "annotations": {"a": "b"}},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "check", "image": "check:1"}]}},
        },
    });
    let spec = json!({"metrics": [{"name": "smoke", "provider": {"job": job}}]});
    let task = parse(&spec, &|_, _| String::new()).unwrap();
    task.measured.into_iter().next().unwrap()
}

fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn name(number: u32) -> String {
    format!("{UID}.smoke.{number}")
}

fn get(number: u32) -> String {
    format!("GET {JOBS}/{}", name(number))
}

fn delete(number: u32) -> String {
    format!("DELETE {JOBS}/{}?", name(number))
}

fn pods(number: u32) -> String {
    format!("{PODS}{}&limit=10", name(number))
}

fn job(conditions: &Value) -> Reply {
    let owner = json!({"apiVersion": "kulta.io/v1alpha1", "kind": "AnalysisRun", "name": "web-abc-2", "uid": UID, "controller": true});
    Reply::With(
        200,
        json!({"metadata": {"uid": "uid-job", "ownerReferences": [owner]}, "status": {"conditions": conditions}}),
    )
}

fn gone() -> Reply {
    Reply::failure(404, "NotFound", "jobs.batch not found", &[])
}

fn waiting(reason: &str) -> Reply {
    let container = json!({
        "name": "check", "state": {"waiting": {"reason": reason, "message": "no such image"}},
    });
    Reply::With(
        200,
        json!({"items": [{"status": {"containerStatuses": [container]}}]}),
    )
}

fn refused(verb: &str, resource: &str) -> Reply {
    let message = format!(
        "{resource} is forbidden: User \"{CONTROLLER}\" cannot {verb} resource \"{resource}\" in the namespace \"shop\""
    );
    Reply::failure(403, "Forbidden", &message, &[])
}

/// A metric with so many measurements before, and one that goes on for so many seconds.
fn result(count: u32, going_on_for: Option<i64>) -> MetricResult {
    let going_on = going_on_for.map(|seconds| Measurement {
        phase: AnalysisPhase::Running,
        message: String::new(),
        started_at: now() - SignedDuration::from_secs(seconds),
        finished_at: None,
        value: String::new(),
        metadata: std::collections::BTreeMap::new(),
        resume_at: None,
    });
    MetricResult {
        name: "smoke".to_owned(),
        count,
        measurements: going_on.into_iter().collect(),
        ..MetricResult::default()
    }
}

async fn with<T>(exchanges: Vec<Exchange>, act: impl AsyncFnOnce(&Jobs<'_>) -> T) -> T {
    let ended = scenario(exchanges, async |context| {
        let key = key("web-abc-2");
        let writer = Writer {
            client: &context.client,
            permission: &context.permission,
            group: Group::Kulta,
        };
        act(&Jobs::of(writer, &key, UID)).await
    });
    ended.await.outcome
}

async fn finding(exchanges: Vec<Exchange>, result: Option<MetricResult>) -> Option<Finding> {
    with(exchanges, async |jobs| {
        let undecided = AtomicBool::new(false);
        jobs.measure(&measured(), result.as_ref(), now(), &undecided)
            .await
    })
    .await
}

#[track_caller]
fn running(finding: Option<Finding>) -> Outcome {
    let Some(Finding::Running(outcome)) = finding else {
        panic!("{finding:?}")
    };
    outcome
}

#[tokio::test]
async fn a_job_is_created_as_it_is_written_with_the_names_of_argo_rollouts() {
    let labels = json!({"team": "shop", "analysisrun.argoproj.io/uid": UID});
    let expected = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name(1),
            "namespace": "shop",
            "labels": labels,
            "annotations": {
                "a": "b",
                "analysisrun.argoproj.io/name": "web-abc-2",
                "analysisrun.argoproj.io/namespace": "shop",
                "analysisrun.argoproj.io/metric-name": "smoke",
            },
            "ownerReferences": [{
                "apiVersion": "kulta.io/v1alpha1", "kind": "AnalysisRun", "name": "web-abc-2", "uid": UID, "controller": true,
            }],
        },
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"analysisrun.argoproj.io/uid": UID}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "check", "image": "check:1"}]},
            },
        },
    });
    let exchanges = vec![
        expect(&get(1), gone()),
        expect(CREATE, Reply::written("1")).with_body(expected),
    ];

    let outcome = running(finding(exchanges, None).await);

    assert_eq!(outcome.reading.details, [("job-name".to_owned(), name(1))]);
}

#[test]
fn a_job_is_kept_until_it_was_looked_at_whatever_its_ttl_is() {
    let key = key("web-abc-2");
    let mut measured = measured();
    let without = Owner { key: &key, uid: UID }.manifest(&measured, 1);
    measured.configuration["spec"]["ttlSecondsAfterFinished"] = json!(0);

    let with = Owner { key: &key, uid: UID }.manifest(&measured, 1);

    assert_eq!(with, without);
}

#[tokio::test]
async fn one_that_was_created_before_a_crash_is_found_again() {
    let exchanges = vec![
        expect(&get(3), job(&json!([]))),
        expect(&pods(3), Reply::With(200, json!({"items": []}))),
    ];

    running(finding(exchanges, Some(result(2, None))).await);
}

#[tokio::test]
async fn the_longer_a_job_takes_the_less_often_it_is_looked_at() {
    for (seconds, wait) in [(0, 0), (8, 4), (50, 10), (5_000, 100)] {
        let exchanges = vec![
            expect(&get(1), job(&json!([]))),
            expect(&pods(1), Reply::With(200, json!({}))),
        ];

        let outcome = running(finding(exchanges, Some(result(0, Some(seconds)))).await);

        assert_eq!(
            outcome.retry_at,
            Some(now() + SignedDuration::from_secs(wait)),
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn how_it_ends_is_the_measurement() {
    let condition = |kind: &str| json!([{"type": kind, "status": "True", "message": "reached its limit"}]);
    let ended = async |kind: &str| {
        let exchanges = vec![expect(&get(1), job(&condition(kind)))];
        finding(exchanges, Some(result(0, Some(5)))).await
    };

    let complete = ended("Complete").await;
    assert!(matches!(complete, Some(Finding::Successful(_))), "{complete:?}");
    let Some(Finding::Failed(failed)) = ended("Failed").await else {
        panic!()
    };
    assert_eq!(
        failed.reading.summary,
        format!("the Job {} has failed: reached its limit", name(1))
    );
}

#[tokio::test]
async fn an_image_that_can_not_be_pulled_is_inconclusive() {
    for reason in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"] {
        let exchanges = vec![
            expect(&get(1), job(&json!([]))),
            expect(&pods(1), waiting(reason)),
        ];

        let Some(Finding::Inconclusive(outcome)) = finding(exchanges, Some(result(0, Some(5)))).await else {
            panic!("{reason}")
        };

        let summary = outcome.reading.summary;
        assert!(
            summary.contains(reason) && summary.ends_with("no such image"),
            "{summary}"
        );
    }
    let exchanges = vec![
        expect(&get(1), job(&json!([]))),
        expect(&pods(1), waiting("ContainerCreating")),
    ];
    running(finding(exchanges, Some(result(0, Some(5)))).await);
}

#[tokio::test]
async fn where_pods_can_not_be_seen_the_job_is_waited_for_all_the_same() {
    let exchanges = vec![
        expect(&get(1), job(&json!([]))),
        expect(&pods(1), refused("list", "pods")),
    ];

    let outcome = running(finding(exchanges, Some(result(0, Some(5)))).await);

    assert!(
        outcome.reading.summary.contains("rolebinding kulta-jobs"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn one_that_somebody_deletes_is_an_error() {
    let found = finding(vec![expect(&get(1), gone())], Some(result(0, Some(5)))).await;

    let Some(Finding::Error(message)) = found else {
        panic!("{found:?}")
    };
    assert!(message.contains("is gone before it has ended"), "{message}");
}

#[tokio::test]
async fn one_of_somebody_else_is_left_alone() {
    let other = Reply::With(200, json!({"metadata": {"uid": "other"}}));

    let found = finding(vec![expect(&get(1), other)], None).await;

    let Some(Finding::Error(message)) = found else {
        panic!("{found:?}")
    };
    assert!(message.contains("is not of this analysis"), "{message}");
}

#[tokio::test]
async fn an_api_server_without_time_is_no_error_of_the_metric() {
    let busy = || Reply::failure(429, "TooManyRequests", "later", &[]);

    assert_eq!(finding(vec![expect(&get(1), busy())], None).await, None);
    assert_eq!(
        finding(vec![expect(&get(1), gone()), expect(CREATE, busy())], None).await,
        None
    );
}

#[tokio::test]
async fn before_it_begins_a_missing_right_is_told_with_the_command_that_gives_it() {
    let exchanges = vec![expect(DRY_RUN, refused("create", "jobs.batch"))];

    let problem = with(exchanges, async |jobs| jobs.check(&measured()).await)
        .await
        .unwrap();

    assert_eq!(problem.path, "spec.metrics[0].provider.job");
    assert!(
        problem
            .message
            .starts_with("Jobs and their pods may not be created in namespace \"shop\"")
            && problem.message.ends_with(
                "kubectl -n shop create rolebinding kulta-jobs --clusterrole=kulta-jobs \
                 --serviceaccount=kulta-system:kulta-controller"
            ),
        "{problem}"
    );
}

#[tokio::test]
async fn before_it_begins_what_the_api_server_refuses_is_told_in_its_words() {
    let words = "Job.batch is invalid: spec.template.spec.containers[0].image: Required value";
    let exchanges = vec![expect(
        DRY_RUN,
        Reply::failure(422, "Invalid", words, &["Required value"]),
    )];

    let problem = with(exchanges, async |jobs| jobs.check(&measured()).await)
        .await
        .unwrap();

    assert_eq!(problem.message, words);
}

#[tokio::test]
async fn a_quota_that_refuses_a_job_is_told_in_its_words() {
    let words = "jobs.batch \"x\" is forbidden: exceeded quota: few, requested: count/jobs.batch=1";
    let exchanges = vec![
        expect(&get(1), gone()),
        expect(CREATE, Reply::failure(403, "Forbidden", words, &[])),
    ];

    assert_eq!(
        finding(exchanges, None).await,
        Some(Finding::Error(words.to_owned()))
    );
}

#[tokio::test]
async fn of_more_measurements_than_are_kept_the_oldest_job_goes() {
    let exchanges = vec![
        expect(&get(13), gone()),
        expect(CREATE, Reply::written("1")),
        expect(&get(3), job(&json!([]))),
        expect(&delete(3), Reply::With(200, json!({}))),
    ];

    running(finding(exchanges, Some(result(12, None))).await);
}

fn status(phase: AnalysisPhase, result: MetricResult) -> RunStatus {
    RunStatus {
        phase,
        metric_results: vec![result],
        ..RunStatus::default()
    }
}

async fn ended(exchanges: Vec<Exchange>, status: RunStatus) {
    let names = names(&[measured()]);
    let left = async |jobs: &Jobs<'_>| jobs.end_left(&names, &status).await;
    with(exchanges, left).await.unwrap();
}

#[tokio::test]
async fn no_job_is_begun_for_an_analysis_that_is_decided() {
    let exchanges = vec![expect(&get(1), gone())];

    let found = with(exchanges, async |jobs| {
        let decided = AtomicBool::new(true);
        jobs.measure(&measured(), None, now(), &decided).await
    })
    .await;

    assert_eq!(found, None);
}

#[tokio::test]
async fn a_job_that_is_to_be_ended_and_is_gone_is_no_failure() {
    let exchanges = vec![expect(&get(1), gone())];

    ended(exchanges, status(AnalysisPhase::Successful, result(0, None))).await;
}

#[test]
fn which_jobs_may_be_left_is_known_without_understanding_the_analysis() {
    let spec = json!({"metrics": [
        {"name": "smoke", "provider": {"job": {}}, "nonsense": true},
        {"name": "errors", "provider": {"plugin": {"prometheus": {}}}},
        {"provider": {"job": {}}},
    ]});
    let mut before = result(0, Some(5));
    before.name = "load".to_owned();
    let metadata = &mut before.measurements[0].metadata;
    metadata.insert(NAME_DETAIL.to_owned(), "a-job".to_owned());

    let names = names_left(&spec, &status(AnalysisPhase::Running, before));

    assert_eq!(names, ["load", "smoke"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_measurement_that_is_given_up_takes_its_job_with_it() {
    let mut given_up = result(1, Some(5));
    given_up.measurements[0].phase = AnalysisPhase::Inconclusive;
    given_up.measurements[0].finished_at = Some(now());
    let exchanges = vec![
        expect(&get(1), job(&json!([]))),
        expect(&delete(1), Reply::With(200, json!({}))),
        expect(&get(2), gone()),
    ];

    ended(exchanges, status(AnalysisPhase::Inconclusive, given_up)).await;
}

#[tokio::test]
async fn a_job_that_no_status_tells_of_ends_with_its_analysis() {
    let exchanges = vec![
        expect(&get(1), job(&json!([]))),
        expect(&delete(1), Reply::With(200, json!({}))),
    ];

    ended(exchanges, status(AnalysisPhase::Successful, result(0, None))).await;
}

#[tokio::test]
async fn a_job_that_has_ended_by_itself_is_left_to_be_looked_at() {
    let mut complete = result(1, Some(5));
    complete.measurements[0].phase = AnalysisPhase::Successful;
    complete.measurements[0].finished_at = Some(now());

    ended(Vec::new(), status(AnalysisPhase::Running, complete)).await;
}

#[test]
fn the_name_of_a_job_fits_a_label_and_tells_metrics_apart() {
    let key = key("web-abc-2");
    let owner = Owner { key: &key, uid: UID };

    assert_eq!(owner.job("smoke-test", 12), format!("{UID}.smoke-test.12"));
    let odd = [
        "Smoke Test",
        "smoke-test-",
        "smoke_test",
        "ünknown",
        &"long-".repeat(20),
        &"long-".repeat(21),
    ];
    let names: std::collections::BTreeSet<_> = odd.iter().map(|metric| owner.job(metric, 1_000)).collect();
    assert_eq!(names.len(), odd.len(), "{names:?}");
    for name in names {
        assert!(name.len() <= 63, "{name}");
        let labels = name.split('.').all(|label| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let ends = [label.bytes().next(), label.bytes().last()];
            ends.into_iter().all(|end| end.is_some_and(plain))
                && label.bytes().all(|byte| plain(byte) || byte == b'-')
        });
        assert!(labels, "{name}");
    }
}
