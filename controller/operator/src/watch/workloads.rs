//! The workloads that Rollouts take their templates from, by kind; and which kinds are needed at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kulta_core::spec::WorkloadKind;
use tokio::sync::watch;

use super::caches::{Table, Tables};
use super::relation::{Cached, Change};
use super::workload::{OfKind, WorkloadSeen};
use super::{Deployments, PodTemplates, ReplicaSets, Rollout, Workload};
use crate::key::ObjectKey;

/// The workloads of all kinds.
#[derive(Debug, Default)]
pub struct Workloads {
    deployments: Table<Workload<Deployments>>,
    replica_sets: Table<Workload<ReplicaSets>>,
    pod_templates: Table<Workload<PodTemplates>>,
    /// The kinds that were listed once.
    listed: BTreeSet<WorkloadKind>,
    /// The kinds that some Rollout has named.
    wanted: BTreeMap<WorkloadKind, watch::Sender<bool>>,
}

impl Workloads {
    /// A workload as last seen; None when it is not there.
    #[must_use]
    pub fn get(&self, kind: WorkloadKind, key: &ObjectKey) -> Option<&WorkloadSeen> {
        match kind {
            WorkloadKind::Deployment => self.deployments.get(key).map(|found| &found.seen),
            WorkloadKind::ReplicaSet => self.replica_sets.get(key).map(|found| &found.seen),
            WorkloadKind::PodTemplate => self.pod_templates.get(key).map(|found| &found.seen),
        }
    }

    /// Whether one that is not here is not there, either.
    #[must_use]
    pub fn is_listed(&self, kind: WorkloadKind) -> bool {
        self.listed.contains(&kind)
    }

    /// Becomes true when some Rollout names one of this kind.
    pub(super) fn wanted(&mut self, kind: WorkloadKind) -> watch::Receiver<bool> {
        self.wanted.entry(kind).or_default().subscribe()
    }

    /// A Rollout names one of this kind.
    pub(super) fn want(&mut self, kind: WorkloadKind) {
        self.wanted.entry(kind).or_default().send_replace(true);
    }
}

/// Where the workloads of a kind are.
pub trait Kept: OfKind + Sized {
    /// The table.
    fn table(workloads: &mut Workloads) -> &mut Table<Workload<Self>>;
}

impl Kept for Deployments {
    fn table(workloads: &mut Workloads) -> &mut Table<Workload<Self>> {
        &mut workloads.deployments
    }
}

impl Kept for ReplicaSets {
    fn table(workloads: &mut Workloads) -> &mut Table<Workload<Self>> {
        &mut workloads.replica_sets
    }
}

impl Kept for PodTemplates {
    fn table(workloads: &mut Workloads) -> &mut Table<Workload<Self>> {
        &mut workloads.pod_templates
    }
}

impl<K: Kept> Cached for Workload<K> {
    fn table(tables: &mut Tables) -> &mut Table<Self> {
        K::table(&mut tables.workloads)
    }

    fn relate(&self, _: &ObjectKey, _: &mut super::Relations, _: bool) {}

    fn concerns(_: Change<'_, Self>, key: &ObjectKey, tables: &Tables) -> BTreeSet<ObjectKey> {
        tables.relations.rollouts_taking(K::KIND, key).cloned().collect()
    }

    /// The Rollouts that take their template from it are put together anew.
    fn spread(key: &ObjectKey, tables: &mut Tables) -> BTreeSet<ObjectKey> {
        let takers: Vec<_> = tables.relations.rollouts_taking(K::KIND, key).cloned().collect();
        let mut concerned = BTreeSet::new();
        for taker in takers {
            if let Some(rollout) = tables.rollouts.get(&taker).map(Arc::clone) {
                concerned.extend(tables.replace::<Rollout>(&taker, Some(&rollout)));
            }
        }
        concerned
    }

    /// Those that name one which is not there can be told so now.
    fn listed(tables: &mut Tables) -> BTreeSet<ObjectKey> {
        tables.workloads.listed.insert(K::KIND);
        tables.relations.rollouts_taking_any(K::KIND).cloned().collect()
    }
}
