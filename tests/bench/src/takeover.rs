//! Rollouts that Argo Rollouts has left: how long KULTA takes to see all of them, and what it does to their ReplicaSets.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kulta_api::Group;
use kulta_e2e::{Controller, Stage};
use kulta_test_cluster::progress::Progress;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::audit::Audit;
use crate::limits;
use crate::probe::Probe;

/// States as Argo Rollouts' controller has written them, each with its name there. They need no Service and no route.
const STATES: [(&str, &str); 4] = [
    (
        "healthy",
        include_str!("../../../controller/api/argo-objects/healthy.yaml"),
    ),
    (
        "paused-basic",
        include_str!("../../../controller/api/argo-objects/paused-basic.yaml"),
    ),
    (
        "aborted-basic",
        include_str!("../../../controller/api/argo-objects/aborted-basic.yaml"),
    ),
    (
        "manually-paused",
        include_str!("../../../controller/api/argo-objects/manually-paused.yaml"),
    ),
];
/// Numbers of pods in a status: there are none here, for the machine could not run them all.
const COUNTS: [&str; 5] = [
    "HPAReplicas",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
];
/// What the API server gives an object.
const GIVEN: [&str; 5] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "namespace",
];

/// What the switch took, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Takeover {
    /// Rollouts that Argo Rollouts had left.
    pub(crate) rollouts: usize,
    /// From the start of the binary to the last of them being observed.
    pub(crate) seconds: f64,
    /// ReplicaSets that were created, by the audit log.
    pub(crate) created: usize,
    /// ReplicaSets whose spec has changed since.
    pub(crate) scaled: usize,
    /// ReplicaSets that were deleted, by the audit log.
    pub(crate) deleted: usize,
}

impl Takeover {
    /// Whether nothing was done to any ReplicaSet.
    pub(crate) fn touched_nothing(&self) -> bool {
        (self.created, self.scaled, self.deleted) == (0, 0, 0)
    }
}

/// The ReplicaSets of a namespace and the generation of each, which rises with its spec.
type Generations = BTreeMap<String, i64>;

/// Makes the Rollouts while no controller runs, starts it, and looks.
pub(crate) async fn measure(
    stage: &Stage,
    controller: &mut Controller,
    probe: &Probe,
    progress: &Progress,
) -> Result<Takeover> {
    let rollouts = limits::TAKEOVER_ROLLOUTS;
    controller.stop().await?;
    progress.begin(&format!(
        "making {rollouts} Rollouts as Argo Rollouts leaves them"
    ));
    make_all(stage, rollouts).await?;
    let before = generations(stage).await?;
    let audit = Audit::from_now(stage.cluster()?.audit_log())?;
    progress.begin(&format!("taking {rollouts} Rollouts over"));
    let started = Instant::now();
    controller.start()?;
    probe.has_seen(rollouts).await?;
    let seconds = started.elapsed().as_secs_f64();
    probe.idle_with(rollouts).await?;
    let after = generations(stage).await?;
    let writes = audit.replica_set_writes(stage.namespace())?;
    Ok(Takeover {
        rollouts,
        seconds,
        created: writes.created,
        scaled: changed(&before, &after),
        deleted: writes.deleted,
    })
}

async fn make_all(stage: &Stage, rollouts: usize) -> Result<()> {
    let making = stream::iter(0..rollouts).map(|number| make(stage, number));
    let made: Result<()> = making
        .buffer_unordered(limits::REQUESTS_AT_ONCE)
        .try_collect()
        .await;
    made.context("making Rollouts")
}

async fn make(stage: &Stage, number: usize) -> Result<()> {
    let (left_as, text) = STATES
        .get(number % STATES.len())
        .copied()
        .context("there are no states")?;
    let name = format!("{left_as}-{number:04}");
    let Left {
        rollout,
        status,
        replica_sets,
    } = Left::of(text, left_as, &name)?;
    let rollouts = stage.rollouts_of(Group::Argo);
    let made = create(&rollouts, &rollout).await?;
    for mut replica_set in replica_sets {
        own(&mut replica_set, made.metadata.uid.as_deref());
        create(&stage.dynamic_api(&replica_set_resource()), &replica_set).await?;
    }
    let mut status = status;
    let generation = made.metadata.generation.unwrap_or(1);
    // It tells of the Rollout as it is.
    if let Some(status) = status.as_object_mut() {
        status.insert("observedGeneration".to_owned(), json!(generation.to_string()));
    }
    let patch = Patch::Merge(json!({ "status": status }));
    rollouts
        .patch_status(&name, &PatchParams::default(), &patch)
        .await
        .with_context(|| format!("the status of {name}"))?;
    Ok(())
}

async fn create(api: &Api<DynamicObject>, object: &Value) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let name = object.metadata.name.clone().unwrap_or_default();
    let created = api.create(&PostParams::default(), &object).await;
    created.with_context(|| format!("creating {name}"))
}

async fn generations(stage: &Stage) -> Result<Generations> {
    let replica_sets = stage.dynamic_api(&replica_set_resource());
    let found = replica_sets.list(&ListParams::default()).await?;
    let generations = found.items.into_iter().map(|found| {
        let generation = found.metadata.generation.unwrap_or_default();
        (found.metadata.name.unwrap_or_default(), generation)
    });
    Ok(generations.collect())
}

/// How many of those that were there have another spec.
fn changed(before: &Generations, after: &Generations) -> usize {
    let is_other =
        |(name, generation): &(&String, &i64)| after.get(*name).is_some_and(|now| now != *generation);
    before.iter().filter(is_other).count()
}

fn replica_set_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "ReplicaSet"))
}

/// What Argo Rollouts has left of one Rollout, under another name and without pods.
struct Left {
    rollout: Value,
    status: Value,
    replica_sets: Vec<Value>,
}

impl Left {
    fn of(text: &str, state: &str, name: &str) -> Result<Self> {
        let mut rollout = None;
        let mut replica_sets = Vec::new();
        for document in text
            .split("\n---\n")
            .filter(|document| !document.starts_with('#'))
        {
            let object: Value = serde_saphyr::from_str(document)?;
            let object = without_pods(as_new(renamed(object, state, name)));
            match object.get("kind").and_then(Value::as_str) {
                Some("Rollout") => rollout = Some(object),
                Some("ReplicaSet") => replica_sets.push(object),
                other => bail!("{state} has a {other:?}, which is not made here"),
            }
        }
        let mut rollout = rollout.with_context(|| format!("{state} has no Rollout"))?;
        let status = rollout
            .as_object_mut()
            .and_then(|rollout| rollout.remove("status"))
            .with_context(|| format!("{state} has no status"))?;
        Ok(Self {
            rollout,
            status,
            replica_sets,
        })
    }
}

/// With `name` wherever the object is called `state`: as a whole, at the beginning of a name, in a selector.
fn renamed(value: Value, state: &str, name: &str) -> Value {
    let again = |value| renamed(value, state, name);
    match value {
        Value::String(text) => Value::String(match text.strip_prefix(state) {
            Some("") => name.to_owned(),
            Some(rest) if rest.starts_with('-') => format!("{name}{rest}"),
            _ => match text.strip_suffix(state) {
                Some(key) if key.ends_with('=') => format!("{key}{name}"),
                _ => text,
            },
        }),
        Value::Array(values) => values.into_iter().map(again).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(field, value)| (field, again(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn as_new(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !GIVEN.contains(&field.as_str()));
    }
    object
}

fn without_pods(mut object: Value) -> Value {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".to_owned(), json!(0));
    }
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    if let Some(desired) = annotations.and_then(|all| all.get_mut("rollout.argoproj.io/desired-replicas")) {
        *desired = json!("0");
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        for count in COUNTS {
            if status.contains_key(count) {
                status.insert(count.to_owned(), json!(0));
            }
        }
    }
    object
}

/// The ReplicaSet belongs to the Rollout with this UID.
fn own(replica_set: &mut Value, uid: Option<&str>) {
    let owners = replica_set.pointer_mut("/metadata/ownerReferences");
    for owner in owners.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(owner) = owner.as_object_mut() {
            owner.insert("uid".to_owned(), json!(uid));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_rollout_and_replica_sets_under_another_name() {
        for (state, text) in STATES {
            let left = Left::of(text, state, "web-7").unwrap();

            assert_eq!(left.rollout["metadata"]["name"], "web-7", "{state}");
            assert_eq!(left.rollout["spec"]["selector"]["matchLabels"]["app"], "web-7");
            assert_eq!(left.rollout["spec"]["replicas"], 0);
            assert_eq!(left.status["selector"], "app=web-7");
            assert_eq!(left.status["replicas"], 0);
            let current = left.status["currentPodHash"].as_str().unwrap();
            let names: Vec<_> = left
                .replica_sets
                .iter()
                .map(|one| one["metadata"]["name"].as_str().unwrap())
                .collect();
            assert!(
                names.contains(&format!("web-7-{current}").as_str()),
                "{state}: {names:?}"
            );
            for replica_set in &left.replica_sets {
                assert_eq!(replica_set["metadata"]["ownerReferences"][0]["name"], "web-7");
                assert_eq!(replica_set["metadata"].get("uid"), None);
            }
        }
    }

    #[test]
    fn words_that_only_contain_the_name_stay() {
        let value = json!({"message": "Rollout is healthy", "phase": "Healthy", "name": "healthy-abc"});
        let expected = json!({"message": "Rollout is healthy", "phase": "Healthy", "name": "web-abc"});
        assert_eq!(renamed(value, "healthy", "web"), expected);
    }

    #[test]
    fn a_replica_set_with_another_generation_was_changed() {
        let generations = |all: &[(&str, i64)]| {
            let all = all
                .iter()
                .map(|(name, generation)| ((*name).to_owned(), *generation));
            all.collect::<Generations>()
        };
        let before = generations(&[("a", 1), ("b", 1), ("gone", 1)]);
        let after = generations(&[("a", 1), ("b", 2), ("new", 1)]);
        assert_eq!(changed(&before, &after), 1);
    }
}
