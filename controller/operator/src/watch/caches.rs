//! The projections of all watched objects, and their relations.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::analysis::{MOST_TEMPLATES, TemplateReference};
use kulta_api::selector::selector_matches;
use kulta_core::observed::RouteView;
use kulta_core::spec::{RouteKind, RouteReference, WorkloadKind};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::relation::{Cached, Change, Relations};
use super::workloads::Workloads;
use super::{
    AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate, EndpointSlice, Experiment, GrpcRoute, HttpRoute,
    ReplicaSet, Rollout, Route, Service, TcpRoute, TlsRoute, analysis_template, route,
};
use crate::expectations::{Kind, Version};
use crate::key::ObjectKey;

/// The objects of one kind.
pub type Table<P> = BTreeMap<ObjectKey, Arc<P>>;

/// Everything that was seen, at one moment.
#[derive(Debug, Default)]
pub struct Tables {
    /// Rollouts, of both groups.
    pub rollouts: Table<Rollout>,
    /// Rollouts that are gone and were not taken yet, as they were last seen: there may be something left to tell.
    pub departed: Vec<(ObjectKey, Arc<Rollout>)>,
    /// ReplicaSets with a hash label.
    pub replica_sets: Table<ReplicaSet>,
    /// Services.
    pub services: Table<Service>,
    /// `EndpointSlice`s of Services.
    pub endpoint_slices: Table<EndpointSlice>,
    /// AnalysisRuns.
    pub analysis_runs: Table<AnalysisRun>,
    /// Experiments.
    pub experiments: Table<Experiment>,
    /// AnalysisTemplates.
    pub analysis_templates: Table<AnalysisTemplate>,
    /// ClusterAnalysisTemplates, whose keys have no namespace.
    pub cluster_analysis_templates: Table<ClusterAnalysisTemplate>,
    /// `HTTPRoute`s.
    pub http_routes: Table<HttpRoute>,
    /// `GRPCRoute`s.
    pub grpc_routes: Table<GrpcRoute>,
    /// `TCPRoute`s.
    pub tcp_routes: Table<TcpRoute>,
    /// `TLSRoute`s.
    pub tls_routes: Table<TlsRoute>,
    /// In which version routes of a kind are read, where the API server has served one.
    pub route_versions: BTreeMap<RouteKind, String>,
    /// The workloads that Rollouts take their templates from.
    pub workloads: Workloads,
    /// Whether somebody looks at the metrics of templates: they are not kept otherwise.
    pub keeps_measures: bool,
    /// Which of them belong together.
    pub relations: Relations,
}

impl Tables {
    /// The Rollouts of one namespace, of both groups.
    pub fn rollouts_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &Rollout)> {
        let first = ObjectKey::new(namespace, "");
        self.rollouts
            .range(first..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(key, rollout)| (key, rollout.as_ref()))
    }

    /// What of `group` has work to be done.
    #[must_use]
    pub fn to_do_in(&self, group: Group) -> ToDo {
        let rollouts = self.rollouts.keys().filter(|key| key.group == group).cloned();
        // Of Rollouts that are gone, Services may have to be given back.
        let gone = self.relations.owners_of_services();
        let gone = gone.map(|owner| ObjectKey::in_group(group, &owner.namespace, &owner.name));
        let gone = gone.filter(|key| !self.rollouts.contains_key(key));
        ToDo {
            rollouts: rollouts.chain(gone).collect(),
            analyses: with_work(&self.analysis_runs, group),
            experiments: with_work(&self.experiments, group),
        }
    }

    /// The ReplicaSets of one namespace.
    pub fn replica_sets_in(&self, namespace: &str) -> impl Iterator<Item = &ReplicaSet> {
        let first = ObjectKey::new(namespace, "");
        self.replica_sets
            .range(first..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, replica_set)| replica_set.as_ref())
    }

    /// The templates that a Rollout of `group` in `namespace` needs where it names `references`, with the versions that were seen:
    /// those, and the ones that they name in turn. Where there are more than an analysis may have, it is those that putting
    /// it together comes to first.
    #[must_use]
    pub fn templates(
        &self,
        group: Group,
        namespace: &str,
        references: &[TemplateReference],
    ) -> BTreeMap<ObjectKey, String> {
        let mut visited = BTreeSet::new();
        let mut found = BTreeMap::new();
        let mut to_visit: Vec<_> = references.iter().rev().collect();
        while let Some(reference) = to_visit.pop().filter(|_| visited.len() <= MOST_TEMPLATES) {
            let key = analysis_template::key(group, namespace, reference);
            if !visited.insert(key.clone()) {
                continue;
            }
            let seen = if reference.is_cluster_scoped() {
                self.cluster_analysis_templates.get(&key).map(|seen| &seen.0)
            } else {
                self.analysis_templates.get(&key).map(|seen| &seen.0)
            };
            if let Some(seen) = seen {
                to_visit.extend(seen.names.iter().rev());
                found.insert(key, seen.resource_version.clone());
            }
        }
        found
    }

    /// Whether a Rollout of the name `owner` exists and names the Service `service`. The annotation of a Service does not
    /// say of which group its Rollout is.
    #[must_use]
    pub fn directs(&self, owner: &str, service: &ObjectKey) -> bool {
        self.rollouts_called(&service.namespace, owner)
            .filter(|(_, owner)| !owner.deleting)
            .any(|(_, owner)| {
                // A spec that can't be read may well name it.
                owner.readable_spec().is_none_or(|spec| {
                    let (stable, canary) = spec.services();
                    [stable, canary].contains(&Some(service.name.as_str()))
                })
            })
    }

    /// The Rollouts of this name: one of each group at most.
    pub fn rollouts_called(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &Arc<Rollout>)> {
        let keys = Group::ALL.map(|group| ObjectKey::in_group(group, namespace, name));
        keys.into_iter()
            .filter_map(|key| self.rollouts.get_key_value(&key))
    }

    /// Whether any route names a Service.
    #[must_use]
    pub fn is_in_a_route(&self, service: &ObjectKey) -> bool {
        fn names<K: route::Kind>(routes: &Table<Route<K>>, service: &ObjectKey) -> bool {
            routes.values().any(|route| {
                let mut backends = route.view.backends.iter();
                backends.any(|backend| {
                    backend.is_service
                        && backend.namespace == service.namespace
                        && backend.name == service.name
                })
            })
        }
        names(&self.http_routes, service)
            || names(&self.grpc_routes, service)
            || names(&self.tcp_routes, service)
            || names(&self.tls_routes, service)
    }

    /// The Rollouts an experiment of which has this Service.
    pub fn rollouts_sharing(&self, service: &ObjectKey) -> impl Iterator<Item = ObjectKey> {
        let experiments = self.relations.experiments_with(service);
        experiments.filter_map(|key| self.experiments.get(key)?.ownership.rollout(&key.namespace))
    }

    /// A route; None when it is not there.
    #[must_use]
    pub fn route(&self, reference: &RouteReference) -> Option<&RouteView> {
        let (_, view) = self.route_of(reference.kind, &reference.into())?;
        Some(view)
    }

    /// The UID of a route, and the route; None when it is not there.
    fn route_of(&self, kind: RouteKind, key: &ObjectKey) -> Option<(&String, &RouteView)> {
        match kind {
            RouteKind::Http => seen(&self.http_routes, key),
            RouteKind::Grpc => seen(&self.grpc_routes, key),
            RouteKind::Tcp => seen(&self.tcp_routes, key),
            RouteKind::Tls => seen(&self.tls_routes, key),
        }
    }

    /// The routes that the selectors of a Rollout find in its `namespace` or theirs, each once.
    #[must_use]
    pub fn selected_routes(&self, namespace: &str, rollout: &Rollout) -> BTreeSet<RouteReference> {
        let selectors = rollout.route_selectors.iter();
        selectors
            .flat_map(|selecting| {
                let namespace = selecting.namespace.as_deref().unwrap_or(namespace);
                let found = match selecting.kind {
                    RouteKind::Http => selected(&self.http_routes, namespace, &selecting.selector),
                    RouteKind::Grpc => selected(&self.grpc_routes, namespace, &selecting.selector),
                    RouteKind::Tcp => selected(&self.tcp_routes, namespace, &selecting.selector),
                    RouteKind::Tls => selected(&self.tls_routes, namespace, &selecting.selector),
                };
                let reference = |name| RouteReference {
                    kind: selecting.kind,
                    namespace: namespace.to_owned(),
                    name,
                };
                found.into_iter().map(reference)
            })
            .collect()
    }

    /// The version of an object; None when it is not there.
    #[must_use]
    pub fn version(&self, kind: Kind, key: &ObjectKey) -> Option<Version> {
        let (uid, resource_version) = match kind {
            Kind::Rollout => self
                .rollouts
                .get(key)
                .map(|rollout| (&rollout.uid, &rollout.resource_version)),
            Kind::ReplicaSet => self
                .replica_sets
                .get(key)
                .map(|set| (&set.view.uid, &set.view.resource_version)),
            Kind::Service => self
                .services
                .get(key)
                .map(|service| (&service.uid, &service.view.resource_version)),
            Kind::AnalysisRun => self
                .analysis_runs
                .get(key)
                .map(|run| (&run.view.uid, &run.view.resource_version)),
            Kind::Experiment => self
                .experiments
                .get(key)
                .map(|experiment| (&experiment.view.uid, &experiment.view.resource_version)),
            Kind::Route(kind) => self
                .route_of(kind, key)
                .map(|(uid, view)| (uid, &view.resource_version)),
            Kind::Workload(kind) => self
                .workloads
                .get(kind, key)
                .map(|seen| (&seen.uid, &seen.view.resource_version)),
        }?;
        Some(Version {
            uid: uid.clone(),
            resource_version: resource_version.clone(),
        })
    }

    pub(super) fn replace<P: Cached>(
        &mut self,
        key: &ObjectKey,
        after: Option<&Arc<P>>,
    ) -> BTreeSet<ObjectKey> {
        let after = after.map(|after| after.completed(key, self));
        let after = after.as_ref();
        let before = match after {
            Some(after) => P::table(self).insert(key.clone(), Arc::clone(after)),
            None => P::table(self).remove(key),
        };
        if before.as_ref() == after {
            return BTreeSet::new();
        }
        let change = || Change {
            before: before.as_deref(),
            after: after.map(AsRef::as_ref),
        };
        let mut concerned = P::concerns(change(), key, self);
        if let Some(before) = &before {
            before.relate(key, &mut self.relations, false);
            before.replaced(key, after.map(AsRef::as_ref), self);
        }
        if let Some(after) = after {
            after.relate(key, &mut self.relations, true);
        }
        concerned.extend(P::concerns(change(), key, self));
        concerned.extend(P::spread(key, self));
        concerned
    }
}

/// What there is to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToDo {
    /// Rollouts.
    pub rollouts: Vec<ObjectKey>,
    /// AnalysisRuns.
    pub analyses: Vec<ObjectKey>,
    /// Experiments.
    pub experiments: Vec<ObjectKey>,
}

/// The objects of a kind in `group` that have work to be done.
fn with_work<P: Cached>(table: &Table<P>, group: Group) -> Vec<ObjectKey> {
    let with_work = table
        .iter()
        .filter(|(key, object)| key.group == group && object.has_work());
    with_work.map(|(key, _)| key.clone()).collect()
}

fn seen<'t, K: route::Kind>(
    table: &'t Table<Route<K>>,
    key: &ObjectKey,
) -> Option<(&'t String, &'t RouteView)> {
    table.get(key).map(|route| (&route.uid, &route.view))
}

/// The names of the routes of a namespace that a selector finds.
fn selected<K: route::Kind>(
    table: &Table<Route<K>>,
    namespace: &str,
    selector: &LabelSelector,
) -> Vec<String> {
    let first = ObjectKey::new(namespace, "");
    let there = table
        .range(first..)
        .take_while(|(key, _)| key.namespace == namespace);
    let found = there.filter(|(_, route)| selector_matches(selector, &route.view.labels));
    found.map(|(key, _)| key.name.clone()).collect()
}

/// The tables, shared between the feeds that fill them and the reconciles that read them.
///
/// No lock is held across an `await`.
#[derive(Debug, Default)]
pub struct Caches {
    tables: RwLock<Tables>,
}

impl Caches {
    /// Puts an object in, new or changed. Answers the Rollouts to decide on.
    pub fn apply<P: Cached>(&self, key: &ObjectKey, object: &Arc<P>) -> BTreeSet<ObjectKey> {
        self.tables.write().replace(key, Some(object))
    }

    /// Takes an object out. Answers the Rollouts to decide on.
    pub fn delete<P: Cached>(&self, key: &ObjectKey) -> BTreeSet<ObjectKey> {
        self.tables.write().replace::<P>(key, None)
    }

    /// Takes out all objects of a kind of `group` that are not in `listed`. Answers the Rollouts to decide on.
    pub fn retain<P: Cached>(&self, group: Group, listed: &HashSet<ObjectKey>) -> BTreeSet<ObjectKey> {
        let mut tables = self.tables.write();
        let gone: Vec<_> = P::table(&mut tables)
            .keys()
            .filter(|key| key.group == group && !listed.contains(key))
            .cloned()
            .collect();
        let mut concerned: BTreeSet<_> = gone
            .iter()
            .flat_map(|key| tables.replace::<P>(key, None))
            .collect();
        concerned.extend(P::listed(&mut tables));
        concerned
    }

    /// Keeps from now on what templates measure.
    pub fn keep_measures(&self) {
        self.tables.write().keeps_measures = true;
    }

    /// The version of an object as last seen; None when it is not there.
    #[must_use]
    pub fn version(&self, kind: Kind, key: &ObjectKey) -> Option<Version> {
        self.tables.read().version(kind, key)
    }

    /// Notes that a kind is served, and read in this version from now on.
    pub fn serve<P: Cached>(&self, resource: &ApiResource) {
        P::served(&mut self.tables.write(), resource);
    }

    /// The resource of the routes of a kind, in the version that they are read in.
    #[must_use]
    pub fn route_resource(&self, kind: RouteKind) -> ApiResource {
        let tables = self.tables.read();
        route::api_resource(kind, tables.route_versions.get(&kind).map(String::as_str))
    }

    /// Rollouts that are gone since the last call, as they were last seen.
    pub fn take_departed(&self) -> Vec<(ObjectKey, Arc<Rollout>)> {
        std::mem::take(&mut self.tables.write().departed)
    }

    /// Forgets the `first` of the Rollouts that are gone; answers how many are left.
    pub fn forget_departed(&self, first: usize) -> usize {
        let mut tables = self.tables.write();
        let first = first.min(tables.departed.len());
        tables.departed.drain(..first);
        tables.departed.len()
    }

    /// The Experiments of which an object has changed since the last call.
    pub fn take_touched_experiments(&self) -> BTreeSet<ObjectKey> {
        self.tables.write().relations.take_touched_experiments()
    }

    /// Becomes true when some Rollout takes its template from a workload of this kind.
    #[must_use]
    pub fn wanted(&self, kind: WorkloadKind) -> watch::Receiver<bool> {
        self.tables.write().workloads.wanted(kind)
    }

    /// A Rollout as last seen.
    #[must_use]
    pub fn rollout(&self, key: &ObjectKey) -> Option<Arc<Rollout>> {
        self.tables.read().rollouts.get(key).cloned()
    }

    /// Reads everything as of one moment. `read` must be quick: the feeds wait for it.
    pub fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        read(&self.tables.read())
    }
}

#[cfg(test)]
mod tests;
