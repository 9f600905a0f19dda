//! Scenarios of `tests/scenarios/files`, with real pods behind a real gateway: the same that play on the fake cluster.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kulta_api::Group;
use kulta_api::names::HASH_LABEL;
use kulta_e2e::app::{READINESS_DELAY_VARIABLE, VERSION_VARIABLE, names};
use kulta_e2e::{App, Rollout, Stage, Traffic, Version, eventually};
use kulta_scenarios::{Act, Action, BAD, Expected, NEVER_READY, ROLLOUT, Scenario, Seen, merge};
use serde_json::{Value, json};

use crate::harness;
use crate::live::RATE;
use crate::shop::with;
use crate::template::{CONDITION, TEMPLATE, template};

/// Longer than any scenario.
const FOR_LONG: &str = "1h";
/// Where the names of Services stand in a manifest.
const SERVICES: [&str; 4] = [
    "/spec/strategy/canary/stableService",
    "/spec/strategy/canary/canaryService",
    "/spec/strategy/blueGreen/activeService",
    "/spec/strategy/blueGreen/previewService",
];

/// All files, as scenarios of these tests.
pub(crate) fn scenarios() -> Result<Vec<harness::Scenario>> {
    let files = Scenario::all()?;
    let scenarios = files.into_iter().map(|file| {
        let name = format!("files::{}", file.name);
        harness::shared(name, async move |stage: &Stage| plays(stage, &file).await)
    });
    Ok(scenarios.collect())
}

async fn plays(stage: &Stage, scenario: &Scenario) -> Result<()> {
    let app = App::new(ROLLOUT, version(stage, 1)).argo();
    deploy_surroundings(stage, &app, scenario).await?;
    let mut manifest = scenario.manifest.clone();
    merge(
        &mut manifest,
        &json!({"spec": {
            "selector": {"matchLabels": {names::APP_LABEL: ROLLOUT}},
            "template": version(stage, 1).template(ROLLOUT),
        }}),
    );
    stage.create(&manifest).await?;
    let rollout = app.handle(stage);
    let traffic = if scenario.measures() {
        Some(Traffic::start(stage, rollout.host(), RATE).await?)
    } else {
        None
    };
    for act in &scenario.play {
        match act {
            Act::Reaches(expected) => reaches(stage, &rollout, expected).await?,
            Act::Version(number) => rollout.release(&version(stage, *number)).await?,
            Act::Does(action) => does(&rollout, *action).await?,
            Act::Patch(patch) => rollout.patch_spec(patch).await?,
        }
    }
    if let Some(traffic) = traffic {
        traffic.stop().await;
    }
    Ok(())
}

/// The versions that files name.
fn version(stage: &Stage, number: u32) -> Version {
    let images = &stage.settings().app;
    match number {
        1 => Version::v1(images),
        BAD => Version::v3(images),
        NEVER_READY => Version {
            label: format!("v{NEVER_READY}"),
            ..Version::v2(images).with(READINESS_DELAY_VARIABLE, FOR_LONG)
        },
        _ => Version::v2(images),
    }
}

async fn deploy_surroundings(stage: &Stage, app: &App, scenario: &Scenario) -> Result<()> {
    let services = SERVICES.iter().filter_map(|at| scenario.manifest.pointer(at));
    for name in services {
        let service = with(&app.services()[0], "/metadata/name", name.clone());
        stage.create(&service).await?;
    }
    if is_routed(&scenario.manifest) {
        stage.create(&app.route(stage)).await?;
    }
    if scenario.measures() {
        let template = with(
            &template(stage, CONDITION),
            "/apiVersion",
            Group::Argo.api_version(),
        );
        debug_assert_eq!(template["metadata"]["name"], TEMPLATE);
        stage.create(&template).await?;
    }
    Ok(())
}

fn is_routed(manifest: &Value) -> bool {
    manifest.pointer("/spec/strategy/canary/trafficRouting").is_some()
}

/// The patches of `kubectl argo rollouts`.
async fn does(rollout: &Rollout, action: Action) -> Result<()> {
    match action {
        Action::Abort => rollout.abort().await,
        Action::Retry => rollout.retry().await,
        Action::Promote => rollout.resume().await,
        Action::PromoteFull => rollout.patch_status(&json!({"promoteFull": true})).await,
        Action::SkipStep => {
            let step = rollout.status().await?.current_step_index.unwrap_or_default();
            let skipped = json!({"pauseConditions": null, "currentStepIndex": step + 1});
            rollout.patch_status(&skipped).await
        }
    }
}

async fn reaches(stage: &Stage, rollout: &Rollout, expected: &Expected) -> Result<()> {
    let reached = eventually("the state", async || {
        let seen = seen(stage, rollout).await?;
        Ok(expected.differs(&seen).is_none().then_some(()))
    })
    .await;
    let Err(error) = reached else { return Ok(()) };
    let seen = seen(stage, rollout).await?;
    match expected.differs(&seen) {
        None => Ok(()),
        Some(differs) => bail!("{error:#}:\n{differs}"),
    }
}

async fn seen(stage: &Stage, rollout: &Rollout) -> Result<Seen> {
    let found = rollout.api().get(rollout.name()).await?;
    let of_app = ListParams::default().labels(&format!("{}={ROLLOUT}", names::APP_LABEL));
    let replica_sets = stage.api::<ReplicaSet>().list(&of_app).await?.items;
    let mut versions = BTreeMap::new();
    let mut pods = BTreeMap::new();
    for replica_set in &replica_sets {
        let Some(number) = number(replica_set) else {
            continue;
        };
        if let Some(hash) = replica_set.labels().get(HASH_LABEL) {
            versions.insert(hash.clone(), number);
        }
        let wanted = replica_set.spec.as_ref().and_then(|spec| spec.replicas);
        let wanted = u32::try_from(wanted.unwrap_or_default())?;
        if wanted > 0 {
            *pods.entry(number).or_default() += wanted;
        }
    }
    let status = found.data.get("status").cloned().unwrap_or_default();
    // What is told of an earlier spec says nothing of this one.
    let generation = found.metadata.generation.unwrap_or_default().to_string();
    let is_observed = status["observedGeneration"] == json!(generation);
    let stable = status["stableRS"]
        .as_str()
        .and_then(|hash| versions.get(hash).copied());
    Ok(Seen {
        status: if is_observed { status } else { Value::Null },
        pods,
        weight: weight(stage).await?,
        stable,
        services: services(stage, &versions).await?,
    })
}

/// The version of the application that a ReplicaSet is of.
fn number(replica_set: &ReplicaSet) -> Option<u32> {
    let template = replica_set.spec.as_ref()?.template.as_ref()?;
    let container = template.spec.as_ref()?.containers.first()?;
    let mut environment = container.env.iter().flatten();
    let label = environment.find(|variable| variable.name == VERSION_VARIABLE)?;
    label.value.as_ref()?.strip_prefix('v')?.parse().ok()
}

async fn weight(stage: &Stage) -> Result<Option<u32>> {
    let Some(route) = stage.routes().get_opt(ROLLOUT).await? else {
        return Ok(None);
    };
    let backends = route.data["spec"]["rules"][0]["backendRefs"].as_array().cloned();
    let canary = format!("{ROLLOUT}-canary");
    let backends = backends.unwrap_or_default();
    let canary = backends.iter().find(|backend| backend["name"] == canary.as_str());
    let weight = canary.and_then(|backend| backend["weight"].as_u64());
    Ok(weight.map(u32::try_from).transpose()?)
}

async fn services(stage: &Stage, versions: &BTreeMap<String, u32>) -> Result<BTreeMap<String, Option<u32>>> {
    let services = stage.api::<Service>().list(&ListParams::default()).await?;
    let selects = |service: &Service| {
        let selector = service.spec.as_ref()?.selector.as_ref()?;
        versions.get(selector.get(HASH_LABEL)?).copied()
    };
    Ok(services
        .items
        .iter()
        .map(|service| (service.name_any(), selects(service)))
        .collect())
}
