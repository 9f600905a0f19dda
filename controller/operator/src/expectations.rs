//! What the controller has written and its caches do not show yet.
//!
//! A watch lags behind a write. A decision on the state before the own last write would repeat that write, or take a
//! step back. So every write is noted here with the version it made, and a Rollout is not decided on until its caches
//! have caught up.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kulta_core::observed::Judge;
use kulta_core::spec::{RouteKind, WorkloadKind};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::key::ObjectKey;

/// Watches deliver within milliseconds. After this time an expectation is checked against the API server: the object
/// may have been deleted before its watch showed it.
const OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// Kinds of objects that the controller writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Rollout`
    Rollout,
    /// `ReplicaSet`
    ReplicaSet,
    /// `Service`
    Service,
    /// A route of this kind.
    Route(RouteKind),
    /// `AnalysisRun`
    AnalysisRun,
    /// `Experiment`
    Experiment,
    /// A workload that a Rollout takes its template from.
    Workload(WorkloadKind),
}

impl From<Judge> for Kind {
    fn from(judge: Judge) -> Self {
        match judge {
            Judge::AnalysisRun => Self::AnalysisRun,
            Judge::Experiment => Self::Experiment,
        }
    }
}

/// The state of an object that one write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The object exists, at this version or a later one.
    Written {
        /// `metadata.resourceVersion` in the answer to the write.
        resource_version: String,
    },
    /// The object is gone.
    Deleted,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Kind of the object.
    pub kind: Kind,
    /// Its name.
    pub object: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// The version of an object in a cache, or as the API server has just answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// A write that a cache does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The write.
    pub write: Write,
    /// It should have been seen long since: ask the API server.
    pub overdue: bool,
}

/// The writes that the caches do not show yet, by Rollout.
#[derive(Debug, Default)]
pub struct Expectations {
    writes: Mutex<HashMap<ObjectKey, Vec<(Write, Instant)>>>,
    /// The Rollouts that another replica may have written what no watch has shown here.
    doubted: Mutex<HashSet<ObjectKey>>,
}

impl Expectations {
    /// Another replica has worked on these until now: a watch that was cut off may show them as they were long ago. They stand until
    /// they are confirmed.
    pub fn doubt(&self, rollouts: impl IntoIterator<Item = ObjectKey>) {
        self.doubted.lock().extend(rollouts);
    }

    /// Whether what the caches show of `rollout` is to be confirmed before anything is decided.
    #[must_use]
    pub fn is_doubted(&self, rollout: &ObjectKey) -> bool {
        self.doubted.lock().contains(rollout)
    }

    /// The caches show `rollout` as it is.
    pub fn confirmed(&self, rollout: &ObjectKey) {
        self.doubted.lock().remove(rollout);
    }

    /// Notes a write that was made for `rollout`: it stands until the caches show it. Only the last write to an
    /// object counts.
    pub fn wrote(&self, rollout: &ObjectKey, write: Write) {
        let mut writes = self.writes.lock();
        let writes = writes.entry(rollout.clone()).or_default();
        writes.retain(|(earlier, _)| (earlier.kind, &earlier.object) != (write.kind, &write.object));
        writes.push((write, Instant::now()));
    }

    /// Forgets what `cached` shows and answers the first write that it does not show; None: the caches have caught up.
    pub fn satisfied(
        &self,
        rollout: &ObjectKey,
        cached: impl Fn(Kind, &ObjectKey) -> Option<Version>,
    ) -> Option<Unseen> {
        let mut all = self.writes.lock();
        let writes = all.get_mut(rollout)?;
        writes.retain(|(write, _)| !write.is_shown_by(cached(write.kind, &write.object).as_ref()));
        let unseen = writes.first().map(|(write, since)| Unseen {
            write: write.clone(),
            overdue: since.elapsed() >= OVERDUE_AFTER,
        });
        if unseen.is_none() {
            all.remove(rollout);
        }
        unseen
    }

    /// Settles an overdue write: `cached` agrees with what the API server has now.
    pub fn settle(&self, rollout: &ObjectKey, write: &Write) {
        if let Some(writes) = self.writes.lock().get_mut(rollout) {
            writes.retain(|(expected, _)| expected != write);
        }
    }

    /// Forgets a Rollout that is gone.
    pub fn forget(&self, rollout: &ObjectKey) {
        self.writes.lock().remove(rollout);
    }
}

impl Write {
    fn is_shown_by(&self, cached: Option<&Version>) -> bool {
        match (&self.outcome, cached) {
            (Outcome::Deleted, None) => true,
            (Outcome::Deleted, Some(cached)) => cached.uid != self.uid,
            // Not there yet, or there no more: only time or the API server can tell.
            (Outcome::Written { .. }, None) => false,
            // The object was created anew since.
            (Outcome::Written { .. }, Some(cached)) if cached.uid != self.uid => true,
            (Outcome::Written { resource_version }, Some(cached)) => {
                at_least(&cached.resource_version, resource_version)
            }
        }
    }
}

/// Whether `version` is `wanted` or later. Versions of one kind are ordered numbers (guaranteed since Kubernetes 1.35);
/// where they are not numbers, only the same version is known to be recent enough.
fn at_least(version: &str, wanted: &str) -> bool {
    match (version.parse::<u128>(), wanted.parse::<u128>()) {
        (Ok(version), Ok(wanted)) => version >= wanted,
        _ => version == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout() -> ObjectKey {
        ObjectKey::new("shop", "web")
    }

    fn write(uid: &str, resource_version: &str) -> Write {
        Write {
            kind: Kind::ReplicaSet,
            object: ObjectKey::new("shop", "web-1"),
            uid: uid.to_owned(),
            outcome: Outcome::Written {
                resource_version: resource_version.to_owned(),
            },
        }
    }

    fn deletion(uid: &str) -> Write {
        Write {
            outcome: Outcome::Deleted,
            ..write(uid, "")
        }
    }

    fn version(uid: &str, resource_version: &str) -> Version {
        Version {
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
        }
    }

    fn unseen_after(write: Write, cached: Option<&Version>) -> Option<Unseen> {
        let expectations = Expectations::default();
        expectations.wrote(&rollout(), write);
        expectations.satisfied(&rollout(), |_, _| cached.cloned())
    }

    #[test]
    fn nothing_written_is_satisfied() {
        assert_eq!(Expectations::default().satisfied(&rollout(), |_, _| None), None);
    }

    #[test]
    fn an_older_cached_version_is_not_satisfied() {
        assert!(unseen_after(write("a", "100"), Some(&version("a", "99"))).is_some());
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(unseen_after(write("a", "99"), Some(&version("a", "100"))), None);
    }

    #[test]
    fn versions_that_are_no_numbers_must_be_equal() {
        assert_eq!(unseen_after(write("a", "x1"), Some(&version("a", "x1"))), None);
        assert!(unseen_after(write("a", "x1"), Some(&version("a", "x2"))).is_some());
    }

    #[test]
    fn a_created_object_must_appear() {
        assert!(unseen_after(write("a", "1"), None).is_some());
    }

    #[test]
    fn an_object_created_anew_satisfies() {
        assert_eq!(unseen_after(write("a", "100"), Some(&version("b", "7"))), None);
    }

    #[test]
    fn a_deleted_object_must_vanish() {
        assert!(unseen_after(deletion("a"), Some(&version("a", "7"))).is_some());
        assert_eq!(unseen_after(deletion("a"), None), None);
        assert_eq!(unseen_after(deletion("a"), Some(&version("b", "7"))), None);
    }

    #[test]
    fn only_the_last_write_to_an_object_counts() {
        let expectations = Expectations::default();
        expectations.wrote(&rollout(), write("a", "100"));
        expectations.wrote(&rollout(), deletion("a"));

        assert_eq!(expectations.satisfied(&rollout(), |_, _| None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_not_seen_for_long_is_overdue() {
        let expectations = Expectations::default();
        expectations.wrote(&rollout(), write("a", "100"));
        let overdue = || {
            expectations
                .satisfied(&rollout(), |_, _| None)
                .map(|unseen| unseen.overdue)
        };
        assert_eq!(overdue(), Some(false));

        tokio::time::advance(OVERDUE_AFTER).await;

        assert_eq!(overdue(), Some(true));
    }

    #[test]
    fn a_settled_write_is_forgotten() {
        let expectations = Expectations::default();
        expectations.wrote(&rollout(), write("a", "100"));

        expectations.settle(&rollout(), &write("a", "100"));

        assert_eq!(expectations.satisfied(&rollout(), |_, _| None), None);
    }

    #[test]
    fn a_forgotten_rollout_expects_nothing() {
        let expectations = Expectations::default();
        expectations.wrote(&rollout(), write("a", "100"));

        expectations.forget(&rollout());

        assert_eq!(expectations.satisfied(&rollout(), |_, _| None), None);
    }
}
