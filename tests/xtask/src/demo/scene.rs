//! What is going on, watched: the Rollout's status and the pods of each version.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, watcher};
use kulta_api::names::HASH_LABEL;
use kulta_api::status::RolloutStatus;
use kulta_core::analysis::run::{MetricResult, RunStatus};
use kulta_e2e::rollout::status_of;
use kulta_e2e::{Rollout, Stage, app};
use serde::Deserialize as _;
use tokio::task::JoinSet;

/// The pods of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pods {
    /// Ready and staying.
    pub(crate) ready: usize,
    /// Staying.
    pub(crate) all: usize,
    /// On their way out, still answering.
    pub(crate) leaving: usize,
}

/// Everything the view shows of the cluster.
pub(crate) struct Scene {
    pods: Store<Pod>,
    rollouts: Store<DynamicObject>,
    analyses: Store<DynamicObject>,
    /// All acts so far, each with its begin; the last one is under way.
    acts: Mutex<Vec<(Timestamp, Act)>>,
    /// Ends the watches when it is dropped.
    _watches: JoinSet<()>,
}

/// What the demo is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    /// In words.
    pub(crate) title: &'static str,
    /// The version that the weights are about.
    pub(crate) version: &'static str,
    /// What it is meanwhile.
    pub(crate) role: Role,
}

/// What a version is to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has what the canary has not.
    Stable,
    /// It is being tried.
    Canary,
}

impl Role {
    /// The weight of a version in this role, from the canary's.
    pub(crate) fn weight(self, canary: u32) -> u32 {
        match self {
            Self::Stable => 100_u32.saturating_sub(canary),
            Self::Canary => canary,
        }
    }
}

impl Scene {
    pub(crate) fn watch(rollout: &Rollout, act: Act) -> Self {
        let mut watches = JoinSet::new();
        let stage = rollout.stage();
        let (pods, written) = reflector::store();
        let stream = watcher(stage.api::<Pod>(), watcher::Config::default()).default_backoff();
        watches.spawn(reflector::reflector(written, stream).for_each(|_| std::future::ready(())));
        let rollouts = watch(
            &mut watches,
            stage,
            kulta_api::rollout::api_resource(kulta_api::Group::Kulta),
        );
        let analyses = watch(
            &mut watches,
            stage,
            kulta_api::analysis::api_resource(kulta_api::Group::Kulta),
        );
        Self {
            pods,
            rollouts,
            analyses,
            acts: Mutex::new(vec![(Timestamp::now(), act)]),
            _watches: watches,
        }
    }

    pub(crate) fn begin(&self, act: Act) {
        self.lock().push((Timestamp::now(), act));
    }

    /// None before the first.
    pub(crate) fn act(&self) -> Option<Act> {
        self.lock().last().map(|(_, act)| *act)
    }

    /// All acts so far, each with its begin.
    pub(crate) fn acts(&self) -> Vec<(Timestamp, Act)> {
        self.lock().clone()
    }

    /// None as long as nothing was seen.
    pub(crate) fn status(&self) -> Option<RolloutStatus> {
        let rollouts = self.rollouts.state();
        rollouts.first().and_then(|rollout| status_of(rollout))
    }

    /// What the newest analysis of the newest version has measured last, in words; None before it has measured anything.
    pub(crate) fn measured(&self) -> Option<String> {
        let version = self.status()?.current_pod_hash?;
        let judges = |run: &&Arc<DynamicObject>| run.labels().get(HASH_LABEL) == Some(&version);
        let analyses = self.analyses.state();
        let newest = analyses
            .iter()
            .filter(judges)
            .max_by_key(|run| run.creation_timestamp())?;
        let status = RunStatus::deserialize(newest.data.get("status")?).ok()?;
        let latest = |result: &MetricResult| {
            let measurement = result.measurements.last()?;
            let found = [&measurement.message, &measurement.value];
            let found = found.into_iter().find(|text| !text.is_empty());
            let found = found.map_or_else(String::new, |found| format!(" ({found})"));
            Some(format!("{} {}{found}", result.name, measurement.phase.as_str()))
        };
        let measured: Vec<_> = status.metric_results.iter().filter_map(latest).collect();
        (!measured.is_empty()).then(|| measured.join(", "))
    }

    /// By the version that each pod says it is.
    pub(crate) fn pods(&self) -> BTreeMap<String, Pods> {
        let mut versions: BTreeMap<String, Pods> = BTreeMap::new();
        for pod in self.pods.state() {
            let pods = versions.entry(version(&pod)).or_default();
            if pod.metadata.deletion_timestamp.is_some() {
                pods.leaving += 1;
            } else {
                pods.all += 1;
                pods.ready += usize::from(is_ready(&pod));
            }
        }
        versions
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Timestamp, Act)>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The objects of one kind, kept up to date by one of the watches.
fn watch(watches: &mut JoinSet<()>, stage: &Stage, resource: ApiResource) -> Store<DynamicObject> {
    let stream = watcher(stage.dynamic_api(&resource), watcher::Config::default()).default_backoff();
    let written = reflector::store::Writer::new(resource);
    let seen = written.as_reader();
    watches.spawn(reflector::reflector(written, stream).for_each(|_| std::future::ready(())));
    seen
}

fn version(pod: &Pod) -> String {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut variables = containers.flat_map(|container| container.env.iter().flatten());
    let label = variables.find(|variable| variable.name == app::VERSION_VARIABLE);
    label
        .and_then(|variable| variable.value.clone())
        .unwrap_or_else(|| pod.name_any())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
