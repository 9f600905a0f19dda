//! The lines of one sink, and what waits in all of them: known at every moment without looking through them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use kulta_core::history::Fact;
use kulta_core::observed::Refusal;
use kulta_events::Subject;

use super::Job;

/// What one Rollout has to tell.
pub(super) struct Line {
    pub(super) subject: Subject,
    pub(super) facts: VecDeque<Arc<Fact>>,
    /// The number of the last fact that was put into the line.
    pub(super) offered: u64,
    /// The number of the last fact that is done with.
    pub(super) done: u64,
    /// The same, as the status is to have it.
    pub(super) published: u64,
    pub(super) refusals: Vec<Refusal>,
    /// It is among those whose turn comes.
    pub(super) is_queued: bool,
    /// Somebody is sending.
    pub(super) is_busy: bool,
    /// When the Rollout was found to be gone.
    pub(super) removed: Option<Timestamp>,
}

impl Line {
    pub(super) fn new(subject: Subject, done: u64) -> Self {
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

    pub(super) fn has_work(&self) -> bool {
        !self.facts.is_empty() || self.removed.is_some()
    }

    /// Takes the facts before `first` out, and answers them.
    pub(super) fn take_before(&mut self, first: u64) -> Vec<Arc<Fact>> {
        let number = self.facts.partition_point(|fact| fact.sequence < first);
        self.facts.drain(..number).collect()
    }

    /// What the sink does not want never comes into the line: it is done with once all that it wants before it is.
    pub(super) fn pass_unwanted(&mut self) {
        let next = self.facts.front().map(|fact| fact.sequence.saturating_sub(1));
        self.done = self.done.max(next.unwrap_or(self.offered));
    }

    /// The number of the last fact that is done with, as the status is to have it: while more is to be told, what it had
    /// before, for one write is to note all of it.
    pub(super) fn progress(&self) -> u64 {
        if self.facts.is_empty() && !self.is_busy {
            self.done
        } else {
            self.published
        }
    }

    /// What is sent next, `most` facts of it; None where somebody is sending, or nothing is left.
    pub(super) fn job(&mut self, most: usize) -> Option<Job> {
        self.is_queued = false;
        if self.is_busy || !self.has_work() {
            return None;
        }
        self.is_busy = true;
        let facts: Vec<Arc<Fact>> = self.facts.iter().take(most).cloned().collect();
        Some(Job {
            subject: self.subject.clone(),
            removed: self.removed.filter(|_| facts.len() == self.facts.len()),
            facts,
        })
    }

    /// How many events are to be told: facts, and that it is gone.
    fn length(&self) -> usize {
        self.facts.len() + usize::from(self.removed.is_some())
    }

    /// When the next thing to tell happened.
    fn since(&self) -> Option<Timestamp> {
        self.facts.front().map(|fact| fact.time).or(self.removed)
    }
}

/// Lines, by the UID of the Rollout.
#[derive(Default)]
pub(super) struct Lines {
    by_uid: HashMap<String, Line>,
    /// So many events are in all of them.
    pending: usize,
    /// When the next event of each line that has any happened, and whose it is.
    since: BTreeSet<(Timestamp, String)>,
}

impl Lines {
    pub(super) fn get(&self, uid: &str) -> Option<&Line> {
        self.by_uid.get(uid)
    }

    pub(super) fn has(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    /// Adds a line, unless that Rollout has one.
    pub(super) fn add(&mut self, subject: impl FnOnce() -> Subject, uid: &str, done: u64) {
        if !self.has(uid) {
            self.by_uid.insert(uid.to_owned(), Line::new(subject(), done));
        }
    }

    /// Changes a line; None where there is none. The only way to do it, so that nothing is counted twice or not at all.
    pub(super) fn change<T>(&mut self, uid: &str, change: impl FnOnce(&mut Line) -> T) -> Option<T> {
        let line = self.by_uid.get_mut(uid)?;
        let (length, since) = (line.length(), line.since());
        let answer = change(line);
        let (new_length, new_since) = (line.length(), line.since());
        self.pending = self.pending.saturating_sub(length).saturating_add(new_length);
        self.moves(uid, since, new_since);
        Some(answer)
    }

    pub(super) fn remove(&mut self, uid: &str) {
        if let Some(line) = self.by_uid.remove(uid) {
            self.pending = self.pending.saturating_sub(line.length());
            self.moves(uid, line.since(), None);
        }
    }

    /// How many events wait.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// When the oldest of them happened, among those that are next in their lines.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.since.first().map(|(time, _)| *time)
    }

    fn moves(&mut self, uid: &str, from: Option<Timestamp>, to: Option<Timestamp>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.since.remove(&(from, uid.to_owned()));
        }
        if let Some(to) = to {
            self.since.insert((to, uid.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::worker::tests::{fact, subject};

    fn at(sequence: u64, second: i64) -> Arc<Fact> {
        let time = Timestamp::from_second(second).unwrap();
        Arc::new(Fact {
            time,
            ..fact(sequence)
        })
    }

    /// Counted one by one.
    fn counted(lines: &Lines) -> (usize, Option<Timestamp>) {
        let all = lines.by_uid.values();
        let pending = all.clone().map(|line| line.facts.len()).sum();
        (pending, all.filter_map(Line::since).min())
    }

    #[test]
    fn what_waits_is_known_through_every_change() {
        let mut lines = Lines::default();
        let mut random = fastrand::Rng::with_seed(7);

        for sequence in 1..2_000_u64 {
            let uid = random.u8(0..9).to_string();
            match random.u8(0..8) {
                0 => lines.remove(&uid),
                1..4 => {
                    lines.change(&uid, |line| line.take_before(sequence.saturating_sub(5)));
                }
                _ => {
                    lines.add(subject, &uid, 0);
                    let fact = at(sequence, random.i64(0..50));
                    lines.change(&uid, |line| line.facts.push_back(fact));
                }
            }
            assert_eq!((lines.pending(), lines.oldest()), counted(&lines));
        }
    }
}
