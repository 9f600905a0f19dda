//! When the inventory is written: at once where something could be lost, later where something is only to be taken away, and
//! again after a growing while where it could not be.

use std::future::pending;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep_until};

/// The first wait after the inventory could not be read or written, and the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// What is only to be taken away waits for so long, so that much of it is taken away at once.
const TIDIED_WITHIN: Duration = Duration::from_secs(5);

/// When the inventory is written.
pub(super) struct Pace {
    delays: ExponentialBackoff,
    /// It could not be written, and is left alone until then.
    not_before: Option<Instant>,
    /// It is to be tidied up then.
    tidied_at: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY)
            .with_max_delay(LONGEST_RETRY)
            .with_jitter()
            .without_max_times();
        Self {
            delays: delays.build(),
            not_before: None,
            tidied_at: None,
        }
    }
}

impl Pace {
    /// Whether to write now.
    pub(super) fn is_due(&self, is_urgent: bool) -> bool {
        let now = Instant::now();
        let is_over = |at: Instant| at <= now;
        let is_wanted = is_urgent || self.not_before.is_some() || self.tidied_at.is_some_and(is_over);
        is_wanted && self.not_before.is_none_or(is_over)
    }

    /// Something is to be taken away.
    pub(super) fn is_wanted(&mut self) {
        self.tidied_at
            .get_or_insert_with(|| Instant::now() + TIDIED_WITHIN);
    }

    /// It was written, or could not be.
    pub(super) fn note(&mut self, is_kept: bool) {
        if is_kept {
            *self = Self::default();
        } else {
            self.not_before = Some(Instant::now() + self.delays.next().unwrap_or(LONGEST_RETRY));
        }
    }

    /// Waits until there is something to do. Never, where nothing is known to be.
    pub(super) async fn wait(&self) {
        match self.not_before.or(self.tidied_at) {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_could_be_lost_is_written_at_once() {
        assert!(Pace::default().is_due(true));
        assert!(!Pace::default().is_due(false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_only_to_be_taken_away_waits_and_not_longer_for_what_comes_later() {
        let mut pace = Pace::default();
        pace.is_wanted();
        tokio::time::advance(TIDIED_WITHIN / 2).await;
        pace.is_wanted();

        assert!(!pace.is_due(false));
        tokio::time::advance(TIDIED_WITHIN / 2).await;
        pace.wait().await;

        assert!(pace.is_due(false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_tried_again_after_a_while() {
        let mut pace = Pace::default();
        pace.note(false);

        assert!(!pace.is_due(true));
        pace.wait().await;
        assert!(pace.is_due(false));

        pace.note(true);
        assert!(!pace.is_due(false));
    }
}
