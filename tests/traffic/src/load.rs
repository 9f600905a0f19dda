//! The pace: requests leave when they are due, whatever happened to the ones before.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::config::{Config, ConfigError};
use crate::connection::IdleConnections;
use crate::counters::{Counters, Snapshot};
use crate::exchange::{Exchanges, Travel};
use crate::failure::FailureKind;

/// Why a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has made as many requests as it may.
    MaxRequests,
    /// Its time was over.
    MaxDuration,
    /// It was stopped.
    Stopped,
    /// Its runtime ended before it did; the count is not complete.
    Broken,
}

/// What a version answers that fails by itself.
const BY_ITSELF: FailureKind = FailureKind::Status(500);

/// What a load has counted, and why it ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Everything counted.
    pub total: Snapshot,
    /// Why it ended.
    pub ended: Ended,
}

impl Report {
    /// Whether requests were sent, every one of them succeeded, and the count is whole: what stands for "no request
    /// failed" everywhere.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.is_whole() && self.total.failed_total() == 0
    }

    /// The same where one version is known to answer some requests with 500 by itself: these were answered, and not lost.
    #[must_use]
    pub fn is_clean_but_for(&self, version: &str) -> bool {
        let of_version = self.total.versions.get(version).map_or(0, |count| count.failed);
        let answered = self.total.failed.get(&BY_ITSELF).copied().unwrap_or(0);
        self.is_whole() && self.total.failed_total() == of_version && of_version == answered
    }

    fn is_whole(&self) -> bool {
        self.ended != Ended::Broken && self.total.ok > 0 && self.total.in_flight() == 0
    }
}

/// A running load. Dropping it stops it.
#[derive(Debug)]
pub struct Load {
    exchanges: Arc<Exchanges>,
    stop: oneshot::Sender<()>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Load {
    /// Starts the load as a task of the caller's runtime, which must have its network and time drivers enabled.
    ///
    /// # Errors
    /// When the configuration is refused; nothing is sent then.
    pub fn start(config: Config) -> Result<Self, ConfigError> {
        let plan = config.plan()?;
        let exchanges = Exchanges {
            plan,
            counters: Counters::new()?,
            idle: IdleConnections::default(),
        };
        let exchanges = Arc::new(exchanges);
        let (stop, stopped) = oneshot::channel();
        let (tell_end, ended) = watch::channel(None);
        tokio::spawn(run(config, Arc::clone(&exchanges), stopped, tell_end));
        Ok(Self {
            exchanges,
            stop,
            ended,
        })
    }

    /// Everything counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.exchanges.counters.snapshot()
    }

    /// Waits until a bound of the load is reached and every request has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let told = ended.wait_for(Option::is_some).await;
        told.ok().and_then(|told| *told).unwrap_or(Ended::Broken)
    }

    /// Sends no more requests, waits until those in flight have ended, and gives the whole count. A load that has
    /// ended by itself reports why it did.
    pub async fn stop(mut self) -> Report {
        let (replacement, _) = oneshot::channel();
        // Nobody receives when the load has ended already.
        let _ended_already = std::mem::replace(&mut self.stop, replacement).send(());
        let ended = self.ended().await;
        Report {
            total: self.snapshot(),
            ended,
        }
    }
}

async fn run(
    config: Config,
    exchanges: Arc<Exchanges>,
    stopped: oneshot::Receiver<()>,
    tell_end: watch::Sender<Option<Ended>>,
) {
    let slots = Arc::new(Semaphore::new(
        usize::try_from(config.max_in_flight).unwrap_or(Semaphore::MAX_PERMITS),
    ));
    let ended = keep_pace(&config, &exchanges, &slots, stopped).await;
    // All slots are free when no request is in flight any more; the semaphore is never closed.
    if let Err(error) = slots.acquire_many(config.max_in_flight).await {
        tracing::error!(%error, "requests in flight were not waited for");
    }
    tell_end.send_replace(Some(ended));
}

async fn keep_pace(
    config: &Config,
    exchanges: &Arc<Exchanges>,
    slots: &Arc<Semaphore>,
    mut stopped: oneshot::Receiver<()>,
) -> Ended {
    let begun = exchanges.counters.begun();
    let mut kept_alive = EvenShare::of_percent(config.kept_alive_percent);
    for number in 0..config.max_requests {
        let offset = due_after(number, config.rate);
        if offset >= config.max_duration {
            return Ended::MaxDuration;
        }
        let due = begun + offset;
        if due > Instant::now() {
            tokio::select! {
                biased;
                _ = &mut stopped => return Ended::Stopped,
                () = sleep_until(due) => {}
            }
        } else {
            // Late: catch up without a pause, but let the requests in flight get on.
            tokio::task::yield_now().await;
            if stopped.try_recv() != Err(TryRecvError::Empty) {
                return Ended::Stopped;
            }
        }
        let travel = if kept_alive.next_is_in() {
            Travel::KeptAlive
        } else {
            Travel::Fresh
        };
        depart(exchanges, slots, travel, due);
    }
    Ended::MaxRequests
}

fn depart(exchanges: &Arc<Exchanges>, slots: &Arc<Semaphore>, travel: Travel, due: Instant) {
    exchanges.counters.sent();
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        exchanges.overload(due);
        return;
    };
    let exchanges = Arc::clone(exchanges);
    tokio::spawn(async move {
        exchanges.exchange(travel, due).await;
        drop(slot);
    });
}

/// When the request with this number is due, from the start. Computed from the number, so no error adds up.
fn due_after(number: u64, rate: u32) -> Duration {
    let rate = u64::from(rate);
    let seconds = Duration::from_secs(number / rate);
    // Below one second in nanoseconds times at most 100 000: far from the type's limit.
    let rest = Duration::from_nanos((number % rate) * 1_000_000_000 / rate);
    seconds.saturating_add(rest)
}

/// Spreads a share evenly: of any hundred in a row, exactly the percentage is in.
#[derive(Debug)]
struct EvenShare {
    percent: u8,
    carried: u8,
}

impl EvenShare {
    fn of_percent(percent: u8) -> Self {
        Self {
            percent: percent.min(100),
            carried: 0,
        }
    }

    fn next_is_in(&mut self) -> bool {
        // Both below or at 100, so the sum fits.
        self.carried += self.percent;
        let is_in = self.carried >= 100;
        if is_in {
            self.carried -= 100;
        }
        is_in
    }
}

#[cfg(test)]
mod tests;
