//! What `kulta history` needs of this program: a client of the cluster.

use std::error::Error;

use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::{Api, Client, Config};
use kulta_api::status::RolloutStatus;
use kulta_api::{Group, rollout};
use kulta_cli::history::Known;
use kulta_events::replay::RolloutName;

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
        Some(status) => kulta_api::status::fields(status)?,
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
    let rollouts = |group| {
        let resource = rollout::api_resource(group);
        Api::<DynamicObject>::namespaced_with(client.clone(), &name.namespace, &resource)
    };
    // One of KULTA's own group goes before one of the same name that is only compatible.
    match rollouts(Group::Kulta).get(&name.name).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_forbidden() => {
            let compatible = rollouts(Group::Argo).get_opt(&name.name).await;
            Ok(compatible.ok().flatten().ok_or(kube::Error::Api(answer))?)
        }
        answer => Ok(answer?),
    }
}
