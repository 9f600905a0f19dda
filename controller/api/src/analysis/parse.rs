//! What the metrics of an analysis mean, and what is wrong with them. The rules, and where there are such the words,
//! are those of Argo Rollouts (`utils/analysis`).

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kulta_core::analysis::condition::Conditions;
use kulta_core::analysis::metric::{
    DEFAULT_CONSECUTIVE_ERROR_LIMIT, DEFAULT_MEASUREMENT_DEADLINE, Metric as Meaning,
};
use kulta_core::analysis::time_to_live::TimeToLive;
use kulta_core::analysis::verdict::NextStep;
use kulta_core::spec::Problem;
use serde_json::Value;

use super::substitution::{Filling, Values};
use super::{
    AnalysisRunSpec, Arguments, Metric, SecretArgument, Source, StandIn, TtlStrategy, Written, argument,
    provider, rules,
};
use crate::duration;

/// The name of a metric or a gate is at most so long, in bytes: as that of an object. Rules look for patterns in it.
pub(super) const NAME_BYTES: usize = 253;
/// A metric that is measured more often costs more than it tells.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

/// What an AnalysisRun is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its metrics or gates, with arguments put in.
    pub measured: Vec<Measured>,
    /// The step that gates are asked about; None for metrics.
    pub next: Option<NextStep>,
    /// Its arguments, but for those that come from Secrets.
    pub arguments: Arguments,
    /// It was told to end.
    pub terminate: bool,
    /// How long it stays once it is complete.
    pub time_to_live: TimeToLive,
}

/// A metric or a gate, and the plugin that is asked; or a metric, and the Job that is run for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// When, and how much of what is borne.
    pub metric: Meaning,
    /// The name of the plugin; of a Job it is `job`, which is none.
    pub plugin: String,
    /// The plugin's configuration; of a Job what it is to be.
    pub configuration: Value,
    /// How it is written.
    pub written: Written,
    /// Whom the plugin asks, where that is not for its configuration to say: of `provider.prometheus`.
    pub source: Option<Source>,
    /// The Secrets of which a text is to stand in the configuration; until then there are stand-ins.
    pub secrets: Vec<SecretArgument>,
    /// What judges the values that the plugin measures. A gate has none.
    pub conditions: Conditions,
    /// Where it is written, such as `spec.metrics[0]`.
    pub path: String,
}

impl Measured {
    /// Where a metric's provider is written, such as `spec.metrics[0].provider.plugin.schedule`.
    #[must_use]
    pub fn provider_path(&self) -> String {
        let Self {
            path,
            plugin,
            written,
            ..
        } = self;
        match written {
            Written::Prometheus | Written::Web | Written::Job => format!("{path}.provider.{plugin}"),
            Written::Plugin => format!("{path}.provider.plugin.{plugin}"),
        }
    }
}

/// What the `spec` of an AnalysisRun means. What comes from Secrets is not known here: `stand_in` stands for it.
///
/// # Errors
/// Everything that is wrong with it, each with its full path and how to mend it.
pub fn parse(spec: &Value, stand_in: StandIn<'_>) -> Result<Task, Vec<Problem>> {
    let raw: AnalysisRunSpec = serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = format!("spec.{}", error.path());
        vec![Problem::new(path, error.inner().to_string())]
    })?;
    let mut problems = Vec::new();
    let values = argument::values(raw.args.as_deref().unwrap_or_default(), &mut problems);
    let (measured, next) = match (&raw.gates, raw.next) {
        (None, None) => (metrics(&raw, &values, stand_in, &mut problems), None),
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
    if next.is_some() && (raw.args.is_some() || raw.dry_run.is_some() || raw.measurement_retention.is_some())
    {
        let message = "args, dryRun and measurementRetention are about metrics; take them out";
        problems.push(Problem::new("spec", message));
    }
    let time_to_live = time_to_live(raw.ttl_strategy.as_ref(), &mut problems);
    if problems.is_empty() {
        Ok(Task {
            time_to_live,
            measured,
            next,
            arguments: values.texts,
            terminate: raw.terminate.unwrap_or(false),
        })
    } else {
        Err(problems)
    }
}

fn time_to_live(written: Option<&TtlStrategy>, problems: &mut Vec<Problem>) -> TimeToLive {
    let Some(TtlStrategy {
        seconds_after_completion,
        seconds_after_failure,
        seconds_after_success,
    }) = written
    else {
        return TimeToLive::default();
    };
    let mut duration = |written: &Option<i32>, field: &str| {
        let seconds = (*written)?;
        if seconds < 0 {
            let message = format!("must be greater than or equal to 0, is {seconds}");
            problems.push(Problem::new(format!("spec.ttlStrategy.{field}"), message));
        }
        Some(SignedDuration::from_secs(seconds.max(0).into()))
    };
    TimeToLive {
        after_completion: duration(seconds_after_completion, "secondsAfterCompletion"),
        after_failure: duration(seconds_after_failure, "secondsAfterFailure"),
        after_success: duration(seconds_after_success, "secondsAfterSuccess"),
    }
}

/// The metrics of an AnalysisRun, without those that `problems` tells about.
fn metrics(
    raw: &AnalysisRunSpec,
    values: &Values,
    stand_in: StandIn<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Measured> {
    let metrics = raw.metrics.as_deref().unwrap_or_default();
    if metrics.is_empty() {
        problems.push(no_metrics("spec.metrics"));
    }
    let mut names = BTreeSet::new();
    let mut meanings = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        let path = format!("spec.metrics[{index}]");
        let Some(measured) = measured(metric, &path, values, stand_in, problems) else {
            continue;
        };
        if !names.insert(measured.metric.name.clone()) {
            let name = &measured.metric.name;
            let message = format!("duplicate name '{name}'; each metric needs a name of its own");
            problems.push(Problem::new(format!("{path}.name"), message));
        }
        meanings.push(measured);
    }
    // A rule about a metric that could not be read would be told to match nothing.
    if problems.is_empty() {
        let rules = rules::Rules {
            dry_run: raw.dry_run.as_deref().unwrap_or_default(),
            retention: raw.measurement_retention.as_deref().unwrap_or_default(),
            all_named: true,
        };
        let names = meanings.iter().map(|measured| measured.metric.name.as_str());
        match rules::too_many(rules::patterns(rules.dry_run, rules.retention), names) {
            Some(message) => problems.push(Problem::new("spec.metrics", message)),
            None => rules.apply("spec", &mut meanings.iter_mut().collect::<Vec<_>>(), problems),
        }
    }
    meanings
}

pub(super) fn no_metrics(path: &str) -> Problem {
    Problem::new(path, "no metrics specified; write at least one")
}

/// What the metric at `path` means with these arguments. Returns None only where `problems` tells why.
pub(super) fn measured(
    metric: &Metric,
    path: &str,
    values: &Values,
    stand_in: StandIn<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Measured> {
    let before = problems.len();
    // Texts, numbers, and lists and maps of them: they can be written, and read again with other texts in them.
    let mut written = serde_json::to_value(metric).unwrap_or_default();
    let mut filling = Filling {
        values,
        metric: path,
        stand_in,
        secrets: Vec::new(),
    };
    filling.fill(&mut written, path, problems);
    if problems.len() > before {
        return None;
    }
    let metric: Metric = serde_json::from_value(written).unwrap_or_default();
    let field = Field { path };
    let has_name = field.has_name(&metric.name, problems);
    let measured = meaning(&metric, &field, problems)?;
    has_name.then_some(Measured {
        secrets: filling.secrets,
        ..measured
    })
}

/// Where a metric is written.
pub(super) struct Field<'a> {
    pub(super) path: &'a str,
}

impl Field<'_> {
    pub(super) fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem::new(format!("{}.{field}", self.path), message)
    }

    /// Whether what is written there has a name that can be worked with.
    pub(super) fn has_name(&self, name: &str, problems: &mut Vec<Problem>) -> bool {
        let message = match name.len() {
            1..=NAME_BYTES => return true,
            0 => "must not be empty; write a name".to_owned(),
            bytes => format!("must have at most {NAME_BYTES} bytes, has {bytes}; write a shorter name"),
        };
        problems.push(self.problem("name", message));
        false
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
    let is_counted = count > 0;
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
        deadline: deadline.or_else(|| usual_deadline(metric)),
        ..Meaning::once(&metric.name)
    };
    limits_fit(&meaning, is_counted, field, problems);
    let conditions = conditions(metric);
    let asked = provider::asked(metric.provider.as_ref(), &conditions, field, problems)?;
    Some(asked.measured(meaning, conditions, field))
}

/// How long a Job may take is for its own spec to say.
fn usual_deadline(metric: &Metric) -> Option<SignedDuration> {
    let is_job = metric
        .provider
        .as_ref()
        .is_some_and(|provider| provider.job.is_some());
    (!is_job).then_some(DEFAULT_MEASUREMENT_DEADLINE)
}

/// An empty condition is none, as in Argo Rollouts. Whether it can be read is found out where it is evaluated.
fn conditions(metric: &Metric) -> Conditions {
    let written = |condition: &Option<String>| condition.clone().filter(|text| !text.is_empty());
    Conditions {
        success: written(&metric.success_condition),
        failure: written(&metric.failure_condition),
    }
}

/// Limits that no number of measurements can reach are a mistake, unless it is the one measurement that is taken where
/// nothing is said: templates have limits for those who set an interval.
fn limits_fit(metric: &Meaning, is_counted: bool, field: &Field<'_>, problems: &mut Vec<Problem>) {
    let successes = metric.consecutive_success_limit.map_or(0, NonZeroU32::get);
    if metric.failure_limit.is_none() && successes == 0 {
        let message =
            "-1 bears every failure: write a failureLimit of at least 0, or a consecutiveSuccessLimit";
        problems.push(field.problem("failureLimit", message));
    }
    let Some(count) = metric.count.map(NonZeroU32::get).filter(|_| is_counted) else {
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
