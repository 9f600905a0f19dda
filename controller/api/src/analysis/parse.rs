//! What the metrics of an analysis mean, and what is wrong with them. The rules, and where there are such the words,
//! are those of Argo Rollouts (`utils/analysis`).

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kulta_core::analysis::metric::{
    DEFAULT_CONSECUTIVE_ERROR_LIMIT, DEFAULT_MEASUREMENT_DEADLINE, Metric as Meaning,
};
use kulta_core::analysis::verdict::NextStep;
use kulta_core::spec::Problem;
use serde_json::Value;

use super::{AnalysisRunSpec, Metric};
use crate::duration;

/// A metric that is measured more often costs more than it tells.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

/// What an AnalysisRun is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its metrics or gates.
    pub measured: Vec<Measured>,
    /// The step that gates are asked about; None for metrics.
    pub next: Option<NextStep>,
    /// It was told to end.
    pub terminate: bool,
}

/// A metric or a gate, and the plugin that is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// When, and how much of what is borne.
    pub metric: Meaning,
    /// The name of the plugin.
    pub plugin: String,
    /// The plugin's configuration.
    pub configuration: Value,
    /// Where it is written, such as `spec.metrics[0]`.
    pub path: String,
}

/// What the `spec` of an AnalysisRun means.
///
/// # Errors
/// Everything that is wrong with it, each with its full path and how to mend it.
pub fn parse(spec: &Value) -> Result<Task, Vec<Problem>> {
    let raw: AnalysisRunSpec = serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = format!("spec.{}", error.path());
        vec![Problem::new(path, error.inner().to_string())]
    })?;
    let mut problems = Vec::new();
    let (measured, next) = match (&raw.gates, raw.next) {
        (None, None) => (validate(raw.metrics.as_deref(), "spec", &mut problems), None),
        (Some(gates), Some(next)) if raw.metrics.is_none() && !gates.is_empty() => (
            super::validate_gates(gates, "spec.gates", &mut problems),
            Some(next.meaning(&mut problems)),
        ),
        _ => {
            let message =
                "an analysis has either metrics, or gates and the step that they are asked about (spec.next)";
            return Err(vec![Problem::new("spec.gates", message)]);
        }
    };
    if problems.is_empty() {
        Ok(Task {
            measured,
            next,
            terminate: raw.terminate.unwrap_or(false),
        })
    } else {
        Err(problems)
    }
}

/// The metrics at `path`, without those that `problems` tells about.
pub(crate) fn validate(metrics: Option<&[Metric]>, path: &str, problems: &mut Vec<Problem>) -> Vec<Measured> {
    let metrics = metrics.unwrap_or_default();
    if metrics.is_empty() {
        let message = "no metrics specified; write at least one";
        problems.push(Problem::new(format!("{path}.metrics"), message));
    }
    let mut names = BTreeSet::new();
    let mut meanings = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        let path = format!("{path}.metrics[{index}]");
        if metric.name.is_empty() {
            problems.push(Problem::new(
                format!("{path}.name"),
                "must not be empty; write a name",
            ));
        } else if !names.insert(&metric.name) {
            let message = format!(
                "duplicate name '{}'; each metric needs a name of its own",
                metric.name
            );
            problems.push(Problem::new(format!("{path}.name"), message));
        }
        meanings.extend(meaning(metric, &Field { path: &path }, problems));
    }
    meanings
}

/// Where a metric is written.
pub(super) struct Field<'a> {
    pub(super) path: &'a str,
}

impl Field<'_> {
    pub(super) fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem::new(format!("{}.{field}", self.path), message)
    }

    /// A time that is none when it is shorter than a call takes.
    pub(super) fn at_least_a_second(
        &self,
        field: &str,
        written: Option<&String>,
        problems: &mut Vec<Problem>,
    ) -> Option<SignedDuration> {
        let duration = self.duration(field, written, problems);
        if duration.is_some_and(|duration| duration < SHORTEST) {
            problems.push(self.problem(field, "must be at least 1s"));
        }
        duration
    }

    fn duration(
        &self,
        field: &str,
        written: Option<&String>,
        problems: &mut Vec<Problem>,
    ) -> Option<SignedDuration> {
        let parsed = duration::parse(&IntOrString::String(written?.clone()));
        parsed
            .map_err(|message| problems.push(self.problem(field, message)))
            .ok()
    }

    /// A whole number not below `least`; None when it is not written (or is wrong, which `problems` then tells).
    fn number(
        &self,
        field: &str,
        written: Option<&IntOrString>,
        least: i32,
        problems: &mut Vec<Problem>,
    ) -> Option<i32> {
        let number = match written? {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(text) => text.parse().ok(),
        };
        let number = number.filter(|number| *number >= least);
        if number.is_none() {
            let message = format!("must be a whole number of at least {least}");
            problems.push(self.problem(field, message));
        }
        number
    }

    fn natural(
        &self,
        field: &str,
        written: Option<&IntOrString>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        let number = self.number(field, written, 0, problems)?;
        u32::try_from(number).ok()
    }
}

/// Returns None only where `problems` tells why.
fn meaning(metric: &Metric, field: &Field<'_>, problems: &mut Vec<Problem>) -> Option<Measured> {
    let interval = field.at_least_a_second("interval", metric.interval.as_ref(), problems);
    let initial_delay = field.duration("initialDelay", metric.initial_delay.as_ref(), problems);
    let deadline = field.at_least_a_second("deadline", metric.deadline.as_ref(), problems);
    let count = field
        .natural("count", metric.count.as_ref(), problems)
        .unwrap_or(0);
    if count > 1 && interval.is_none() {
        let message = format!("must be specified when count is {count} (more than 1)");
        problems.push(field.problem("interval", message));
    }
    let failure_limit = field.number("failureLimit", metric.failure_limit.as_ref(), -1, problems);
    let failure_limit = u32::try_from(failure_limit.unwrap_or(0)).ok();
    let inconclusive_limit = field.natural("inconclusiveLimit", metric.inconclusive_limit.as_ref(), problems);
    let error_limit = field.natural(
        "consecutiveErrorLimit",
        metric.consecutive_error_limit.as_ref(),
        problems,
    );
    let success_limit = field.natural(
        "consecutiveSuccessLimit",
        metric.consecutive_success_limit.as_ref(),
        problems,
    );
    let count = match (NonZeroU32::new(count), interval) {
        (None, None) => Some(NonZeroU32::MIN),
        (count, _) => count,
    };
    let meaning = Meaning {
        interval,
        initial_delay: initial_delay.unwrap_or_default(),
        count,
        failure_limit,
        inconclusive_limit: inconclusive_limit.unwrap_or(0),
        consecutive_error_limit: error_limit.unwrap_or(DEFAULT_CONSECUTIVE_ERROR_LIMIT),
        consecutive_success_limit: success_limit.and_then(NonZeroU32::new),
        deadline: Some(deadline.unwrap_or(DEFAULT_MEASUREMENT_DEADLINE)),
        ..Meaning::once(&metric.name)
    };
    limits_fit(&meaning, field, problems);
    let (plugin, configuration) = plugin(metric, field, problems)?;
    Some(Measured {
        metric: meaning,
        plugin,
        configuration,
        path: field.path.to_owned(),
    })
}

/// Limits that no number of measurements can reach are a mistake.
fn limits_fit(metric: &Meaning, field: &Field<'_>, problems: &mut Vec<Problem>) {
    let successes = metric.consecutive_success_limit.map_or(0, NonZeroU32::get);
    if metric.failure_limit.is_none() && successes == 0 {
        let message =
            "-1 bears every failure: write a failureLimit of at least 0, or a consecutiveSuccessLimit";
        problems.push(field.problem("failureLimit", message));
    }
    let Some(count) = metric.count.map(NonZeroU32::get) else {
        return;
    };
    let least = metric.failure_limit.unwrap_or(0).saturating_add(successes);
    if count < least {
        let message = format!("must be >= failureLimit + consecutiveSuccessLimit ({least}), is {count}");
        problems.push(field.problem("count", message));
    }
    if count < metric.inconclusive_limit {
        let limit = metric.inconclusive_limit;
        let message = format!("must be >= inconclusiveLimit ({limit}), is {count}");
        problems.push(field.problem("count", message));
    }
}

fn plugin(metric: &Metric, field: &Field<'_>, problems: &mut Vec<Problem>) -> Option<(String, Value)> {
    let plugins = metric
        .provider
        .as_ref()
        .and_then(|provider| provider.plugin.as_ref());
    let mut plugins = plugins.into_iter().flatten();
    let (Some((name, configuration)), None) = (plugins.next(), plugins.next()) else {
        let message = "must have exactly one entry: the name of a plugin with its configuration, such as \
                       `prometheus: {errorRate: ...}`";
        problems.push(field.problem("provider.plugin", message));
        return None;
    };
    Some((name.clone(), configuration.clone()))
}
