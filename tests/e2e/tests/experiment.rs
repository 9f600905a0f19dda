//! Do versions run side by side in experiments, alone and as steps of a canary?

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kulta_api::{Group, experiment};
use kulta_e2e::app::step;
use kulta_e2e::{App, Stage, eventually};
use serde_json::{Value, json};

use crate::live::{Live, shop, v2};

pub(crate) const TEMPLATE: &str = "is-measured";
/// A condition that is met when Prometheus has asked a pod of the version.
pub(crate) const MET: &str = "len(result) > 0 && result[0] >= 1";
/// What an experiment has of the traffic, in percent.
const SHARE: u8 = 30;
/// One that no number of pods here meets, and its opposite.
const NEVER_MET: &str = "len(result) > 0 && result[0] > 100";

/// Whether Prometheus measures pods of a version: what an experiment's pods alone can bring about, for nobody sends them
/// requests.
pub(crate) fn template(stage: &Stage, condition: &str) -> Value {
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": TEMPLATE, "namespace": stage.namespace()},
        "spec": {
            "args": [{"name": "hash"}],
            "metrics": [{
                "name": "pods",
                "interval": "1s",
                "consecutiveSuccessLimit": 2,
                "inconclusiveLimit": 100,
                "successCondition": condition,
                "failureCondition": format!("len(result) > 0 && !({condition})"),
                "provider": {"plugin": {"prometheus": {
                    "query": format!(
                        r#"sum(up{{namespace="{}",rollouts_pod_template_hash="{{{{args.hash}}}}"}})"#,
                        stage.namespace(),
                    ),
                }}},
            }],
        },
    })
}

/// A step with pods of both versions, and an analysis of the new one's, by the template.
pub(crate) fn judging() -> Value {
    let analysis = json!({
        "name": "measured", "templateName": TEMPLATE, "requiredForCompletion": true,
        "args": [{"name": "hash", "value": "{{templates.canary.podTemplateHash}}"}],
    });
    let experiment = json!({
        "templates": [
            {"name": "baseline", "specRef": "stable", "metadata": {"labels": {"role": "baseline"}}},
            {"name": "canary", "specRef": "canary", "metadata": {"labels": {"role": "canary"}}, "service": {}},
        ],
        "analyses": [analysis],
        "scaleDownDelaySeconds": 1,
    });
    json!({"experiment": experiment})
}

fn judged(stage: &Stage) -> App {
    shop(stage).steps([judging(), step::weight(50)])
}

pub(crate) fn experiments(stage: &Stage) -> Api<DynamicObject> {
    stage.dynamic_api(&experiment::api_resource(Group::Kulta))
}

/// Waits until the only experiment has come to this end and its pods are gone.
async fn ends(stage: &Stage, phase: &str) -> Result<()> {
    eventually(
        &format!("an experiment that is {phase}, without pods"),
        async || {
            let all = experiments(stage).list(&ListParams::default()).await?;
            let experiment = all.items.into_iter().next().context("there is no Experiment")?;
            let status = &experiment.data["status"];
            let templates = status["templateStatuses"].as_array();
            let is_empty = |template: &Value| template["replicas"] == 0 && template["serviceName"].is_null();
            let is_over = status["phase"] == phase && templates.is_some_and(|all| all.iter().all(is_empty));
            Ok(is_over.then_some(()))
        },
    )
    .await
}

pub(crate) async fn experiment_of_a_step_promotes_a_version_by_what_its_pods_show(
    stage: &Stage,
) -> Result<()> {
    stage.create(&template(stage, MET)).await?;
    let live = Live::start(stage, judged(stage)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout.until_promoted().await?;
    ends(stage, "Successful").await?;
    live.ends_on("v2").await
}

pub(crate) async fn experiment_that_fails_takes_a_version_back(stage: &Stage) -> Result<()> {
    stage.create(&template(stage, NEVER_MET)).await?;
    let live = Live::start(stage, judged(stage)).await?;
    live.rollout.release(&v2(stage)).await?;
    let status = live.rollout.until_aborted().await?;
    ensure!(
        status
            .message
            .contains("Experiment analysis phase is error/failed"),
        "the message does not say why: {}",
        status.message
    );
    ends(stage, "Failed").await?;
    live.is_served_by("v1").await
}

/// Pods of the new version that have some of the traffic before the version itself has any.
fn sharing(stage: &Stage, lasts: &str) -> App {
    let experiment = json!({
        "templates": [{"name": "probe", "specRef": "canary", "weight": SHARE}],
        "duration": lasts,
        "scaleDownDelaySeconds": 0,
    });
    shop(stage).steps([json!({"experiment": experiment}), step::pause()])
}

/// The weights of the route's backendRefs, and how many there are.
async fn backends(live: &Live, stage: &Stage) -> Result<Vec<Value>> {
    let route = stage.routes().get(live.rollout.name()).await?;
    let refs = route.data.pointer("/spec/rules/0/backendRefs");
    refs.and_then(Value::as_array)
        .cloned()
        .context("the route has no backendRefs")
}

/// Waits until pods of the experiment answer requests of users.
async fn is_met_by_users(live: &Live) -> Result<()> {
    let answered = || live.traffic.snapshot().answers_of("v2");
    eventually("answers of the experiment", async || {
        Ok((answered() > 0).then_some(()))
    })
    .await
}

pub(crate) async fn experiment_has_its_share_of_the_traffic_while_it_runs(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, sharing(stage, "5s")).await?;
    live.rollout.release(&v2(stage)).await?;

    live.waits_at(1, 0).await?;

    // The version itself has no weight yet.
    is_met_by_users(&live).await?;
    ends(stage, "Successful").await?;
    let left = backends(&live, stage).await?;
    ensure!(left.len() == 2, "the share is still there: {left:?}");
    live.is_served_by("v1").await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn experiment_that_is_aborted_gives_its_share_back_before_its_pods_go(
    stage: &Stage,
) -> Result<()> {
    let live = Live::start(stage, sharing(stage, "1h")).await?;
    live.rollout.release(&v2(stage)).await?;
    is_met_by_users(&live).await?;
    let shared = backends(&live, stage).await?;
    let weights: Vec<_> = shared.iter().map(|backend| backend["weight"].clone()).collect();
    ensure!(
        weights == [json!(100 - SHARE), json!(0), json!(SHARE)],
        "the stable version does not go without the share: {shared:?}"
    );

    live.rollout.abort().await?;

    live.rollout.until_aborted().await?;
    ends(stage, "Successful").await?;
    live.is_served_by("v1").await?;
    live.traffic.stop_without_failure().await.map(drop)
}

pub(crate) async fn experiment_of_an_aborted_rollout_is_ended(stage: &Stage) -> Result<()> {
    let experiment = json!({
        "templates": [{"name": "canary", "specRef": "canary"}],
        "duration": "1h",
        "scaleDownDelaySeconds": 1,
    });
    let live = Live::start(stage, shop(stage).steps([json!({"experiment": experiment})])).await?;
    live.rollout.release(&v2(stage)).await?;
    let set = stage.api::<ReplicaSet>();
    eventually("the pods of the experiment", async || {
        let all = set.list(&ListParams::default()).await?;
        let running = all.items.into_iter().filter(|set| {
            let owners = set.metadata.owner_references.iter().flatten();
            owners.clone().any(|owner| owner.kind == experiment::KIND)
                && set.status.as_ref().and_then(|status| status.available_replicas) == Some(1)
        });
        Ok((running.count() == 1).then_some(()))
    })
    .await?;

    live.rollout.abort().await?;

    live.rollout.until_aborted().await?;
    ends(stage, "Successful").await?;
    live.is_served_by("v1").await
}

pub(crate) async fn experiment_alone_runs_for_its_duration_and_leaves_nothing_running(
    stage: &Stage,
) -> Result<()> {
    let labels = json!({"app": "trial"});
    let mut pods = v2(stage).template("trial");
    pods["metadata"]["labels"] = labels.clone();
    stage
        .create(&json!({
            "apiVersion": "kulta.io/v1alpha1",
            "kind": "Experiment",
            "metadata": {"name": "trial", "namespace": stage.namespace()},
            "spec": {
                // Longer than a busy machine takes to look.
                "duration": "10s",
                "scaleDownDelaySeconds": 1,
                "templates": [
                    {"name": "one", "selector": {"matchLabels": labels}, "template": pods, "service": {}},
                    {"name": "other", "replicas": 2, "selector": {"matchLabels": labels}, "template": pods},
                ],
            },
        }))
        .await?;
    // Pods of both are never taken for each other's, though their templates are the same.
    let sets = stage.api::<ReplicaSet>();
    eventually("the pods of both templates", async || {
        let (one, other) = (
            sets.get_opt("trial-one").await?,
            sets.get_opt("trial-other").await?,
        );
        let available = |set: Option<ReplicaSet>| set.and_then(|set| set.status?.available_replicas);
        Ok((available(one) == Some(1) && available(other) == Some(2)).then_some(()))
    })
    .await?;
    ends(stage, "Successful").await?;
    ensure!(
        stage.api::<Service>().get_opt("trial-one").await?.is_none(),
        "its Service is still there"
    );
    Ok(())
}
