//! What KULTA does to single pods: restarts that respect disruption budgets, labels of their part, and where they go.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use kulta_api::names::{HASH_LABEL, INJECTED_METADATA_ANNOTATION, INJECTING_METADATA_ANNOTATION};
use kulta_core::status::Phase;
use kulta_e2e::Stage;
use serde_json::{Value, json};

use crate::live::{HALF_WAY, Live, half_way, shop, v2};
use crate::{expect, shop as app};

/// How many pods the shop has.
const PODS: usize = 2;

pub(crate) async fn restart_waits_for_the_disruption_budget_and_then_replaces_every_pod(
    stage: &Stage,
) -> Result<()> {
    let live = Live::start(stage, shop(stage)).await?;
    let before = expect::pod_uids(stage).await?;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": app::NAME, "namespace": stage.namespace()},
        "spec": {"minAvailable": PODS, "selector": {"matchLabels": {"app": app::NAME}}},
    });
    stage.create(&budget).await?;

    let now = Timestamp::now();
    let at = Timestamp::from_second(now.as_second())?.to_string();
    live.rollout.patch_spec(&json!({ "restartAt": at })).await?;
    live.rollout
        .until("to be restarting", |status| {
            status.phase == Phase::Progressing && status.message == "rollout is restarting"
        })
        .await?;
    live.serve(2).await?;
    ensure!(
        expect::pod_uids(stage).await? == before,
        "a pod went that its budget keeps"
    );

    let budgets = stage.api::<PodDisruptionBudget>();
    budgets.delete(app::NAME, &DeleteParams::default()).await?;
    let done = live.rollout.until("to be restarted", |status| {
        status.restarted_at.is_some() && status.phase == Phase::Healthy
    });
    let status = done.await?;
    ensure!(
        status.stable_rs == status.current_pod_hash && status.replicas == 2,
        "a restart is no new revision: {status:?}"
    );
    let young = stage.api::<Pod>().list_metadata(&ListParams::default()).await?;
    let left = young
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(ResourceExt::uid)
        .filter(|uid| before.contains(uid));
    ensure!(left.count() == 0, "an old pod is left");
    live.ends_on("v1").await
}

fn role(value: &str) -> Value {
    json!({"labels": {"role": value}, "annotations": {"shop/role": value}})
}

/// Waits until the ReplicaSet of the revision `hash` has noted that all of its pods have `metadata`, and looks at them.
async fn bear(stage: &Stage, hash: Option<&str>, metadata: &Value) -> Result<()> {
    let hash = hash.context("no revision")?;
    let name = format!("{}-{hash}", app::NAME);
    let noted = |replica_set: Option<&ReplicaSet>| {
        replica_set.is_some_and(|replica_set| {
            let annotations = replica_set.annotations();
            let injected = annotations.get(INJECTED_METADATA_ANNOTATION);
            let injected = injected.and_then(|text| serde_json::from_str::<Value>(text).ok());
            injected.as_ref() == Some(metadata) && !annotations.contains_key(INJECTING_METADATA_ANNOTATION)
        })
    };
    let what = format!("to have noted {metadata}");
    stage
        .wait_for(stage.api::<ReplicaSet>(), &name, &what, noted)
        .await?;
    let selected = ListParams::default().labels(&format!("{HASH_LABEL}={hash}"));
    let pods = stage.api::<Pod>().list_metadata(&selected).await?;
    for pod in pods
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let has = json!({"labels": {"role": pod.labels().get("role")}, "annotations": {"shop/role": pod.annotations().get("shop/role")}});
        ensure!(has == *metadata, "{} bears {has}", pod.name_any());
    }
    Ok(())
}

pub(crate) async fn pods_bear_the_labels_of_their_part_and_none_is_restarted_for_it(
    stage: &Stage,
) -> Result<()> {
    let app = shop(stage)
        .steps(half_way())
        .canary_field("canaryMetadata", role("canary"))
        .canary_field("stableMetadata", role("stable"));
    let live = Live::start(stage, app).await?;
    let status = live.rollout.status().await?;
    bear(stage, status.stable_rs.as_deref(), &role("stable")).await?;

    live.rollout.release(&v2(stage)).await?;
    let status = live.waits_at(HALF_WAY, 50).await?;
    bear(stage, status.stable_rs.as_deref(), &role("stable")).await?;
    bear(stage, status.current_pod_hash.as_deref(), &role("canary")).await?;
    let selected = ListParams::default().labels("role=canary");
    let canaries = stage.api::<Pod>().list_metadata(&selected).await?;
    let canaries: Vec<_> = canaries.items.iter().filter_map(ResourceExt::uid).collect();

    live.rollout.resume().await?;
    let status = live.rollout.until_promoted().await?;
    bear(stage, status.stable_rs.as_deref(), &role("stable")).await?;
    let uids = expect::pod_uids(stage).await?;
    ensure!(
        canaries.iter().all(|canary| uids.contains(canary)),
        "pods were replaced for their labels"
    );
    live.ends_on("v2").await
}

pub(crate) async fn new_version_is_kept_apart_from_the_stable_one_and_is_no_other_revision_for_it(
    stage: &Stage,
) -> Result<()> {
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let app = app::half_way(stage).canary_field("antiAffinity", json!({preferred: {"weight": 10}}));
    let rollout = app.deploy(stage).await?;
    let first = expect::healthy(&rollout).await?;
    rollout.release(&app::v2(stage)).await?;
    let status = expect::paused_at(&rollout, 1).await?;

    let hash = status.current_pod_hash.context("no revision")?;
    let name = format!("{}-{hash}", app::NAME);
    let replica_set = stage.api::<ReplicaSet>().get(&name).await?;
    let stored = serde_json::to_value(&replica_set)?;
    let terms = stored.pointer("/spec/template/spec/affinity/podAntiAffinity");
    let stable = json!([first.stable_rs.context("nothing is stable")?]);
    let expected = json!({preferred: [{"weight": 10, "podAffinityTerm": {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": stable}]},
        "namespaces": [stage.namespace()],
        "topologyKey": "kubernetes.io/hostname",
    }}]});
    ensure!(terms == Some(&expected), "the term is {terms:?}");

    // The same template in other words.
    let mut again = app::v2(stage).template(app::NAME);
    again["spec"]["restartPolicy"] = json!("Always");
    rollout.patch_spec(&json!({ "template": again })).await?;
    rollout
        .until("to have seen the other words", |status| {
            status.current_pod_hash.as_ref() == Some(&hash)
        })
        .await?;
    let all = stage
        .api::<ReplicaSet>()
        .list_metadata(&ListParams::default())
        .await?;
    ensure!(all.items.len() == 2, "there are {} revisions", all.items.len());
    Ok(())
}
