//! Do answers of servers by HTTP, and Jobs, judge new versions?

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use kulta_e2e::app::step;
use kulta_e2e::{App, NAMESPACE, Stage, Version};
use serde_json::{Value, json};

use crate::live::{Live, shop, v2};

/// What the operator has installed for those who let KULTA run Jobs, and whom they let.
const JOBS_ROLE: &str = "kulta-jobs";
const CONTROLLER: (&str, &str) = (NAMESPACE, "kulta-controller");

fn judged_by(stage: &Stage, metric: &Value) -> App {
    shop(stage).steps([step::weight(50), step::analysis(metric)])
}

/// A Prometheus is also a server that answers in JSON.
fn health(stage: &Stage, condition: &str) -> Result<Value> {
    let address = stage.settings().prometheus.as_deref();
    let address = address.context("the stage has no Prometheus")?;
    Ok(json!({
        "name": "health",
        "successCondition": condition,
        "provider": {"web": {
            "method": "POST",
            "url": format!("{address}/api/v1/query"),
            "headers": [{"key": "Content-Type", "value": "application/x-www-form-urlencoded"}],
            "body": "query=vector(1)",
            "jsonPath": "{$.data.result[0].value[1]}",
        }},
    }))
}

pub(crate) async fn answer_of_a_server_promotes_a_version_or_takes_it_back(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, judged_by(stage, &health(stage, "result == '1'")?)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout.until_promoted().await?;

    let worse = json!({
        "template": Version::v1(&stage.settings().app).template(live.rollout.name()),
        "strategy": {"canary": {"steps": [step::weight(50), step::analysis(&health(stage, "result == '2'")?)]}},
    });
    live.rollout.patch_spec(&worse).await?;
    let status = live.rollout.until_aborted().await?;
    ensure!(
        status.message.contains("\"health\""),
        "the message does not say why: {}",
        status.message
    );
    live.is_served_by("v2").await
}

pub(crate) async fn server_that_is_not_allowed_is_refused_before_anything_begins(
    stage: &Stage,
) -> Result<()> {
    let live = Live::start(stage, shop(stage).steps([step::weight(50)])).await?;
    let metric = json!({"name": "health", "provider": {"web": {"url": "https://elsewhere.example/health"}}});
    let release = json!({
        "template": v2(stage).template(live.rollout.name()),
        "strategy": {"canary": {"steps": [step::weight(50), step::analysis(&metric)]}},
    });
    live.rollout.patch_spec(&release).await?;
    live.rollout
        .until("to be refused, and to say who can allow it", |status| {
            let words = ["provider.web.url", "plugins.web.http.origins"];
            !status.abort && words.iter().all(|words| status.message.contains(words))
        })
        .await?;
    live.is_served_by("v1").await
}

/// A Job of the application's own program: with `--help` it ends well, with another flag it does not.
fn smoke(stage: &Stage, argument: &str) -> Value {
    let container = json!({
        "name": "smoke", "image": Version::v1(&stage.settings().app).image, "args": [argument],
    });
    json!({
        "name": "smoke",
        "provider": {"job": {
            "metadata": {"labels": {"test": "smoke"}},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
            },
        }},
    })
}

fn binding(stage: &Stage) -> Value {
    let group = "rbac.authorization.k8s.io";
    let (namespace, name) = CONTROLLER;
    json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "RoleBinding",
        "metadata": {"name": JOBS_ROLE, "namespace": stage.namespace()},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": JOBS_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    })
}

pub(crate) async fn job_waits_for_its_right_and_then_promotes_a_version_or_takes_it_back(
    stage: &Stage,
) -> Result<()> {
    let live = Live::start(stage, judged_by(stage, &smoke(stage, "--help"))).await?;
    live.rollout.release(&v2(stage)).await?;
    let command = format!("create rolebinding {JOBS_ROLE} --clusterrole={JOBS_ROLE}");
    live.rollout
        .until("to be told the right to give", |status| {
            !status.abort && status.message.contains(&command)
        })
        .await?;
    stage.create(&binding(stage)).await?;
    live.rollout.until_promoted().await?;
    let of_test = ListParams::default().labels("test=smoke");
    let jobs = stage.api::<Job>().list_metadata(&of_test).await?;
    ensure!(jobs.items.len() == 1, "not one Job was run: {jobs:?}");

    let worse = json!({
        "template": Version::v1(&stage.settings().app).template(live.rollout.name()),
        "strategy": {"canary": {"steps": [step::weight(50), step::analysis(&smoke(stage, "--no-such-flag"))]}},
    });
    live.rollout.patch_spec(&worse).await?;
    let status = live.rollout.until_aborted().await?;
    ensure!(
        status.message.contains("has failed"),
        "the message does not say why: {}",
        status.message
    );
    live.is_served_by("v2").await
}
