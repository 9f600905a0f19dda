//! Does what is over go once there is more of it than the Rollout wants to keep?

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use kulta_api::{Group, analysis};
use kulta_e2e::app::step;
use kulta_e2e::{App, Stage, eventually};
use serde_json::json;

use crate::experiment::{MET, TEMPLATE, experiments, judging, template};
use crate::live::{Live, shop, v2};

/// The step at which its rollouts wait, when all that they make is there.
const WAITS_AT: u32 = 3;

pub(crate) async fn revisions_analyses_and_experiments_beyond_their_limits_are_removed(
    stage: &Stage,
) -> Result<()> {
    stage.create(&template(stage, MET)).await?;
    let live = Live::start(stage, analysed(stage)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(WAITS_AT, 50).await?;
    let past = Past::of(stage).await?;
    ensure!(
        past.sets.len() > 1 && !past.runs.is_empty() && !past.experiments.is_empty(),
        "nothing of the rollout was seen: {past:?}"
    );

    let none = json!({"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 0});
    live.rollout
        .patch_spec(&json!({"revisionHistoryLimit": 0, "analysis": none}))
        .await?;

    eventually("the analyses and experiments to be gone", async || {
        let now = Past::of(stage).await?;
        let is_gone = now.runs.is_disjoint(&past.runs) && now.experiments.is_disjoint(&past.experiments);
        Ok(is_gone.then_some(()))
    })
    .await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    eventually("only the new version to be left", async || {
        let now = Past::of(stage).await?;
        Ok((now.sets.len() == 1).then_some(()))
    })
    .await?;
    live.ends_on("v2").await
}

/// Its rollouts have an experiment and an analysis, and then wait.
fn analysed(stage: &Stage) -> App {
    let analysis = json!({"analysis": {
        "templates": [{"templateName": TEMPLATE}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    }});
    shop(stage)
        .replicas(1)
        .steps([judging(), step::weight(50), analysis, step::pause()])
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
