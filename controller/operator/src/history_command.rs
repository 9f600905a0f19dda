//! What `kulta history` needs of this program: a client of the cluster.

use std::error::Error;

use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::{Api, Client, Config};
use kulta_api::status::RolloutStatus;
use kulta_api::{Group, rollout};
use kulta_cli::history::Known;
use kulta_events::replay::RolloutName;
use serde::Deserialize as _;

/// What the cluster of the current kubeconfig knows of a Rollout.
///
/// # Errors
/// When there is no cluster, no such Rollout, or no right to see it.
pub fn ask(name: &RolloutName) -> Result<Known, Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(read(name))?;
    let status = match found.data.get("status") {
        Some(status) => RolloutStatus::deserialize(status)?,
        None => RolloutStatus::default(),
    };
    Ok(Known {
        uid: found.metadata.uid.unwrap_or_default(),
        history: status.history,
        until: Timestamp::now(),
    })
}

async fn read(name: &RolloutName) -> Result<DynamicObject, Box<dyn Error + Send + Sync>> {
    let client = Client::try_from(Config::infer().await?)?;
    let rollouts =
        Api::<DynamicObject>::namespaced_with(client, &name.namespace, &rollout::api_resource(Group::Kulta));
    Ok(rollouts.get(&name.name).await?)
}
