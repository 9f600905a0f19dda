//! The count of everything that was sent and what became of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use tokio::time::Instant;

use crate::failure::{Failure, FailureKind};

/// The slowest latency told apart, in microseconds: ten minutes, beyond any timeout in use.
const SLOWEST_MICROSECONDS: u64 = 600_000_000;

/// Latencies are kept to three significant figures.
const SIGNIFICANT_FIGURES: u8 = 3;

/// Versions counted apart; the header comes from the target, so a broken one must not fill the memory.
const MAX_VERSIONS: usize = 64;

/// Where versions beyond the limit are counted.
const OTHER_VERSIONS: &str = "(other)";

/// The answers of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionCount {
    /// Complete answers with a status code of 200 to 299.
    pub ok: u64,
    /// Answers that named the version and failed: by their status code, cut short, or too late.
    pub failed: u64,
}

impl VersionCount {
    /// All answers that named the version.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.ok + self.failed
    }
}

/// The counts of a load, from its start (or, after [`Snapshot::since`], from an earlier snapshot) to one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The time counted over.
    pub elapsed: Duration,
    /// Requests that were due, sent or not.
    pub sent: u64,
    /// Complete answers with a status code of 200 to 299.
    pub ok: u64,
    /// Failures by kind; kinds that did not happen are left out.
    pub failed: BTreeMap<FailureKind, u64>,
    /// For each kind of failure what the first one (of the whole load) looked like.
    pub first_failures: BTreeMap<FailureKind, String>,
    /// Answers by the header `x-version`.
    pub versions: BTreeMap<String, VersionCount>,
    /// Latencies of the successes, in microseconds, from the moment each request was due to the end of its answer.
    pub latency: Histogram<u64>,
    /// Connections opened.
    pub connections_opened: u64,
    /// Kept-alive connections found closed before a request was written to them. Not a failure.
    pub closed_while_idle: u64,
}

impl Snapshot {
    fn empty() -> Result<Self, CreationError> {
        Ok(Self {
            elapsed: Duration::ZERO,
            sent: 0,
            ok: 0,
            failed: BTreeMap::new(),
            first_failures: BTreeMap::new(),
            versions: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, SLOWEST_MICROSECONDS, SIGNIFICANT_FIGURES)?,
            connections_opened: 0,
            closed_while_idle: 0,
        })
    }

    /// All failures of requests that were sent.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum::<u64>().saturating_sub(self.not_sent())
    }

    /// Requests for which this machine had no room when they were due. They failed nobody: what a server does not answer is
    /// in flight, and counts as failed once its time is over.
    #[must_use]
    pub fn not_sent(&self) -> u64 {
        self.failed
            .get(&FailureKind::Overload)
            .copied()
            .unwrap_or_default()
    }

    /// Requests whose end is not known yet (after [`Snapshot::since`]: zero when more ended than were sent).
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.ended())
    }

    /// Requests whose end is known.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ok + self.failed_total() + self.not_sent()
    }

    /// Answers that named this version.
    #[must_use]
    pub fn answers_of(&self, version: &str) -> u64 {
        self.versions.get(version).map_or(0, VersionCount::answers)
    }

    /// Answers that named a version.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.versions.values().map(VersionCount::answers).sum()
    }

    /// What was counted after `earlier`, an earlier snapshot of the same load. Counts of any other stop at zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        since.elapsed = self.elapsed.saturating_sub(earlier.elapsed);
        since.sent = self.sent.saturating_sub(earlier.sent);
        since.ok = self.ok.saturating_sub(earlier.ok);
        since.connections_opened = self.connections_opened.saturating_sub(earlier.connections_opened);
        since.closed_while_idle = self.closed_while_idle.saturating_sub(earlier.closed_while_idle);
        for (kind, count) in &mut since.failed {
            *count = count.saturating_sub(earlier.failed.get(kind).copied().unwrap_or_default());
        }
        since.failed.retain(|_, count| *count > 0);
        for (version, count) in &mut since.versions {
            let before = earlier.versions.get(version).copied().unwrap_or_default();
            count.ok = count.ok.saturating_sub(before.ok);
            count.failed = count.failed.saturating_sub(before.failed);
        }
        since.versions.retain(|_, count| count.answers() > 0);
        if since.latency.subtract(&earlier.latency).is_err() {
            since.latency.reset();
        }
        since
    }

    fn version(&mut self, version: &str) -> &mut VersionCount {
        let known = self.versions.contains_key(version) || self.versions.len() < MAX_VERSIONS;
        let version = if known { version } else { OTHER_VERSIONS };
        self.versions.entry(version.to_owned()).or_default()
    }
}

/// How one request ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) version: Option<String>,
    pub(crate) result: Result<(), Failure>,
}

/// The counters of a running load.
#[derive(Debug)]
pub(crate) struct Counters {
    begun: Instant,
    counts: Mutex<Snapshot>,
}

impl Counters {
    /// Starts counting now.
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            begun: Instant::now(),
            counts: Mutex::new(Snapshot::empty()?),
        })
    }

    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.lock().clone();
        snapshot.elapsed = self.begun.elapsed();
        snapshot
    }

    pub(crate) fn sent(&self) {
        self.lock().sent += 1;
    }

    pub(crate) fn connection_opened(&self) {
        self.lock().connections_opened += 1;
    }

    pub(crate) fn closed_while_idle(&self) {
        self.lock().closed_while_idle += 1;
    }

    /// Counts how a request ended, `latency` after it was due.
    pub(crate) fn ended(&self, outcome: Outcome, latency: Duration) {
        let mut counts = self.lock();
        let failed = outcome.result.is_err();
        match outcome.result {
            Ok(()) => {
                counts.ok += 1;
                counts
                    .latency
                    .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
            }
            Err(Failure { kind, detail }) => {
                *counts.failed.entry(kind).or_default() += 1;
                counts.first_failures.entry(kind).or_insert(detail);
            }
        }
        if let Some(version) = outcome.version {
            let count = counts.version(&version);
            *(if failed { &mut count.failed } else { &mut count.ok }) += 1;
        }
    }

    /// The counts are whole between any two statements, so a panic elsewhere does not make them unusable.
    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(5);

    fn answered(counters: &Counters, version: &str, result: Result<(), Failure>) {
        counters.sent();
        counters.ended(
            Outcome {
                version: Some(version.to_owned()),
                result,
            },
            LATENCY,
        );
    }

    fn failure() -> Result<(), Failure> {
        Err(Failure::new(FailureKind::Status(503), "503"))
    }

    #[test]
    fn since_counts_only_what_came_later() {
        let counters = Counters::new().unwrap();
        answered(&counters, "v1", Ok(()));
        answered(&counters, "v1", failure());
        let earlier = counters.snapshot();
        answered(&counters, "v2", Ok(()));
        let since = counters.snapshot().since(&earlier);
        assert_eq!((since.sent, since.ok, since.failed_total()), (1, 1, 0));
        assert_eq!(
            since.versions.into_iter().collect::<Vec<_>>(),
            [("v2".to_owned(), VersionCount { ok: 1, failed: 0 })]
        );
        assert_eq!(since.latency.len(), 1);
    }

    #[test]
    fn since_a_later_snapshot_stops_at_zero() {
        let counters = Counters::new().unwrap();
        let earlier = counters.snapshot();
        answered(&counters, "v1", Ok(()));
        let since = earlier.since(&counters.snapshot());
        assert_eq!(
            (since.sent, since.ok, since.answers(), since.latency.len()),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn a_failed_answer_still_counts_for_its_version() {
        let counters = Counters::new().unwrap();
        answered(&counters, "v1", Ok(()));
        answered(&counters, "v1", failure());
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.versions["v1"], VersionCount { ok: 1, failed: 1 });
        assert_eq!((snapshot.answers_of("v1"), snapshot.answers_of("v2")), (2, 0));
    }

    #[test]
    fn latencies_of_failures_stay_out_of_the_histogram() {
        let counters = Counters::new().unwrap();
        answered(&counters, "v1", failure());
        assert!(counters.snapshot().latency.is_empty());
    }

    #[test]
    fn a_target_that_invents_versions_fills_one_bucket_only() {
        let counters = Counters::new().unwrap();
        for number in 0..MAX_VERSIONS + 10 {
            answered(&counters, &number.to_string(), Ok(()));
        }
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.versions.len(), MAX_VERSIONS + 1);
        assert_eq!(snapshot.answers_of(OTHER_VERSIONS), 10);
    }
}
