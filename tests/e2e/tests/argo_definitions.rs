//! Do Rollouts of `argoproj.io` work with Argo Rollouts' own definitions, which have no place for what is KULTA's alone?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kulta_api::status::{FIELDS_OFF, MEMORY, RolloutStatus};
use kulta_core::status::Phase;
use kulta_e2e::freeze::frozen;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Controller, Rollout, Stage, Version, eventually};
use serde_json::{Value, json};

use crate::argo::promotes;
use crate::expect;
use crate::kubectl::{kubectl, said};
use crate::live::{HALF_WAY, Live, half_way, shop, v2};
use crate::shop::named;
use crate::template::steps;

/// The definitions that the KULTA under test is installed with, beside its manifests.
const OWN: &str = "../crds/argo";
const KUSTOMIZATION: &str = "kustomization.yaml";

pub(crate) async fn manifests_work_with_the_definitions_of_argo_rollouts(
    stage: &Stage,
    _controller: &mut Controller,
) -> Result<()> {
    let own = stage.settings().manifests.join(OWN);
    replace(stage, &stage.cluster()?.argo_definitions()).await?;
    let played = play(stage).await;
    // What comes after needs them, however this has ended.
    replace(stage, &own).await?;
    let rollout = played?;
    // It is written again as soon as the definitions have a place for all of it.
    has_its_history(&rollout).await?;
    let status = rollout.status().await?;
    ensure!(!status.history.is_empty(), "its history is gone: {status:?}");
    Ok(())
}

pub(crate) async fn definitions_replaced_in_mid_rollout_open_no_gate_and_move_no_traffic(
    stage: &Stage,
    _controller: &mut Controller,
) -> Result<()> {
    let own = stage.settings().manifests.join(OWN);
    let live = Live::start(stage, shop(stage).argo().steps(half_way())).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    let gated = held_by_its_gate(stage).await?;

    replace(stage, &stage.cluster()?.argo_definitions()).await?;
    let seen = holds(&live.rollout, &gated).await;
    replace(stage, &own).await?;

    seen?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    let status = gated.status().await?;
    ensure!(
        is_lost(&status) && status.updated_replicas == 0,
        "the gate was passed: {status:?}"
    );
    live.ends_on("v2").await
}

/// A Rollout whose second version a change freeze holds.
async fn held_by_its_gate(stage: &Stage) -> Result<Rollout> {
    let freeze = json!({"name": "freeze", "plugin": "schedule", "config": frozen("the books are closed")});
    let app = named(stage, "gated")
        .argo()
        .canary_field("promotionGates", json!([freeze]));
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    rollout.release(&v2(stage)).await?;
    rollout
        .until("to be held by its gate", |status| {
            status.message.contains("the books are closed")
        })
        .await?;
    Ok(rollout)
}

/// The gate that nobody sees any more is told, and nothing moves.
async fn holds(live: &Rollout, gated: &Rollout) -> Result<()> {
    gated.until("to say what was lost", is_lost).await?;
    is_told_which_fields_are_off(live).await?;
    let status = live.status().await?;
    ensure!(is_in_force(&status, 50), "the traffic has moved: {status:?}");
    Ok(())
}

fn is_lost(status: &RolloutStatus) -> bool {
    status.phase == Phase::Degraded
        && status
            .message
            .contains("spec.strategy.canary.promotionGates: was written")
}

async fn play(stage: &Stage) -> Result<Rollout> {
    let live = Live::start(stage, shop(stage).argo().steps(half_way())).await?;
    is_told_which_fields_are_off(&live.rollout).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    live.rollout.abort().await?;
    live.rollout.until_aborted().await?;
    live.is_served_by("v1").await?;
    live.rollout.retry().await?;
    // The weight is in force before the pause begins, and a pause that has not begun is not ended by resuming.
    live.waits_at(HALF_WAY, 50).await?;
    let rollout = live.rollout.clone();
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    keeps_its_memory(&rollout).await?;
    live.ends_on("v2").await?;
    let judged = App::new("judged", Version::v1(&stage.settings().app)).replicas(2);
    promotes(stage, judged.steps(steps()).argo()).await?;
    expect::healthy(&rollout).await?;
    Ok(rollout)
}

/// Puts the definitions of a folder in the place of those that there are.
async fn replace(stage: &Stage, folder: &Path) -> Result<()> {
    for file in files(folder)? {
        let replaced = kubectl(stage, &["replace", "--filename"], &file).await?;
        ensure!(
            replaced.status.success(),
            "{} was not put in place: {}",
            file.display(),
            said(&replaced)
        );
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    let definitions = files
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name != KUSTOMIZATION));
    Ok(definitions.collect())
}

/// Its status as it stands, without what is remembered.
async fn stored(rollout: &Rollout) -> Result<Value> {
    let found = rollout.api().get(rollout.name()).await?;
    Ok(found.data.get("status").cloned().unwrap_or_default())
}

fn message<'status>(status: &'status Value, kind: &str) -> Option<&'status str> {
    let conditions = status["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    found["message"].as_str()
}

async fn is_told_which_fields_are_off(rollout: &Rollout) -> Result<()> {
    let told = eventually("the Rollout to tell which fields are off", async || {
        let status = stored(rollout).await?;
        Ok(message(&status, FIELDS_OFF).map(str::to_owned))
    })
    .await?;
    ensure!(told.contains("deploy/crds/argo"), "no remedy: {told}");
    Ok(())
}

async fn keeps_its_memory(rollout: &Rollout) -> Result<()> {
    let status = stored(rollout).await?;
    ensure!(
        status.get("history").is_none(),
        "the definitions are not those of Argo Rollouts: {status}"
    );
    let memory = message(&status, MEMORY).context("no memory")?;
    ensure!(
        memory.contains("\"history\""),
        "no history in the memory: {memory}"
    );
    Ok(())
}

async fn has_its_history(rollout: &Rollout) -> Result<()> {
    eventually("the status to have fields of its own again", async || {
        let status = stored(rollout).await?;
        let is_told = message(&status, FIELDS_OFF).is_some();
        Ok((!is_told && status.get("history").is_some()).then_some(()))
    })
    .await
}
