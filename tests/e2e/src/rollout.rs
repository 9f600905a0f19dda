//! A Rollout as its user handles it: release, abort, retry, resume, and wait for what it says.

use anyhow::{Context, Result};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kulta_api::Group;
use kulta_api::status::RolloutStatus;
use kulta_core::status::Phase;
use serde_json::{Value, json};

use crate::app::Version;
use crate::stage::Stage;

/// A Rollout of a stage.
#[derive(Clone)]
pub struct Rollout {
    stage: Stage,
    group: Group,
    name: String,
    host: String,
}

impl Rollout {
    pub(crate) fn new(stage: &Stage, group: Group, name: &str, host: String) -> Self {
        Self {
            stage: stage.clone(),
            group,
            name: name.to_owned(),
            host,
        }
    }

    /// Its stage.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The Rollouts of its group in its namespace.
    #[must_use]
    pub fn api(&self) -> Api<DynamicObject> {
        self.stage.rollouts_of(self.group)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host name under which the gateway serves the application.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks for another version, as somebody does who edits the template.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn release(&self, version: &Version) -> Result<()> {
        self.patch_spec(&json!({ "template": version.template(&self.name) }))
            .await
    }

    /// Merges fields into the spec.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn patch_spec(&self, spec: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = self
            .api()
            .patch(&self.name, &PatchParams::default(), &patch)
            .await;
        patched.map(drop).context("patching the Rollout")
    }

    /// Merges fields into the status, as users do to abort, retry or resume.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn patch_status(&self, status: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "status": status }));
        let patched = self
            .api()
            .patch_status(&self.name, &PatchParams::default(), &patch)
            .await;
        patched.map(drop).context("patching the Rollout's status")
    }

    /// Asks to go back to the stable version.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn abort(&self) -> Result<()> {
        self.patch_status(&json!({ "abort": true })).await
    }

    /// Asks to try an aborted version again.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn retry(&self) -> Result<()> {
        self.patch_status(&json!({ "abort": false })).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn resume(&self) -> Result<()> {
        self.patch_status(&json!({ "pauseConditions": null })).await
    }

    /// The status as it is now, whatever generation it is about.
    ///
    /// # Errors
    /// When the Rollout cannot be read, or its status means nothing.
    pub async fn status(&self) -> Result<RolloutStatus> {
        let rollout = self.api().get(&self.name).await?;
        status_of(&rollout).context("the status cannot be read")
    }

    /// Waits until the new version is the stable one and healthy.
    ///
    /// # Errors
    /// When that takes too long: the error shows what is in the namespace.
    pub async fn until_promoted(&self) -> Result<RolloutStatus> {
        self.until("to be promoted", |status| {
            status.phase == Phase::Healthy && status.stable_rs == status.current_pod_hash
        })
        .await
    }

    /// Waits until the new version is given up.
    ///
    /// # Errors
    /// When that takes too long: the error shows what is in the namespace.
    pub async fn until_aborted(&self) -> Result<RolloutStatus> {
        self.until("to be aborted", |status| {
            status.abort && status.phase == Phase::Degraded
        })
        .await
    }

    /// Waits until the status is as it should be, and about the spec as it is now.
    ///
    /// # Errors
    /// When that takes too long: the error shows what is in the namespace.
    pub async fn until(
        &self,
        what: &str,
        condition: impl Fn(&RolloutStatus) -> bool,
    ) -> Result<RolloutStatus> {
        let holds = |rollout: Option<&DynamicObject>| {
            rollout
                .and_then(current_status)
                .is_some_and(|status| condition(&status))
        };
        let found = self.stage.wait_for(self.api(), &self.name, what, holds).await?;
        found
            .as_ref()
            .and_then(current_status)
            .context("the Rollout is gone")
    }
}

/// The status of a Rollout; none where it cannot be read.
#[must_use]
pub fn status_of(rollout: &DynamicObject) -> Option<RolloutStatus> {
    match rollout.data.get("status") {
        Some(status) => kulta_api::status::fields(status).ok(),
        None => Some(RolloutStatus::default()),
    }
}

/// The canary's weight that was last asked for, in percent (or parts of `maxTrafficWeight`); none before any was.
#[must_use]
pub fn requested_weight(status: &RolloutStatus) -> Option<u32> {
    let weights = status.canary.as_ref()?.weights.as_ref()?;
    Some(weights.canary.weight)
}

/// Whether this canary weight was asked for last and is in force.
#[must_use]
pub fn is_in_force(status: &RolloutStatus, percent: u8) -> bool {
    let weights = status.canary.as_ref().and_then(|canary| canary.weights.as_ref());
    weights.is_some_and(|weights| weights.verified && weights.canary.weight == u32::from(percent))
}

fn current_status(rollout: &DynamicObject) -> Option<RolloutStatus> {
    status_of(rollout).filter(|status| status.observed_generation >= rollout.metadata.generation)
}
