//! From an analysis as a Rollout writes it, and the templates it names, to the AnalysisRun to create.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kulta_core::spec::{Analysis, Argument as Resolved, ArgumentValue, Problem};
use serde_json::{Value, json};

use super::merge::{self, Origin, Source};
use super::reference::Fields;
use super::substitution::{Secret, Values};
use super::template::Template;
use super::{
    AnalysisRunSpec, Metric, Planned, RolloutAnalysis, SecretReference, TemplateReference, parse, rules,
    substitution,
};

/// An AnalysisRun has no more metrics, arguments or rules of one kind.
const MOST: usize = 100;
/// Begins what stands for a value that is known only when the AnalysisRun is made; its argument's name follows, for two
/// of them are not the same.
pub(super) const UNKNOWN_YET: &str = "unknown-yet-";
/// Where a canary is written.
pub(super) const CANARY: &str = "spec.strategy.canary";
/// Where a blue-green strategy is written.
pub(super) const BLUE_GREEN: &str = "spec.strategy.blueGreen";

/// Which analysis of a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one beside the steps.
    Background,
    /// That of the step of this index.
    Step(u32),
    /// The one before a blue-green switch.
    PrePromotion,
    /// The one after it.
    PostPromotion,
}

impl RolloutAnalysis {
    /// Whether it takes more than its own words to know what it measures.
    pub(super) fn refers(&self) -> bool {
        self.templates.iter().flatten().next().is_some() || self.field_paths().next().is_some()
    }

    /// The fields of the Rollout that its arguments name.
    pub(super) fn field_paths(&self) -> impl Iterator<Item = &str> {
        let args = self.args.iter().flatten();
        let references = args.filter_map(|argument| argument.value_from.as_ref());
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
    let resolved = resolved.map(|(analysis, _planned)| analysis);
    resolved.map_err(|wrong| problems.extend(wrong)).ok()
}

/// The analysis at `path` of an experiment in `namespace`, with the templates that it names. It may go on without end: the
/// experiment has one.
pub(crate) fn of_experiment<'a>(
    written: &RolloutAnalysis,
    path: &str,
    namespace: &str,
    find: &dyn Fn(&TemplateReference) -> Option<&'a Template>,
) -> Result<Analysis, Vec<Problem>> {
    let fields = &Fields::new();
    let surroundings = Surroundings {
        namespace,
        fields,
        find,
    };
    let resolved = resolve(Place::Background, written, path, &surroundings);
    resolved.map(|(analysis, _planned)| analysis)
}

/// What an analysis comes to: what is to be begun, and what that will measure.
pub type Resolution = (Analysis, Vec<Planned>);

/// The metrics of an analysis that refers to nothing and makes sense, with these arguments.
pub(super) fn planned(
    place: Place,
    written: &RolloutAnalysis,
    args: &[Resolved],
    path: &str,
) -> Vec<Planned> {
    let own = merge::own(written, path);
    let values = known(args);
    let told = &mut Vec::new();
    let sources = std::slice::from_ref(&own);
    let mut planned = check_metrics(place, sources, path, &values, told);
    check_rules(sources, &mut planned, false, told);
    planned
}

/// The analysis at `path` with all that it refers to.
pub(super) fn resolve(
    place: Place,
    written: &RolloutAnalysis,
    path: &str,
    surroundings: &Surroundings<'_, '_>,
) -> Result<Resolution, Vec<Problem>> {
    let mut problems = Vec::new();
    let sources = merge::sources(written, path, surroundings, &mut problems);
    let args = merge::arguments(&sources, written, path, surroundings.fields, &mut problems);
    // What is missing or in conflict has effects on all the rest, which would only be told twice.
    if !problems.is_empty() {
        return Err(problems);
    }
    let values = known(&args);
    let mut planned = check_metrics(place, &sources, path, &values, &mut problems);
    let (dry_run, retention) = merge::rules(&sources, path, &mut problems);
    let metrics: Vec<_> = sources.iter().flat_map(|source| source.metrics).collect();
    check_count("metrics", metrics.len(), path, &mut problems);
    check_count("args", args.len(), path, &mut problems);
    check_count("dryRun", dry_run.len(), path, &mut problems);
    check_count("measurementRetention", retention.len(), path, &mut problems);
    let names = planned
        .iter()
        .map(|planned| planned.measured.metric.name.as_str());
    if let Some(message) = rules::too_many(rules::patterns(&dry_run, &retention), names) {
        problems.push(Problem::new(format!("{path}.metrics"), message));
    }
    // Their patterns are compiled: no more of them than an analysis may have.
    if problems.is_empty() {
        let all_named = metrics.iter().all(|metric| !values.is_open(&metric.name));
        check_rules(&sources, &mut planned, all_named, &mut problems);
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
    let analysis = Analysis {
        run: json!(run),
        args,
    };
    Ok((analysis, planned))
}

fn check_count(field: &str, count: usize, path: &str, problems: &mut Vec<Problem>) {
    if count > MOST {
        let message =
            format!("there are {count} with those of its templates; an analysis has at most {MOST}");
        problems.push(Problem::new(format!("{path}.{field}"), message));
    }
}

/// A rule may be about the metrics of any part, also about those that are not `all_named` yet.
fn check_rules(
    sources: &[Source<'_>],
    planned: &mut [Planned],
    all_named: bool,
    problems: &mut Vec<Problem>,
) {
    for source in sources {
        let mut wrong = Vec::new();
        let prefix = &source.origin.prefix;
        let rules = rules::Rules {
            dry_run: source.dry_run,
            retention: source.retention,
            all_named,
        };
        let measured = planned.iter_mut().map(|planned| &mut planned.measured);
        rules.apply(prefix, &mut measured.collect::<Vec<_>>(), &mut wrong);
        problems.extend(wrong.into_iter().map(|problem| source.origin.tell(problem)));
    }
}

/// The values of `args` as far as they are known.
fn known(args: &[Resolved]) -> Values {
    let mut values = Values::default();
    for Resolved { name, value } in args {
        match value {
            ArgumentValue::Text(text) => {
                values.texts.insert(name.clone(), text.clone());
            }
            ArgumentValue::StableHash | ArgumentValue::LatestHash | ArgumentValue::Unknown => {
                values.texts.insert(name.clone(), format!("{UNKNOWN_YET}{name}"));
                values.open.insert(name.clone());
            }
            ArgumentValue::Secret { name: secret, key } => {
                let reference = SecretReference {
                    name: secret.clone(),
                    key: key.clone(),
                };
                let path = String::new();
                values.secrets.insert(name.clone(), Secret { path, reference });
            }
        }
    }
    values
}

/// A metric as far as it can be checked now. Where one of its times and limits is not known yet, what the others mean
/// isn't either: they are checked once the AnalysisRun is made.
fn checkable(metric: &Metric, values: &Values) -> Metric {
    let Metric {
        interval,
        initial_delay,
        count,
        failure_limit,
        inconclusive_limit,
        consecutive_error_limit,
        consecutive_success_limit,
        deadline,
        ..
    } = metric;
    let times = [interval, initial_delay, deadline].map(|time| time.as_deref());
    let numbers = [
        count,
        failure_limit,
        inconclusive_limit,
        consecutive_error_limit,
        consecutive_success_limit,
    ]
    .map(|number| match number {
        Some(IntOrString::String(text)) => Some(text.as_str()),
        Some(IntOrString::Int(_)) | None => None,
    });
    let mut texts = times.into_iter().chain(numbers).flatten();
    if !texts.any(|text| values.is_open(text)) {
        return metric.clone();
    }
    Metric {
        name: metric.name.clone(),
        success_condition: metric.success_condition.clone(),
        failure_condition: metric.failure_condition.clone(),
        provider: metric.provider.clone(),
        ..Metric::default()
    }
}

fn check_metrics(
    place: Place,
    sources: &[Source<'_>],
    path: &str,
    values: &Values,
    problems: &mut Vec<Problem>,
) -> Vec<Planned> {
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
            let metric = checkable(metric, values);
            let stand_in: substitution::StandIn<'_> = &|_, argument| format!("{UNKNOWN_YET}{argument}");
            let Some(measured) = parse::measured(&metric, &path, values, stand_in, &mut wrong) else {
                continue;
            };
            if wrong.len() == before && place != Place::Background && measured.metric.is_endless() {
                wrong.push(endless(place, &measured.metric.name, &path));
            }
            let name = measured.metric.name.clone();
            if let Some(other) = names.insert(name.clone(), origin) {
                wrong.push(twice(&name, other, origin, &path));
            }
            all.push(Planned {
                measured,
                origin: origin.clone(),
            });
        }
        problems.extend(wrong.into_iter().map(|problem| origin.tell(problem)));
    }
    all
}

/// A step or a switch would wait for ever for a metric that goes on until the analysis is ended.
fn endless(place: Place, name: &str, path: &str) -> Problem {
    let instead = match place {
        Place::Step(_) | Place::Background => {
            "write count, or use the analysis beside the steps (spec.strategy.canary.analysis)"
        }
        Place::PrePromotion | Place::PostPromotion => "write count, for the rollout waits for its end",
    };
    let message = format!("the metric \"{name}\" runs indefinitely. Invalid value for count; {instead}");
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
