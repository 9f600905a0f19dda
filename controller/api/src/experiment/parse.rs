//! What the spec of an Experiment means, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kulta_core::experiment::{Analysis, Experiment, Template};
use kulta_core::spec::Problem;
use serde::Deserialize as _;
use serde_json::Value;

use super::{ExperimentAnalysis, ExperimentSpec, ExperimentTemplate, RunMetadata, TemplateService};
use crate::analysis::{DryRun, MeasurementRetention};
use crate::names::HASH_LABEL;
use crate::rollout::natural;
use crate::{duration, selector};

// Defaults of Argo Rollouts.
const DEFAULT_REPLICAS: u32 = 1;
const DEFAULT_PROGRESS_DEADLINE_SECONDS: u32 = 600;
const DEFAULT_SCALE_DOWN_DELAY_SECONDS: u32 = 30;

/// What an Experiment is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What is decided on.
    pub experiment: Experiment,
    /// The pods of its templates, in their order.
    pub templates: Vec<TemplateManifest>,
    /// Its analyses, in their order.
    pub(super) analyses: Vec<ExperimentAnalysis>,
    pub(super) dry_run: Option<Vec<DryRun>>,
    pub(super) retention: Option<Vec<MeasurementRetention>>,
    /// What its AnalysisRuns bear.
    pub run_metadata: RunMetadata,
}

/// The pods of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateManifest {
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods.
    pub template: Value,
    /// How long a pod must be ready before it counts as available, in seconds.
    pub min_ready_seconds: u32,
}

/// What the `spec` of an Experiment means.
///
/// # Errors
/// Everything that is wrong with it, each with its full path and how to mend it.
pub fn parse(spec: &Value) -> Result<Task, Vec<Problem>> {
    let raw: ExperimentSpec = serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = format!("spec.{}", error.path());
        vec![Problem::new(path, error.inner().to_string())]
    })?;
    let mut problems = Vec::new();
    let deadline = seconds(
        raw.progress_deadline_seconds,
        DEFAULT_PROGRESS_DEADLINE_SECONDS,
        "progressDeadlineSeconds",
        &mut problems,
    );
    let delay = seconds(
        raw.scale_down_delay_seconds,
        DEFAULT_SCALE_DOWN_DELAY_SECONDS,
        "scaleDownDelaySeconds",
        &mut problems,
    );
    let lasts = raw.duration.as_ref().map(duration::parse).transpose();
    let lasts = lasts.map_err(|message| problems.push(Problem::new("spec.duration", message)));
    let (templates, manifests) = templates(raw.templates.unwrap_or_default(), deadline, &mut problems);
    let written = raw.analyses.unwrap_or_default();
    let analyses = analyses(&written, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Task {
        experiment: Experiment {
            templates,
            duration: lasts.unwrap_or_default(),
            progress_deadline: SignedDuration::from_secs(i64::from(deadline)),
            terminate: raw.terminate.unwrap_or(false),
            analyses,
            scale_down_delay: SignedDuration::from_secs(i64::from(delay)),
        },
        templates: manifests,
        analyses: written,
        dry_run: raw.dry_run,
        retention: raw.measurement_retention,
        run_metadata: raw.analysis_run_metadata.unwrap_or_default(),
    })
}

fn seconds(written: Option<i32>, default: u32, field: &str, problems: &mut Vec<Problem>) -> u32 {
    natural(written, &format!("spec.{field}"), problems).unwrap_or(default)
}

fn templates(
    written: Vec<ExperimentTemplate>,
    deadline: u32,
    problems: &mut Vec<Problem>,
) -> (Vec<Template>, Vec<TemplateManifest>) {
    if written.is_empty() {
        let message = "an experiment has at least one template; write one";
        problems.push(Problem::new("spec.templates", message));
    }
    let names = written.iter().map(|template| template.name.as_str());
    check_names(names, "spec.templates", "template", problems);
    check_services(&written, problems);
    let mut all = (Vec::new(), Vec::new());
    for (index, template) in written.into_iter().enumerate() {
        let path = format!("spec.templates[{index}]");
        let ExperimentTemplate {
            name,
            replicas,
            min_ready_seconds,
            selector,
            template,
            service,
        } = template;
        let min_ready = format!("{path}.minReadySeconds");
        let min_ready_seconds = natural(min_ready_seconds, &min_ready, problems).unwrap_or(0);
        if min_ready_seconds > deadline {
            let message = format!("must not be greater than progressDeadlineSeconds ({deadline})");
            problems.push(Problem::new(min_ready, message));
        }
        let replicas = natural(replicas, &format!("{path}.replicas"), problems).unwrap_or(DEFAULT_REPLICAS);
        if let Some(service) = &service {
            check_service(service, template.as_ref(), &format!("{path}.service"), problems);
        }
        if let Some((selector, template)) = pods(selector, template, &path, problems) {
            all.1.push(TemplateManifest {
                selector,
                template,
                min_ready_seconds,
            });
        }
        all.0.push(Template {
            name,
            replicas,
            service: service.map(|service| service.name),
        });
    }
    all
}

/// Two templates must not share a Service: whoever asks it would meet the pods of one of them.
fn check_services(templates: &[ExperimentTemplate], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (index, template) in templates.iter().enumerate() {
        let name = template
            .service
            .as_ref()
            .and_then(|service| service.name.as_deref());
        if let Some(name) = name.filter(|name| !seen.insert(*name)) {
            let message = format!("duplicate name '{name}'; each template needs a Service of its own");
            problems.push(Problem::new(
                format!("spec.templates[{index}].service.name"),
                message,
            ));
        }
    }
}

/// A Service needs ports: those of the containers.
fn check_service(
    service: &TemplateService,
    template: Option<&Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    if let Some(name) = &service.name {
        check_name(name, &format!("{path}.name"), problems);
    }
    if template.is_some_and(|template| container_ports(template).next().is_none()) {
        let message = "no container of the template has ports, and a Service needs one: write containerPort";
        problems.push(Problem::new(path, message));
    }
}

/// The ports of all containers of a pod template.
pub fn container_ports(template: &Value) -> impl Iterator<Item = &Value> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let containers = containers.into_iter().flatten();
    containers
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
}

/// The selector and the pods of a template, if they fit.
fn pods(
    selector: Option<LabelSelector>,
    template: Option<Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<(LabelSelector, Value)> {
    let selector_path = format!("{path}.selector");
    let Some(template) = template.filter(Value::is_object) else {
        let message = "is missing; write the pod template that a Deployment would have";
        problems.push(Problem::new(format!("{path}.template"), message));
        return None;
    };
    let selector = selector.unwrap_or_default();
    let unreadable = selector::check(&selector, &selector_path);
    if !unreadable.is_empty() {
        problems.extend(unreadable);
        return None;
    }
    let labels = template
        .pointer("/metadata/labels")
        .filter(|labels| !labels.is_null());
    let labels = labels.map_or(Ok(BTreeMap::new()), BTreeMap::<String, String>::deserialize);
    let message = match labels {
        Err(error) => format!("{error}; the labels of a template are texts, quote them"),
        Ok(_) if selector::keys(&selector).next().is_none() => {
            "must not be empty; write matchLabels with labels of the template".to_owned()
        }
        Ok(labels) if !selector::selector_matches(&selector, &labels) => {
            "does not match the labels of the template; give the template the labels that it asks for"
                .to_owned()
        }
        Ok(_) if selector::keys(&selector).any(|key| key == HASH_LABEL) => {
            format!("must not ask for {HASH_LABEL}: KULTA sets this label itself; take it out")
        }
        Ok(_) => return Some((selector, template)),
    };
    problems.push(Problem::new(selector_path, message));
    None
}

fn analyses(written: &[ExperimentAnalysis], problems: &mut Vec<Problem>) -> Vec<Analysis> {
    let names = written.iter().map(|analysis| analysis.name.as_str());
    check_names(names, "spec.analyses", "analysis", problems);
    for (index, analysis) in written.iter().enumerate() {
        if analysis.template_name.is_empty() {
            let path = format!("spec.analyses[{index}].templateName");
            problems.push(Problem::new(path, "must not be empty; name an AnalysisTemplate"));
        }
    }
    let all = written.iter().map(|analysis| Analysis {
        name: analysis.name.clone(),
        is_required: analysis.required_for_completion.unwrap_or(false),
    });
    all.collect()
}

/// They become parts of names of objects, and differ.
pub(super) fn check_names<'a>(
    names: impl Iterator<Item = &'a str>,
    path: &str,
    what: &str,
    problems: &mut Vec<Problem>,
) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let path = format!("{path}[{index}].name");
        if !check_name(name, &path, problems) {
            continue;
        }
        if !seen.insert(name) {
            let message = format!("duplicate name '{name}'; each {what} needs a name of its own");
            problems.push(Problem::new(path, message));
        }
    }
}

/// A name of a Service, or a part of the names of other objects.
pub(super) fn check_name(name: &str, path: &str, problems: &mut Vec<Problem>) -> bool {
    /// No name of a Service is longer.
    const LONGEST: usize = 63;
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=LONGEST).contains(&name.len())
        && name.bytes().all(usual)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_name {
        let message = format!("must be 1 to {LONGEST} small letters, digits and -, is '{name}'");
        problems.push(Problem::new(path, message));
    }
    is_name
}
