//! From an analysis as a Rollout writes it, and the templates it names, to the AnalysisRun to create.

use std::collections::BTreeMap;

use kulta_core::spec::{Analysis, Argument as Resolved, ArgumentValue, Problem};
use serde_json::{Value, json};

use super::merge::{self, Origin, Source};
use super::reference::Fields;
use super::template::Template;
use super::{
    AnalysisRunSpec, Arguments, BackgroundAnalysis, DryRun, Measured, MeasurementRetention, Metric,
    RolloutArgument, StepAnalysis, TemplateReference, parse, rules,
};

/// An AnalysisRun has no more metrics, arguments or rules of one kind.
const MOST: usize = 100;
/// Stands for a value that is known only when the AnalysisRun is made.
const UNKNOWN_YET: &str = "unknown-yet";

/// Which analysis of a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one beside the steps.
    Background,
    /// That of the step of this index.
    Step(u32),
}

/// An analysis as a Rollout writes it, wherever it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RolloutAnalysis {
    pub(super) metrics: Vec<Metric>,
    pub(super) templates: Vec<TemplateReference>,
    pub(super) args: Vec<RolloutArgument>,
    pub(super) dry_run: Vec<DryRun>,
    pub(super) measurement_retention: Vec<MeasurementRetention>,
}

impl From<&StepAnalysis> for RolloutAnalysis {
    fn from(written: &StepAnalysis) -> Self {
        let written = written.clone();
        Self {
            metrics: written.metrics.unwrap_or_default(),
            templates: written.templates.unwrap_or_default(),
            args: written.args.unwrap_or_default(),
            dry_run: written.dry_run.unwrap_or_default(),
            measurement_retention: written.measurement_retention.unwrap_or_default(),
        }
    }
}

impl From<&BackgroundAnalysis> for RolloutAnalysis {
    fn from(written: &BackgroundAnalysis) -> Self {
        let written = written.clone();
        Self {
            metrics: written.metrics.unwrap_or_default(),
            templates: written.templates.unwrap_or_default(),
            args: written.args.unwrap_or_default(),
            dry_run: written.dry_run.unwrap_or_default(),
            measurement_retention: written.measurement_retention.unwrap_or_default(),
        }
    }
}

impl RolloutAnalysis {
    /// Whether it takes more than its own words to know what it measures.
    pub(super) fn refers(&self) -> bool {
        !self.templates.is_empty() || self.field_paths().next().is_some()
    }

    /// The fields of the Rollout that its arguments name.
    pub(super) fn field_paths(&self) -> impl Iterator<Item = &str> {
        let references = self
            .args
            .iter()
            .filter_map(|argument| argument.value_from.as_ref());
        references.filter_map(|from| Some(from.field_ref.as_ref()?.field_path.as_str()))
    }
}

/// What an analysis may refer to.
pub(super) struct Surroundings<'s, 'a> {
    /// The Rollout's namespace.
    pub(super) namespace: &'s str,
    /// Fields of the Rollout.
    pub(super) fields: &'s Fields,
    /// Finds templates.
    pub(super) find: &'s dyn Fn(&TemplateReference) -> Option<&'a Template>,
}

/// What an analysis means by itself. One that refers to something is checked once that is known, and stands here
/// without it.
pub(crate) fn validate(
    place: Place,
    written: &RolloutAnalysis,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Analysis> {
    if written.refers() {
        return Some(Analysis {
            run: Value::Null,
            args: Vec::new(),
        });
    }
    let surroundings = Surroundings {
        namespace: "",
        fields: &Fields::new(),
        find: &|_| None,
    };
    let resolved = resolve(place, written, path, &surroundings);
    resolved.map_err(|wrong| problems.extend(wrong)).ok()
}

/// The analysis at `path` with all that it refers to.
pub(super) fn resolve(
    place: Place,
    written: &RolloutAnalysis,
    path: &str,
    surroundings: &Surroundings<'_, '_>,
) -> Result<Analysis, Vec<Problem>> {
    let mut problems = Vec::new();
    let sources = merge::sources(written, path, surroundings, &mut problems);
    let args = merge::arguments(&sources, written, path, surroundings.fields, &mut problems);
    // What is missing or in conflict has effects on all the rest, which would only be told twice.
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut measured = check_metrics(place, &sources, path, &placeholders(&args), &mut problems);
    let (dry_run, retention) = merge::rules(&sources, path, &mut problems);
    let metrics: Vec<_> = sources.iter().flat_map(|source| source.metrics).collect();
    check_count("metrics", metrics.len(), path, &mut problems);
    check_count("args", args.len(), path, &mut problems);
    check_count("dryRun", dry_run.len(), path, &mut problems);
    check_count("measurementRetention", retention.len(), path, &mut problems);
    // Their patterns are compiled: no more of them than an analysis may have.
    if problems.is_empty() {
        check_rules(&sources, &mut measured, &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let run = AnalysisRunSpec {
        metrics: Some(metrics.into_iter().cloned().collect()),
        dry_run: Some(dry_run).filter(|rules| !rules.is_empty()),
        measurement_retention: Some(retention).filter(|rules| !rules.is_empty()),
        ..AnalysisRunSpec::default()
    };
    Ok(Analysis {
        run: json!(run),
        args,
    })
}

fn check_count(field: &str, count: usize, path: &str, problems: &mut Vec<Problem>) {
    if count > MOST {
        let message =
            format!("there are {count} with those of its templates; an analysis has at most {MOST}");
        problems.push(Problem::new(format!("{path}.{field}"), message));
    }
}

/// A rule may be about the metrics of any part.
fn check_rules(sources: &[Source<'_>], measured: &mut [Measured], problems: &mut Vec<Problem>) {
    for source in sources {
        let mut wrong = Vec::new();
        let prefix = &source.origin.prefix;
        rules::apply(source.dry_run, source.retention, prefix, measured, &mut wrong);
        problems.extend(wrong.into_iter().map(|problem| source.origin.tell(problem)));
    }
}

/// The values of `args` as far as they are known.
fn placeholders(args: &[Resolved]) -> Arguments {
    let value = |argument: &Resolved| match &argument.value {
        ArgumentValue::Text(text) => text.clone(),
        ArgumentValue::StableHash | ArgumentValue::LatestHash | ArgumentValue::Unknown => {
            UNKNOWN_YET.to_owned()
        }
    };
    args.iter()
        .map(|argument| (argument.name.clone(), value(argument)))
        .collect()
}

fn check_metrics(
    place: Place,
    sources: &[Source<'_>],
    path: &str,
    arguments: &Arguments,
    problems: &mut Vec<Problem>,
) -> Vec<Measured> {
    if sources.iter().all(|source| source.metrics.is_empty()) {
        problems.push(parse::no_metrics(&format!("{path}.metrics")));
    }
    let mut names = BTreeMap::new();
    let mut all = Vec::new();
    for Source { origin, metrics, .. } in sources {
        let mut wrong = Vec::new();
        for (index, metric) in metrics.iter().enumerate() {
            let path = format!("{}.metrics[{index}]", origin.prefix);
            let before = wrong.len();
            let Some(measured) = parse::measured(metric, &path, arguments, &mut wrong) else {
                continue;
            };
            if wrong.len() == before && place != Place::Background && measured.metric.is_endless() {
                wrong.push(endless(&measured.metric.name, &path));
            }
            let name = measured.metric.name.clone();
            if let Some(other) = names.insert(name.clone(), origin) {
                wrong.push(twice(&name, other, origin, &path));
            }
            all.push(measured);
        }
        problems.extend(wrong.into_iter().map(|problem| origin.tell(problem)));
    }
    all
}

/// A step would wait for ever for a metric that goes on until the analysis is ended.
fn endless(name: &str, path: &str) -> Problem {
    let message = format!(
        "the metric \"{name}\" runs indefinitely. Invalid value for count; write count, or use the analysis beside the \
         steps (spec.strategy.canary.analysis)"
    );
    Problem::new(format!("{path}.count"), message)
}

fn twice(name: &str, first: &Origin, second: &Origin, path: &str) -> Problem {
    let message = if first == second {
        format!("duplicate name '{name}'; each metric needs a name of its own")
    } else {
        format!("two metrics have the same name '{name}', here and in {first}; rename one of them")
    };
    Problem::new(format!("{path}.name"), message)
}
