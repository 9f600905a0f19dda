//! Does what is over go once there is more of it than the Rollout wants to keep?

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use kulta_api::{Group, analysis};
use kulta_core::status::Phase;
use kulta_e2e::{Stage, Version, eventually};
use serde_json::json;

use crate::experiment::{MET, experiments, judged, template};
use crate::live::v2;

pub(crate) async fn revisions_analyses_and_experiments_beyond_their_limits_are_removed(
    stage: &Stage,
) -> Result<()> {
    stage.create(&template(stage, MET)).await?;
    let app = judged(stage)
        .replicas(1)
        .spec_field("revisionHistoryLimit", 0)
        .spec_field(
            "analysis",
            json!({"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 0}),
        );
    let rollout = app.deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    rollout.release(&v2(stage)).await?;
    rollout.until_promoted().await?;
    let past = Past::of(stage).await?;
    ensure!(
        !past.sets.is_empty() && !past.runs.is_empty() && !past.experiments.is_empty(),
        "nothing of the rollout was seen: {past:?}"
    );

    let next = Version::v1(&stage.settings().app).with("NEXT", "yes");
    rollout.release(&next).await?;
    rollout.until_promoted().await?;

    eventually("what is over to be gone", async || {
        let now = Past::of(stage).await?;
        let is_gone = now.sets.is_disjoint(&past.sets)
            && now.runs.is_disjoint(&past.runs)
            && now.experiments.is_disjoint(&past.experiments);
        Ok(is_gone.then_some(()))
    })
    .await
}

/// The names of what there is.
#[derive(Debug)]
struct Past {
    sets: BTreeSet<String>,
    runs: BTreeSet<String>,
    experiments: BTreeSet<String>,
}

impl Past {
    async fn of(stage: &Stage) -> Result<Self> {
        let sets = stage.api::<ReplicaSet>().list(&ListParams::default()).await?;
        Ok(Self {
            sets: sets.items.iter().map(ResourceExt::name_any).collect(),
            runs: names(stage.dynamic_api(&analysis::api_resource(Group::Kulta))).await?,
            experiments: names(experiments(stage)).await?,
        })
    }
}

async fn names(api: Api<DynamicObject>) -> Result<BTreeSet<String>> {
    let all = api.list(&ListParams::default()).await?;
    Ok(all.items.iter().map(ResourceExt::name_any).collect())
}
