//! What the controller says of itself: its metrics.

use anyhow::{Result, bail};
use kulta_e2e::{Controller, Installed};
use tokio::time::{sleep, timeout};

use crate::limits;

/// Asks the controller.
pub(crate) enum Probe {
    /// The process of this machine.
    Process,
    /// All pods of the one that is installed, as if they were one: those that follow reconcile nothing.
    Installed(Installed),
}

/// How far the controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    rollouts: u64,
    reconciles: u64,
}

impl Probe {
    /// Waits until the controller has reconciled so many Rollouts and has nothing more to do.
    pub(crate) async fn idle_with(&self, rollouts: usize) -> Result<()> {
        let idle = timeout(limits::WITHIN, async {
            let mut before = None;
            loop {
                // No answer: it has only just been started.
                let now = self.progress().await.ok();
                let enough = now.is_some_and(|now| now.rollouts >= rollouts as u64);
                if enough && now == before {
                    return;
                }
                before = now;
                sleep(limits::QUIET_FOR).await;
            }
        });
        if idle.await.is_err() {
            bail!(
                "the controller does not come to rest with {rollouts} Rollouts: {:?}",
                self.progress().await
            );
        }
        Ok(())
    }

    /// Waits until the controller has reconciled so many Rollouts.
    pub(crate) async fn has_seen(&self, rollouts: usize) -> Result<()> {
        let seen = timeout(limits::WITHIN, async {
            // No answer: it has only just been started.
            while !self
                .progress()
                .await
                .is_ok_and(|now| now.rollouts >= rollouts as u64)
            {
                sleep(limits::LOOK).await;
            }
        });
        if seen.await.is_err() {
            bail!(
                "the controller does not come to see {rollouts} Rollouts: {:?}",
                self.progress().await
            );
        }
        Ok(())
    }

    async fn progress(&self) -> Result<Progress> {
        let metrics = match self {
            Self::Process => Controller::metrics().await?,
            Self::Installed(installed) => installed.metrics().await?,
        };
        Ok(progress(&metrics))
    }
}

fn progress(metrics: &str) -> Progress {
    Progress {
        rollouts: sum(metrics, "kulta_rollouts"),
        reconciles: sum(metrics, "kulta_reconcile_duration_seconds_count"),
    }
}

/// The sum of a metric over its labels.
fn sum(metrics: &str, name: &str) -> u64 {
    let values = metrics.lines().filter_map(|line| {
        let (_, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once(' ')?;
        value.parse::<u64>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let metrics = "# TYPE kulta_rollouts gauge\nkulta_rollouts{phase=\"Healthy\"} 90\n\
                       kulta_rollouts{phase=\"Paused\"} 10\nkulta_rollouts_other{phase=\"Paused\"} 7\n\
                       kulta_reconcile_duration_seconds_count{result=\"ok\"} 250\n";
        assert_eq!(
            progress(metrics),
            Progress {
                rollouts: 100,
                reconciles: 250
            }
        );
    }
}
