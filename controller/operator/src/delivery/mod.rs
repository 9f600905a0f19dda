//! The delivery of events: what the histories tell goes to every sink, in order per Rollout, at least once.
//!
//! Read [`Outbox`] first. The history in the status is the queue, so nothing is kept here that a restart could lose: the
//! reconciler offers what is stored and not delivered ([`lane`] remembers how far each sink is), workers send it
//! ([`worker`]), and what is done is noted by the next status write, which the outbox asks for once a line is empty. What a
//! Rollout had to tell when it was deleted outlives its status in the inventory ([`keeper`]).

pub mod configuration;
#[cfg(test)]
mod crashes;
mod file;
mod http;
mod inventory;
pub mod keeper;
mod lane;
mod sink;
mod unheard;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kulta_core::observed::Sinks;
use kulta_core::status::Status;
use kulta_events::{Producer, Subject};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::configuration::EventSettings;
use self::inventory::{Forgone, Gone};
use self::lane::Lane;
use self::sink::Sink;
use self::unheard::Unheard;
use self::worker::Worker;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::Requests;
use crate::watch::Caches;

/// Where the reconciler offers what is to be delivered, and learns what is. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    lanes: RwLock<BTreeMap<String, Running>>,
    /// Rollouts that were seen for the first time since the keeper of the inventory has looked, by UID.
    seen: Mutex<BTreeMap<String, ObjectKey>>,
    /// There is something for the keeper to look at.
    news: Arc<Notify>,
    /// The sinks that were set up since the keeper has looked: they have heard of nobody's end.
    set_up_anew: Mutex<BTreeSet<String>>,
    requests: Requests,
    caches: Arc<Caches>,
    metrics: Arc<Metrics>,
}

/// A sink that is set up, and those who work for it: they end with it.
struct Running {
    settings: EventSettings,
    lane: Arc<Lane>,
    _workers: JoinSet<()>,
}

impl Outbox {
    /// An outbox without sinks, that asks for status writes through `requests`.
    #[must_use]
    pub fn new(requests: Requests, caches: Arc<Caches>, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            lanes: RwLock::default(),
            seen: Mutex::default(),
            news: Arc::default(),
            set_up_anew: Mutex::default(),
            requests,
            caches,
            metrics,
        }))
    }

    /// Sets up the sinks of the configuration. Those that are as before go on undisturbed. Must be called within a
    /// runtime.
    pub fn configure(&self, settings: &EventSettings) {
        let mut lanes = self.0.lanes.write();
        lanes.retain(|name, running| {
            let stays = running.settings == settings.only(name);
            if !stays {
                self.0.metrics.delivery.forget(name);
            }
            stays
        });
        for (name, sink) in &settings.sinks {
            if lanes.contains_key(name) {
                continue;
            }
            let lane = Arc::new(Lane::new(name, sink.filter.clone(), Arc::clone(&self.0.metrics)));
            let worker = Worker {
                lane: Arc::clone(&lane),
                sink: Arc::new(Sink::new(&sink.target)),
                producer: Producer {
                    source: settings.source(),
                    environment: settings.environment.clone(),
                },
                requests: self.0.requests.clone(),
                news: Arc::clone(&self.0.news),
            };
            let running = Running {
                settings: settings.only(name),
                lane,
                _workers: worker.start(sink.concurrency()),
            };
            lanes.insert(name.clone(), running);
            self.0.set_up_anew.lock().insert(name.clone());
        }
        drop(lanes);
        self.0.news.notify_one();
        // What a sink that is new, or set up otherwise, has not got yet.
        let all: Vec<ObjectKey> = self
            .0
            .caches
            .read(|tables| tables.rollouts.keys().cloned().collect());
        self.0.requests.all_now(all);
    }

    /// What the sinks that want any event about Rollouts of this namespace have got of the history of one of them.
    #[must_use]
    pub fn of(&self, namespace: &str, uid: &str) -> Sinks {
        let mut sinks = Sinks::default();
        for (name, running) in self.0.lanes.read().iter() {
            if !running.lane.filter.wants_of(namespace) {
                continue;
            }
            let (done, refusals) = running.lane.progress(uid);
            sinks.acknowledged.insert(name.clone(), done);
            sinks.refusals.extend(refusals);
        }
        sinks
    }

    /// Offers what is stored: each sink takes what it wants and has not got.
    pub fn offer(&self, key: &ObjectKey, uid: &str, status: &Status) {
        let lanes = self.0.lanes.read();
        let wanting = lanes
            .values()
            .filter(|running| running.lane.filter.wants_of(&key.namespace));
        for running in wanting {
            running.lane.offer(uid, || subject(key, uid), status);
        }
    }

    /// Forgets all that there is to tell: another replica tells it. What is on its way goes on, and may come twice.
    pub fn leave(&self) {
        for running in self.0.lanes.read().values() {
            running.lane.leave();
        }
    }

    /// There is a Rollout that was not seen before.
    pub fn seen(&self, key: &ObjectKey, uid: &str) {
        self.0.seen.lock().insert(uid.to_owned(), key.clone());
        self.0.news.notify_one();
    }

    /// A Rollout is not seen any more: its end is told soon.
    pub fn missed(&self) {
        self.0.news.notify_one();
    }

    /// Waits until Rollouts come or go, or the end of one was told.
    fn news(&self) -> impl Future<Output = ()> {
        self.0.news.notified()
    }

    /// Those that were seen for the first time since the last call.
    fn take_seen(&self) -> BTreeMap<String, ObjectKey> {
        std::mem::take(&mut self.0.seen.lock())
    }

    /// The sinks that were set up since the last call.
    fn take_set_up_anew(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.0.set_up_anew.lock())
    }

    fn has_sinks(&self) -> bool {
        !self.0.lanes.read().is_empty()
    }

    /// Gives `forget` whether a sink has not heard yet that a Rollout is gone. Not while a sink that was set up anew is still
    /// to be told of those that are: no sink waits to hear of them then, and yet one has to.
    fn while_told(&self, forget: impl FnOnce(&dyn Fn(&str) -> bool)) {
        let lanes = self.0.lanes.read();
        if self.0.set_up_anew.lock().is_empty() {
            forget(&|uid| lanes.values().any(|running| running.lane.is_leaving(uid)));
        }
    }

    /// What the sinks have not heard of a Rollout that is gone and was offered to them with this status.
    fn unheard(&self, key: &ObjectKey, uid: &str, status: &Status) -> Option<Unheard> {
        let lanes = self.0.lanes.read();
        let delivered = status.delivered.iter().filter_map(|(name, noted)| {
            let lane = &lanes.get(name)?.lane;
            let reached = lane.reached(uid).unwrap_or_default().max(*noted);
            lane.filter
                .wants_of(&key.namespace)
                .then(|| (name.clone(), reached))
        });
        Unheard::of(&status.history, delivered.collect())
    }

    /// Tells these sinks (None: all) that a Rollout is gone, after all that it had to tell.
    fn gone(&self, gone: &Gone, unheard: Option<&Unheard>, only: Option<&BTreeSet<String>>) {
        let lanes = self.0.lanes.read();
        let told = lanes
            .iter()
            .filter(|(name, _)| only.is_none_or(|only| only.contains(*name)));
        for (_, running) in told {
            if let Some(unheard) = unheard {
                let subject = || subject(&gone.key, &gone.uid);
                running.lane.offer(&gone.uid, subject, &unheard.status());
            }
            running.lane.gone(subject(&gone.key, &gone.uid), gone.time);
        }
    }

    /// Forgets what there is no room for. It is counted as lost for each sink that has not heard it.
    fn forgo(&self, forgone: &Forgone) {
        for running in self.0.lanes.read().values() {
            running.lane.forgo(&forgone.uid, forgone.first);
        }
    }
}

fn subject(key: &ObjectKey, uid: &str) -> Subject {
    Subject {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: uid.to_owned(),
    }
}
