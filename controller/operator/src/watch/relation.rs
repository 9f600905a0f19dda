//! Which Rollouts an object concerns.
//!
//! The relations are kept in step with the objects, so that a change is answered by a look-up rather than a search.

mod cached;

use std::collections::{BTreeMap, BTreeSet};

use kulta_api::Group;
use kulta_core::spec::{RouteKind, RouteReference, WorkloadKind};

pub use self::cached::{Cached, Change};
use super::analysis_template::TemplateSeen;
use super::{Ownership, analysis_template};
use crate::key::ObjectKey;

/// Which Rollouts name which objects, and which objects belong to which.
#[derive(Debug, Default)]
pub struct Relations {
    /// Rollouts by the Services they name.
    rollouts_by_service: Many<ObjectKey>,
    /// Rollouts by the routes they name.
    rollouts_by_route: Many<RouteReference>,
    /// Rollouts that look for routes of a kind in a namespace.
    rollouts_by_route_namespace: Many<(RouteKind, String)>,
    /// Services by the Rollout that this controller has pointed them for, which may be gone: by its namespace and name, for
    /// a Service does not tell its group.
    services_by_owner: Many<ObjectKey>,
    /// ReplicaSets by the UID of the Rollout that owns them.
    replica_sets_by_owner: Many<String>,
    /// AnalysisRuns by the UID of the Rollout that owns them.
    analysis_runs_by_owner: Many<String>,
    /// Experiments by the UID of the Rollout that owns them.
    experiments_by_owner: Many<String>,
    /// Experiments by the Services of their templates.
    experiments_by_service: Many<ObjectKey>,
    /// Experiments of which an object has changed, and that nobody was told of yet.
    touched_experiments: BTreeSet<ObjectKey>,
    /// Rollouts by the templates that their analyses name; those of the cluster have no namespace.
    rollouts_by_template: Many<ObjectKey>,
    /// Templates by the templates that they name.
    templates_by_template: Many<ObjectKey>,
    /// Templates of the cluster by the names of templates that they name in whichever namespace.
    templates_by_name: Many<(Group, String)>,
    /// ReplicaSets without an owner, by namespace.
    orphans_by_namespace: Many<String>,
    /// `EndpointSlice`s by Service.
    slices_by_service: Many<ObjectKey>,
    /// Rollouts by the workloads that they take their templates from.
    rollouts_by_workload: Many<(WorkloadKind, ObjectKey)>,
}

impl Relations {
    /// The Services that this controller has pointed for a Rollout of the name of `owner`.
    pub fn services_of(&self, owner: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        let owner = ObjectKey::new(&owner.namespace, &owner.name);
        self.services_by_owner.of(&owner)
    }

    /// The Rollouts that this controller has pointed Services for, of whichever group; they may be gone.
    pub fn owners_of_services(&self) -> impl Iterator<Item = &ObjectKey> {
        self.services_by_owner.0.keys()
    }

    /// The Rollouts that name a Service.
    pub fn rollouts_naming(&self, service: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.rollouts_by_service.of(service)
    }

    /// The Rollouts whose analyses name a template, or one that names it.
    #[must_use]
    pub fn rollouts_using(&self, template: &ObjectKey) -> BTreeSet<ObjectKey> {
        let mut rollouts = BTreeSet::new();
        let mut seen = BTreeSet::from([template]);
        let mut to_visit = vec![template];
        // Each is visited once: there may be thousands that name one.
        while let Some(template) = to_visit.pop() {
            rollouts.extend(self.rollouts_by_template.of(template).cloned());
            let by_name = (!template.namespace.is_empty()).then(|| (template.group, template.name.clone()));
            let by_name = by_name.iter().flat_map(|name| self.templates_by_name.of(name));
            let namers = self.templates_by_template.of(template).chain(by_name);
            to_visit.extend(namers.filter(|namer| seen.insert(namer)));
        }
        rollouts
    }

    fn relate_template(&mut self, key: &ObjectKey, template: &TemplateSeen, related: bool) {
        for reference in &template.names {
            if key.namespace.is_empty() && !reference.is_cluster_scoped() {
                let name = reference.template_name.clone();
                self.templates_by_name.set((key.group, name), key, related);
            } else {
                let named = analysis_template::key(key.group, &key.namespace, reference);
                self.templates_by_template.set(named, key, related);
            }
        }
    }

    /// The ReplicaSets that the Rollout with this UID owns.
    pub fn replica_sets_of(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.replica_sets_by_owner.of(uid)
    }

    /// The AnalysisRuns that the Rollout with this UID owns.
    pub fn analysis_runs_of(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.analysis_runs_by_owner.of(uid)
    }

    /// The Experiments that the Rollout with this UID owns.
    pub fn experiments_of(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.experiments_by_owner.of(uid)
    }

    /// The Experiments whose templates have this Service.
    pub fn experiments_with(&self, service: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.experiments_by_service.of(service)
    }

    /// The Experiments of which an object has changed since the last call.
    pub fn take_touched_experiments(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.touched_experiments)
    }

    /// An object in `namespace` that may be an Experiment's has changed.
    fn touch(&mut self, ownership: &Ownership, namespace: &str) {
        if let Ownership::Experiment { group, name } = ownership {
            let experiment = ObjectKey::in_group(*group, namespace, name);
            self.touched_experiments.insert(experiment);
        }
    }

    /// The ReplicaSets without an owner in `namespace`.
    pub fn orphans_in(&self, namespace: &str) -> impl Iterator<Item = &ObjectKey> {
        self.orphans_by_namespace.of(namespace)
    }

    /// The Rollouts that take their template from this workload.
    pub fn rollouts_taking(
        &self,
        kind: WorkloadKind,
        workload: &ObjectKey,
    ) -> impl Iterator<Item = &ObjectKey> {
        self.rollouts_by_workload.of(&(kind, workload.clone()))
    }

    /// The Rollouts that take their template from some workload of this kind.
    pub fn rollouts_taking_any(&self, kind: WorkloadKind) -> impl Iterator<Item = &ObjectKey> {
        let by_workload = self.rollouts_by_workload.0.iter();
        by_workload
            .filter(move |((of, _), _)| *of == kind)
            .flat_map(|(_, takers)| takers)
    }

    /// The `EndpointSlice`s of a Service.
    pub fn slices_of(&self, service: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.slices_by_service.of(service)
    }
}

/// A relation from one to many.
#[derive(Debug)]
struct Many<One>(BTreeMap<One, BTreeSet<ObjectKey>>);

impl<One> Default for Many<One> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<One: Ord> Many<One> {
    /// What is found outlives the name by which it was looked for.
    fn of<'many, Name>(
        &'many self,
        one: &Name,
    ) -> impl Iterator<Item = &'many ObjectKey> + use<'many, One, Name>
    where
        One: std::borrow::Borrow<Name>,
        Name: Ord + ?Sized,
    {
        self.0.get(one).into_iter().flatten()
    }

    fn set(&mut self, one: One, object: &ObjectKey, related: bool) {
        if related {
            self.0.entry(one).or_default().insert(object.clone());
        } else if let Some(objects) = self.0.get_mut(&one) {
            objects.remove(object);
            if objects.is_empty() {
                self.0.remove(&one);
            }
        }
    }
}
