//! The lane of one sink: a line for each Rollout that has something to tell, and whether the sink takes anything now.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use kulta_core::history::Fact;
use kulta_core::observed::Refusal;
use kulta_core::status::Status;
use kulta_core::text;
use kulta_events::Subject;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::configuration::Filter;
use super::sink::Outcome;
use crate::metrics::Metrics;

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
    /// By the UID of the Rollout.
    lines: HashMap<String, Line>,
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

/// What one Rollout has to tell.
struct Line {
    subject: Subject,
    facts: VecDeque<Arc<Fact>>,
    /// The number of the last fact that was put into the line.
    offered: u64,
    /// The number of the last fact that is done with.
    done: u64,
    /// The same, as the status is to have it.
    published: u64,
    refusals: Vec<Refusal>,
    /// It is among those whose turn comes.
    is_queued: bool,
    /// Somebody is sending.
    is_busy: bool,
    /// When the Rollout was found to be gone.
    removed: Option<Timestamp>,
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

impl Line {
    fn new(subject: Subject, done: u64) -> Self {
        Self {
            subject,
            facts: VecDeque::new(),
            offered: done,
            done,
            published: 0,
            refusals: Vec::new(),
            is_queued: false,
            is_busy: false,
            removed: None,
        }
    }

    fn has_work(&self) -> bool {
        !self.facts.is_empty() || self.removed.is_some()
    }
}

impl State {
    fn enqueue(&mut self, uid: &str) {
        let line = self.lines.get_mut(uid);
        if let Some(line) = line.filter(|line| line.has_work() && !line.is_busy && !line.is_queued) {
            line.is_queued = true;
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

    /// How far the sink is with one Rollout, and what it refused.
    pub(super) fn progress(&self, uid: &str) -> (u64, Vec<Refusal>) {
        let state = self.state.lock();
        let line = state.lines.get(uid);
        line.map_or_else(Default::default, |line| (line.published, line.refusals.clone()))
    }

    /// Takes what is stored and has not been taken. A Rollout whose status does not list the sink has told all that it has
    /// to tell: the sink is listed with the first fact that is for it.
    pub(super) fn offer(&self, uid: &str, subject: impl FnOnce() -> Subject, status: &Status) {
        let Some(delivered) = status.delivered.get(&self.name).copied() else {
            return;
        };
        let newest = status.history.last().map_or(0, |fact| fact.sequence);
        let oldest = status.history.first().map_or(0, |fact| fact.sequence);
        let mut state = self.state.lock();
        if !state.lines.contains_key(uid) && newest <= delivered {
            return;
        }
        let line = state
            .lines
            .entry(uid.to_owned())
            .or_insert_with(|| Line::new(subject(), delivered));
        line.done = line.done.max(delivered);
        line.offered = line.offered.max(delivered);
        line.refusals.retain(|refusal| refusal.sequence > delivered);
        // What has left the history is lost, and was counted.
        line.facts.retain(|fact| fact.sequence >= oldest);
        let offered = line.offered;
        let new = status.history.iter().filter(|fact| fact.sequence > offered);
        line.facts.extend(new.cloned().map(Arc::new));
        line.offered = line.offered.max(newest);
        if !line.has_work() && !line.is_busy && line.published <= delivered {
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
        let line = state
            .lines
            .entry(uid.clone())
            .or_insert_with(|| Line::new(subject, 0));
        line.removed = Some(now);
        state.enqueue(&uid);
        drop(state);
        self.work.notify_one();
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
        // One that is gone meanwhile has nothing to tell.
        let next = std::iter::from_fn(|| ready.pop_front()).find(|uid| lines.contains_key(uid));
        let Some(line) = next.and_then(|uid| lines.get_mut(&uid)) else {
            return Look::Nothing;
        };
        (line.is_busy, line.is_queued) = (true, false);
        let facts: Vec<Arc<Fact>> = line.facts.iter().take(most).cloned().collect();
        let job = Job {
            subject: line.subject.clone(),
            removed: line.removed.filter(|_| facts.len() == line.facts.len()),
            facts,
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

    /// The sink does not want a fact: it was not asked, so this says nothing of how it does.
    pub(super) fn skip(&self, uid: &str, sequence: u64) {
        let mut state = self.state.lock();
        state.finish(uid, sequence);
        self.show(&state);
    }

    /// A fact is done with: the sink has it, or (`refused`) will never take it.
    pub(super) fn done(&self, uid: &str, sequence: u64, refused: Option<&str>) {
        let mut state = self.state.lock();
        let Some(line) = state.lines.get_mut(uid) else {
            return;
        };
        if let Some(message) = refused {
            line.refusals.push(Refusal {
                sink: self.name.clone(),
                sequence,
                message: text::message(message),
            });
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
        let mut is_news = false;
        let mut is_over = false;
        if let Some(line) = state.lines.get_mut(uid) {
            line.is_busy = false;
            is_news = line.facts.is_empty() && line.done > line.published;
            if line.facts.is_empty() || ending != Ending::Done {
                line.published = line.done;
            }
            is_over = ending == Ending::Done && job.removed.is_some();
        }
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
        let pending: usize = state.lines.values().map(|line| line.facts.len()).sum();
        let oldest = state
            .lines
            .values()
            .filter_map(|line| line.facts.front())
            .map(|fact| fact.time)
            .min();
        self.metrics
            .delivery
            .shows(&self.name, pending, oldest, state.pause.is_none());
    }
}

impl State {
    fn finish(&mut self, uid: &str, sequence: u64) {
        if let Some(line) = self.lines.get_mut(uid) {
            line.done = line.done.max(sequence);
            line.facts.retain(|fact| fact.sequence > sequence);
        }
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
