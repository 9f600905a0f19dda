//! How long to wait before a Rollout is tried again: per object, growing, with jitter, reset by success.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use parking_lot::Mutex;

use crate::key::ObjectKey;

/// The first wait after an error. Most errors are one lost request.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The first wait after a conflict: the newer object is usually in the cache already.
const FIRST_CONFLICT_DELAY: Duration = Duration::from_millis(50);
/// The first wait for the own write to appear in a cache.
const FIRST_STALE_DELAY: Duration = Duration::from_millis(25);
/// No wait is longer: what a user has repaired is seen within a minute.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// A conflict or a stale cache passes by itself.
const LONGEST_SHORT_DELAY: Duration = Duration::from_secs(2);

/// Why a Rollout has to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// Something failed.
    Error,
    /// Somebody else wrote at the same moment.
    Conflict,
    /// A cache does not show the own last write yet.
    Stale,
    /// Its namespace is being deleted: soon there is nothing left to try.
    Terminating,
}

impl Retry {
    fn delays(self) -> (Duration, Duration) {
        match self {
            Self::Error | Self::Terminating => (FIRST_DELAY, LONGEST_DELAY),
            Self::Conflict => (FIRST_CONFLICT_DELAY, LONGEST_SHORT_DELAY),
            Self::Stale => (FIRST_STALE_DELAY, LONGEST_SHORT_DELAY),
        }
    }
}

/// The waits of every object that does not succeed just now.
#[derive(Debug, Default)]
pub struct Backoffs {
    random: RandomState,
    /// Each reason has its own: a lagging cache between two errors must not begin the waits of errors anew.
    running: Mutex<HashMap<ObjectKey, BTreeMap<Retry, ExponentialBackoff>>>,
}

impl Backoffs {
    /// How long to wait before `key` is tried again. Grows with every call for the same reason.
    pub fn next(&self, key: &ObjectKey, retry: Retry) -> Duration {
        let (first, longest) = retry.delays();
        let mut running = self.running.lock();
        let delays = running
            .entry(key.clone())
            .or_default()
            .entry(retry)
            .or_insert_with(|| {
                ExponentialBuilder::new()
                    .with_min_delay(first)
                    .with_max_delay(longest)
                    .with_jitter()
                    .with_jitter_seed(self.random.hash_one(key))
                    .without_max_times()
                    .build()
            });
        // The jitter is added on top of the longest delay.
        delays.next().unwrap_or(longest).min(longest)
    }

    /// `key` succeeded, or is gone.
    pub fn reset(&self, key: &ObjectKey) {
        self.running.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new("shop", "web")
    }

    fn within(delay: Duration, least: Duration) -> bool {
        (least..=least * 2).contains(&delay)
    }

    #[test]
    fn delays_double_with_jitter() {
        let backoffs = Backoffs::default();
        for power in 0..5 {
            let delay = backoffs.next(&key(), Retry::Error);
            assert!(
                within(delay, FIRST_DELAY * 2_u32.pow(power)),
                "{power}: {delay:?}"
            );
        }
    }

    #[test]
    fn delays_are_capped() {
        let backoffs = Backoffs::default();
        for _ in 0..64 {
            assert!(backoffs.next(&key(), Retry::Error) <= LONGEST_DELAY);
        }
        assert_eq!(backoffs.next(&key(), Retry::Error), LONGEST_DELAY);
    }

    #[test]
    fn success_begins_anew() {
        let backoffs = Backoffs::default();
        for _ in 0..5 {
            backoffs.next(&key(), Retry::Error);
        }

        backoffs.reset(&key());

        assert!(within(backoffs.next(&key(), Retry::Error), FIRST_DELAY));
    }

    #[test]
    fn objects_wait_on_their_own() {
        let backoffs = Backoffs::default();
        for _ in 0..5 {
            backoffs.next(&key(), Retry::Error);
        }
        assert!(within(
            backoffs.next(&ObjectKey::new("shop", "api"), Retry::Error),
            FIRST_DELAY
        ));
    }

    #[test]
    fn a_lagging_cache_between_errors_does_not_shorten_their_waits() {
        let backoffs = Backoffs::default();
        backoffs.next(&key(), Retry::Error);
        backoffs.next(&key(), Retry::Stale);
        assert!(within(backoffs.next(&key(), Retry::Error), FIRST_DELAY * 2));
    }

    #[test]
    fn conflicts_are_tried_again_fast() {
        let backoffs = Backoffs::default();
        backoffs.next(&key(), Retry::Error);
        assert!(within(
            backoffs.next(&key(), Retry::Conflict),
            FIRST_CONFLICT_DELAY
        ));
    }
}
