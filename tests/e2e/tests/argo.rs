//! Do manifests for Argo Rollouts go through their steps as they are, and never under two controllers?

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use kulta_api::{Group, analysis};
use kulta_core::status::Phase;
use kulta_e2e::app::names;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{ARGO_LEASE_NAMESPACE, App, Controller, Rollout, Stage};
use serde_json::{Value, json};

use crate::expect;
use crate::live::{HALF_WAY, Live, half_way, shop, v2};
use crate::shop::{named, small};
use crate::template::{CONDITION, TEMPLATE, judged, template};

/// The lease of Argo Rollouts' controller.
const LEASE: &str = "argo-rollouts-controller-lock";
/// Longer than any scenario.
const FOR_LONG: i32 = 3600;

/// The template, of `argoproj.io`.
fn argo_template(stage: &Stage) -> Value {
    let mut template = template(stage, CONDITION);
    template["apiVersion"] = json!(Group::Argo.api_version());
    template
}

pub(crate) async fn manifest_for_argo_rollouts_goes_through_its_steps_and_is_promoted(
    stage: &Stage,
) -> Result<()> {
    promotes(stage, judged(stage).argo()).await
}

/// Plays a whole rollout of `app`, which is judged by the template.
pub(crate) async fn promotes(stage: &Stage, app: App) -> Result<()> {
    stage.create(&argo_template(stage)).await?;
    let live = Live::start(stage, app).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout
        .until("to give the canary its weight", |status| is_in_force(status, 50))
        .await?;
    live.rollout.until_promoted().await?;

    has_the_status_of_argo_rollouts(&live.rollout).await?;
    has_measured_in_its_group(stage).await?;
    live.ends_on("v2").await
}

/// Refuses a status that tools for Argo Rollouts would not understand.
async fn has_the_status_of_argo_rollouts(rollout: &Rollout) -> Result<()> {
    let found = rollout.api().get(rollout.name()).await?;
    let status = found.data.get("status").context("no status")?;
    let generation = found.metadata.generation.unwrap_or_default().to_string();
    ensure!(
        status["observedGeneration"] == json!(generation),
        "observedGeneration is not the text {generation}: {status}"
    );
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let types: Vec<_> = conditions
        .iter()
        .map(|condition| condition["type"].clone())
        .collect();
    for expected in ["Available", "Progressing", "Completed", "Healthy", "Paused"] {
        ensure!(
            types.contains(&json!(expected)),
            "no condition {expected}: {types:?}"
        );
    }
    ensure!(
        !types.contains(&json!("Ready")),
        "a condition too many: {types:?}"
    );
    ensure!(
        conditions
            .iter()
            .all(|condition| condition["lastUpdateTime"].is_string()),
        "conditions without a time of their last update: {conditions:?}"
    );
    ensure!(
        status["canary"]["weights"]["canary"]["weight"] == json!(0),
        "the weights are not those of a promoted Rollout: {status}"
    );
    Ok(())
}

async fn has_measured_in_its_group(stage: &Stage) -> Result<()> {
    let runs = stage.dynamic_api(&analysis::api_resource(Group::Argo));
    let runs = runs.list(&ListParams::default()).await?.items;
    let run = runs.first().context("no AnalysisRun of argoproj.io")?;
    ensure!(
        run.data["status"]["phase"] == json!("Successful"),
        "the analysis is not successful: {:?}",
        run.data
    );
    let owners = run.owner_references();
    ensure!(
        owners
            .iter()
            .any(|owner| owner.api_version == Group::Argo.api_version()),
        "the AnalysisRun belongs to nobody of argoproj.io: {owners:?}"
    );
    let own = stage.dynamic_api(&analysis::api_resource(Group::Kulta));
    let own = own.list(&ListParams::default()).await?.items;
    ensure!(
        own.is_empty(),
        "there are AnalysisRuns of the other group: {own:?}"
    );
    Ok(())
}

pub(crate) async fn abort_and_retry_are_those_of_argo_rollouts(stage: &Stage) -> Result<()> {
    let live = Live::start(stage, shop(stage).argo().steps(half_way())).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;

    live.rollout.abort().await?;
    let aborted = live.rollout.until_aborted().await?;
    ensure!(
        aborted
            .message
            .starts_with("RolloutAborted: Rollout aborted update to revision 2"),
        "not the message of Argo Rollouts: {}",
        aborted.message
    );
    live.is_served_by("v1").await?;

    live.rollout.retry().await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn templates_of_the_other_group_are_not_seen(stage: &Stage) -> Result<()> {
    stage.create(&template(stage, CONDITION)).await?;
    let rollout = judged(stage).argo().deploy(stage).await?;

    let missing = format!("AnalysisTemplate \"{TEMPLATE}\" not found");
    expect::invalid(&rollout, &[&missing]).await?;
    stage.create(&argo_template(stage)).await?;
    expect::healthy(&rollout).await.map(drop)
}

pub(crate) async fn younger_of_two_that_overlap_across_the_groups_is_told(stage: &Stage) -> Result<()> {
    let older = small(stage).deploy(stage).await?;
    older
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let younger = small(stage).argo();
    stage.create(&younger.rollout()).await?;

    younger
        .handle(stage)
        .until("to be told whom it overlaps with", |status| {
            status.message.contains("overlaps with the selector") && status.message.contains("kulta.io")
        })
        .await?;
    Ok(())
}

pub(crate) async fn field_that_kulta_does_not_have_is_refused_by_name(stage: &Stage) -> Result<()> {
    let app = small(stage).argo().without_routing().canary_field(
        "trafficRouting",
        json!({"istio": {"virtualService": {"name": "shop"}}}),
    );
    let rollout = app.deploy(stage).await?;

    rollout
        .until("to name the field", |status| {
            status.phase == Phase::Degraded
                && status.message.starts_with("InvalidSpec")
                && status
                    .message
                    .contains("spec.strategy.canary.trafficRouting.istio")
        })
        .await?;
    Ok(())
}

/// Makes somebody else the holder of the lease, for so many seconds.
async fn hold(stage: &Stage, holder: &str, seconds: i32) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(stage.client().clone(), ARGO_LEASE_NAMESPACE);
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": seconds});
    if leases.get_opt(LEASE).await?.is_none() {
        let lease = serde_json::from_value(json!({"metadata": {"name": LEASE}, "spec": spec}))?;
        leases.create(&PostParams::default(), &lease).await?;
        return Ok(());
    }
    let patch = Patch::Merge(json!({"spec": spec}));
    leases.patch(LEASE, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn holder(stage: &Stage) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(stage.client().clone(), ARGO_LEASE_NAMESPACE);
    let lease = leases.get_opt(LEASE).await?;
    let spec = lease.and_then(|lease| lease.spec);
    Ok(spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

async fn becomes_healthy(rollout: &Rollout) -> Result<()> {
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await
        .map(drop)
}

/// Refuses anything that was written for the application.
async fn is_untouched(stage: &Stage, rollout: &Rollout) -> Result<()> {
    let found = rollout.api().get(rollout.name()).await?;
    ensure!(
        found.data.get("status").is_none(),
        "it has a status: {:?}",
        found.data
    );
    let pods = ListParams::default().labels(&format!("{}={}", names::APP_LABEL, rollout.name()));
    let made = stage.api::<ReplicaSet>().list_metadata(&pods).await?.items;
    ensure!(made.is_empty(), "it has ReplicaSets: {made:?}");
    Ok(())
}

fn theirs(stage: &Stage) -> App {
    named(stage, "theirs").argo()
}

pub(crate) async fn lease_of_somebody_else_keeps_kulta_from_writing_until_it_is_given_back(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    controller.stop().await?;
    let left = holder(stage).await?;
    ensure!(left.is_empty(), "the lease was not given back at the end: {left}");
    hold(stage, "argo-rollouts-0", FOR_LONG).await?;
    let theirs = theirs(stage).deploy(stage).await?;
    controller.start()?;

    // Its own group goes on meanwhile.
    becomes_healthy(&named(stage, "own").deploy(stage).await?).await?;
    is_untouched(stage, &theirs).await?;

    hold(stage, "", 1).await?;
    becomes_healthy(&theirs).await?;
    let holder = holder(stage).await?;
    ensure!(
        !holder.is_empty() && holder != "argo-rollouts-0",
        "nobody holds the lease"
    );
    Ok(())
}

pub(crate) async fn lease_that_nobody_renews_is_taken(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    controller.stop().await?;
    hold(stage, "argo-rollouts-0", 5).await?;
    let theirs = theirs(stage).deploy(stage).await?;
    controller.start()?;

    becomes_healthy(&theirs).await
}
