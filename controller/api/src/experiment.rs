//! The kind Experiment: some versions run side by side for a while, and analyses look at them. Fields that Argo Rollouts has are
//! named and mean as there.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_core::ApiResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Group;
use crate::analysis::{Argument, DryRun, MeasurementRetention, TemplateReference};
use crate::crd::schema;

mod parse;
mod runs;
mod step;
#[cfg(test)]
mod tests;

pub use parse::{Task, TemplateManifest, container_ports, parse};
pub use runs::Facts;
pub(crate) use step::{Beside, SPEC_REFS, validate_step};
pub use step::{ExperimentStep, StepAnalysis, StepTemplate, Surroundings, of_step};

/// The kind.
pub const KIND: &str = "Experiment";
/// The resource's name in URLs.
pub const PLURAL: &str = "experiments";

/// The resource, for a client.
#[must_use]
pub fn api_resource(group: Group) -> ApiResource {
    group.resource(KIND, PLURAL)
}

/// Versions that run side by side, and what looks at them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExperimentSpec {
    /// The versions: at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 20))]
    pub templates: Option<Vec<ExperimentTemplate>>,
    /// How long it goes on once all pods are available: seconds, or a text such as 1h30m. Without it: until its required
    /// analyses are done, or somebody sets terminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub duration: Option<IntOrString>,
    /// How long pods may take to become available, in seconds. Default: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub progress_deadline_seconds: Option<i32>,
    /// Ends the experiment: what was measured until then counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
    /// What looks at the versions, from the moment on when all pods are available.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub analyses: Option<Vec<ExperimentAnalysis>>,
    /// How long pods stay after the end, in seconds. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_seconds: Option<i32>,
    /// Metrics on trial, of all analyses: what comes of them is shown and has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub dry_run: Option<Vec<DryRun>>,
    /// How many measurements are kept. Default: 10 of each metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub measurement_retention: Option<Vec<MeasurementRetention>>,
    /// What its AnalysisRuns bear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<RunMetadata>,
}

/// A version in an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExperimentTemplate {
    /// Its name; no two templates share it.
    pub name: String,
    /// Wanted pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// How long a pod must be ready before it counts as available, in seconds. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_ready_seconds: Option<i32>,
    /// Which pods are its own: labels of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector", required)]
    pub selector: Option<LabelSelector>,
    /// The pods, as in a Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::pod_template", required)]
    pub template: Option<Value>,
    /// Gives it a Service of its own, with the ports of its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<TemplateService>,
}

/// The Service of a version in an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TemplateService {
    /// Its name. Default: that of the ReplicaSet, `<experiment>-<template>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An analysis in an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExperimentAnalysis {
    /// Its name; no two analyses share it.
    pub name: String,
    /// The template whose metrics are measured.
    pub template_name: String,
    /// Whether that is a ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
    /// What stands for `{{args.<name>}}` in its metrics. In a value, `{{templates.<name>.podTemplateHash}}`,
    /// `{{templates.<name>.replicaset.name}}`, `{{experiment.availableAt}}` and `{{experiment.finishedAt}}` stand for what they
    /// name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub args: Option<Vec<Argument>>,
    /// The experiment ends when all analyses that say so have come to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_for_completion: Option<bool>,
}

impl ExperimentAnalysis {
    /// The template that it names.
    #[must_use]
    pub fn template(&self) -> TemplateReference {
        TemplateReference {
            template_name: self.template_name.clone(),
            cluster_scope: self.cluster_scope,
        }
    }
}

/// What AnalysisRuns bear.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RunMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}
