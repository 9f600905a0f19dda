//! Is a new version judged by what a real Prometheus has measured of it?

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::api::{DynamicObject, ListParams};
use kulta_api::Group;
use kulta_core::history::{Cause, FactKind};
use kulta_e2e::app::{ERROR_RATE_VARIABLE, LATENCY_VARIABLE, step};
use kulta_e2e::{App, Stage, Version};
use serde_json::{Value, json};

use crate::live::{Live, shop, v2};

/// The share of requests of the canary that went wrong in the last ten seconds: at most one in a hundred is well.
fn error_rate(stage: &Stage) -> Value {
    let selector = format!(
        r#"namespace="{}",rollouts_pod_template_hash="$(canary-hash)""#,
        stage.namespace()
    );
    json!({
        "name": "error-rate",
        "interval": "2s",
        "count": 3,
        "provider": { "plugin": { "prometheus": { "errorRate": {
            "bad": format!(r#"sum(increase(http_requests_total{{{selector},code=~"5.."}}[10s])) or vector(0)"#),
            "total": format!("sum(increase(http_requests_total{{{selector}}}[10s]))"),
            "limit": 0.01,
            "minimumRequests": 20,
        } } } },
    })
}

pub(crate) fn judged(stage: &Stage) -> App {
    shop(stage).steps([step::weight(50), step::analysis(&error_rate(stage))])
}

/// Every fifth request fails.
fn bad(stage: &Stage) -> Version {
    Version::v3(&stage.settings().app)
        .with(ERROR_RATE_VARIABLE, "0.2")
        .with(LATENCY_VARIABLE, "0ms")
}

pub(crate) async fn good_version_is_promoted_by_its_measurements(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, judged(stage)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout.until_promoted().await?;
    let status = live.rollout.status().await?;
    let completed = status
        .history
        .iter()
        .find(|fact| fact.kind == FactKind::AnalysisCompleted);
    ensure!(
        completed.is_some_and(|fact| fact.message.contains("Successful")),
        "no analysis was successful: {status:?}"
    );
    live.ends_on("v2").await
}

pub(crate) async fn bad_version_is_taken_back_without_a_hand(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, judged(stage)).await?;
    let before = live.rollout.status().await?;
    live.rollout.release(&bad(stage)).await?;
    let status = live.rollout.until_aborted().await?;
    ensure!(
        status.stable_rs == before.stable_rs,
        "another version is stable: {status:?}"
    );
    ensure!(
        status.message.contains("failureLimit") && status.message.contains("error rate"),
        "the message does not say why: {}",
        status.message
    );
    let aborted = status.history.iter().find(|fact| fact.kind == FactKind::Aborted);
    ensure!(
        aborted.is_some_and(|fact| fact.cause == Cause::Analysis),
        "the history does not say who aborted: {status:?}"
    );
    live.is_served_by("v1").await
}

/// Half of the traffic, and then this metric.
fn steps_with(metric: &Value) -> Value {
    json!([step::weight(50), step::analysis(metric)])
}

pub(crate) async fn misspelt_configuration_is_refused_before_anything_of_the_new_version_exists(
    stage: &Stage,
) -> Result<()> {
    let live = Live::start(stage, judged(stage)).await?;
    let mut misspelt = error_rate(stage);
    misspelt["provider"]["plugin"]["prometheus"]["errorRate"]["limti"] = json!(0.01);
    let release = json!({
        "template": v2(stage).template(live.rollout.name()),
        "strategy": {"canary": {"steps": steps_with(&misspelt)}},
    });
    live.rollout.patch_spec(&release).await?;
    let field = "spec.strategy.canary.steps[1].analysis.metrics[0].provider.plugin.prometheus.errorRate.limti: \
                 plugin prometheus ";
    live.rollout
        .until("to be refused, and to name the field and the plugin", |status| {
            status.message.starts_with("InvalidSpec: ") && status.message.contains(field) && !status.abort
        })
        .await?;
    let revisions = stage
        .api::<ReplicaSet>()
        .list_metadata(&ListParams::default())
        .await?;
    ensure!(
        revisions.items.len() == 1,
        "something of the new version exists: {revisions:?}"
    );
    live.is_served_by("v1").await?;

    let mended = json!({"strategy": {"canary": {"steps": steps_with(&error_rate(stage))}}});
    live.rollout.patch_spec(&mended).await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn analysis_by_an_unknown_plugin_waits_and_names_those_there_are(
    stage: &Stage,
) -> Result<()> {
    let metric = json!({"name": "mood", "provider": {"plugin": {"oracle": {}}}});
    let app = shop(stage).steps([step::weight(50)]);
    let judged = app.canary_field("analysis", json!({"metrics": [metric]}));
    let live = Live::start(stage, judged).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout
        .until("to wait, and to say which plugins there are", |status| {
            status.message.contains("oracle") && status.message.contains("prometheus") && !status.abort
        })
        .await?;
    live.is_served_by("v1").await
}

/// A few hundred kilobytes could take all of the controller's memory, on which all others' rollouts hang.
pub(crate) async fn analysis_that_its_arguments_make_too_long_ends_with_a_reason(
    stage: &Stage,
) -> Result<()> {
    let resource = kulta_api::analysis::api_resource(Group::Kulta);
    let query = "{{args.part}}".repeat(20_000);
    let manifest = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "long"},
        "spec": {
            "args": [{"name": "part", "value": "x".repeat(500_000)}],
            "metrics": [{"name": "up", "provider": {"plugin": {"prometheus": {"query": query}}}}],
        },
    });
    stage.create(&manifest).await?;

    let runs = stage.dynamic_api(&resource);
    let has_ended =
        |run: Option<&DynamicObject>| run.is_some_and(|run| run.data["status"]["phase"] == "Error");
    let run = stage
        .wait_for(runs, "long", "to come to an error", has_ended)
        .await?;

    let run = run.context("the analysis is gone")?;
    let told = run.data["status"]["message"].to_string();
    ensure!(told.contains("is longer than 8 MiB"), "{told}");
    Ok(())
}
