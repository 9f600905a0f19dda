//! How the parts of an analysis are put together: what a Rollout writes, and the templates that it names. The rules,
//! and where there are such the words, are those of Argo Rollouts.

use std::collections::BTreeSet;
use std::fmt;

use kulta_core::spec::{Argument as Resolved, ArgumentValue, Problem};

use super::argument::{check_names, no_reference, two_values};
use super::reference::Fields;
use super::resolve::Surroundings;
use super::template::TemplateSpec;
use super::{
    Argument, DryRun, MeasurementRetention, Metric, PodTemplateHash, RolloutAnalysis, RolloutArgument,
    SecretReference, TemplateReference, ValueFrom,
};

/// No analysis is put together of more templates: a bound for templates that name templates.
pub const MOST_TEMPLATES: usize = 100;

/// Where a part of an analysis is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    /// The template and the path in the Rollout that names it (or names the template that does); None: the Rollout.
    template: Option<(TemplateReference, String)>,
    /// What paths in it begin with.
    pub(super) prefix: String,
}

impl Origin {
    /// What the Rollout writes itself at `path`.
    pub(super) const fn of_rollout(path: String) -> Self {
        Self {
            template: None,
            prefix: path,
        }
    }

    /// `problem`, whose path is one in the origin, as one of the Rollout.
    pub(super) fn tell(&self, problem: Problem) -> Problem {
        match &self.template {
            None => problem,
            Some((template, path)) => Problem::new(path, format!("{template}: {problem}")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            None => write!(formatter, "{}", self.prefix),
            Some((template, _)) => template.fmt(formatter),
        }
    }
}

/// A part of an analysis.
pub(super) struct Source<'a> {
    pub(super) origin: Origin,
    pub(super) metrics: &'a [Metric],
    args: &'a [Argument],
    pub(super) dry_run: &'a [DryRun],
    pub(super) retention: &'a [MeasurementRetention],
}

/// What the Rollout writes, and then every template that it names, or that such a template names, once.
pub(super) fn sources<'w, 'a: 'w>(
    written: &'w RolloutAnalysis,
    path: &str,
    surroundings: &Surroundings<'_, 'a>,
    problems: &mut Vec<Problem>,
) -> Vec<Source<'w>> {
    let mut walk = Walk {
        surroundings,
        seen: BTreeSet::new(),
        is_full: false,
        sources: vec![own(written, path)],
        problems,
    };
    for (index, reference) in written.templates.iter().flatten().enumerate() {
        let path = format!("{path}.templates[{index}]");
        walk.visit(reference, &path, None);
    }
    walk.sources
}

/// What the Rollout writes itself.
pub(super) fn own<'w>(written: &'w RolloutAnalysis, path: &str) -> Source<'w> {
    Source {
        origin: Origin::of_rollout(path.to_owned()),
        metrics: written.metrics.as_deref().unwrap_or_default(),
        args: &[],
        dry_run: written.dry_run.as_deref().unwrap_or_default(),
        retention: written.measurement_retention.as_deref().unwrap_or_default(),
    }
}

/// A walk through templates that name templates.
struct Walk<'p, 's, 'a, 'w> {
    surroundings: &'p Surroundings<'s, 'a>,
    seen: BTreeSet<(bool, String)>,
    is_full: bool,
    sources: Vec<Source<'w>>,
    problems: &'p mut Vec<Problem>,
}

impl<'w, 'a: 'w> Walk<'_, '_, 'a, 'w> {
    /// Takes in the template that the Rollout names at `path`, or that the template `named_by` names which it does.
    fn visit(&mut self, reference: &TemplateReference, path: &str, named_by: Option<&TemplateReference>) {
        let key = (reference.is_cluster_scoped(), reference.template_name.clone());
        if self.is_full || !self.seen.insert(key) {
            return;
        }
        if self.seen.len() > MOST_TEMPLATES {
            self.is_full = true;
            let message = format!("more than {MOST_TEMPLATES} templates come together here; name fewer");
            return self.problems.push(Problem::new(path, message));
        }
        let spec = match (self.surroundings.find)(reference) {
            None => return self.problems.push(self.missing(reference, path, named_by)),
            Some(Err(wrong)) => {
                let told = wrong
                    .iter()
                    .map(|problem| Problem::new(path, format!("{reference}: {problem}")));
                return self.problems.extend(told);
            }
            Some(Ok(spec)) => spec,
        };
        self.sources.push(source(reference, path, spec));
        for other in spec.templates.iter().flatten() {
            self.visit(other, path, Some(reference));
        }
    }

    fn missing(
        &self,
        reference: &TemplateReference,
        path: &str,
        named_by: Option<&TemplateReference>,
    ) -> Problem {
        let (place, hint) = if reference.is_cluster_scoped() {
            let hint = " (a controller that works with --namespace sees none)";
            (String::new(), hint)
        } else {
            let namespace = self.surroundings.namespace;
            (format!(" in namespace \"{namespace}\""), "")
        };
        let (path, told) = match named_by {
            None => (format!("{path}.templateName"), String::new()),
            Some(template) => (path.to_owned(), format!("{template} names in spec.templates: ")),
        };
        let message = format!("{told}{reference} not found{place}; create it, or correct the name{hint}");
        Problem::new(path, message)
    }
}

fn source<'a>(reference: &TemplateReference, path: &str, spec: &'a TemplateSpec) -> Source<'a> {
    Source {
        origin: Origin {
            template: Some((reference.clone(), path.to_owned())),
            prefix: "spec".to_owned(),
        },
        metrics: spec.metrics.as_deref().unwrap_or_default(),
        args: spec.args.as_deref().unwrap_or_default(),
        dry_run: spec.dry_run.as_deref().unwrap_or_default(),
        retention: spec.measurement_retention.as_deref().unwrap_or_default(),
    }
}

/// The arguments of all: where a template has a value and the Rollout another one, the Rollout's counts; two templates
/// must not have different ones.
pub(super) fn arguments(
    sources: &[Source<'_>],
    written: &RolloutAnalysis,
    path: &str,
    fields: &Fields,
    problems: &mut Vec<Problem>,
) -> Vec<Resolved> {
    let mut merged = of_templates(sources, problems);
    let path = format!("{path}.args");
    let origin = Origin::of_rollout(path.clone());
    let args = written.args.as_deref().unwrap_or_default();
    let names = args.iter().map(|argument| argument.name.as_str());
    check_names(names, &path, problems);
    for (index, argument) in args.iter().enumerate() {
        let value = own_value(argument, &format!("{path}[{index}]"), fields, problems);
        let known = merged.iter_mut().find(|given| given.name == argument.name);
        match (known, value) {
            (Some(known), Some(value)) => known.value = Some(value),
            (Some(_), None) => {}
            (None, value) => merged.push(Given {
                name: &argument.name,
                value,
                origin: &origin,
            }),
        }
    }
    let unresolved = problems.is_empty();
    merged
        .into_iter()
        .filter_map(|given| given.resolved(&path, unresolved, problems))
        .collect()
}

/// The arguments of all templates.
fn of_templates<'a>(sources: &'a [Source<'_>], problems: &mut Vec<Problem>) -> Vec<Given<'a>> {
    let mut merged: Vec<Given<'a>> = Vec::new();
    for source in sources {
        let mut wrong = Vec::new();
        let names = source.args.iter().map(|argument| argument.name.as_str());
        check_names(names, &format!("{}.args", source.origin.prefix), &mut wrong);
        for (index, argument) in source.args.iter().enumerate() {
            let path = format!("{}.args[{index}]", source.origin.prefix);
            let given = Given {
                name: &argument.name,
                value: value_of_template(argument, &path, &mut wrong),
                origin: &source.origin,
            };
            wrong.extend(add(&mut merged, given, &path));
        }
        problems.extend(wrong.into_iter().map(|problem| source.origin.tell(problem)));
    }
    merged
}

/// What the argument at `path` of a template stands for; None where nothing is written, or `problems` tells why.
fn value_of_template(argument: &Argument, path: &str, problems: &mut Vec<Problem>) -> Option<ArgumentValue> {
    match (&argument.value, &argument.value_from) {
        (value, None) => value.clone().map(ArgumentValue::Text),
        (None, Some(from)) => match &from.secret_key_ref {
            Some(secret) if from.is_secret_only() => {
                of_secret(secret, &format!("{path}.valueFrom.secretKeyRef"), problems)
            }
            _ => {
                problems.push(no_reference(path));
                None
            }
        },
        (Some(_), Some(_)) => {
            problems.push(two_values(path));
            None
        }
    }
}

fn of_secret(secret: &SecretReference, path: &str, problems: &mut Vec<Problem>) -> Option<ArgumentValue> {
    let SecretReference { name, key } = secret;
    secret.check(path, problems).then(|| ArgumentValue::Secret {
        name: name.clone(),
        key: key.clone(),
    })
}

/// A value as messages tell it.
fn told(value: &ArgumentValue) -> String {
    match value {
        ArgumentValue::Text(text) => format!("'{text}'"),
        ArgumentValue::Secret { name, key } => format!("key \"{key}\" of the Secret \"{name}\""),
        ArgumentValue::StableHash | ArgumentValue::LatestHash => "a hash".to_owned(),
        ArgumentValue::Unknown => "a field".to_owned(),
    }
}

/// An argument, and who has it.
struct Given<'a> {
    name: &'a str,
    value: Option<ArgumentValue>,
    origin: &'a Origin,
}

impl Given<'_> {
    /// `is_told`: whether a missing value is worth a problem, for nothing else has taken it away.
    fn resolved(self, path: &str, is_told: bool, problems: &mut Vec<Problem>) -> Option<Resolved> {
        let Self { name, value, origin } = self;
        if value.is_none() && is_told {
            let of = origin
                .template
                .as_ref()
                .map_or_else(String::new, |_| format!(" of {origin}"));
            let message = format!("args.{name}{of} was not resolved; add it to args with a value");
            problems.push(Problem::new(path, message));
        }
        Some(Resolved {
            name: name.to_owned(),
            value: value?,
        })
    }
}

/// Adds an argument of a template; a problem where another one has another value.
fn add<'a>(merged: &mut Vec<Given<'a>>, given: Given<'a>, path: &str) -> Option<Problem> {
    let Some(known) = merged.iter_mut().find(|known| known.name == given.name) else {
        merged.push(given);
        return None;
    };
    match (&known.value, &given.value) {
        (None, _) => *known = given,
        (Some(one), Some(other)) if one != other => {
            let (name, origin, one, other) = (given.name, known.origin, told(one), told(other));
            let message = format!(
                "Argument `{name}` specified multiple times with different values: {one} in {origin}, {other} here; \
                 rename one of them, or take one value out"
            );
            return Some(Problem::new(path, message));
        }
        (Some(_), _) => {}
    }
    None
}

/// What the Rollout's argument at `path` stands for; None where nothing is written, or `problems` tells why.
fn own_value(
    argument: &RolloutArgument,
    path: &str,
    fields: &Fields,
    problems: &mut Vec<Problem>,
) -> Option<ArgumentValue> {
    match (&argument.value, &argument.value_from) {
        (Some(value), None) => Some(ArgumentValue::Text(value.clone())),
        (None, Some(from)) => value_from(from, &format!("{path}.valueFrom"), fields, problems),
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.push(two_values(path));
            None
        }
    }
}

fn value_from(
    from: &ValueFrom,
    path: &str,
    fields: &Fields,
    problems: &mut Vec<Problem>,
) -> Option<ArgumentValue> {
    let ValueFrom {
        pod_template_hash_value,
        field_ref,
        secret_key_ref,
    } = from;
    let problem = match (pod_template_hash_value, field_ref, secret_key_ref) {
        (Some(PodTemplateHash::Stable), None, None) => return Some(ArgumentValue::StableHash),
        (Some(PodTemplateHash::Latest), None, None) => return Some(ArgumentValue::LatestHash),
        (None, Some(field), None) => match fields.get(&field.field_path) {
            Some(Ok(Some(text))) => return Some(ArgumentValue::Text(text.clone())),
            Some(Ok(None)) | None => return Some(ArgumentValue::Unknown),
            Some(Err(message)) => Problem::new(format!("{path}.fieldRef.fieldPath"), message),
        },
        (None, None, Some(secret)) => {
            return of_secret(secret, &format!("{path}.secretKeyRef"), problems);
        }
        _ => Problem::new(
            path,
            "must have exactly one of podTemplateHashValue, fieldRef and secretKeyRef",
        ),
    };
    problems.push(problem);
    None
}

/// The rules of all: no two about the same pattern.
pub(super) fn rules(
    sources: &[Source<'_>],
    path: &str,
    problems: &mut Vec<Problem>,
) -> (Vec<DryRun>, Vec<MeasurementRetention>) {
    let dry_run: Vec<_> = sources
        .iter()
        .flat_map(|source| source.dry_run)
        .cloned()
        .collect();
    let retention: Vec<_> = sources
        .iter()
        .flat_map(|source| source.retention)
        .cloned()
        .collect();
    let patterns = dry_run.iter().map(|rule| rule.metric_name.as_str());
    check_patterns(patterns, &format!("{path}.dryRun"), "Dry-Run", problems);
    let patterns = retention.iter().map(|rule| rule.metric_name.as_str());
    let path = format!("{path}.measurementRetention");
    check_patterns(patterns, &path, "Measurement Retention", problems);
    (dry_run, retention)
}

fn check_patterns<'a>(
    patterns: impl Iterator<Item = &'a str>,
    path: &str,
    kind: &str,
    problems: &mut Vec<Problem>,
) {
    let mut seen = BTreeSet::new();
    for pattern in patterns.filter(|pattern| !seen.insert(*pattern)) {
        let message = format!(
            "two {kind} metric rules have the same name '{pattern}', here or in a template; take one of them out"
        );
        problems.push(Problem::new(path, message));
    }
}
