//! The process: what is in it is gone when it dies.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::runtime::scheduler::ScheduleRequest;
use kulta_api::status::{WriteContext, write};
use kulta_core::decide;
use kulta_core::spec::Problem;
use kulta_events::Producer;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::configuration::{EventSettings, Filter};
use super::super::keeper::Keeper;
use super::super::lane::Lane;
use super::super::sink::Sink;
use super::super::worker::Worker;
use super::super::{Outbox, Running};
use super::world::World;
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::permission::Permission;
use crate::queue::{Requests, queue};
use crate::scenario::sighting;
use crate::watch::samples::put;
use crate::watch::{Caches, Rollout};

/// Events of different Rollouts are on their way at the same time.
const WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// Something happens, or not, every so many milliseconds.
const TICK: std::ops::Range<u64> = 1..60;

/// Who the events are from.
pub(super) fn producer() -> Producer {
    Producer {
        source: "/kulta/test".to_owned(),
        environment: "test".to_owned(),
    }
}

/// A process that delivers.
pub(super) struct Process {
    caches: Arc<Caches>,
    outbox: Outbox,
    requests: Requests,
    asked: Pin<Box<dyn Stream<Item = ScheduleRequest<ObjectKey>> + Send>>,
    /// When each Rollout is to be looked at.
    due: BTreeMap<ObjectKey, Instant>,
    _keeper: JoinSet<()>,
}

/// What a user does.
#[derive(Debug, Clone, Copy)]
enum Change {
    Abort,
    Retry,
    OtherSteps,
    BadSpec,
    Nothing,
}

impl Process {
    /// Starts it: it sees all Rollouts that there are.
    pub(super) fn start(world: &World) -> Self {
        let (requests, asked) = queue();
        let (caches, metrics) = (Arc::<Caches>::default(), Arc::new(Metrics::new("test")));
        let outbox = Outbox::new(requests.clone(), Arc::clone(&caches), Arc::clone(&metrics));
        for (name, sink) in &world.sinks {
            let lane = Arc::new(Lane::new(name, Filter::default(), Arc::clone(&metrics)));
            let worker = Worker {
                lane: Arc::clone(&lane),
                sink: Arc::new(Sink::Scripted(Arc::clone(sink))),
                producer: producer(),
                requests: requests.clone(),
                news: Arc::clone(&outbox.0.news),
            };
            let running = Running {
                settings: EventSettings::default(),
                lane,
                _workers: worker.start(WORKERS),
            };
            outbox.0.lanes.write().insert((*name).to_owned(), running);
        }
        for object in world.rollouts.values().filter_map(|told| told.object.as_ref()) {
            put::<Rollout>(&caches, object);
        }
        requests.all_now(world.rollouts.keys().cloned());
        let keeper = Keeper {
            caches: Arc::clone(&caches),
            outbox: outbox.clone(),
            namespace: None,
            argo_api: false,
            instance: Instance::default(),
            permission: Permission::default(),
            ready: watch::channel(true).1,
            client: world.client(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run().map(drop));
        Self {
            caches,
            outbox,
            requests,
            asked: Box::pin(asked),
            due: BTreeMap::new(),
            _keeper: tasks,
        }
    }

    /// Works for so long, and dies; not before it has written down which Rollouts it saw go.
    pub(super) async fn run(mut self, world: &mut World, lives: Duration) {
        let dies = Instant::now() + lives;
        while Instant::now() < dies || !world.is_written_down() {
            let tick = Duration::from_millis(world.random.u64(TICK));
            sleep(tick).await;
            let lives_on = Instant::now() >= dies || self.something_happens(world);
            if !lives_on || !self.works(world) {
                return;
            }
        }
    }

    /// Works until all is told.
    pub(super) async fn tells_all(mut self, world: &mut World, within: Duration) {
        let end = Instant::now() + within;
        while !world.has_told_all() && Instant::now() < end {
            sleep(Duration::from_millis(TICK.end)).await;
            self.works(world);
        }
    }

    /// Looks at the Rollouts whose time has come; false: it has died in the midst of it.
    fn works(&mut self, world: &mut World) -> bool {
        while let Some(Some(asked)) = self.asked.next().now_or_never() {
            let due = self.due.entry(asked.message).or_insert(asked.run_at);
            *due = asked.run_at.min(*due);
        }
        let now = Instant::now();
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<ObjectKey> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            self.due.remove(&key);
            if !self.reconcile(world, &key, Change::Nothing) {
                return false;
            }
        }
        true
    }

    /// False: it has died in the midst of it.
    fn something_happens(&mut self, world: &mut World) -> bool {
        let Some(key) = world.any_rollout() else {
            return true;
        };
        let told = &world.rollouts[&key];
        let may_go = told.changes > 5 && world.is_known(&told.uid);
        match world.random.u16(0..1_000) {
            0..250 if world.may_change(&key) => {
                let changes = [Change::Abort, Change::Retry, Change::OtherSteps, Change::BadSpec];
                let change = world.random.choice(changes).unwrap();
                self.reconcile(world, &key, change)
            }
            250..300 => {
                world.flips_a_sink();
                true
            }
            300..305 if may_go => {
                world.deletes(&key);
                self.caches.delete::<Rollout>(&key);
                self.outbox.missed();
                true
            }
            _ => true,
        }
    }

    /// As the reconciler does it: what is stored is offered, a decision notes what is delivered, and its status is written.
    /// False: the process dies right after that.
    fn reconcile(&mut self, world: &mut World, key: &ObjectKey, change: Change) -> bool {
        let Some(rollout) = self.caches.rollout(key) else {
            self.outbox.missed();
            return true;
        };
        self.outbox.offer(key, &rollout.uid, &rollout.status);
        self.outbox.seen(key, &rollout.uid);
        let mut observed = sighting().observed;
        observed.status = rollout.status.clone();
        observed.sinks = self.outbox.of(&key.namespace, &rollout.uid);
        match change {
            Change::Abort => observed.status.abort = true,
            Change::Retry => observed.status.abort = false,
            Change::OtherSteps => {
                let steps = world.random.u32(..).to_string();
                observed.spec.as_mut().unwrap().steps_hash = steps;
            }
            Change::BadSpec => observed.spec = Err(vec![Problem::new("spec", "bad")].into()),
            Change::Nothing => {
                // The spec is as it was when it was last decided on.
                let steps = rollout.status.current_step_hash.clone();
                let spec = observed.spec.as_mut().unwrap();
                spec.steps_hash = steps.unwrap_or_else(|| spec.steps_hash.clone());
            }
        }
        let plan = decide(&observed, world.now());
        if plan.status == rollout.status {
            return true;
        }
        assert!(plan.lost.is_empty(), "{:?}", plan.lost);
        let context = WriteContext {
            group: kulta_api::Group::Kulta,
            generation: observed.rollout.generation,
            stable_service: None,
            canary_service: None,
        };
        world.stores(key, write(&plan.status, &context), &plan.transitions);
        if world.random.u8(0..100) < world.deadly_writes && world.is_written_down() {
            return false;
        }
        // The watch shows it, and the Rollout is looked at again.
        let object: &Value = world.rollouts[key].object.as_ref().unwrap();
        put::<Rollout>(&self.caches, object);
        self.requests.all_now([key.clone()]);
        true
    }
}
