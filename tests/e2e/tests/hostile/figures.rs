//! What the controller's own metrics say of its work.

use anyhow::Result;
use kulta_e2e::{Controller, eventually};

/// The bucket of reconciles that took no longer than a second.
const WITHIN_A_SECOND: &str = r#"le="1.0""#;

/// Reconciles of all Rollouts.
pub(super) struct Reconciles {
    pub(super) all: u64,
    pub(super) within_a_second: u64,
}

impl Reconciles {
    pub(super) async fn now() -> Result<Self> {
        let metrics = Controller::metrics().await?;
        Ok(Self {
            all: sum(&metrics, "kulta_reconcile_duration_seconds_count", ""),
            within_a_second: sum(
                &metrics,
                "kulta_reconcile_duration_seconds_bucket",
                WITHIN_A_SECOND,
            ),
        })
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            all: self.all - before.all,
            within_a_second: self.within_a_second - before.within_a_second,
        }
    }
}

/// How many plugins there are.
#[derive(Debug)]
pub(super) struct Plugins {
    pub(super) in_service: u64,
    pub(super) refused: u64,
    pub(super) loading: u64,
}

impl Plugins {
    /// The files that were found, and the bundled plugins.
    pub(super) fn all(&self) -> u64 {
        self.in_service + self.refused + self.loading
    }
}

/// Waits until the controller's plugins are as they should be; answers how many there are then.
pub(super) async fn until_plugins(what: &str, condition: impl Fn(&Plugins) -> bool) -> Result<Plugins> {
    eventually(what, async || {
        // It may just have been started.
        let metrics = Controller::metrics().await.unwrap_or_default();
        let count = |state: &str| sum(&metrics, "kulta_plugins{", &format!("state=\"{state}\""));
        let plugins = Plugins {
            in_service: count("in-service"),
            refused: count("refused"),
            loading: count("loading"),
        };
        Ok(condition(&plugins).then_some(plugins))
    })
    .await
}

fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}
