//! Changes of a status that are meant for the place that a rollout has come to: once it goes on by itself, they are not
//! made, or they would end a pause that nobody has looked at yet.

use kube::api::DynamicObject;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::rollout::{Pause, Rollout};

/// So often is a change tried again while the controller writes into the status at the same time.
const MOST_ATTEMPTS: usize = 5;

/// Where a rollout stands.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    hash: Option<String>,
    step: Option<u64>,
    pauses: Vec<Pause>,
    abort: bool,
    aborted: bool,
}

impl Place {
    fn of(rollout: Rollout<'_>) -> Self {
        Self {
            hash: rollout.current_hash().map(str::to_owned),
            step: rollout.step_index(),
            pauses: rollout.pauses(),
            abort: rollout.abort(),
            aborted: rollout.is_aborted(),
        }
    }
}

/// Merges `status` into the status of the Rollout that was read as `seen`, as long as it stands where it did then.
///
/// # Errors
/// [`Error::MovedOn`] when it does not any more, and when the API server refuses.
pub(crate) async fn patch_status_there(
    cluster: &Cluster,
    name: &str,
    seen: &DynamicObject,
    status: &Value,
) -> Result<DynamicObject, Error> {
    let place = Place::of(Rollout::new(seen));
    let mut version = Rollout::new(seen).resource_version().map(str::to_owned);
    for _ in 1..MOST_ATTEMPTS {
        match cluster.patch_status(name, status, version.as_deref()).await {
            Err(Error::Conflict { .. }) => {}
            done => return done,
        }
        let now = cluster.rollout(name).await?;
        if Place::of(Rollout::new(&now)) != place {
            let name = name.to_owned();
            return Err(Error::MovedOn { name });
        }
        version = now.metadata.resource_version;
    }
    cluster.patch_status(name, status, version.as_deref()).await
}
