//! For each kind that is kept: what its objects relate to, and whom a change of one concerns.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::core::ApiResource;
use kulta_api::analysis::Reference;
use kulta_core::spec::RouteReference;

use super::Relations;
use crate::key::ObjectKey;
use crate::queue::{Queues, Requests};
use crate::watch::{
    AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate, EndpointSlice, Experiment, Ownership, Projection,
    ReplicaSet, Rollout, Route, Service, Table, Tables, analysis_template, route,
};

/// A kind that is kept in the caches.
pub trait Cached: Projection {
    /// Where its objects are.
    fn table(tables: &mut Tables) -> &mut Table<Self>;

    /// Adds (`related`) or takes away the object's relations.
    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool);

    /// The Rollouts that a change of the object from `before` to `after` concerns.
    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey>;

    /// Another version of the object has taken the place of this one, or another object, or none.
    fn replaced(self: &Arc<Self>, _key: &ObjectKey, _after: Option<&Self>, _tables: &mut Tables) {}

    /// The object with what it takes of others.
    #[must_use]
    fn completed(self: &Arc<Self>, _key: &ObjectKey, _tables: &mut Tables) -> Arc<Self> {
        Arc::clone(self)
    }

    /// The object has changed: brings in line what was put together from it. Answers the Rollouts to decide on.
    fn spread(_key: &ObjectKey, _tables: &mut Tables) -> BTreeSet<ObjectKey> {
        BTreeSet::new()
    }

    /// The API server serves the kind in this version, and it is read in that from now on.
    fn served(_tables: &mut Tables, _resource: &ApiResource) {}

    /// All objects of the kind were listed. Answers the Rollouts to decide on.
    fn listed(_tables: &mut Tables) -> BTreeSet<ObjectKey> {
        BTreeSet::new()
    }

    /// Whether the object itself has work to be done, besides the Rollouts that it concerns.
    fn has_work(&self) -> bool {
        false
    }

    /// Where that work is asked for; None of a kind that never has any.
    #[must_use]
    fn work(_queues: &Queues) -> Option<&Requests> {
        None
    }
}

/// A change of an object: None where there is none.
#[derive(Debug)]
pub struct Change<'a, P> {
    /// The object before.
    pub before: Option<&'a P>,
    /// The object now.
    pub after: Option<&'a P>,
}

impl<'a, P> Change<'a, P> {
    fn versions(&self) -> impl Iterator<Item = &'a P> {
        self.before.into_iter().chain(self.after)
    }
}

impl Cached for Rollout {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.rollouts
    }

    fn replaced(self: &Arc<Self>, key: &ObjectKey, after: Option<&Self>, tables: &mut Tables) {
        if after.is_none_or(|after| after.uid != self.uid) {
            tables.departed.push((key.clone(), Arc::clone(self)));
        }
    }

    fn completed(self: &Arc<Self>, key: &ObjectKey, tables: &mut Tables) -> Arc<Self> {
        let Some(workload) = self.takes() else {
            return Arc::clone(self);
        };
        tables.workloads.want(workload.kind);
        let named = ObjectKey::new(&key.namespace, &workload.name);
        Arc::new(self.with_workload(tables.workloads.get(workload.kind, &named)))
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        for template in self.references.iter().flat_map(Reference::templates) {
            let template = analysis_template::key(key.group, &key.namespace, template);
            relations.rollouts_by_template.set(template, key, related);
        }
        if let Some(workload) = self.takes() {
            let named = (workload.kind, ObjectKey::new(&key.namespace, &workload.name));
            relations.rollouts_by_workload.set(named, key, related);
        }
        for selecting in &self.route_selectors {
            let namespace = selecting.namespace.as_ref().unwrap_or(&key.namespace);
            let place = (selecting.kind, namespace.clone());
            relations.rollouts_by_route_namespace.set(place, key, related);
        }
        let Some(spec) = self.readable_spec() else { return };
        for service in services(self, key) {
            relations.rollouts_by_service.set(service, key, related);
        }
        for route in spec.routing().into_iter().flat_map(|routing| &routing.routes) {
            let reference = route.reference.clone();
            relations.rollouts_by_route.set(reference, key, related);
        }
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        let mut concerned = BTreeSet::from([key.clone()]);
        let same_reach = match (change.before, change.after) {
            (Some(before), Some(after)) => after.has_same_reach(before),
            _ => false,
        };
        if !same_reach {
            // Whoever overlaps with it now or did before may be allowed to work, or no more.
            for version in change.versions() {
                let others = tables
                    .rollouts_in(&key.namespace)
                    .filter(|(_, other)| other.overlaps(version));
                concerned.extend(others.map(|(other, _)| other.clone()));
            }
        }
        let named = |version: &Self| services(version, key).collect::<BTreeSet<_>>();
        let (before, after) = (change.before.map(named), change.after.map(named));
        if before != after {
            // Whoever was kept from a Service of this one may have it now.
            let freed = before.into_iter().flatten();
            concerned.extend(freed.flat_map(|service| {
                let others = tables.relations.rollouts_by_service.of(&service);
                others.cloned().collect::<Vec<_>>()
            }));
        }
        concerned
    }
}

/// The Services that a Rollout names.
fn services<'a>(rollout: &'a Rollout, key: &'a ObjectKey) -> impl Iterator<Item = ObjectKey> + 'a {
    let (stable, canary) = rollout
        .readable_spec()
        .map_or((None, None), |spec| spec.services());
    [stable, canary]
        .into_iter()
        .flatten()
        .map(|service| ObjectKey::new(&key.namespace, service))
}

impl Cached for ReplicaSet {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.replica_sets
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        match &self.ownership {
            Ownership::Rollout { uid, .. } => relations.replica_sets_by_owner.set(uid.clone(), key, related),
            Ownership::Orphan => relations
                .orphans_by_namespace
                .set(key.namespace.clone(), key, related),
            Ownership::Experiment { .. } => relations.touch(&self.ownership, &key.namespace),
            Ownership::Other => {}
        }
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        let of = |replica_set: &Self| match &replica_set.ownership {
            Ownership::Rollout { group, name, .. } => {
                vec![ObjectKey::in_group(*group, &key.namespace, name)]
            }
            Ownership::Orphan => tables
                .rollouts_in(&key.namespace)
                .filter(|(_, rollout)| rollout.selects(&replica_set.labels))
                .map(|(rollout, _)| rollout.clone())
                .collect(),
            Ownership::Experiment { .. } | Ownership::Other => Vec::new(),
        };
        change.versions().flat_map(of).collect()
    }
}

impl Cached for AnalysisRun {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.analysis_runs
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        relations.touch(&self.ownership, &key.namespace);
        if let Ownership::Rollout { uid, .. } = &self.ownership {
            relations.analysis_runs_by_owner.set(uid.clone(), key, related);
        }
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, _: &Tables) -> BTreeSet<ObjectKey> {
        let owner = |run: &Self| run.ownership.rollout(&key.namespace);
        change.versions().filter_map(owner).collect()
    }

    fn has_work(&self) -> bool {
        // Whoever wrote down its end may have had no time to end its Jobs, and somebody has to delete it in time.
        !self.deleting && (self.has_jobs || self.is_temporary || !self.view.phase.completed())
    }

    fn work(queues: &Queues) -> Option<&Requests> {
        Some(&queues.analyses)
    }
}

impl Cached for Experiment {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.experiments
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        if let Ownership::Rollout { uid, .. } = &self.ownership {
            relations.experiments_by_owner.set(uid.clone(), key, related);
            for service in &self.view.sharing.services {
                let service = ObjectKey::new(&key.namespace, &service.name);
                relations.experiments_by_service.set(service, key, related);
            }
        }
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, _: &Tables) -> BTreeSet<ObjectKey> {
        let owner = |experiment: &Self| experiment.ownership.rollout(&key.namespace);
        change.versions().filter_map(owner).collect()
    }

    fn has_work(&self) -> bool {
        !self.deleting && (self.has_objects || !self.view.phase.completed())
    }

    fn work(queues: &Queues) -> Option<&Requests> {
        Some(&queues.experiments)
    }
}

impl Cached for AnalysisTemplate {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.analysis_templates
    }

    fn completed(self: &Arc<Self>, _: &ObjectKey, tables: &mut Tables) -> Arc<Self> {
        let slim = self.0.without_measures().filter(|_| !tables.keeps_measures);
        slim.map_or_else(|| Arc::clone(self), |slim| Arc::new(Self(slim)))
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        relations.relate_template(key, &self.0, related);
    }

    fn concerns(_: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        tables.relations.rollouts_using(key)
    }
}

impl Cached for ClusterAnalysisTemplate {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.cluster_analysis_templates
    }

    fn completed(self: &Arc<Self>, _: &ObjectKey, tables: &mut Tables) -> Arc<Self> {
        let slim = self.0.without_measures().filter(|_| !tables.keeps_measures);
        slim.map_or_else(|| Arc::clone(self), |slim| Arc::new(Self(slim)))
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        relations.relate_template(key, &self.0, related);
    }

    fn concerns(_: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        tables.relations.rollouts_using(key)
    }
}

impl Cached for Service {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.services
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        if let Some(owner) = owner(self, key) {
            relations.services_by_owner.set(owner, key, related);
        }
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        let naming = tables.relations.rollouts_by_service.of(key).cloned();
        let owners = change.versions().filter_map(|version| owner(version, key));
        let owners = owners.flat_map(|owner| {
            let there = tables.rollouts_called(&owner.namespace, &owner.name);
            let mut owners: Vec<_> = there.map(|(owner, _)| owner.clone()).collect();
            if owners.is_empty() {
                // Somebody has to give it back.
                owners.push(owner);
            }
            owners
        });
        let sharing = tables.rollouts_sharing(key);
        naming.chain(owners).chain(sharing).collect()
    }
}

/// The Rollout that this controller has pointed a Service for; of which group, a Service does not tell.
fn owner(service: &Service, key: &ObjectKey) -> Option<ObjectKey> {
    let owner = service
        .view
        .managed_by
        .as_ref()
        .filter(|_| service.directed_here)?;
    Some(ObjectKey::new(&key.namespace, owner))
}

impl Cached for EndpointSlice {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.endpoint_slices
    }

    fn relate(&self, key: &ObjectKey, relations: &mut Relations, related: bool) {
        relations
            .slices_by_service
            .set(ObjectKey::new(&key.namespace, &self.service), key, related);
    }

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        let services = change
            .versions()
            .map(|slice| ObjectKey::new(&key.namespace, &slice.service));
        let rollouts = |service| {
            let naming = tables.relations.rollouts_by_service.of(&service).cloned();
            naming
                .chain(tables.rollouts_sharing(&service))
                .collect::<Vec<_>>()
        };
        services.flat_map(rollouts).collect()
    }
}

impl<K: route::Kind> Cached for Route<K> {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        K::table(tables)
    }

    fn served(tables: &mut Tables, resource: &ApiResource) {
        let version = resource.version.clone();
        tables.route_versions.insert(K::KIND, version);
    }

    fn relate(&self, _: &ObjectKey, _: &mut Relations, _: bool) {}

    fn concerns(change: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        with_route(&change, key, tables)
    }
}

/// The Rollouts that name a route, or whose labels find it now or did before.
fn with_route<K: route::Kind>(
    change: &Change<'_, Route<K>>,
    key: &ObjectKey,
    tables: &Tables,
) -> BTreeSet<ObjectKey> {
    let reference = RouteReference {
        kind: K::KIND,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    };
    let relations = &tables.relations;
    let naming = relations.rollouts_by_route.of(&reference);
    let place = (K::KIND, key.namespace.clone());
    let looking = relations.rollouts_by_route_namespace.of(&place);
    let finding = looking.filter(|rollout| {
        let seen = tables.rollouts.get(rollout);
        let mut labels = change.versions().map(|route| &route.view.labels);
        seen.is_some_and(|seen| {
            labels.any(|labels| seen.selects_route(&rollout.namespace, &reference, labels))
        })
    });
    // An experiment stays as long as any route names its Service.
    let backends = change.versions().flat_map(|route| &route.view.backends);
    let backends = backends.filter(|backend| backend.is_service);
    let sharing = backends.flat_map(|backend| {
        let service = ObjectKey::new(&backend.namespace, &backend.name);
        tables.rollouts_sharing(&service).collect::<Vec<_>>()
    });
    naming.chain(finding).cloned().chain(sharing).collect()
}
