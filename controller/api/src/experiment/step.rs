//! The step `experiment` of a canary: what is written there, and the Experiment that is made of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kulta_core::spec::{Problem, Weight, Whole};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parse::{check_name, check_names};
use super::{ExperimentAnalysis, ExperimentSpec, ExperimentTemplate, RunMetadata, TemplateService};
use crate::analysis::{
    Argument, DryRun, PodTemplateHash, RolloutArgument, TemplateValueFrom, ValueFrom, check_field, field_of,
};
use crate::crd::schema;
use crate::duration;
use crate::injected::put_metadata;
use crate::rollout::{Metadata, natural, weight};

/// An experiment in a step of a canary: some pods of the stable and the new version run side by side for a while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExperimentStep {
    /// The versions: at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 20))]
    pub templates: Option<Vec<StepTemplate>>,
    /// How long it goes on once all of its pods are available: seconds, or a text such as 1h30m. Without it: until its required
    /// analyses are done, or somebody ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub duration: Option<IntOrString>,
    /// What looks at them.
    // The API server counts with a thousand steps of it, and has a bound for what their rules cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub analyses: Option<Vec<StepAnalysis>>,
    /// Metrics on trial, of all analyses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub dry_run: Option<Vec<DryRun>>,
    /// What its AnalysisRuns bear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<RunMetadata>,
    /// How long its pods stay after the end, in seconds. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_seconds: Option<i32>,
}

/// A version in the experiment of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct StepTemplate {
    /// Its name; no two templates share it.
    pub name: String,
    /// Which version: stable or canary.
    #[schemars(schema_with = "schema::spec_ref")]
    pub spec_ref: String,
    /// Wanted pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// What its pods bear besides what the version has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Which pods are its own. Default: the selector of the Rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub selector: Option<LabelSelector>,
    /// Gives it a Service of its own, with the ports of its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<TemplateService>,
    /// Its share of the traffic, which the stable version goes without. It gives it a Service, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub weight: Option<i32>,
}

/// An analysis in the experiment of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct StepAnalysis {
    /// Its name; no two analyses share it.
    pub name: String,
    /// The template whose metrics are measured.
    pub template_name: String,
    /// Whether that is a ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
    /// What stands for `{{args.<name>}}` in its metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub args: Option<Vec<RolloutArgument>>,
    /// The experiment ends when all analyses that say so have come to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_for_completion: Option<bool>,
}

/// The words of Argo Rollouts, and what to do.
const WITHOUT_ROUTES: &str = "Experiment template weight cannot be set unless TrafficRouting is enabled; name the routes in \
                              trafficRouting, or take it out";

/// What a step's experiment can have a share of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// All traffic.
    pub(crate) whole: Whole,
    /// What the canary has of it at this step.
    pub(crate) canary: u32,
}

const STABLE: &str = "stable";
const CANARY: &str = "canary";

/// The values of `specRef`.
pub(crate) const SPEC_REFS: [&str; 2] = [STABLE, CANARY];

/// Tells what is wrong with the experiment of the step at `path`. Answers the shares of its templates; `traffic`: None without
/// routes that could be split.
pub(crate) fn validate_step(
    step: &ExperimentStep,
    traffic: Option<Beside>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Weight> {
    let templates = step.templates.as_deref().unwrap_or_default();
    if templates.is_empty() {
        let message = "an experiment has at least one template; write one with specRef stable or canary";
        problems.push(Problem::new(format!("{path}.templates"), message));
    }
    let names = templates.iter().map(|template| template.name.as_str());
    check_names(names, &format!("{path}.templates"), "template", problems);
    for (index, template) in templates.iter().enumerate() {
        let path = format!("{path}.templates[{index}]");
        if !SPEC_REFS.contains(&template.spec_ref.as_str()) {
            let message = format!("{:?} is not known; write stable or canary", template.spec_ref);
            problems.push(Problem::new(format!("{path}.specRef"), message));
        }
        natural(template.replicas, &format!("{path}.replicas"), problems);
        if let Some(name) = template
            .service
            .iter()
            .find_map(|service| service.name.as_deref())
        {
            check_name(name, &format!("{path}.service.name"), problems);
        }
        if let Some(selector) = &template.selector {
            problems.extend(crate::selector::check(selector, &format!("{path}.selector")));
        }
    }
    if let Some(Err(message)) = step.duration.as_ref().map(duration::parse) {
        problems.push(Problem::new(format!("{path}.duration"), message));
    }
    let delay = format!("{path}.scaleDownDelaySeconds");
    natural(step.scale_down_delay_seconds, &delay, problems);
    let analyses = step.analyses.as_deref().unwrap_or_default();
    let names = analyses.iter().map(|analysis| analysis.name.as_str());
    check_names(names, &format!("{path}.analyses"), "analysis", problems);
    for (index, analysis) in analyses.iter().enumerate() {
        for (argument, number) in analysis.args.iter().flatten().zip(0_u32..) {
            let path = format!("{path}.analyses[{index}].args[{number}]");
            check_argument(argument, &path, problems);
        }
    }
    shares(templates, traffic, &format!("{path}.templates"), problems)
}

/// The shares of the templates at `path`: together no more than the canary leaves.
fn shares(
    templates: &[StepTemplate],
    traffic: Option<Beside>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Weight> {
    let mut shares = BTreeMap::new();
    let mut sum = 0_u32;
    for (template, index) in templates.iter().zip(0_u32..) {
        let Some(parts) = template.weight else { continue };
        let path = format!("{path}[{index}].weight");
        let Some(Beside { whole, .. }) = traffic else {
            problems.push(Problem::new(path, WITHOUT_ROUTES));
            continue;
        };
        if let Some(weight) = weight(parts, whole, &path, "Weight", problems) {
            sum = sum.saturating_add(weight.parts());
            shares.insert(template.name.clone(), weight);
        }
    }
    if let Some(Beside { whole, canary }) = traffic
        && !shares.is_empty()
        && sum.saturating_add(canary) > whole.parts()
    {
        let all = whole.parts();
        let message = format!(
            "their weights are {sum} together, and the canary has {canary} at this step: more than all traffic ({all}); lower them"
        );
        problems.push(Problem::new(path, message));
    }
    shares
}

fn check_argument(argument: &RolloutArgument, path: &str, problems: &mut Vec<Problem>) {
    let Some(from) = &argument.value_from else { return };
    if argument.value.is_some() {
        problems.push(Problem::new(
            path,
            "must have only one of value and valueFrom; take one out",
        ));
    }
    let field = from.field_ref.as_ref();
    if let Some(Err(message)) = field.map(|field| check_field(&field.field_path)) {
        problems.push(Problem::new(
            format!("{path}.valueFrom.fieldRef.fieldPath"),
            message,
        ));
    }
}

/// What the Experiment of a step is made of.
#[derive(Debug)]
pub struct Surroundings<'rollout> {
    /// The Rollout, its pod template and selector those that count.
    pub rollout: &'rollout Value,
    /// The hash and the pod template of the stable version.
    pub stable: (&'rollout str, &'rollout Value),
    /// The same of the new version.
    pub canary: (&'rollout str, &'rollout Value),
}

impl Surroundings<'_> {
    fn version(&self, spec_ref: &str) -> &Value {
        if spec_ref == STABLE {
            self.stable.1
        } else {
            self.canary.1
        }
    }
}

/// The spec of the Experiment of `step`, as a step of a Rollout writes it.
///
/// # Errors
/// Why there can't be one: a field that an argument names is not there, for example.
pub fn of_step(step: &Value, surroundings: &Surroundings<'_>) -> Result<Value, String> {
    let step = ExperimentStep::deserialize(step).map_err(|error| error.to_string())?;
    let spec = surroundings.rollout.get("spec").unwrap_or(&Value::Null);
    let seconds = |field: &str| {
        spec.get(field)
            .and_then(Value::as_i64)
            .and_then(|it| i32::try_from(it).ok())
    };
    let selector = spec.get("selector").map(LabelSelector::deserialize);
    let selector = selector.and_then(Result::ok);
    let templates = step.templates.into_iter().flatten().map(|template| {
        let mut pods = surroundings.version(&template.spec_ref).clone();
        if let Some(metadata) = &template.metadata {
            put_metadata(&mut pods, &metadata.meaning());
        }
        ExperimentTemplate {
            name: template.name,
            replicas: template.replicas,
            min_ready_seconds: seconds("minReadySeconds"),
            selector: template.selector.or_else(|| selector.clone()),
            template: Some(pods),
            // Routes send to Services.
            service: template
                .service
                .or_else(|| template.weight.map(|_| TemplateService::default())),
        }
    });
    let analyses = step.analyses.into_iter().flatten().map(|analysis| {
        let args = analysis.args.into_iter().flatten();
        let args: Result<Vec<_>, String> = args.map(|argument| resolved(argument, surroundings)).collect();
        Ok(ExperimentAnalysis {
            name: analysis.name,
            template_name: analysis.template_name,
            cluster_scope: analysis.cluster_scope,
            args: Some(args?).filter(|args| !args.is_empty()),
            required_for_completion: analysis.required_for_completion,
        })
    });
    let analyses: Result<Vec<_>, String> = analyses.collect();
    let experiment = ExperimentSpec {
        templates: Some(templates.collect()),
        duration: step.duration,
        progress_deadline_seconds: seconds("progressDeadlineSeconds"),
        terminate: None,
        analyses: Some(analyses?).filter(|analyses| !analyses.is_empty()),
        scale_down_delay_seconds: step.scale_down_delay_seconds,
        dry_run: step.dry_run,
        measurement_retention: None,
        analysis_run_metadata: step.analysis_run_metadata,
    };
    Ok(json!(experiment))
}

/// An argument with what it names.
fn resolved(argument: RolloutArgument, surroundings: &Surroundings<'_>) -> Result<Argument, String> {
    let RolloutArgument {
        name,
        value,
        value_from,
    } = argument;
    let Some(ValueFrom {
        pod_template_hash_value,
        field_ref,
        secret_key_ref,
    }) = value_from
    else {
        return Ok(Argument {
            name,
            value,
            value_from: None,
        });
    };
    let hash = pod_template_hash_value.map(|version| match version {
        PodTemplateHash::Stable => surroundings.stable.0.to_owned(),
        PodTemplateHash::Latest => surroundings.canary.0.to_owned(),
    });
    let field = field_ref
        .map(|field| field_of(surroundings.rollout, &field.field_path))
        .transpose()?;
    Ok(Argument {
        name,
        value: hash.or(field.flatten()),
        value_from: secret_key_ref.map(|secret| TemplateValueFrom {
            secret_key_ref: Some(secret),
            ..TemplateValueFrom::default()
        }),
    })
}

#[cfg(test)]
mod tests;
