//! Which Rollout is reconciled when: each one once, at the earliest time asked for.

use futures::Stream;
use futures::channel::mpsc;
use kube::runtime::scheduler::ScheduleRequest;
use tokio::time::Instant;

use crate::key::ObjectKey;
use crate::watch::ToDo;

/// Where reconciles are asked for. Cheap to clone.
///
/// The queue has no bound of its own: it is emptied at once into a set of names, so that it holds at most one entry
/// per Rollout.
#[derive(Debug, Clone)]
pub struct Requests(mpsc::UnboundedSender<ScheduleRequest<ObjectKey>>);

/// A queue: where reconciles are asked for, and what was asked for.
pub fn queue() -> (
    Requests,
    impl Stream<Item = ScheduleRequest<ObjectKey>> + Send + use<>,
) {
    let (sender, receiver) = mpsc::unbounded();
    (Requests(sender), receiver)
}

/// The queues of all that there is to work on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    /// Rollouts.
    pub rollouts: Requests,
    /// AnalysisRuns.
    pub analyses: Requests,
    /// Experiments.
    pub experiments: Requests,
}

impl Queues {
    /// Asks for all that there is to do.
    pub fn all_now(&self, to_do: ToDo) {
        self.rollouts.all_now(to_do.rollouts);
        self.analyses.all_now(to_do.analyses);
        self.experiments.all_now(to_do.experiments);
    }
}

/// What was asked for of each of the [`Queues`].
#[derive(Debug)]
pub struct Asked<S> {
    /// Rollouts.
    pub rollouts: S,
    /// AnalysisRuns.
    pub analyses: S,
    /// Experiments.
    pub experiments: S,
}

/// All queues.
#[must_use]
pub fn queues() -> (
    Queues,
    Asked<impl Stream<Item = ScheduleRequest<ObjectKey>> + Send + use<>>,
) {
    let [rollouts, analyses, experiments] = [(); 3].map(|()| queue());
    let queues = Queues {
        rollouts: rollouts.0,
        analyses: analyses.0,
        experiments: experiments.0,
    };
    let asked = Asked {
        rollouts: rollouts.1,
        analyses: analyses.1,
        experiments: experiments.1,
    };
    (queues, asked)
}

impl Requests {
    /// Asks for a reconcile at `run_at`.
    pub fn at(&self, run_at: Instant, key: ObjectKey) {
        // The other end is gone only when the process is about to end: nothing is to be done any more.
        let _ = self.0.unbounded_send(ScheduleRequest { message: key, run_at });
    }

    /// Asks for reconciles of all `keys` now.
    pub fn all_now(&self, keys: impl IntoIterator<Item = ObjectKey>) {
        let now = Instant::now();
        for key in keys {
            self.at(now, key);
        }
    }
}
