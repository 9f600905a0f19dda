//! The lane of one sink: a line for each Rollout that has something to tell, and whether the sink takes anything now.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use kulta_core::history::Fact;
use kulta_core::observed::Refusal;
use kulta_core::status::Status;
use kulta_core::text;
use kulta_events::{Subject, removal_type, type_of};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::lines::Lines;
use super::configuration::Filter;
use super::sink::Outcome;
use crate::metrics::Metrics;

mod lines;

/// The first wait after a sink took nothing. Most faults are one lost request.
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// No wait is longer, unless the sink asks for it: one that is back gets its events within half a minute.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// So many facts of one Rollout are sent in a row before others have their turn.
const MOST_IN_A_ROW: usize = 64;

/// The lane of one sink.
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) filter: Filter,
    state: Mutex<State>,
    work: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    lines: Lines,
    /// Whose turn it is.
    ready: VecDeque<String>,
    in_flight: usize,
    /// The sink takes nothing: until when it is left alone, and how long the next time.
    pause: Option<Pause>,
}

struct Pause {
    until: Instant,
    delays: ExponentialBackoff,
}

/// Something to send: facts of one Rollout, in order.
pub(super) struct Job {
    pub(super) subject: Subject,
    pub(super) facts: Vec<Arc<Fact>>,
    /// The Rollout is gone, and this is to be told after the facts.
    pub(super) removed: Option<Timestamp>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All was sent or set aside.
    Done,
    /// The sink took no more; it may have asked to be left alone.
    Stopped(Option<Duration>),
    /// The sink is left alone meanwhile, for what somebody else was told.
    Interrupted,
}

impl State {
    fn enqueue(&mut self, uid: &str) {
        let is_due = self.lines.change(uid, |line| {
            let is_due = line.has_work() && !line.is_busy && !line.is_queued;
            line.is_queued |= is_due;
            is_due
        });
        if is_due == Some(true) {
            self.ready.push_back(uid.to_owned());
        }
    }
}

impl Lane {
    pub(super) fn new(name: &str, filter: Filter, metrics: Arc<Metrics>) -> Self {
        metrics.delivery.set_up(name);
        Self {
            name: name.to_owned(),
            filter,
            state: Mutex::default(),
            work: Notify::new(),
            metrics,
        }
    }

    /// How far the sink is with one Rollout, as its status is to have it, and what it refused.
    pub(super) fn progress(&self, uid: &str) -> (u64, Vec<Refusal>) {
        let state = self.state.lock();
        let line = state.lines.get(uid);
        line.map_or_else(Default::default, |line| (line.progress(), line.refusals.clone()))
    }

    /// Takes what is stored, has not been taken, and is for this sink: what it does not want waits for nothing, and is done
    /// with as soon as all before it is. A Rollout whose status does not list the sink has told all that it has
    /// to tell: the sink is listed with the first fact that is for it.
    pub(super) fn offer(&self, uid: &str, subject: impl FnOnce() -> Subject, status: &Status) {
        let Some(delivered) = status.delivered.get(&self.name).copied() else {
            return;
        };
        let newest = status.history.last().map_or(0, |fact| fact.sequence);
        let oldest = status.history.first().map_or(0, |fact| fact.sequence);
        let mut state = self.state.lock();
        if !state.lines.has(uid) && newest <= delivered {
            return;
        }
        state.lines.add(subject, uid, delivered);
        let is_over = state.lines.change(uid, |line| {
            line.done = line.done.max(delivered);
            line.offered = line.offered.max(delivered);
            line.refusals.retain(|refusal| refusal.sequence > delivered);
            // What has left the history is lost, and was counted.
            line.take_before(oldest);
            let offered = line.offered;
            let new = status.history.iter().filter(|fact| fact.sequence > offered);
            let wanted = new.filter(|fact| self.filter.wants(&line.subject.namespace, &type_of(fact)));
            line.facts.extend(wanted.cloned().map(Arc::new));
            line.offered = line.offered.max(newest);
            line.pass_unwanted();
            !line.has_work() && !line.is_busy && line.progress() <= delivered
        });
        if is_over == Some(true) {
            state.lines.remove(uid);
        }
        state.enqueue(uid);
        self.show(&state);
        drop(state);
        self.work.notify_one();
    }

    /// Whether it is still to be told that the Rollout is gone.
    pub(super) fn is_leaving(&self, uid: &str) -> bool {
        let state = self.state.lock();
        state.lines.get(uid).is_some_and(|line| line.removed.is_some())
    }

    /// The Rollout is gone: that is told after all that happened before.
    pub(super) fn gone(&self, subject: Subject, now: Timestamp) {
        let uid = subject.uid.clone();
        let mut state = self.state.lock();
        state.lines.add(|| subject, &uid, 0);
        state.lines.change(&uid, |line| line.removed = Some(now));
        state.enqueue(&uid);
        self.show(&state);
        drop(state);
        self.work.notify_one();
    }

    /// How far the sink is with one Rollout, by what is known at this moment; None: nothing is known of it.
    pub(super) fn reached(&self, uid: &str) -> Option<u64> {
        self.state.lock().lines.get(uid).map(|line| line.done)
    }

    /// Whether a fact is still to be told: it may have been forgotten since the job was made.
    pub(super) fn has(&self, uid: &str, sequence: u64) -> bool {
        let state = self.state.lock();
        let line = state.lines.get(uid);
        line.and_then(|line| line.facts.front())
            .is_some_and(|first| first.sequence <= sequence)
    }

    /// Forgets what a Rollout that is gone had to tell before the fact `first`, or (None) everything, its end, too. What
    /// the sink was to be told is counted as lost.
    pub(super) fn forgo(&self, uid: &str, first: Option<u64>) {
        let mut state = self.state.lock();
        let lost = state.lines.change(uid, |line| {
            let facts = line.take_before(first.unwrap_or(u64::MAX)).len();
            let is_told = line.removed.is_some() && first.is_none();
            let end = is_told && self.filter.wants(&line.subject.namespace, &removal_type());
            facts + usize::from(end)
        });
        if first.is_none() {
            state.lines.remove(uid);
        }
        self.show(&state);
        drop(state);
        let lost = u64::try_from(lost.unwrap_or_default()).unwrap_or(u64::MAX);
        if lost > 0 {
            self.metrics.delivery.loses(&self.name, lost);
        }
    }

    /// Forgets all that there is to tell.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        state.lines = Lines::default();
        state.ready.clear();
        // Whether the sink takes anything is the leader's to find out.
        state.pause = None;
        self.show(&state);
    }

    /// The next thing to send, once there is one and the sink takes anything.
    pub(super) async fn next(&self) -> Job {
        loop {
            // Whoever comes between the look and the wait is not missed.
            let notified = self.work.notified();
            match self.look() {
                Look::Job(job) => return job,
                Look::Nothing => notified.await,
                Look::Paused(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = notified => {}
                },
            }
        }
    }

    fn look(&self) -> Look {
        let mut state = self.state.lock();
        if let Some(pause) = &state.pause {
            let until = pause.until;
            if until > Instant::now() {
                return Look::Paused(until);
            }
            // Whether it takes anything again is found out with one event.
            if state.in_flight > 0 {
                return Look::Nothing;
            }
        }
        let most = if state.pause.is_some() { 1 } else { MOST_IN_A_ROW };
        let State { lines, ready, .. } = &mut *state;
        // One that is gone meanwhile, or is being told and will come again, has nothing to tell.
        let job = std::iter::from_fn(|| ready.pop_front())
            .find_map(|uid| lines.change(&uid, |line| line.job(most))?);
        let Some(job) = job else {
            return Look::Nothing;
        };
        state.in_flight += 1;
        if !state.ready.is_empty() {
            self.work.notify_one();
        }
        Look::Job(job)
    }

    /// Whether the sink is left alone.
    pub(super) fn is_paused(&self) -> bool {
        let state = self.state.lock();
        state
            .pause
            .as_ref()
            .is_some_and(|pause| pause.until > Instant::now())
    }

    /// A fact is done with: the sink has it, or (`refused`) will never take it.
    pub(super) fn done(&self, uid: &str, sequence: u64, refused: Option<&str>) {
        let mut state = self.state.lock();
        if let Some(message) = refused {
            let refusal = Refusal {
                sink: self.name.clone(),
                sequence,
                message: text::message(message),
            };
            state.lines.change(uid, |line| line.refusals.push(refusal));
        }
        state.finish(uid, sequence);
        // The sink takes events again. (Not where it has answered what was sent before it asked to be left alone.)
        let now = Instant::now();
        if state.pause.take_if(|pause| pause.until <= now).is_some() {
            self.work.notify_waiters();
        }
        self.show(&state);
    }

    /// A job has ended. Returns whether there is something to note in the status.
    pub(super) fn end(&self, job: &Job, ending: Ending) -> bool {
        let uid = &job.subject.uid;
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Ending::Stopped(wait) = ending {
            state.pause(wait);
        }
        let ended = state.lines.change(uid, |line| {
            line.is_busy = false;
            let is_news = line.facts.is_empty() && line.done > line.published;
            if line.facts.is_empty() || ending != Ending::Done {
                line.published = line.done;
            }
            (is_news, ending == Ending::Done && job.removed.is_some())
        });
        let (is_news, is_over) = ended.unwrap_or_default();
        if is_over {
            state.lines.remove(uid);
        }
        state.enqueue(uid);
        self.show(&state);
        drop(state);
        self.work.notify_one();
        is_news && !is_over
    }

    /// Counts what became of an event.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.metrics.delivery.counts(&self.name, outcome.result());
    }

    fn show(&self, state: &State) {
        let (pending, oldest) = (state.lines.pending(), state.lines.oldest());
        // Where nothing waits, nothing shows whether it takes events again.
        let is_up = state.pause.is_none() || pending == 0;
        self.metrics.delivery.shows(&self.name, pending, oldest, is_up);
    }
}

impl State {
    fn finish(&mut self, uid: &str, sequence: u64) {
        self.lines.change(uid, |line| {
            line.done = line.done.max(sequence);
            line.take_before(sequence.saturating_add(1));
            line.pass_unwanted();
        });
    }

    fn pause(&mut self, wait: Option<Duration>) {
        let now = Instant::now();
        // Others may have been on their way when the sink went down: that is one fault.
        let mut delays = match self.pause.take() {
            Some(pause) if pause.until > now && wait.is_none() => {
                self.pause = Some(pause);
                return;
            }
            Some(pause) => pause.delays,
            None => ExponentialBuilder::new()
                .with_min_delay(FIRST_DELAY)
                .with_max_delay(LONGEST_DELAY)
                .with_jitter()
                .without_max_times()
                .build(),
        };
        let delay = delays.next().unwrap_or(LONGEST_DELAY).min(LONGEST_DELAY);
        // Whoever asks for no wait is not asked all the time for it.
        let until = now + wait.map_or(delay, |wait| wait.max(delay));
        self.pause = Some(Pause { until, delays });
    }
}

enum Look {
    Job(Job),
    Nothing,
    Paused(Instant),
}

#[cfg(test)]
mod tests;
