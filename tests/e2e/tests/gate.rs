//! Does a new version get more traffic only when its gates let it?

use std::fs;

use anyhow::{Context, Result, ensure};
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::freeze::{frozen, open};
use kulta_e2e::{Stage, plugin_directory};
use serde_json::json;

use crate::live::{Live, shop, v2};
use crate::mounts;

/// A plugin that KULTA does not know until it is mounted: the bundled `schedule` under another name.
pub(crate) const MOUNTED: &str = "office-hours";

pub(crate) async fn change_freeze_holds_the_canary_until_it_is_lifted(stage: &Stage) -> Result<()> {
    let gates = json!([{"name": "freeze", "plugin": "schedule", "config": frozen("the books are closed")}]);
    let app = shop(stage)
        .steps([step::weight(50)])
        .canary_field("promotionGates", gates);
    let live = Live::start(stage, app).await?;
    live.rollout.release(&v2(stage)).await?;
    let status = live
        .rollout
        .until("to be held by its gate", |status| {
            status.message.contains("the books are closed")
        })
        .await?;
    ensure!(
        status.updated_replicas == 0 && status.phase == Phase::Progressing,
        "the canary has come up before its gate: {status:?}"
    );
    live.is_served_by("v1").await?;

    let lifted = json!([{"name": "freeze", "plugin": "schedule", "config": open()}]);
    let spec = json!({"strategy": {"canary": {"promotionGates": lifted}}});
    live.rollout.patch_spec(&spec).await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn gate_step_waits_for_its_plugin_to_be_mounted(stage: &Stage) -> Result<()> {
    let gate = json!({"name": "hours", "plugin": MOUNTED, "config": open(), "interval": "1s"});
    let live = Live::start(stage, shop(stage).steps([step::weight(50), step::gate(&gate)])).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout
        .until("to say which plugin is not there", |status| {
            status.message.contains("there is no plugin") && status.message.contains(MOUNTED)
        })
        .await?;

    mount(stage)?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

/// The plugin stays where it is: it is nothing to other scenarios.
fn mount(stage: &Stage) -> Result<()> {
    let (settings, bytes) = (stage.settings(), component(stage)?);
    let file = format!("{MOUNTED}.wasm");
    mounts::bring(
        &plugin_directory(settings).join(MOUNTED),
        [(file.as_str(), &*bytes)],
    )
}

/// Its file.
pub(crate) fn component(stage: &Stage) -> Result<Vec<u8>> {
    let component = stage
        .settings()
        .manifests
        .join("../../plugins/dist/schedule.wasm");
    fs::read(&component).with_context(|| component.display().to_string())
}
