//! When to measure.

use jiff::{SignedDuration, Timestamp};

use super::metric::Metric;
use super::run::{AnalysisPhase, Measurement, MetricResult, RunStatus};
use crate::draft::after;

/// How soon a measurement that failed to measure is tried again, whatever the metric's interval. As in Argo Rollouts.
pub(super) const ERROR_RETRY: SignedDuration = SignedDuration::from_secs(10);

/// The metrics to measure now. Measuring takes time: the caller does it, and hands what came of it to
/// [`advance`](super::advance()).
#[must_use]
pub fn due<'metrics>(
    metrics: &'metrics [Metric],
    terminate: bool,
    status: &RunStatus,
    now: Timestamp,
) -> Vec<&'metrics Metric> {
    if status.started_at.is_none() || is_terminating(metrics, terminate, status) {
        return Vec::new();
    }
    metrics
        .iter()
        .filter(|metric| next_at(metric, status).is_some_and(|next| next <= now))
        .collect()
}

/// When `metric` is to be measured next; None: never again.
pub(super) fn next_at(metric: &Metric, status: &RunStatus) -> Option<Timestamp> {
    let started_at = status.started_at?;
    let result = result(status, &metric.name);
    let Some((result, last)) = result.and_then(|result| Some((result, result.measurements.last()?))) else {
        return Some(after(started_at, metric.initial_delay));
    };
    if result.phase.completed() {
        return None;
    }
    let Some(finished_at) = last.finished_at else {
        return Some(last.resume_at.unwrap_or(last.started_at));
    };
    if metric.count.is_some_and(|count| result.count >= count.get()) {
        return None;
    }
    if last.phase == AnalysisPhase::Error {
        return Some(after(finished_at, ERROR_RETRY));
    }
    let at_interval = after(finished_at, metric.interval.unwrap_or(ERROR_RETRY));
    Some(last.resume_at.unwrap_or(at_interval))
}

/// Whether nothing more is measured: somebody ended the analysis, or one metric has decided it.
pub(super) fn is_terminating(metrics: &[Metric], terminate: bool, status: &RunStatus) -> bool {
    let decides = |metric: &Metric| {
        let phase = result(status, &metric.name).map_or(AnalysisPhase::Pending, |result| result.phase);
        !metric.dry_run && phase.completed() && phase != AnalysisPhase::Successful
    };
    terminate || metrics.iter().any(decides)
}

/// The measurement of `result` that goes on.
pub(super) fn unfinished(result: &MetricResult) -> Option<&Measurement> {
    let last = result.measurements.last();
    last.filter(|measurement| measurement.finished_at.is_none())
}

pub(super) fn result<'status>(status: &'status RunStatus, metric: &str) -> Option<&'status MetricResult> {
    status.metric_results.iter().find(|result| result.name == metric)
}
