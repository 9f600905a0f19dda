//! ReplicaSets and their pods: what the ReplicaSet controller, the scheduler and the kubelets do.

use jiff::Timestamp;
use kulta_core::observed::ReplicaSetView;
use kulta_core::revision::TemplateDigest;

use super::template::Behaviour;

/// A pod that was ready serves for so many ticks after it was told to stop: longer than any data plane takes to
/// notice, as a `preStop` sleep or a graceful shutdown does in a real cluster.
pub(crate) const DRAIN_TICKS: u64 = 6;

/// A pod.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    born: u64,
    ready_since: Option<u64>,
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
    /// Until when each pod that was told to stop still serves.
    draining: Vec<u64>,
    /// Why no pod is ready, if none is.
    pub(crate) darkness: Darkness,
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
            draining: Vec::new(),
            darkness: Darkness::Controller,
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
        let changed = status != (self.replicas, self.ready, self.available, self.failure.take());
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
        self.pods.extend(std::iter::repeat_n(
            Pod {
                born: tick,
                ready_since: None,
            },
            created,
        ));
        created < missing
    }

    /// Replaces so many pods by new ones.
    pub(crate) fn lose_pods(&mut self, number: usize, tick: u64) {
        for pod in self.pods.iter_mut().take(number) {
            *pod = Pod {
                born: tick,
                ready_since: None,
            };
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
        }
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
