//! Rules of an analysis about its metrics: those that are on trial, and how many measurements are kept.

use kulta_core::spec::Problem;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Measured;
use super::parse::NAME_BYTES;

/// A pattern that takes more memory than this, in bytes, is no pattern of names.
const MAX_PATTERN_BYTES: usize = 128 * 1024;

/// A pattern that is written longer than this, in bytes, is none either: so long are the names that it is about.
const LONGEST_PATTERN: usize = NAME_BYTES;
/// All patterns of an analysis together look at no more bytes of names than this. A pattern may take microseconds for each, and
/// everybody else waits: a hundred metrics whose names are as long as a word leave room for fifty.
const MOST_MATCHED_BYTES: usize = 50_000;
/// What makes a pattern of a name: without any of these it is found as it is.
const OF_PATTERNS: [char; 10] = ['*', '+', '?', '(', ')', '|', '[', ']', '{', '\\'];

/// Metrics on trial: shown, without effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct DryRun {
    /// The name of a metric, or a regular expression that matches some part of the names of several.
    pub metric_name: String,
}

/// How many measurements of some metrics are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct MeasurementRetention {
    /// The name of a metric, or a regular expression that matches some part of the names of several.
    pub metric_name: String,
    /// So many are kept, the latest. Without a rule: 10.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: i32,
}

/// The most measurements that are kept: with their words, a thousand fit into an object.
const MAX_RETENTION: i32 = 1000;

/// The rules of one part of an analysis.
pub(super) struct Rules<'a> {
    pub(super) dry_run: &'a [DryRun],
    pub(super) retention: &'a [MeasurementRetention],
    /// The names of all metrics are known: a rule that is about none of them is a mistake.
    pub(super) all_named: bool,
}

impl Rules<'_> {
    /// Puts the rules at `path` in force. Where several match a metric, the last one counts.
    pub(super) fn apply(&self, path: &str, measured: &mut [&mut Measured], problems: &mut Vec<Problem>) {
        for (index, rule) in self.dry_run.iter().enumerate() {
            let path = format!("{path}.dryRun[{index}]");
            self.each(&rule.metric_name, &path, measured, problems, |measured| {
                measured.metric.dry_run = true;
            });
        }
        for (index, rule) in self.retention.iter().enumerate() {
            let path = format!("{path}.measurementRetention[{index}]");
            let limit = usize::try_from(rule.limit).unwrap_or(0);
            if !(1..=MAX_RETENTION).contains(&rule.limit) {
                let message = format!("must be between 1 and {MAX_RETENTION}, is {}", rule.limit);
                problems.push(Problem::new(format!("{path}.limit"), message));
            }
            self.each(&rule.metric_name, &path, measured, problems, |measured| {
                measured.metric.retention = limit;
            });
        }
    }

    fn each(
        &self,
        pattern: &str,
        path: &str,
        measured: &mut [&mut Measured],
        problems: &mut Vec<Problem>,
        change: impl Fn(&mut Measured),
    ) {
        let path = format!("{path}.metricName");
        let pattern = match compile(pattern) {
            Ok(pattern) => pattern,
            Err(message) => return problems.push(Problem::new(path, message)),
        };
        let mut matched = false;
        for measured in measured
            .iter_mut()
            .filter(|measured| pattern.is_match(&measured.metric.name))
        {
            matched = true;
            change(measured);
        }
        if !matched && self.all_named {
            let message = "Rule didn't match any metric name(s); write the name of a metric, or a regular expression \
                           that matches one";
            problems.push(Problem::new(path, message));
        }
    }
}

/// The patterns of rules of both kinds.
pub(super) fn patterns<'a>(
    dry_run: &'a [DryRun],
    retention: &'a [MeasurementRetention],
) -> impl Iterator<Item = &'a str> {
    let dry_run = dry_run.iter().map(|rule| rule.metric_name.as_str());
    dry_run.chain(retention.iter().map(|rule| rule.metric_name.as_str()))
}

/// What is wrong with so many patterns for metrics of these names, if that is too much.
pub(super) fn too_many<'a>(
    patterns: impl Iterator<Item = &'a str>,
    names: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let patterns = patterns.filter(|pattern| pattern.contains(OF_PATTERNS)).count();
    let names: usize = names.map(str::len).sum();
    (names.saturating_mul(patterns) > MOST_MATCHED_BYTES).then(|| {
        format!(
            "there are {patterns} patterns of names, too many for metrics with {names} bytes of names: write names as they are, or \
             fewer patterns"
        )
    })
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(format!(
            "must have at most {LONGEST_PATTERN} bytes, has {}; write a shorter pattern",
            pattern.len()
        ));
    }
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
    compiled.map_err(|error| {
        // The parser shows the place on lines of its own; its last line says what it is.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        format!("{pattern:?} is not a regular expression: {reason}")
    })
}
