//! The cluster: every object one Rollout touches, and what happens to them as time passes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kulta_core::history::{Fact, Origin};
use kulta_core::observed::{Settings, Sinks, WorkloadView};
use kulta_core::plan::Plan;
use kulta_core::spec::{Method, Problem, RouteReference, Spec};
use kulta_core::status::Status;

use super::analysis::AnalysisRun;
use super::replica_set::{Darkness, ReplicaSet};
use super::route::Route;
use super::service::{Selection, Service};
use super::template::{Behaviour, Template};

/// The namespace of the Rollout.
pub(crate) const NAMESPACE: &str = "shop";
/// The name of the Rollout.
pub(crate) const ROLLOUT: &str = "web";
/// The name of the stable Service.
pub(crate) const STABLE: &str = "web-stable";
/// The name of the canary Service.
pub(crate) const CANARY: &str = "web-canary";
/// The name of the active Service.
pub(crate) const ACTIVE: &str = "web-active";
/// The name of the preview Service.
pub(crate) const PREVIEW: &str = "web-preview";
/// The Services that routes may send to before a switch and after it, whatever the strategy.
pub(crate) const STABLE_SIDE: [&str; 2] = [STABLE, ACTIVE];
/// Those of the new version.
pub(crate) const NEW_SIDE: [&str; 2] = [CANARY, PREVIEW];
/// Seconds since the epoch at tick 0: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;
/// Far more pods than any simulated Rollout wants.
const NO_QUOTA: u32 = 1_000;

/// The Rollout as stored.
#[derive(Debug, Clone)]
pub(crate) struct Rollout {
    pub(crate) resource_version: u64,
    pub(crate) generation: i64,
    pub(crate) revision: Option<u64>,
    pub(crate) workload_generation: Option<i64>,
    pub(crate) lacks_replicas: bool,
    pub(crate) origin: Origin,
    pub(crate) spec: Spec,
    pub(crate) problems: Vec<Problem>,
    pub(crate) analysis_problems: Vec<Problem>,
    pub(crate) plugin_problems: Vec<Problem>,
    pub(crate) awaits_plugins: bool,
    pub(crate) template: Template,
    pub(crate) status: Status,
}

/// A workload that a Rollout takes its template from.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) resource_version: u64,
    pub(crate) generation: i64,
    pub(crate) replicas: Option<u32>,
}

impl Workload {
    pub(crate) fn view(&self) -> WorkloadView {
        WorkloadView {
            resource_version: self.resource_version.to_string(),
            generation: self.generation,
            replicas: self.replicas,
        }
    }
}

/// What the cluster does to the objects in it.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// By version of the application.
    pub(crate) behaviours: BTreeMap<u32, Behaviour>,
    /// Ticks by which `EndpointSlices` are behind.
    pub(crate) endpoint_lag: u64,
    /// The most pods that the namespace's quota admits.
    pub(crate) pod_quota: u32,
    /// Pods of all revisions that a disruption budget keeps available.
    pub(crate) budget: u32,
    /// Why pods can't be listed, if so.
    pub(crate) hides_pods: Option<String>,
    /// Why writes of routes fail, if they do.
    pub(crate) route_refusal: Option<String>,
    /// The only route whose writes fail; None: all.
    pub(crate) refused_route: Option<RouteReference>,
}

/// The cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Seconds since the start.
    pub(crate) tick: u64,
    /// Rises with every change that a watch would tell.
    pub(crate) changes: u64,
    /// Seconds by which the controller's clock is off.
    pub(crate) clock_error: i64,
    pub(crate) rollout: Rollout,
    /// The workload that the template is taken from.
    pub(crate) workload: Option<Workload>,
    pub(crate) replica_sets: Vec<ReplicaSet>,
    pub(crate) analysis_runs: Vec<AnalysisRun>,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) routes: BTreeMap<RouteReference, Route>,
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
    /// What the sinks of events have got, as the delivery says.
    pub(crate) sinks: Sinks,
    /// Every fact that was ever stored.
    pub(crate) stored: Vec<Fact>,
    /// Names of ReplicaSets that belong to somebody else.
    pub(crate) taken_names: BTreeSet<String>,
    /// Somebody's webhook lets nobody make analyses.
    pub(crate) refuses_analyses: bool,
    /// An older Rollout whose selector overlaps.
    pub(crate) overlaps_with: Option<String>,
    /// Revisions whose ReplicaSets a user deleted.
    pub(crate) deleted_by_user: BTreeSet<String>,
    /// Services of experiments that the controller deleted while a route named them.
    pub(crate) forsaken: BTreeSet<String>,
    /// Services that are no experiment's, whatever is written of them.
    pub(crate) others: BTreeSet<String>,
    next_uid: u64,
}

impl Cluster {
    /// A cluster that holds nothing but a Rollout.
    pub(crate) fn new(spec: Spec, template: Template) -> Self {
        Self {
            tick: 1,
            changes: 1,
            clock_error: 0,
            rollout: Rollout {
                resource_version: 1,
                generation: 1,
                revision: None,
                workload_generation: None,
                lacks_replicas: false,
                origin: Origin::default(),
                spec,
                problems: Vec::new(),
                analysis_problems: Vec::new(),
                plugin_problems: Vec::new(),
                awaits_plugins: false,
                template,
                status: Status::default(),
            },
            workload: None,
            replica_sets: Vec::new(),
            analysis_runs: Vec::new(),
            services: BTreeMap::new(),
            routes: BTreeMap::new(),
            environment: Environment {
                behaviours: BTreeMap::new(),
                endpoint_lag: 0,
                pod_quota: NO_QUOTA,
                budget: 0,
                hides_pods: None,
                route_refusal: None,
                refused_route: None,
            },
            settings: Settings::default(),
            sinks: Sinks::default(),
            stored: Vec::new(),
            taken_names: BTreeSet::new(),
            refuses_analyses: false,
            overlaps_with: None,
            deleted_by_user: BTreeSet::new(),
            forsaken: BTreeSet::new(),
            others: BTreeSet::new(),
            next_uid: 1,
        }
    }

    /// Writes the status of a plan.
    pub(crate) fn store_status(&mut self, plan: &Plan) {
        self.rollout.status = plan.status.clone();
        self.stored.extend_from_slice(&plan.transitions);
        self.rollout.resource_version = self.changed();
    }

    /// The true time.
    pub(crate) fn time(&self) -> Timestamp {
        at(self.tick)
    }

    /// The time on the controller's clock.
    pub(crate) fn controller_time(&self) -> Timestamp {
        self.time() + SignedDuration::from_secs(self.clock_error)
    }

    /// Notes a change, and gives a new resourceVersion (or UID).
    pub(crate) fn changed(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// How the pods of `version` behave.
    pub(crate) fn behaviour(&self, version: u32) -> Behaviour {
        self.environment
            .behaviours
            .get(&version)
            .copied()
            .unwrap_or_default()
    }

    /// Changes how the pods of `version` behave.
    pub(crate) fn behave(&mut self, version: u32, behaviour: Behaviour) {
        self.environment.behaviours.insert(version, behaviour);
    }

    /// Adds a ReplicaSet under a new UID.
    pub(crate) fn add_replica_set(&mut self, mut replica_set: ReplicaSet) {
        replica_set.uid = self.next_uid;
        self.next_uid += 1;
        replica_set.resource_version = self.changed();
        if self.deleted_by_user.remove(&replica_set.hash) {
            replica_set.darkness = Darkness::Environment;
        }
        self.replica_sets.push(replica_set);
    }

    /// The ReplicaSet of the revision `hash`.
    pub(crate) fn replica_set(&self, hash: &str) -> Option<&ReplicaSet> {
        self.replica_sets
            .iter()
            .find(|replica_set| replica_set.hash == hash)
    }

    /// Available pods of all revisions.
    pub(crate) fn available(&self) -> u32 {
        self.replica_sets.iter().map(ReplicaSet::available).sum()
    }

    /// Evicts a pod, if the disruption budget allows it; one that it keeps is no error.
    pub(crate) fn evict(&mut self, uid: &str) -> Option<()> {
        let tick = self.tick;
        let serving: u32 = self.replica_sets.iter().map(ReplicaSet::ready).sum();
        let budget = self.environment.budget;
        if budget > 0 && serving <= budget {
            return Some(());
        }
        let mut all = self.replica_sets.iter_mut();
        all.find_map(|replica_set| replica_set.evict(uid, tick))?;
        self.changed();
        Some(())
    }

    /// Lets one second pass for everything but the controller.
    pub(crate) fn step(&mut self) {
        self.tick += 1;
        self.step_pods();
        self.step_endpoints();
        self.step_analyses();
        let tick = self.tick;
        let mut reported = false;
        for route in self.routes.values_mut().filter(|route| route.exists) {
            reported |= route.step(tick);
        }
        if reported {
            self.changed();
        }
    }

    fn step_pods(&mut self) {
        let Self {
            tick,
            changes,
            replica_sets,
            environment,
            ..
        } = self;
        let mut pods: usize = replica_sets
            .iter()
            .map(|replica_set| replica_set.pods.len())
            .sum();
        for replica_set in replica_sets.iter_mut() {
            let behaviour = environment
                .behaviours
                .get(&replica_set.version)
                .copied()
                .unwrap_or_default();
            let admit = environment
                .pod_quota
                .saturating_sub(u32::try_from(pods).unwrap_or(u32::MAX));
            let before = replica_set.pods.len();
            if replica_set.step(*tick, behaviour, admit) {
                *changes += 1;
                replica_set.resource_version = *changes;
            }
            pods = pods + replica_set.pods.len() - before;
        }
    }

    fn step_analyses(&mut self) {
        let behaviour = |version| self.behaviour(version).opinion;
        let opinions: Vec<_> = self
            .analysis_runs
            .iter()
            .map(|run| behaviour(run.version))
            .collect();
        let Self {
            tick,
            changes,
            analysis_runs,
            ..
        } = self;
        for (run, opinion) in analysis_runs.iter_mut().zip(opinions) {
            if run.step(*tick, opinion) {
                *changes += 1;
                run.resource_version = *changes;
            }
        }
    }

    fn step_endpoints(&mut self) {
        let Self {
            tick,
            changes,
            replica_sets,
            services,
            environment,
            ..
        } = self;
        for service in services.values_mut() {
            let selection = service.selection.latest();
            let selected = replica_sets.iter().filter(|replica_set| match selection {
                Selection::Absent => false,
                Selection::All => true,
                Selection::Revision(hash) => replica_set.hash == *hash,
            });
            let ready = selected.map(|replica_set| (replica_set.hash.clone(), replica_set.ready()));
            let endpoints = ready.filter(|(_, ready)| *ready > 0).collect();
            service.endpoints.set(*tick, endpoints);
            let seen = tick.saturating_sub(environment.endpoint_lag);
            if service.endpoints.at(seen) != service.endpoints.at(seen.saturating_sub(1)) {
                *changes += 1;
            }
        }
    }

    /// From when on the controller sees the endpoints.
    pub(crate) fn visible_endpoints(&self) -> u64 {
        self.tick.saturating_sub(self.environment.endpoint_lag)
    }
}

/// The time at `tick`.
pub(crate) fn at(tick: u64) -> Timestamp {
    let seconds = i64::try_from(tick).expect("simulated times fit");
    Timestamp::from_second(START + seconds).expect("simulated times fit")
}

/// The pods that a Rollout without traffic routing promises to keep available, all of them if it is blue-green: `maxUnavailable` counts as 1 where both
/// bounds come to nothing, and never as more pods than there are.
pub(crate) fn promised(spec: &Spec) -> u32 {
    let Method::Basic {
        max_surge,
        max_unavailable,
        ..
    } = &spec.method
    else {
        return spec.replicas;
    };
    let unavailable = max_unavailable.floor(spec.replicas);
    let stuck = unavailable == 0 && max_surge.ceil(spec.replicas) == 0;
    spec.replicas.saturating_sub(if stuck { 1 } else { unavailable })
}
