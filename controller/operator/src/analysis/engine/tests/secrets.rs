//! AnalysisRuns with arguments that come from Secrets.

use serde_json::json;

use super::*;
use crate::analysis::providers::tests::{Answered, Asked, UP, for_shop, ok, server};
use crate::analysis::secrets::tests::{refused, secret, taking};

const SECRET: &str = "s3cret-word";
const READ_SECRET: &str = "GET /api/v1/namespaces/shop/secrets/access";
const CONTROLLER: &str = "system:serviceaccount:kulta-system:kulta-controller";

/// The plugin `prometheus` with what the operator has written for it, and a Prometheus that answers so.
async fn asking(context: &Context, answer: Answered, written: &str) -> (AnalysisEngine, Asked) {
    let (address, asked) = server(answer).await;
    let configuration = Configuration {
        providers: [("prometheus".to_owned(), for_shop(address))].into(),
        plugins: configuration(written).plugins,
        ..Configuration::default()
    };
    let plugins = Plugins::new(&configuration);
    plugins.install("prometheus", plugin(1).await);
    let engine = AnalysisEngine {
        plugins: Arc::new(plugins),
        providers: Arc::new(Providers::new(&configuration)),
        ..engine(context)
    };
    (engine, asked)
}

/// The AnalysisRun under way, so that its metric is measured at once.
fn begun() -> Value {
    let mut run = taking(&["token"]);
    run["status"] = json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"});
    run["spec"]["metrics"][0]["successCondition"] = json!("result[0] == 1");
    run
}

/// What is told of one measurement by a Prometheus that answers so, and what that was asked.
async fn measured(answer: Answered, written: &str) -> (RunStatus, Vec<String>) {
    let mut queries = None;
    let read = expect(READ_SECRET, secret(&[("token", SECRET.as_bytes())]));
    let (progress, _) = advanced_by(vec![read], begun(), async |context| {
        let (engine, asked) = asking(context, answer, written).await;
        queries = Some(asked);
        engine
    })
    .await;
    let asked = queries.unwrap();
    let bodies = asked.lock().iter().map(|got| got.body.clone()).collect();
    (progress.status, bodies)
}

#[track_caller]
fn assert_untold(status: &RunStatus) {
    let written = serde_json::to_string(status).unwrap();
    assert!(!written.contains(SECRET), "{written}");
}

#[tokio::test]
async fn the_text_is_in_the_query_and_nowhere_in_the_status() {
    let (status, bodies) = measured(ok(UP), "{}").await;

    assert_eq!(status.phase, AnalysisPhase::Successful, "{status:?}");
    assert!(bodies[0].contains(SECRET), "{bodies:?}");
    assert_untold(&status);
}

#[tokio::test]
async fn what_a_provider_sends_back_of_it_is_hidden() {
    let body = json!({"status": "error", "errorType": "bad_data", "error": format!("what is {SECRET}?")});
    for grants in ["{}", "{prometheus: {grants: {secretArgs: true}}}"] {
        let answer = Answered::With(axum::http::StatusCode::BAD_REQUEST, body.to_string());

        let (status, bodies) = measured(answer, grants).await;

        let message = &status.metric_results[0].measurements[0].message;
        assert!(message.contains("what is (hidden)?"), "{message}");
        assert!(bodies[0].contains(SECRET), "{bodies:?}");
        assert_untold(&status);
    }
}

#[tokio::test]
async fn an_analysis_that_may_not_read_its_secret_waits_and_says_what_to_do() {
    let read = expect(READ_SECRET, refused(CONTROLLER));

    let (progress, _) = advanced_by(vec![read], taking(&["token"]), with_plugin).await;

    let status = progress.status;
    assert_eq!((status.phase, status.started_at), (AnalysisPhase::Pending, None));
    let message = &status.message;
    assert!(
        message.starts_with("spec.args[0].valueFrom.secretKeyRef: the Secret \"access\" may not be read: ")
            && message.ends_with("--serviceaccount=kulta-system:kulta-controller"),
        "{message}"
    );
    assert!(progress.wake_at.is_some_and(|time| time > Timestamp::now()));
}

#[tokio::test]
async fn one_that_waits_for_its_secret_can_be_ended() {
    let mut ended = taking(&["token"]);
    ended["spec"]["terminate"] = json!(true);

    let (progress, _) = advanced(ended, with_plugin).await;

    assert_eq!(progress.status.phase, AnalysisPhase::Successful);
}

#[tokio::test]
async fn a_secret_that_is_gone_while_it_is_under_way_is_an_error_of_the_measurement() {
    let read = expect(READ_SECRET, Reply::failure(404, "NotFound", "not found", &[]));

    let (progress, _) = advanced_by(vec![read], begun(), with_plugin).await;

    let measurement = &progress.status.metric_results[0].measurements[0];
    assert_eq!(measurement.phase, AnalysisPhase::Error);
    assert!(
        measurement.message.contains("is not there"),
        "{}",
        measurement.message
    );
    assert_eq!(progress.status.phase, AnalysisPhase::Running);
}

#[tokio::test]
async fn a_metric_on_trial_that_may_not_read_its_secret_holds_nothing() {
    let mut on_trial = taking(&["token"]);
    on_trial["spec"]["dryRun"] = json!([{"metricName": "errors"}]);
    let read = expect(READ_SECRET, refused(CONTROLLER));

    let (progress, _) = advanced_by(vec![read], on_trial, with_plugin).await;

    assert_eq!(progress.status.phase, AnalysisPhase::Running);
    let measurement = &progress.status.metric_results[0].measurements[0];
    assert_eq!(measurement.phase, AnalysisPhase::Error);
}

#[tokio::test]
async fn an_api_server_that_fails_holds_the_analysis_up_and_counts_nothing() {
    let failing = Reply::failure(500, "InternalError", "oops", &[]);
    let exchanges = vec![
        expect(READ, Reply::With(200, begun())),
        expect(READ_SECRET, failing),
    ];

    assert!(reconciled(exchanges).await.is_some());
}
