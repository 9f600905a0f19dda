//! What is counted for dashboards that were made for Argo Rollouts, besides what the caches know: only where they are served.
//!
//! It has names of Rollouts, so what is kept of one goes with it.

use std::collections::BTreeMap;
use std::time::Duration;

use kulta_core::status::{CompletionStatus, RolloutDuration};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::key::ObjectKey;

/// Upper bounds in seconds, those of Argo Rollouts.
const RECONCILE_BUCKETS: [f64; 5] = [0.01, 0.15, 0.25, 0.5, 1.0];
/// The same of whole rollouts: from half a minute to eight hours.
const ROLLOUT_BUCKETS: [f64; 11] = [
    30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0,
];

/// The type and the reason of an event.
pub type Told = (&'static str, &'static str);

/// What was counted of a Rollout.
#[derive(Debug, Clone)]
pub struct Counted {
    /// How long its reconciles took.
    pub reconciles: Histogram,
    /// Reconciles that failed.
    pub errors: u64,
    /// Kubernetes Events about it.
    pub events: BTreeMap<Told, u64>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            reconciles: Histogram::new(RECONCILE_BUCKETS),
            errors: 0,
            events: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

type Durations = Family<StatusLabel, Histogram, fn() -> Histogram>;

fn durations() -> Durations {
    Family::new_with_constructor(|| Histogram::new(ROLLOUT_BUCKETS))
}

/// What is counted.
#[derive(Debug)]
pub struct ArgoCounts {
    rollouts: Mutex<BTreeMap<ObjectKey, Counted>>,
    total: Durations,
    progression: Durations,
    manual_pause: Durations,
}

impl Default for ArgoCounts {
    fn default() -> Self {
        Self {
            rollouts: Mutex::default(),
            total: durations(),
            progression: durations(),
            manual_pause: durations(),
        }
    }
}

impl ArgoCounts {
    /// Registers what has no names of Rollouts.
    pub fn register(&self, registry: &mut Registry) {
        let mut register = |name: &str, help: &str, durations: &Durations| {
            registry.register_with_unit(name, help, Unit::Seconds, durations.clone());
        };
        register(
            "rollout_duration",
            "How long rollouts took from their beginning to their end, by what became of them",
            &self.total,
        );
        register(
            "rollout_progression_duration",
            "The same without the time that they waited for people",
            &self.progression,
        );
        register(
            "rollout_manual_pause_duration",
            "How long rollouts waited for people",
            &self.manual_pause,
        );
    }

    /// Counts a reconcile of a Rollout that is there.
    pub fn reconciled(&self, rollout: &ObjectKey, has_failed: bool, duration: Duration) {
        self.count(rollout, |counted| {
            counted.reconciles.observe(duration.as_secs_f64());
            counted.errors += u64::from(has_failed);
        });
    }

    /// Counts a Kubernetes Event about a Rollout.
    pub fn told(&self, rollout: &ObjectKey, told: Told) {
        self.count(rollout, |counted| {
            *counted.events.entry(told).or_default() += 1;
        });
    }

    /// Counts a rollout that has come to its end, if the status tells of one that it did not tell of `before`.
    pub fn finished(&self, before: Option<&RolloutDuration>, after: Option<&RolloutDuration>) {
        let Some(RolloutDuration {
            rollout_started_at: Some(started),
            manual_pause_started_at: _,
            total_manual_pause_duration_seconds: paused,
            finished_at: Some(finished),
            completion_status: Some(status),
        }) = after
        else {
            return;
        };
        let was_told = before.is_some_and(|before| {
            before.finished_at == Some(*finished) && before.rollout_started_at == Some(*started)
        });
        if was_told {
            return;
        }
        let labels = StatusLabel {
            status: label(*status),
        };
        let total = Duration::try_from(finished.duration_since(*started)).unwrap_or_default();
        let paused = Duration::from_secs(*paused);
        let observe = |durations: &Durations, duration: Duration| {
            durations.get_or_create(&labels).observe(duration.as_secs_f64());
        };
        observe(&self.total, total);
        observe(&self.progression, total.saturating_sub(paused));
        observe(&self.manual_pause, paused);
    }

    /// The Rollout is gone.
    pub fn forget(&self, rollout: &ObjectKey) {
        self.rollouts.lock().remove(rollout);
    }

    /// What was counted of those that are there; the others are forgotten.
    #[must_use]
    pub fn of(&self, is_there: impl Fn(&ObjectKey) -> bool) -> BTreeMap<ObjectKey, Counted> {
        let mut rollouts = self.rollouts.lock();
        rollouts.retain(|key, _| is_there(key));
        rollouts.clone()
    }

    fn count(&self, rollout: &ObjectKey, count: impl FnOnce(&mut Counted)) {
        let mut rollouts = self.rollouts.lock();
        match rollouts.get_mut(rollout) {
            Some(counted) => count(counted),
            None => count(rollouts.entry(rollout.clone()).or_default()),
        }
    }
}

/// As it is written in a status.
const fn label(status: CompletionStatus) -> &'static str {
    match status {
        CompletionStatus::Promoted => "Promoted",
        CompletionStatus::FastPromoted => "FastPromoted",
        CompletionStatus::Aborted => "Aborted",
        CompletionStatus::Superseded => "Superseded",
        CompletionStatus::RolledBack => "RolledBack",
        CompletionStatus::FastRolledBack => "FastRolledBack",
    }
}
