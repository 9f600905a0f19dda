//! Counting: what became of the attempts of one Rollout, or of several, in a window.

use jiff::SignedDuration;

use super::attempt::{Attempt, Failure, Reach};
use super::{Figures, Spread, Window};
use crate::replay::Story;

/// What is counted, from which the figures are made. Durations are kept, since a median of medians is none.
#[derive(Debug, Default)]
pub(super) struct Tally {
    deployments: u32,
    changes: u32,
    change_failures: u32,
    stopped_before_users: u32,
    unclear_failures: u32,
    superseded: u32,
    undecided: u32,
    not_restored: u32,
    recoveries: Vec<SignedDuration>,
    exposures: Vec<SignedDuration>,
    lead_times: Vec<SignedDuration>,
    without_commit_time: u32,
}

fn count(number: &mut u32) {
    *number = number.saturating_add(1);
}

impl Tally {
    pub(super) fn of(story: &Story, window: &Window) -> Self {
        let mut tally = Self::default();
        for life in story.lives() {
            for attempt in Attempt::all(life.facts, window.until) {
                tally.deployment(&attempt, window);
                tally.outcome(&attempt, window);
            }
        }
        tally
    }

    fn deployment(&mut self, attempt: &Attempt<'_>, window: &Window) {
        let Some(promoted) = attempt.promoted().filter(|fact| window.has(fact.time)) else {
            return;
        };
        count(&mut self.deployments);
        let committed = attempt
            .committed()
            .filter(|committed| *committed <= promoted.time);
        match committed {
            Some(committed) => self.lead_times.push(promoted.time.duration_since(committed)),
            None => count(&mut self.without_commit_time),
        }
    }

    /// An attempt has one outcome: one that was promoted and failed after that has failed.
    fn outcome(&mut self, attempt: &Attempt<'_>, window: &Window) {
        if let Some(failure) = attempt.failure() {
            if window.has(failure.at) {
                self.failure(&failure);
            }
        } else if let Some(promoted) = attempt.promoted() {
            if window.has(promoted.time) {
                count(&mut self.changes);
            }
        } else if let Some(time) = attempt.superseded() {
            if window.has(time) {
                count(&mut self.superseded);
            }
        } else if attempt.last().is_some_and(|time| window.has(time)) {
            count(&mut self.undecided);
        }
    }

    fn failure(&mut self, failure: &Failure) {
        match failure.reach {
            Reach::NoUsers => count(&mut self.stopped_before_users),
            Reach::Unclear => count(&mut self.unclear_failures),
            Reach::Users => {
                count(&mut self.changes);
                count(&mut self.change_failures);
                self.recoveries.extend(failure.recovery);
                self.exposures.extend(failure.exposure);
                if !failure.is_restored {
                    count(&mut self.not_restored);
                }
            }
        }
    }

    /// Adds what another one has counted.
    pub(super) fn add(&mut self, other: Self) {
        // Every field is named, so that none is forgotten.
        let Self {
            deployments,
            changes,
            change_failures,
            stopped_before_users,
            unclear_failures,
            superseded,
            undecided,
            not_restored,
            recoveries,
            exposures,
            lead_times,
            without_commit_time,
        } = other;
        let counts = [
            (&mut self.deployments, deployments),
            (&mut self.changes, changes),
            (&mut self.change_failures, change_failures),
            (&mut self.stopped_before_users, stopped_before_users),
            (&mut self.unclear_failures, unclear_failures),
            (&mut self.superseded, superseded),
            (&mut self.undecided, undecided),
            (&mut self.not_restored, not_restored),
            (&mut self.without_commit_time, without_commit_time),
        ];
        for (sum, more) in counts {
            *sum = sum.saturating_add(more);
        }
        self.recoveries.extend(recoveries);
        self.exposures.extend(exposures);
        self.lead_times.extend(lead_times);
    }

    pub(super) fn figures(&self, window: &Window) -> Figures {
        let rate = || f64::from(self.change_failures) / f64::from(self.changes);
        Figures {
            deployments: self.deployments,
            deployments_per_day: window.for_each_day(self.deployments),
            changes: self.changes,
            change_failures: self.change_failures,
            change_failure_rate: (self.changes > 0).then(rate),
            stopped_before_users: self.stopped_before_users,
            unclear_failures: self.unclear_failures,
            superseded: self.superseded,
            undecided: self.undecided,
            time_to_restore: Spread::of(&self.recoveries),
            exposure: Spread::of(&self.exposures),
            not_restored: self.not_restored,
            lead_time: Spread::of(&self.lead_times),
            without_commit_time: self.without_commit_time,
        }
    }
}
