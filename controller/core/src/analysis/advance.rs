//! What measurements mean: counted, judged by the metrics' limits, and put together.

use jiff::{SignedDuration, Timestamp};

use super::bounds;
use super::due::{ERROR_RETRY, is_terminating, next_at, unfinished};
use super::finding::Finding;
use super::metric::Metric;
use super::run::{AnalysisPhase, Measurement, MetricResult, RunStatus, Summary};
use super::verdict::{Outcome, Reading};
use crate::draft::after;
use crate::text;

/// A plugin's wish for the time of its next call is kept within these.
const SOONEST: SignedDuration = SignedDuration::from_secs(1);
const LATEST: SignedDuration = SignedDuration::from_hours(1);

/// A measurement that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The name of the metric.
    pub metric: String,
    /// When the call was begun.
    pub started_at: Timestamp,
    /// What came of it.
    pub finding: Finding,
}

/// How an analysis goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The status to write.
    pub status: RunStatus,
    /// When to measure next.
    pub wake_at: Option<Timestamp>,
}

/// The status after `taken` was measured (which may be nothing), and when to look again.
///
/// A completed analysis stays as it is.
#[must_use]
pub fn advance(
    metrics: &[Metric],
    terminate: bool,
    status: &RunStatus,
    taken: Vec<Taken>,
    now: Timestamp,
) -> Progress {
    let mut status = status.clone();
    if status.phase.completed() {
        return Progress {
            status,
            wake_at: None,
        };
    }
    status.started_at.get_or_insert(now);
    align(&mut status, metrics);
    for Taken {
        metric,
        started_at,
        finding,
    } in taken
    {
        let metric = metrics.iter().find(|known| known.name == metric);
        let result = metric.and_then(|metric| result_of(&mut status, &metric.name));
        if let (Some(metric), Some(result)) = (metric, result) {
            record(metric, result, started_at, finding, now);
        }
    }
    assess(metrics, terminate, &mut status, now);
    // One metric that has decided the analysis ends the others.
    if is_terminating(metrics, terminate, &status) {
        assess(metrics, true, &mut status, now);
    }
    conclude(metrics, terminate, &mut status, now);
    bounds::fit(&mut status);
    let next = |metric: &Metric| next_at(metric, &status);
    let running = !status.phase.completed();
    let wake_at = metrics.iter().filter_map(next).min().filter(|_| running);
    Progress { status, wake_at }
}

/// One result for each metric, in their order.
fn align(status: &mut RunStatus, metrics: &[Metric]) {
    let mut known = std::mem::take(&mut status.metric_results);
    status.metric_results = metrics
        .iter()
        .map(|metric| {
            let position = known.iter().position(|result| result.name == metric.name);
            let mut result =
                position.map_or_else(MetricResult::default, |position| known.swap_remove(position));
            result.name.clone_from(&metric.name);
            result.dry_run = metric.dry_run;
            result
        })
        .collect();
}

fn result_of<'status>(status: &'status mut RunStatus, name: &str) -> Option<&'status mut MetricResult> {
    status
        .metric_results
        .iter_mut()
        .find(|result| result.name == name)
}

/// Writes down what came of one call.
fn record(
    metric: &Metric,
    result: &mut MetricResult,
    started_at: Timestamp,
    finding: Finding,
    now: Timestamp,
) {
    let began = unfinished(result).map(|measurement| measurement.started_at);
    if began.is_some() {
        result.measurements.pop();
    }
    for measurement in &mut result.measurements {
        bounds::make_earlier(measurement);
    }
    let started_at = began.unwrap_or(started_at);
    let deadline = metric
        .deadline
        .map(|deadline| (after(started_at, deadline), deadline));
    let overdue = deadline
        .filter(|(end, _)| now >= *end)
        .map(|(_, deadline)| deadline);
    let (phase, message, outcome) = judged(metric, result, finding, overdue);
    count(result, phase);
    let wish = outcome
        .retry_at
        .map(|wish| wish.clamp(after(now, SOONEST), after(now, LATEST)));
    let resume_at = if phase == AnalysisPhase::Running {
        let usual = after(now, metric.interval.unwrap_or(ERROR_RETRY));
        let next = wish.unwrap_or(usual);
        Some(deadline.map_or(next, |(end, _)| next.min(end)))
    } else {
        wish
    };
    result.state = outcome.next_state;
    result.measurements.push(Measurement {
        phase,
        message: text::message(&message),
        started_at,
        finished_at: phase.completed().then_some(now),
        value: bounds::value_text(&outcome.reading.value),
        metadata: outcome.reading.details.into_iter().collect(),
        resume_at,
    });
    let surplus = result.measurements.len().saturating_sub(metric.retention.max(1));
    result.measurements.drain(..surplus);
}

/// What a finding makes of its measurement, whose deadline has passed where there is one in `overdue`.
fn judged(
    metric: &Metric,
    result: &mut MetricResult,
    finding: Finding,
    overdue: Option<SignedDuration>,
) -> (AnalysisPhase, String, Outcome) {
    match (finding, overdue) {
        (Finding::Running(outcome), Some(deadline)) => unfinished_at(metric, deadline, outcome),
        (Finding::Running(outcome), None) => said(AnalysisPhase::Running, outcome),
        (Finding::Successful(outcome), _) => said(AnalysisPhase::Successful, outcome),
        (Finding::Failed(outcome), _) => said(AnalysisPhase::Failed, outcome),
        (Finding::Inconclusive(outcome), _) => said(AnalysisPhase::Inconclusive, outcome),
        (Finding::Error(message), overdue) => {
            let outcome = no_answer(result, message);
            match overdue {
                _ if !metric.gate => said(AnalysisPhase::Error, outcome),
                Some(deadline) => unfinished_at(metric, deadline, outcome),
                None => said(AnalysisPhase::Running, outcome),
            }
        }
    }
}

/// A measurement that takes too long can't be told; a gate that does not open in time is shut.
fn unfinished_at(
    metric: &Metric,
    deadline: SignedDuration,
    outcome: Outcome,
) -> (AnalysisPhase, String, Outcome) {
    let (phase, what) = if metric.gate {
        (AnalysisPhase::Failed, "not allowed")
    } else {
        (AnalysisPhase::Inconclusive, "not finished")
    };
    let message = format!(
        "{what} within {} s: {}",
        deadline.as_secs(),
        outcome.reading.summary
    );
    (phase, message, outcome)
}

/// What the plugin keeps is kept: the next call goes on from it.
fn no_answer(result: &mut MetricResult, message: String) -> Outcome {
    Outcome {
        reading: Reading {
            summary: message,
            ..Reading::default()
        },
        next_state: result.state.take(),
        retry_at: None,
    }
}

fn said(phase: AnalysisPhase, outcome: Outcome) -> (AnalysisPhase, String, Outcome) {
    (phase, outcome.reading.summary.clone(), outcome)
}

fn count(result: &mut MetricResult, phase: AnalysisPhase) {
    let number = match phase {
        AnalysisPhase::Pending => return,
        AnalysisPhase::Running => {
            // It has answered, so errors before and after it are not in a row.
            result.consecutive_error = 0;
            return;
        }
        AnalysisPhase::Successful => &mut result.successful,
        AnalysisPhase::Failed => &mut result.failed,
        AnalysisPhase::Inconclusive => &mut result.inconclusive,
        AnalysisPhase::Error => &mut result.error,
    };
    *number += 1;
    if phase == AnalysisPhase::Error {
        result.consecutive_error += 1;
    } else {
        result.consecutive_error = 0;
        result.count += 1;
    }
    result.consecutive_success = if phase == AnalysisPhase::Successful {
        result.consecutive_success + 1
    } else {
        0
    };
}

/// Sets the phase of each metric.
fn assess(metrics: &[Metric], terminating: bool, status: &mut RunStatus, now: Timestamp) {
    for (metric, result) in metrics.iter().zip(&mut status.metric_results) {
        if result.phase.completed() {
            continue;
        }
        if terminating {
            give_up(result, now);
        }
        let (phase, message) = assess_metric(metric, result, terminating);
        result.phase = phase;
        result.message = message;
    }
}

/// A measurement that the end of the analysis cuts off can't be told.
fn give_up(result: &mut MetricResult, now: Timestamp) {
    let last = result.measurements.last_mut();
    let Some(measurement) = last.filter(|measurement| measurement.finished_at.is_none()) else {
        return;
    };
    measurement.phase = AnalysisPhase::Inconclusive;
    measurement.message = format!("ended before it was finished: {}", measurement.message);
    measurement.finished_at = Some(now);
    measurement.resume_at = None;
    count(result, AnalysisPhase::Inconclusive);
}

fn assess_metric(metric: &Metric, result: &MetricResult, terminating: bool) -> (AnalysisPhase, String) {
    let Some(last) = result.measurements.last() else {
        return match (terminating, metric.gate) {
            (false, _) => (AnalysisPhase::Pending, String::new()),
            (true, false) => (AnalysisPhase::Successful, String::new()),
            (true, true) => (
                AnalysisPhase::Inconclusive,
                "ended before it was asked".to_owned(),
            ),
        };
    };
    if last.finished_at.is_none() {
        return (AnalysisPhase::Running, last.message.clone());
    }
    if metric.gate {
        return (last.phase, last.message.clone());
    }
    if let Some((phase, limit)) = exceeded(metric, result) {
        let said = if last.message.is_empty() {
            limit
        } else {
            format!("{limit}: {}", last.message)
        };
        return (phase, said);
    }
    let enough = metric.consecutive_success_limit.map(std::num::NonZeroU32::get);
    if enough.is_some_and(|enough| result.consecutive_success >= enough) {
        return (AnalysisPhase::Successful, last.message.clone());
    }
    if metric.count.is_some_and(|count| result.count >= count.get()) {
        return at_the_end(metric, result, last);
    }
    let phase = if terminating {
        AnalysisPhase::Successful
    } else {
        AnalysisPhase::Running
    };
    (phase, last.message.clone())
}

/// The limit that was exceeded, and what that makes of the metric.
fn exceeded(metric: &Metric, result: &MetricResult) -> Option<(AnalysisPhase, String)> {
    let over = |phase, what: &str, number: u32, name: &str, limit: u32| {
        (number > limit).then(|| (phase, format!("{what} ({number}) > {name} ({limit})")))
    };
    let failed = metric.failure_limit.and_then(|limit| {
        over(
            AnalysisPhase::Failed,
            "failed",
            result.failed,
            "failureLimit",
            limit,
        )
    });
    failed
        .or_else(|| {
            let (number, limit) = (result.inconclusive, metric.inconclusive_limit);
            over(
                AnalysisPhase::Inconclusive,
                "inconclusive",
                number,
                "inconclusiveLimit",
                limit,
            )
        })
        .or_else(|| {
            let (number, limit) = (result.consecutive_error, metric.consecutive_error_limit);
            over(
                AnalysisPhase::Error,
                "consecutiveErrors",
                number,
                "consecutiveErrorLimit",
                limit,
            )
        })
}

/// All measurements are taken and no limit was exceeded. Where successes in a row were asked for, they did not come.
fn at_the_end(metric: &Metric, result: &MetricResult, last: &Measurement) -> (AnalysisPhase, String) {
    let Some(limit) = metric.consecutive_success_limit else {
        return (AnalysisPhase::Successful, last.message.clone());
    };
    let message = format!(
        "consecutiveSuccess ({}) < consecutiveSuccessLimit ({limit}) after {} measurements",
        result.consecutive_success, result.count
    );
    let phase = if metric.failure_limit.is_some() {
        AnalysisPhase::Inconclusive
    } else {
        AnalysisPhase::Failed
    };
    (phase, message)
}

fn verdict(metric: &Metric, result: &MetricResult) -> String {
    let MetricResult {
        name, phase, message, ..
    } = result;
    if metric.gate {
        return format!("Gate \"{name}\": {message}");
    }
    format!("Metric \"{name}\" assessed {} due to {message}", phase.as_str())
}

/// What gates that do not let the rollout go on have said.
fn waiting(metrics: &[Metric], status: &RunStatus) -> String {
    let gates = metrics.iter().zip(&status.metric_results);
    let held = gates.filter(|(metric, result)| metric.gate && !result.phase.completed());
    let said = held.filter(|(_, result)| !result.message.is_empty());
    let list: Vec<_> = said.map(|(metric, result)| verdict(metric, result)).collect();
    text::message(&list.join("; "))
}

/// Puts the metrics together: the analysis is as bad as the worst of those that have an effect.
fn conclude(metrics: &[Metric], terminate: bool, status: &mut RunStatus, now: Timestamp) {
    let mut summary = Summary::default();
    let mut dry_run_summary = Summary::default();
    let mut worst = (AnalysisPhase::Successful, String::new());
    let mut complete = true;
    for (metric, result) in metrics.iter().zip(&status.metric_results) {
        complete &= result.phase.completed();
        if metric.dry_run {
            dry_run_summary.add(result.phase);
            continue;
        }
        summary.add(result.phase);
        if result.phase.is_worse_than(worst.0) {
            worst = (result.phase, text::message(&verdict(metric, result)));
        }
    }
    status.run_summary = summary;
    status.dry_run_summary = dry_run_summary;
    if !complete {
        status.phase = AnalysisPhase::Running;
        status.message = waiting(metrics, status);
        return;
    }
    (status.phase, status.message) = worst;
    if terminate && status.message.is_empty() {
        "Run Terminated".clone_into(&mut status.message);
    }
    status.completed_at = Some(now);
}
