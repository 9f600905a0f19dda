//! ReplicaSets and their pods: what the ReplicaSet controller, the scheduler and the kubelets do.

use jiff::Timestamp;
use kulta_core::observed::{PodView, ReplicaSetView};
use kulta_core::plan::ApartFrom;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{PodKeys, PodMetadata};

use super::cluster::at;
use super::template::Behaviour;

/// A pod that was ready serves for so many ticks after it was told to stop: longer than any data plane takes to
/// notice, as a `preStop` sleep or a graceful shutdown does in a real cluster.
pub(crate) const DRAIN_TICKS: u64 = 6;

/// A pod.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    /// Its number among those of its ReplicaSet, never used again.
    number: u64,
    pub(crate) born: u64,
    ready_since: Option<u64>,
    /// Labels and annotations besides those of its version.
    pub(crate) metadata: PodMetadata,
}

/// Why the last ready pod of a ReplicaSet is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Darkness {
    /// The controller took it away, or there never was one.
    Controller,
    /// It crashed, or a user deleted it.
    Environment,
}

/// A ReplicaSet with its pods.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaSet {
    pub(crate) name: String,
    pub(crate) uid: u64,
    pub(crate) resource_version: u64,
    pub(crate) version: u32,
    pub(crate) hash: String,
    pub(crate) digest: Option<TemplateDigest>,
    pub(crate) revision: u64,
    pub(crate) created: Timestamp,
    pub(crate) owned: bool,
    pub(crate) spec_replicas: u32,
    pub(crate) min_ready_seconds: u32,
    pub(crate) scale_down_deadline: Option<Timestamp>,
    pub(crate) desired_replicas: Option<u32>,
    pub(crate) failure: Option<String>,
    pub(crate) pods: Vec<Pod>,
    /// How many pods it has made.
    made: u64,
    /// Until when each pod that was told to stop still serves.
    draining: Vec<u64>,
    /// Why no pod is ready, if none is.
    pub(crate) darkness: Darkness,
    /// What its template, and its annotations, have of labels and annotations besides those of its version.
    pub(crate) metadata: PodMetadata,
    pub(crate) injected: PodMetadata,
    pub(crate) own_keys: PodKeys,
    pub(crate) injecting: Option<PodMetadata>,
    /// The template as its controller has seen it, a second late.
    seen_metadata: PodMetadata,
    /// The revision that it is kept apart from.
    pub(crate) apart_from: Option<ApartFrom>,
    replicas: u32,
    ready: u32,
    available: u32,
}

impl ReplicaSet {
    /// A ReplicaSet without pods.
    pub(crate) fn new(name: String, hash: String, version: u32, created: Timestamp) -> Self {
        Self {
            name,
            uid: 0,
            resource_version: 0,
            version,
            hash,
            digest: None,
            revision: 0,
            created,
            owned: true,
            spec_replicas: 0,
            min_ready_seconds: 0,
            scale_down_deadline: None,
            desired_replicas: None,
            failure: None,
            pods: Vec::new(),
            made: 0,
            draining: Vec::new(),
            darkness: Darkness::Controller,
            metadata: PodMetadata::default(),
            injected: PodMetadata::default(),
            own_keys: PodKeys::default(),
            injecting: None,
            seen_metadata: PodMetadata::default(),
            apart_from: None,
            replicas: 0,
            ready: 0,
            available: 0,
        }
    }

    /// Ready pods, as endpoints count them.
    pub(crate) fn ready(&self) -> u32 {
        count(self.pods.iter().filter(|pod| pod.ready_since.is_some()))
    }

    /// Pods that answer requests at `tick`: the ready ones and those that drain.
    pub(crate) fn serving(&self, tick: u64) -> u32 {
        self.ready() + count(self.draining.iter().filter(|until| **until >= tick))
    }

    /// Pods that have been ready for `min_ready_seconds`, as last reported.
    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    /// Lets one tick pass; `admit` says how many new pods may be created. Returns whether its status changed.
    pub(crate) fn step(&mut self, tick: u64, behaviour: Behaviour, admit: u32) -> bool {
        let was_ready = self.ready() > 0;
        self.draining.retain(|until| *until >= tick);
        let crashed = self.settle_readiness(tick, behaviour);
        self.remove_surplus(tick);
        let refused = self.create_missing(tick, admit);
        if was_ready && self.ready() == 0 {
            self.darkness = if crashed {
                Darkness::Environment
            } else {
                Darkness::Controller
            };
        }
        let failure = refused.then(|| "pods \"web\" is forbidden: exceeded quota".to_owned());
        let available = count(self.pods.iter().filter(|pod| {
            pod.ready_since
                .is_some_and(|since| tick - since >= u64::from(self.min_ready_seconds))
        }));
        let status = (count(self.pods.iter()), self.ready(), available, failure);
        let mut changed = status != (self.replicas, self.ready, self.available, self.failure.take());
        changed |= !self.is_observed();
        self.seen_metadata.clone_from(&self.metadata);
        (self.replicas, self.ready, self.available, self.failure) = status;
        changed
    }

    fn settle_readiness(&mut self, tick: u64, behaviour: Behaviour) -> bool {
        let mut crashed = false;
        for pod in &mut self.pods {
            match (behaviour.ready(tick - pod.born), pod.ready_since) {
                (true, None) => pod.ready_since = Some(tick),
                (false, Some(_)) => {
                    pod.ready_since = None;
                    crashed = true;
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
        crashed
    }

    /// Pods that are not ready go first, then the youngest.
    fn remove_surplus(&mut self, tick: u64) {
        let wanted = self.spec_replicas as usize;
        if self.pods.len() > wanted {
            self.pods.sort_by_key(|pod| (pod.ready_since.is_none(), pod.born));
            for pod in self.pods.drain(wanted..) {
                if pod.ready_since.is_some() {
                    self.draining.push(tick + DRAIN_TICKS);
                }
            }
        }
    }

    fn create_missing(&mut self, tick: u64, admit: u32) -> bool {
        let missing = (self.spec_replicas as usize).saturating_sub(self.pods.len());
        let created = missing.min(admit as usize);
        for _ in 0..created {
            let pod = self.new_pod(tick);
            self.pods.push(pod);
        }
        created < missing
    }

    fn new_pod(&mut self, tick: u64) -> Pod {
        self.made += 1;
        Pod {
            number: self.made,
            born: tick,
            ready_since: None,
            metadata: self.seen_metadata.clone(),
        }
    }

    fn is_observed(&self) -> bool {
        self.seen_metadata == self.metadata
    }

    /// Made with these labels and annotations.
    pub(crate) fn made_with(&mut self, metadata: &PodMetadata) {
        self.metadata.clone_from(metadata);
        self.seen_metadata.clone_from(metadata);
        self.injected.clone_from(metadata);
    }

    /// Writes its template.
    pub(crate) fn inject(&mut self, former: &PodMetadata, metadata: &PodMetadata) {
        replace(&mut self.metadata, former, metadata);
        self.injected.clone_from(former);
        self.injecting = Some(metadata.clone());
    }

    /// Writes its pods, and the note that all are written.
    pub(crate) fn spread(&mut self, former: &PodMetadata, metadata: &PodMetadata) {
        for pod in &mut self.pods {
            replace(&mut pod.metadata, former, metadata);
        }
        self.injected.clone_from(metadata);
        self.injecting = None;
    }

    /// Evicts a pod; None: it is not there.
    pub(crate) fn evict(&mut self, uid: &str, tick: u64) -> Option<()> {
        let position = self.pods.iter().position(|pod| self.uid_of(pod) == uid)?;
        let pod = self.pods.remove(position);
        if pod.ready_since.is_some() {
            self.draining.push(tick + DRAIN_TICKS);
            if self.ready() == 0 {
                // Where there is no other pod, it is what the user has asked for.
                self.darkness = if self.spec_replicas == 1 {
                    Darkness::Environment
                } else {
                    Darkness::Controller
                };
            }
        }
        Some(())
    }

    fn uid_of(&self, pod: &Pod) -> String {
        format!("{}-{}", self.uid, pod.number)
    }

    /// What a list of its pods shows of them.
    pub(crate) fn pod_views(&self) -> impl Iterator<Item = PodView> {
        self.pods.iter().map(|pod| PodView {
            name: format!("{}-{}", self.name, pod.number),
            uid: self.uid_of(pod),
            resource_version: pod.number.to_string(),
            replica_set: self.name.clone(),
            created: at(pod.born),
            ready_since: pod.ready_since.map(at),
            deleting: false,
        })
    }

    /// Replaces so many pods by new ones.
    pub(crate) fn lose_pods(&mut self, number: usize, tick: u64) {
        for position in 0..number.min(self.pods.len()) {
            self.pods[position] = self.new_pod(tick);
        }
    }

    /// What the controller sees of it.
    pub(crate) fn view(&self) -> ReplicaSetView {
        ReplicaSetView {
            name: self.name.clone(),
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
            hash: self.hash.clone(),
            digest: self.digest.clone(),
            revision: self.revision,
            created: self.created,
            owned: self.owned,
            spec_replicas: self.spec_replicas,
            min_ready_seconds: self.min_ready_seconds,
            replicas: self.replicas,
            ready: self.ready,
            available: self.available,
            scale_down_deadline: self.scale_down_deadline,
            desired_replicas: self.desired_replicas,
            failure: self.failure.clone(),
            image: Some(super::template::image(self.version)),
            injected: self.injected.clone(),
            own_keys: self.own_keys.clone(),
            injecting: self.injecting.clone(),
            is_observed: self.is_observed(),
        }
    }
}

/// Takes the keys of `former` away, and puts in what is new.
fn replace(metadata: &mut PodMetadata, former: &PodMetadata, new: &PodMetadata) {
    metadata.labels.retain(|key, _| !former.labels.contains_key(key));
    metadata
        .annotations
        .retain(|key, _| !former.annotations.contains_key(key));
    *metadata = metadata.clone().with(new);
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
