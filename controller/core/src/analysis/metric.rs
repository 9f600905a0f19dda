//! A metric of an analysis: how often it is measured, and how much of what is borne.

use std::num::NonZeroU32;

use jiff::SignedDuration;

/// Measurements that are kept of a metric, unless it says otherwise. As in Argo Rollouts.
pub const DEFAULT_RETENTION: usize = 10;
/// Errors in a row that are borne, unless the metric says otherwise. As in Argo Rollouts.
pub const DEFAULT_CONSECUTIVE_ERROR_LIMIT: u32 = 4;
/// How long one measurement may go on, unless the metric says otherwise: as long as a rollout may stand still.
pub const DEFAULT_MEASUREMENT_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// One metric of an analysis, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name; no two metrics of an analysis share it.
    pub name: String,
    /// Time between two measurements. None only where at most one is asked for.
    pub interval: Option<SignedDuration>,
    /// Time from the beginning of the analysis to the first measurement.
    pub initial_delay: SignedDuration,
    /// How many measurements make the metric complete. None: it goes on until the analysis is ended.
    pub count: Option<NonZeroU32>,
    /// Failed measurements that are borne. None: any number.
    pub failure_limit: Option<u32>,
    /// Inconclusive measurements that are borne.
    pub inconclusive_limit: u32,
    /// Errors in a row that are borne.
    pub consecutive_error_limit: u32,
    /// Successes in a row that make the metric successful at once. None: it takes all its measurements.
    pub consecutive_success_limit: Option<NonZeroU32>,
    /// What comes of it is shown and has no effect.
    pub dry_run: bool,
    /// How many measurements are kept.
    pub retention: usize,
    /// How long one measurement may go on before it counts as inconclusive; a gate, before it counts as denied. None:
    /// for ever.
    pub deadline: Option<SignedDuration>,
    /// It is a gate: it is asked until it allows or denies, and an error is no answer.
    pub gate: bool,
}

impl Metric {
    /// A metric that is measured once and must succeed.
    pub fn once(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            interval: None,
            initial_delay: SignedDuration::ZERO,
            count: Some(NonZeroU32::MIN),
            failure_limit: Some(0),
            inconclusive_limit: 0,
            consecutive_error_limit: DEFAULT_CONSECUTIVE_ERROR_LIMIT,
            consecutive_success_limit: None,
            dry_run: false,
            retention: DEFAULT_RETENTION,
            deadline: Some(DEFAULT_MEASUREMENT_DEADLINE),
            gate: false,
        }
    }

    /// A gate that is asked again after `interval`.
    pub fn gate(
        name: impl Into<String>,
        interval: Option<SignedDuration>,
        deadline: Option<SignedDuration>,
    ) -> Self {
        Self {
            interval,
            deadline,
            gate: true,
            ..Self::once(name)
        }
    }

    /// Whether it goes on until the analysis is ended.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.count.is_none() && self.consecutive_success_limit.is_none()
    }
}
