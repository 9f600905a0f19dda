//! Load through the gateway, and the split measured while a weight is in force.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kulta_traffic::split::{self, Verdict};
use kulta_traffic::{Config, Load, Report, Snapshot, Target};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::rollout::{Rollout, is_in_force};
use crate::settings::limits;
use crate::stage::Stage;

/// Steady load on one host behind the gateway. Dropping it stops it.
#[derive(Debug)]
pub struct Traffic {
    load: Load,
    rate: u32,
}

/// What was measured while one weight was in force.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The version that the weight is about.
    pub version: String,
    /// Its weight, in percent.
    pub weight: u8,
    /// What was counted meanwhile.
    pub window: Snapshot,
    /// Whether the split matches the weight.
    pub verdict: Verdict,
}

impl Traffic {
    /// Waits until the gateway serves the host, and starts `rate` requests per second, half on fresh connections. From
    /// then on every failure counts.
    ///
    /// # Errors
    /// When the host is not served in time.
    pub async fn start(stage: &Stage, host: &str, rate: u32) -> Result<Self> {
        let warm_up = Self::begin(stage, host, limits::WARM_UP_RATE)?;
        let mut from = warm_up.snapshot();
        warm_up
            .until(limits::WITHIN, |snapshot| {
                if snapshot.since(&from).failed_total() > 0 {
                    from = snapshot.clone();
                }
                snapshot.since(&from).ok >= limits::WARM_UP_ANSWERS
            })
            .await
            .with_context(|| format!("the gateway does not serve {host}:\n{}", warm_up.snapshot()))?;
        warm_up.stop().await;
        Self::begin(stage, host, rate)
    }

    fn begin(stage: &Stage, host: &str, rate: u32) -> Result<Self> {
        let target = Target {
            address: stage.gateway_address(),
            host: host.to_owned(),
            path: String::from("/"),
        };
        let config = Config::new(target, rate);
        // The user has named the gateway of a cluster of his own.
        let allow_any_target = stage.settings().cluster.is_none();
        let max_requests = u64::from(rate).saturating_mul(config.max_duration.as_secs());
        Ok(Self {
            load: Load::start(Config {
                allow_any_target,
                max_requests,
                ..config
            })?,
            rate,
        })
    }

    /// Requests per second that this machine can make, serve and carry.
    #[must_use]
    pub fn rate_of_machine() -> u32 {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        processors
            .saturating_mul(limits::RATE_PER_PROCESSOR)
            .min(limits::RATE_LIMIT)
    }

    /// Everything counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.load.snapshot()
    }

    /// How long so many requests take.
    #[must_use]
    pub fn time_for(&self, requests: u64) -> Duration {
        Duration::from_secs(requests.div_ceil(u64::from(self.rate.max(1))))
    }

    /// Waits until so many requests were sent since the start.
    ///
    /// # Errors
    /// When the load does not keep its pace.
    pub async fn sent(&self, requests: u64) -> Result<Snapshot> {
        let missing = requests.saturating_sub(self.snapshot().sent);
        self.until(self.time_for(missing) + limits::WITHIN, |snapshot| {
            snapshot.sent >= requests
        })
        .await
    }

    /// Waits until `version` has its weight in force, and measures the split over so many answers.
    ///
    /// What is sent in the first moments ([`limits::SETTLE`]) is left out: the gateway says that it has accepted a weight
    /// shortly before its data plane works by it.
    ///
    /// A split that does not match is measured on while the weight stays, up to twice the answers: what chance has taken
    /// out of its tolerance comes back with more of them, a wrong weight goes further out.
    ///
    /// # Errors
    /// When the weight does not come into force, does not stay, or the load does not keep its pace.
    pub async fn measure(
        &self,
        rollout: &Rollout,
        version: &str,
        weight: u8,
        answers: u64,
    ) -> Result<Measurement> {
        let what = format!("to have {weight} % in force");
        rollout.until(&what, |status| is_in_force(status, weight)).await?;
        let begun = self.settled().await?;
        let mut measured = None;
        for enough in looks(answers, weight) {
            let latest = self.measured_since(&begun, version, weight, enough).await?;
            if !is_in_force(&rollout.status().await?, weight) {
                break;
            }
            let is_within = latest.verdict.is_within();
            measured = Some(latest);
            if is_within {
                break;
            }
        }
        measured.with_context(|| {
            format!("the weight of {weight} % did not stay for the {answers} answers it was measured over")
        })
    }

    /// The split over so many answers after `begun`.
    async fn measured_since(
        &self,
        begun: &Snapshot,
        version: &str,
        weight: u8,
        answers: u64,
    ) -> Result<Measurement> {
        let counted = |snapshot: &Snapshot| snapshot.answers().saturating_sub(begun.answers());
        let missing = answers.saturating_sub(counted(&self.snapshot()));
        let patience = self.time_for(missing) + limits::WITHIN;
        let ended = self
            .until(patience, |snapshot| counted(snapshot) >= answers)
            .await?;
        let window = ended.since(begun);
        let verdict = split::within(
            window.answers_of(version),
            window.answers(),
            weight,
            split::DEFAULT_SIGMAS,
        );
        Ok(Measurement {
            version: version.to_owned(),
            weight,
            window,
            verdict,
        })
    }

    /// The moment from which on every request is new: some time has passed, and what was sent until then has ended.
    async fn settled(&self) -> Result<Snapshot> {
        let from = self.snapshot().elapsed + limits::SETTLE;
        let sent = self
            .until(limits::WITHIN, |snapshot| snapshot.elapsed >= from)
            .await?
            .sent;
        self.until(limits::WITHIN, |snapshot| snapshot.ended() >= sent)
            .await
    }

    /// Ends the load, waits for the requests in flight and gives the whole count.
    pub async fn stop(self) -> Report {
        self.load.stop().await
    }

    /// Ends the load and refuses any failure at all.
    ///
    /// # Errors
    /// When a request failed or the count is not whole: the error is the report.
    pub async fn stop_without_failure(self) -> Result<Report> {
        let report = self.stop().await;
        ensure!(report.is_clean(), "requests failed:\n{report}");
        Ok(report)
    }

    /// The counters are this process's own and have nothing to subscribe to, so they are looked at.
    async fn until(&self, within: Duration, mut holds: impl FnMut(&Snapshot) -> bool) -> Result<Snapshot> {
        let mut looks = interval(limits::LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looking = async {
            loop {
                looks.tick().await;
                let snapshot = self.snapshot();
                if holds(&snapshot) {
                    return snapshot;
                }
            }
        };
        timeout(within, looking)
            .await
            .with_context(|| format!("waited {} s for answers", within.as_secs()))
    }
}

/// After how many answers a split is judged, the next only where the one before does not match: where nothing is left to
/// chance, once.
fn looks(answers: u64, weight: u8) -> impl Iterator<Item = u64> {
    let again = match weight {
        1..100 => limits::LOOKS_AGAIN,
        _ => 0,
    };
    (0..=again).map(move |look| answers.saturating_add(answers.saturating_mul(look) / limits::LOOKS_AGAIN))
}

impl Measurement {
    /// Refuses a split that does not match the weight.
    ///
    /// # Errors
    /// When it does not match.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.verdict.is_within(),
            "{} at {} %: {}",
            self.version,
            self.weight,
            self.verdict
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_judged_again_until_twice_the_answers() {
        let looks: Vec<u64> = looks(5_000, 10).collect();

        assert_eq!(looks.first(), Some(&5_000));
        assert_eq!(looks.last(), Some(&10_000));
        assert!(looks.is_sorted_by(|earlier, later| earlier < later));
    }

    #[test]
    fn what_is_not_left_to_chance_is_judged_once() {
        assert!(looks(5_000, 0).eq([5_000]));
        assert!(looks(5_000, 100).eq([5_000]));
    }

    /// Seen with a fair gateway: 1,115 of 12,513 answers where a tenth was asked for.
    #[test]
    fn what_chance_took_out_comes_back_and_a_wrong_weight_does_not() {
        let judged = |canary, total| split::within(canary, total, 10, split::DEFAULT_SIGMAS).is_within();
        let (canary, total) = (1_115, 12_513);
        assert!(!judged(canary, total));

        let comes_back = looks(total, 10).any(|answers| judged(canary + (answers - total) / 10, answers));
        let stays_wrong = looks(total, 10).all(|answers| !judged(canary * answers / total, answers));

        assert!(comes_back);
        assert!(stays_wrong);
    }
}
