//! A Rollout and everything around it, as the caches had it at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kulta_core::observed::{
    AnalysisRunView, ExperimentRefs, Presence, ReplicaSetView, RouteView, ServiceView,
};
use kulta_core::run_name;
use kulta_core::spec::RouteReference;

use super::analyses;
use crate::key::ObjectKey;
use crate::watch::{AnalysisRun, Experiment, Ownership, ReplicaSet, Rollout, Table, Tables, pod_prefix};

/// A Rollout and everything around it.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    pub(super) rollout: Arc<Rollout>,
    /// The templates that its analyses need, with the versions that were seen.
    pub(super) templates: BTreeMap<ObjectKey, String>,
    pub(super) replica_sets: Vec<ReplicaSetView>,
    pub(super) stable_service: Option<Presence<ServiceView>>,
    pub(super) canary_service: Option<Presence<ServiceView>>,
    pub(super) routes: Vec<(RouteReference, Presence<RouteView>)>,
    pub(super) analysis_runs: Vec<AnalysisRunView>,
    pub(super) analysis_names_taken: BTreeSet<String>,
    pub(super) experiment_refs: ExperimentRefs,
    pub(super) overlaps_with: Option<String>,
    /// It, or another one of the namespace whose pods it may share, takes its template from a workload of a kind that was not
    /// listed yet.
    pub(super) workloads_unlisted: bool,
}

impl Neighbourhood {
    /// The neighbourhood of the Rollout `key`; None when it is gone or being deleted.
    pub(super) fn of(tables: &Tables, key: &ObjectKey) -> Option<Self> {
        let rollout = Arc::clone(tables.rollouts.get(key).filter(|rollout| !rollout.deleting)?);
        let replica_sets = replica_sets(tables, key, &rollout);
        let spec = rollout.readable_spec();
        let service = |name: &str| service(tables, &ObjectKey::new(&key.namespace, name), &replica_sets);
        let (stable, canary) = spec.map_or((None, None), |spec| spec.services());
        let (stable_service, canary_service) = (stable.map(service), canary.map(service));
        let routes = routes(tables, key, &rollout);
        let overlaps_with = oldest_that_overlaps(tables, key, &rollout);
        let analysis_runs = analysis_runs(tables, key, &rollout);
        let analysis_names_taken = analysis_names_taken(tables, key, &rollout);
        let experiment_refs = experiment_refs(tables, key, &rollout, (&analysis_runs, &routes));
        let templates = analyses::templates(tables, &rollout);
        let mut others = tables.rollouts_in(&key.namespace).map(|(_, other)| other);
        let workloads_unlisted = others.any(|other| is_unlisted(tables, other));
        Some(Self {
            rollout,
            templates,
            replica_sets,
            stable_service,
            canary_service,
            routes,
            analysis_runs,
            analysis_names_taken,
            experiment_refs,
            overlaps_with,
            workloads_unlisted,
        })
    }
}

/// Whether it is not known yet what a Rollout takes its template from.
fn is_unlisted(tables: &Tables, rollout: &Rollout) -> bool {
    let taken = rollout.takes();
    taken.is_some_and(|workload| !tables.workloads.is_listed(workload.kind))
}

/// The ReplicaSets that the Rollout owns, and those it may adopt.
fn replica_sets(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<ReplicaSetView> {
    let look_up = |name: &ObjectKey| {
        tables
            .replica_sets
            .get(name)
            .filter(|replica_set| !replica_set.deleting)
    };
    let owned = tables
        .relations
        .replica_sets_of(&rollout.uid)
        .filter_map(look_up)
        .filter(|replica_set| {
            // The UID alone would do; the name guards against an owner reference that was written by hand.
            is_of(&replica_set.ownership, key, rollout)
        });
    let adoptable = tables
        .relations
        .orphans_in(&key.namespace)
        .filter_map(look_up)
        .filter(|replica_set| rollout.selects(&replica_set.labels));
    let view = |replica_set: &Arc<ReplicaSet>, owned| ReplicaSetView {
        owned,
        ..replica_set.view.clone()
    };
    owned
        .map(|replica_set| view(replica_set, true))
        .chain(adoptable.map(|replica_set| view(replica_set, false)))
        .collect()
}

/// Whether it is what the Rollout owns.
fn is_of(ownership: &Ownership, key: &ObjectKey, rollout: &Rollout) -> bool {
    matches!(
        ownership,
        Ownership::Rollout { group, name, uid }
            if *group == key.group && *name == key.name && *uid == rollout.uid
    )
}

/// The AnalysisRuns and Experiments that the Rollout owns: of its own group.
fn analysis_runs(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<AnalysisRunView> {
    let runs = tables.relations.analysis_runs_of(&rollout.uid);
    let runs = runs.filter_map(|name| Some((name, tables.analysis_runs.get(name)?.judged())));
    let experiments = tables.relations.experiments_of(&rollout.uid);
    let experiments = experiments.filter_map(|name| Some((name, tables.experiments.get(name)?.judged())));
    runs.chain(experiments)
        .filter(|(name, judged)| name.group == key.group && judged.is_there_for(key, rollout))
        .map(|(_, judged)| with_services(tables, key, judged.view.clone()))
        .collect()
}

/// An Experiment with what is known of the Services of its templates.
fn with_services(tables: &Tables, key: &ObjectKey, mut view: AnalysisRunView) -> AnalysisRunView {
    let is_noted = view.sharing.noted().next().is_some();
    for sharing in &mut view.sharing.services {
        let service = ObjectKey::new(&key.namespace, &sharing.name);
        sharing.named = is_noted && tables.is_in_a_route(&service);
        let found = tables.services.get(&service);
        // One of the same name may be an earlier experiment's, and about to go.
        let own = found.filter(|found| found.experiment.as_ref() == Some(&view.uid));
        let Some(own) = own else { continue };
        // All of its pods are the template's: no others have its hash.
        sharing.ready = ready_pods(tables, &service).into_values().sum();
        sharing.ports.clone_from(&own.view.ports);
    }
    view
}

/// Whose the refs of experiments are: what is noted and remembered of them can be anybody's word.
fn experiment_refs(
    tables: &Tables,
    key: &ObjectKey,
    rollout: &Rollout,
    (runs, routes): (&[AnalysisRunView], &[(RouteReference, Presence<RouteView>)]),
) -> ExperimentRefs {
    let found = |name: &str| tables.services.get(&ObjectKey::new(&key.namespace, name));
    let noted = runs.iter().flat_map(|run| run.sharing.noted());
    let remembered = rollout.status.traffic.iter();
    let remembered = remembered.flat_map(|traffic| &traffic.additional);
    let names = remembered.map(|share| share.service_name.as_str()).chain(noted);
    let names: BTreeSet<&str> = names.collect();
    let others = names.iter().copied();
    let others = others.filter(|name| found(name).is_some_and(|service| service.experiment.is_none()));
    let seen = routes.iter().filter_map(|(_, route)| route.present());
    let lost = seen.flat_map(|route| &route.backends).filter(|backend| {
        let is_here = backend.is_service && backend.namespace == key.namespace;
        let name = backend.name.as_str();
        let is_own = names.contains(name) || run_name::is_of_experiment(&key.name, name);
        is_here && is_own && found(name).is_none()
    });
    ExperimentRefs {
        others: others.map(str::to_owned).collect(),
        lost: lost.map(|backend| backend.name.clone()).collect(),
    }
}

/// An AnalysisRun or an Experiment.
struct Judged<'seen> {
    view: &'seen AnalysisRunView,
    ownership: &'seen Ownership,
    deleting: bool,
}

impl Judged<'_> {
    /// Whether it is the Rollout's, and there to stay.
    fn is_there_for(&self, key: &ObjectKey, rollout: &Rollout) -> bool {
        is_of(self.ownership, key, rollout) && !self.deleting
    }
}

/// What judges versions.
trait Judging {
    fn judged(&self) -> Judged<'_>;
}

impl Judging for AnalysisRun {
    fn judged(&self) -> Judged<'_> {
        Judged {
            view: &self.view,
            ownership: &self.ownership,
            deleting: self.deleting,
        }
    }
}

impl Judging for Experiment {
    fn judged(&self) -> Judged<'_> {
        Judged {
            view: &self.view,
            ownership: &self.ownership,
            deleting: self.deleting,
        }
    }
}

/// The names of the other AnalysisRuns and Experiments that are called as if they were the Rollout's: left behind by one of the
/// same name that was deleted, somebody else's, or about to go.
fn analysis_names_taken(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> BTreeSet<String> {
    let runs = names_taken(&tables.analysis_runs, key, rollout);
    runs.chain(names_taken(&tables.experiments, key, rollout))
        .collect()
}

fn names_taken<'tables, J: Judging>(
    table: &'tables Table<J>,
    key: &'tables ObjectKey,
    rollout: &'tables Rollout,
) -> impl Iterator<Item = String> + 'tables {
    let beginning = run_name::beginning(&key.name);
    let first = ObjectKey::new(&key.namespace, &beginning);
    table
        .range(first..)
        .take_while(move |(other, _)| other.namespace == key.namespace && other.name.starts_with(&beginning))
        .filter(|(other, found)| other.group == key.group && !found.judged().is_there_for(key, rollout))
        .map(|(other, _)| other.name.clone())
}

fn service(tables: &Tables, key: &ObjectKey, replica_sets: &[ReplicaSetView]) -> Presence<ServiceView> {
    let Some(service) = tables.services.get(key) else {
        return Presence::Missing;
    };
    let ready = ready_pods(tables, key);
    let ready_endpoints = replica_sets
        .iter()
        .filter(|replica_set| bears_its_pods(replica_set, replica_sets, service.view.selects.as_deref()))
        .filter_map(|replica_set| {
            Some((
                replica_set.hash.clone(),
                *ready.get(&pod_prefix(&replica_set.name))?,
            ))
        })
        .collect();
    let owner = service.view.managed_by.clone();
    Presence::Present(ServiceView {
        ready_endpoints,
        // A Rollout that is gone, or names other Services now, leaves its annotation behind.
        managed_by: owner.filter(|owner| !service.directed_here || tables.directs(owner, key)),
        ..service.view.clone()
    })
}

/// Whether the pods whose names begin as those of `replica_set` count as its own. Where a long name was cut, the
/// beginnings of two may be equal; then the pods count for the revision that the Service selects.
fn bears_its_pods(replica_set: &ReplicaSetView, all: &[ReplicaSetView], selects: Option<&str>) -> bool {
    let prefix = pod_prefix(&replica_set.name);
    let alone = all
        .iter()
        .all(|other| other.name == replica_set.name || pod_prefix(&other.name) != prefix);
    alone || selects == Some(&replica_set.hash)
}

/// Ready pods behind a Service by the prefix of their names.
fn ready_pods(tables: &Tables, service: &ObjectKey) -> BTreeMap<String, u32> {
    let mut by_address_type: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    for slice in tables
        .relations
        .slices_of(service)
        .filter_map(|slice| tables.endpoint_slices.get(slice))
    {
        let counts = by_address_type.entry(&slice.address_type).or_default();
        for (prefix, count) in &slice.ready {
            *counts.entry(prefix).or_default() += count;
        }
    }
    // A pod with an IPv4 and an IPv6 address is one pod.
    let mut ready = BTreeMap::new();
    for (prefix, count) in by_address_type.into_values().flatten() {
        let most: &mut u32 = ready.entry(prefix.to_owned()).or_default();
        *most = count.max(*most);
    }
    ready
}

/// The routes that the Rollout names, and then those that its selectors find.
fn routes(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<(RouteReference, Presence<RouteView>)> {
    let Some(routing) = rollout.readable_spec().and_then(|spec| spec.routing()) else {
        return Vec::new();
    };
    let named = routing.routes.iter().map(|named| named.reference.clone());
    let found = tables.selected_routes(&key.namespace, rollout).into_iter();
    let found = found.filter(|reference| routing.route(reference).is_none());
    named
        .chain(found)
        .map(|reference| {
            let seen = route(tables, &reference);
            (reference, seen)
        })
        .collect()
}

fn route(tables: &Tables, reference: &RouteReference) -> Presence<RouteView> {
    tables
        .route(reference)
        .map_or(Presence::Missing, |route| Presence::Present(route.clone()))
}

/// The oldest of the Rollouts that were there before this one and whose pods could be taken for its own.
fn oldest_that_overlaps(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Option<String> {
    tables
        .rollouts_in(&key.namespace)
        .filter(|(other, _)| *other != key)
        .filter(|(_, other)| other.is_older_than(rollout) && other.overlaps(rollout))
        .min_by_key(|(_, other)| other.age())
        .map(|(other, _)| {
            if other.group == key.group {
                other.name.clone()
            } else {
                // It may have the same name.
                format!("{} ({})", other.name, other.group)
            }
        })
}

#[cfg(test)]
mod tests;
