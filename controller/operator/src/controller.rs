//! The main loop: no Rollout is reconciled twice at the same time, and so many at most.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::runtime::scheduler::{ScheduleRequest, Scheduler, scheduler};
use kulta_core::text::with_causes;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::key::ObjectKey;
use crate::metrics::{Metrics, ReconcileStep};
use crate::queue::Requests;
use crate::server::Liveness;

/// An idle loop comes round this often, to show that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A loop that did not come round for so long is stuck: a dozen heartbeats.
pub const STUCK_AFTER: Duration = Duration::from_mins(1);
/// How long reconciles under way may go on when the process is asked to stop: another replica waits for it. Writes alone are given
/// up after less.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// A reconcile that ended by a panic is tried again after this time.
const RETRY_AFTER_PANIC: Duration = Duration::from_mins(1);

/// One reconcile, whatever it consists of.
pub trait Reconcile: Send + Sync + 'static {
    /// Reconciles one Rollout; answers when to do so again even if nothing is seen to change.
    fn reconcile(&self, key: &ObjectKey) -> impl Future<Output = Option<Instant>> + Send;
}

/// What the main loop runs with.
#[derive(Debug)]
pub struct Controller<R> {
    /// The work.
    pub reconciler: Arc<R>,
    /// Where the next reconcile of a Rollout is asked for.
    pub requests: Requests,
    /// True once all caches are filled: nothing is reconciled before.
    pub ready: watch::Receiver<bool>,
    /// So many reconciles at the same time.
    pub concurrency: NonZeroUsize,
    /// Told each time the loop comes round.
    pub liveness: Liveness,
    /// Where reconciles that end by a panic are counted.
    pub metrics: Arc<Metrics>,
}

type Finished = Option<Instant>;

impl<R: Reconcile> Controller<R> {
    /// Runs until `stop` is cancelled, and then until the reconciles under way have finished or their time is up.
    pub async fn run(
        mut self,
        asked: impl Stream<Item = ScheduleRequest<ObjectKey>> + Send,
        stop: CancellationToken,
    ) {
        let mut scheduler = pin!(scheduler(asked));
        let mut running = Running::default();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            self.liveness.progressed();
            let ready = *self.ready.borrow_and_update();
            let has_room = ready && running.tasks.len() < self.concurrency.get();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                _ = heartbeat.tick() => {}
                Ok(()) = self.ready.changed(), if !ready => {}
                Some(finished) = running.tasks.join_next_with_id() => {
                    if let Some(key) = running.forget(&finished) {
                        self.ask_again(key, finished);
                    }
                }
                // Polled without room as well: it sorts what is asked for, or the queue would grow with every event.
                Some(key) = next_free(scheduler.as_mut(), &running.keys, has_room) => {
                    running.spawn(Arc::clone(&self.reconciler), key);
                }
            }
        }
        running.finish().await;
    }

    fn ask_again(&self, key: ObjectKey, finished: Result<(Id, Finished), JoinError>) {
        match finished {
            Ok((_, None)) => {}
            Ok((_, Some(run_at))) => self.requests.at(run_at, key),
            Err(error) => {
                self.metrics.failed(ReconcileStep::Panic);
                tracing::error!(rollout = %key, error = with_causes(&error), "reconcile ended early");
                self.requests.at(Instant::now() + RETRY_AFTER_PANIC, key);
            }
        }
    }
}

/// The next Rollout whose time has come and that is not under way; none as long as there is no room.
async fn next_free<S: Stream<Item = ScheduleRequest<ObjectKey>>>(
    scheduler: Pin<&mut Scheduler<ObjectKey, S>>,
    under_way: &HashMap<Id, ObjectKey>,
    has_room: bool,
) -> Option<ObjectKey> {
    scheduler
        .hold_unless(|key| has_room && !under_way.values().any(|running| running == key))
        .next()
        .await
}

/// The reconciles under way.
#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<Finished>,
    keys: HashMap<Id, ObjectKey>,
}

impl Running {
    fn spawn<R: Reconcile>(&mut self, reconciler: Arc<R>, key: ObjectKey) {
        let task = {
            let key = key.clone();
            self.tasks.spawn(async move { reconciler.reconcile(&key).await })
        };
        self.keys.insert(task.id(), key);
    }

    /// The Rollout that has finished is not under way any more.
    fn forget(&mut self, finished: &Result<(Id, Finished), JoinError>) -> Option<ObjectKey> {
        let id = finished.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        self.keys.remove(&id)
    }

    async fn finish(mut self) {
        tracing::info!(under_way = self.tasks.len(), "stopping");
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_WITHIN, all).await.is_err() {
            tracing::warn!(
                under_way = self.tasks.len(),
                "reconciles did not finish in time: they begin no write any more"
            );
            // A write that is under way is waited for before the lead is given back.
            self.tasks.detach_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::queue::queue;

    /// Counts reconciles; each waits for a permit.
    struct Work {
        permits: Semaphore,
        again: Option<Duration>,
        started: watch::Sender<Vec<String>>,
        most_at_once: Mutex<usize>,
        at_once: Mutex<usize>,
        finished: watch::Sender<usize>,
    }

    impl Work {
        fn new(permits: usize, again: Option<Duration>) -> Arc<Self> {
            Arc::new(Self {
                permits: Semaphore::new(permits),
                again,
                started: watch::Sender::new(Vec::new()),
                most_at_once: Mutex::new(0),
                at_once: Mutex::new(0),
                finished: watch::Sender::new(0),
            })
        }

        async fn started(&self, number: usize) -> Vec<String> {
            let mut started = self.started.subscribe();
            started
                .wait_for(|started| started.len() >= number)
                .await
                .unwrap()
                .clone()
        }

        async fn finished(&self, number: usize) {
            self.finished
                .subscribe()
                .wait_for(|finished| *finished >= number)
                .await
                .unwrap();
        }
    }

    impl Reconcile for Work {
        async fn reconcile(&self, key: &ObjectKey) -> Option<Instant> {
            {
                let mut at_once = self.at_once.lock();
                *at_once += 1;
                let mut most = self.most_at_once.lock();
                *most = (*most).max(*at_once);
            }
            self.started.send_modify(|started| started.push(key.name.clone()));
            self.permits.acquire().await.unwrap().forget();
            assert_ne!(key.name, "panics");
            *self.at_once.lock() -= 1;
            self.finished.send_modify(|finished| *finished += 1);
            self.again.map(|again| Instant::now() + again)
        }
    }

    struct Run {
        requests: Requests,
        ready: watch::Sender<bool>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    fn run(work: &Arc<Work>, ready: bool, concurrency: usize) -> Run {
        let (requests, asked) = queue();
        let ready = watch::Sender::new(ready);
        let stop = CancellationToken::new();
        let controller = Controller {
            reconciler: Arc::clone(work),
            requests: requests.clone(),
            ready: ready.subscribe(),
            concurrency: NonZeroUsize::new(concurrency).unwrap(),
            liveness: Liveness::new(STUCK_AFTER),
            metrics: Arc::new(Metrics::new("test")),
        };
        let task = tokio::spawn(controller.run(asked, stop.clone()));
        Run {
            requests,
            ready,
            stop,
            task,
        }
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("shop", name)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_reconciled_before_the_caches_are_filled() {
        let work = Work::new(10, None);
        let run = run(&work, false, 2);
        run.requests.all_now([key("web")]);
        tokio::time::sleep(HEARTBEAT * 2).await;
        assert!(work.started.borrow().is_empty());

        run.ready.send_replace(true);

        assert_eq!(work.started(1).await, ["web"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_rollout_is_never_reconciled_twice_at_the_same_time() {
        let work = Work::new(0, None);
        let run = run(&work, true, 4);
        run.requests.all_now([key("web")]);
        work.started(1).await;

        run.requests.all_now([key("web"), key("web")]);
        tokio::time::sleep(HEARTBEAT).await;
        assert_eq!(work.started.borrow().len(), 1);
        work.permits.add_permits(10);
        work.finished(2).await;

        assert_eq!(*work.most_at_once.lock(), 1);
        assert_eq!(
            *work.finished.borrow(),
            2,
            "asked for twice while under way: once more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_run_at_once() {
        let work = Work::new(0, None);
        let run = run(&work, true, 2);
        run.requests.all_now(["a", "b", "c", "d", "e"].map(key));
        work.started(2).await;
        tokio::time::sleep(HEARTBEAT).await;
        work.permits.add_permits(10);

        work.finished(5).await;

        assert_eq!(*work.most_at_once.lock(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconcile_is_repeated_at_the_time_it_asks_for() {
        let work = Work::new(10, Some(Duration::from_secs(30)));
        let run = run(&work, true, 2);
        let start = Instant::now();
        run.requests.all_now([key("web")]);

        work.started(2).await;

        assert!(
            start.elapsed() >= Duration::from_secs(30),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_holds_up_nobody_else_and_is_tried_again() {
        let work = Work::new(10, None);
        let run = run(&work, true, 1);
        run.requests.all_now([key("panics"), key("web")]);

        let mut started = work.started(3).await;

        started.sort();
        assert_eq!(started, ["panics", "panics", "web"]);
    }

    #[tokio::test(start_paused = true)]
    async fn reconciles_under_way_finish_when_asked_to_stop() {
        let work = Work::new(0, None);
        let run = run(&work, true, 2);
        run.requests.all_now([key("web")]);
        work.started(1).await;

        run.stop.cancel();
        run.requests.all_now([key("late")]);
        work.permits.add_permits(10);
        run.task.await.unwrap();

        assert_eq!(*work.finished.borrow(), 1);
        assert_eq!(*work.started.borrow(), ["web"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconcile_that_does_not_finish_is_cut_off() {
        let work = Work::new(0, None);
        let run = run(&work, true, 2);
        run.requests.all_now([key("web")]);
        work.started(1).await;
        let asked = Instant::now();

        run.stop.cancel();
        run.task.await.unwrap();

        assert_eq!(asked.elapsed(), FINISH_WITHIN);
    }
}
