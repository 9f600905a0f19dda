//! The last act: a plugin that came in a ConfigMap holds another rollout, until its configuration lets it go.

use anyhow::Result;
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::freeze::{frozen, open};
use kulta_e2e::{App, Stage, Version};
use kulta_test_cluster::progress::Progress;
use serde_json::{Value, json};

/// The name of the plugin: the controller knows none of this name by itself.
pub(crate) const PLUGIN: &str = "office-hours";
/// What is delivered under that name, from the folder of the manifests: a gate that was built before.
pub(crate) const FILE: &str = "../../plugins/dist/schedule.wasm";
/// The application's name.
pub(crate) const APP: &str = "checkout";

/// Why it holds.
const REASON: &str = "the books are closed";

/// Plays it; answers what the gate has said.
pub(crate) async fn play(stage: &Stage) -> Result<String> {
    let progress = Progress::new();
    progress.begin("deploying checkout, with a gate of its own");
    let app = App::new(APP, Version::v1(&stage.settings().app))
        .replicas(1)
        .steps([step::weight(50)])
        .canary_field("promotionGates", gates(&frozen(REASON)));
    let rollout = app.deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;

    progress.begin("releasing v2 of checkout in a change freeze");
    rollout.release(&Version::v2(&stage.settings().app)).await?;
    let held = rollout
        .until("to be held by its gate", |status| status.message.contains(REASON))
        .await?;

    progress.begin("lifting the freeze");
    let spec = json!({"strategy": {"canary": {"promotionGates": gates(&open())}}});
    rollout.patch_spec(&spec).await?;
    rollout.until_promoted().await?;
    Ok(format!("{}; promoted when that was lifted", held.message))
}

fn gates(configuration: &Value) -> Value {
    json!([{"name": "hours", "plugin": PLUGIN, "config": configuration, "interval": "2s"}])
}
