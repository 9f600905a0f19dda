//! What happens when the API server, a quota or the pods themselves refuse a new pod template?

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::ListParams;
use kulta_core::status::{ConditionType, Phase, Reason};
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{Rollout, Stage};
use serde_json::{Value, json};

use crate::shop::with;
use crate::{expect, shop};

const CONTAINER: &str = "/spec/template/spec/containers/0";
const QUOTA: &str = "small";

pub(crate) async fn invalid_template_is_told_in_the_api_servers_words(stage: &Stage) -> Result<()> {
    let wrong = with(&shop::small(stage).rollout(), &format!("{CONTAINER}/image"), "");
    let words = [
        "\"shop\"",
        "spec.template",
        "spec.template.spec.containers[0].image: Required value",
    ];
    first_template_is_invalid_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn misspelt_pod_field_is_named(stage: &Stage) -> Result<()> {
    let wrong = with(
        &shop::small(stage).rollout(),
        &format!("{CONTAINER}/imagee"),
        "web:1",
    );
    let words = [
        "\"shop\"",
        "unknown field \"spec.template.spec.containers[0].imagee\"",
    ];
    first_template_is_invalid_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn invalid_template_in_mid_rollout_leaves_traffic_and_can_be_aborted(
    stage: &Stage,
) -> Result<()> {
    let app = shop::half_way(stage);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    let before = (
        expect::route_spec(stage, shop::NAME).await?,
        expect::pod_uids(stage).await?,
    );

    rollout
        .patch_spec(&with(&app.rollout(), &format!("{CONTAINER}/image"), "")["spec"])
        .await?;
    let status = expect::invalid(
        &rollout,
        &["spec.template.spec.containers[0].image: Required value"],
    )
    .await?;
    ensure!(is_in_force(&status, 50), "the weight is as it was: {status:?}");
    let after = (
        expect::route_spec(stage, shop::NAME).await?,
        expect::pod_uids(stage).await?,
    );
    ensure!(
        before == after,
        "route and pods stay as they were: {before:?} then {after:?}"
    );
    rollout.abort().await?;
    rollout
        .until("to have all traffic on stable", |status| is_in_force(status, 0))
        .await?;

    stage.replace(&app.rollout()).await?;
    expect::healthy(&rollout).await.map(drop)
}

pub(crate) async fn equal_template_in_other_words_restarts_no_pod(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let requests = |cpu: &str| {
        with(
            &app.rollout(),
            &format!("{CONTAINER}/resources"),
            json!({ "requests": { "cpu": cpu } }),
        )
    };
    app.deploy_surroundings(stage).await?;
    stage.create(&requests("0.01")).await?;
    let rollout = app.handle(stage);
    let first = expect::healthy(&rollout).await?;
    let before = expect::pod_uids(stage).await?;

    stage.replace(&requests("10m")).await?;
    let second = expect::healthy(&rollout).await?;

    ensure!(
        first.stable_rs == second.stable_rs,
        "the same revision: {first:?} then {second:?}"
    );
    ensure!(expect::pod_uids(stage).await? == before, "pods were restarted");
    let replica_sets = stage
        .api::<ReplicaSet>()
        .list_metadata(&ListParams::default())
        .await?;
    ensure!(
        replica_sets.items.len() == 1,
        "there is another ReplicaSet: {replica_sets:?}"
    );
    Ok(())
}

pub(crate) async fn quota_that_refuses_the_replica_set_is_told_until_it_is_raised(
    stage: &Stage,
) -> Result<()> {
    let rollout = shop::small(stage).deploy(stage).await?;
    expect::healthy(&rollout).await?;
    quota(stage, "count/replicasets.apps", 1).await?;

    rollout.release(&shop::v2(stage)).await?;
    let words = ["exceeded quota: small", "count/replicasets.apps=1"];
    let status = expect::told(
        &rollout,
        ConditionType::Progressing,
        Reason::ReplicaSetCreateError,
        &words,
    )
    .await?;
    ensure!(status.phase == Phase::Degraded, "it can't go on: {status:?}");

    raise(stage, "count/replicasets.apps").await?;
    promoted(&rollout).await
}

pub(crate) async fn quota_that_refuses_pods_is_told_until_it_is_raised(stage: &Stage) -> Result<()> {
    let rollout = shop::small(stage).deploy(stage).await?;
    expect::healthy(&rollout).await?;
    quota(stage, "pods", 1).await?;

    rollout.release(&shop::v2(stage)).await?;
    let words = ["ReplicaSet \"shop-", "exceeded quota: small", "pods=1"];
    expect::told(
        &rollout,
        ConditionType::ReplicaFailure,
        Reason::FailedCreate,
        &words,
    )
    .await?;

    raise(stage, "pods").await?;
    promoted(&rollout).await
}

pub(crate) async fn version_that_never_becomes_ready_exceeds_the_deadline_until_a_good_one_comes(
    stage: &Stage,
) -> Result<()> {
    let rollout = shop::small(stage).deploy(stage).await?;
    expect::healthy(&rollout).await?;
    let never_ready = shop::v2(stage)
        .with("SAMPLE_READINESS_DELAY", "1h")
        .template(shop::NAME);

    rollout
        .patch_spec(&json!({ "template": never_ready, "progressDeadlineSeconds": 2 }))
        .await?;
    let words = [
        "ReplicaSet \"shop-",
        "timed out progressing",
        "2 s",
        "spec.progressDeadlineSeconds",
    ];
    let status = expect::told(
        &rollout,
        ConditionType::Progressing,
        Reason::ProgressDeadlineExceeded,
        &words,
    )
    .await?;
    ensure!(status.phase == Phase::Degraded, "it does not move: {status:?}");
    ensure!(
        is_in_force(&status, 0),
        "no traffic goes to what is not ready: {status:?}"
    );

    rollout.release(&shop::v2(stage)).await?;
    promoted(&rollout).await
}

async fn first_template_is_invalid_until_mended(stage: &Stage, wrong: &Value, words: &[&str]) -> Result<()> {
    let app = shop::small(stage);
    app.deploy_surroundings(stage).await?;
    stage.create(wrong).await?;
    expect::invalid(&app.handle(stage), words).await?;

    stage.replace(&app.rollout()).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}

async fn promoted(rollout: &Rollout) -> Result<()> {
    let status = expect::healthy(rollout).await?;
    ensure!(
        status.updated_replicas == 1,
        "the new version has its pod: {status:?}"
    );
    Ok(())
}

/// Makes a quota and waits until it is enforced.
async fn quota(stage: &Stage, resource: &str, hard: u32) -> Result<()> {
    stage.create(&quota_of(resource, hard)).await?;
    let counted = |quota: Option<&ResourceQuota>| {
        let status = quota.and_then(|quota| quota.status.as_ref());
        status
            .and_then(|status| status.used.as_ref())
            .is_some_and(|used| used.contains_key(resource))
    };
    stage
        .wait_for(stage.api::<ResourceQuota>(), QUOTA, "to be enforced", counted)
        .await
        .map(drop)
}

async fn raise(stage: &Stage, resource: &str) -> Result<()> {
    stage.merge(&quota_of(resource, 10)).await
}

fn quota_of(resource: &str, hard: u32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": QUOTA },
        "spec": { "hard": { resource: hard.to_string() } },
    })
}
