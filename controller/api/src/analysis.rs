//! The kind AnalysisRun, and the metrics that users write in it and in Rollouts.
//!
//! Fields that Argo Rollouts has are named and mean as there.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_core::ApiResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Group;
use crate::crd::schema;
use crate::experiment::RunMetadata;

mod argument;
mod field;
mod gate;
mod job;
mod merge;
mod parse;
mod planned;
mod prometheus;
mod provider;
mod reference;
mod resolve;
mod rules;
mod run_metadata;
mod run_status;
mod substitution;
pub mod template;
#[cfg(test)]
mod tests;
mod web;

pub use argument::{
    Argument, FieldReference, PodTemplateHash, RolloutArgument, SecretReference, TemplateValueFrom, ValueFrom,
};
pub(crate) use field::{check as check_field, read as field_of};
pub use gate::{Gate, Next};
pub(crate) use gate::{validate as validate_gates, validate_one as validate_gate};
pub use job::{Job, JobMetadata};
pub use merge::MOST_TEMPLATES;
pub use parse::{Measured, Task, parse};
pub use planned::{Planned, is_known, planned};
pub use prometheus::{Prometheus, Source};
pub use provider::{Provider, Written};
pub use reference::{Reference, references};
pub use resolve::{Place, Resolution};
pub(crate) use resolve::{of_experiment, validate};
pub use rules::{DryRun, MeasurementRetention};
pub use run_metadata::run_metadata;
pub(crate) use run_status::{METADATA, metadata_schema, own_fields};
pub use run_status::{read_status, write_status};
pub(crate) use substitution::replace_tags;
pub use substitution::{Arguments, SecretArgument, StandIn};
pub use template::TemplateReference;
pub use web::{OAuth2, PLUGIN as WEB_PLUGIN, Web, WebAuthentication, WebHeader};

/// The kind.
pub const KIND: &str = "AnalysisRun";
/// The resource's name in URLs.
pub const PLURAL: &str = "analysisruns";

/// The resource, for a client.
#[must_use]
pub fn api_resource(group: Group) -> ApiResource {
    group.resource(KIND, PLURAL)
}

/// What is to be measured, or asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.metrics) != has(self.gates) && has(self.gates) == has(self.next)",
    "an analysis has either metrics, or gates and the step that they are asked about (next)",
)))]
pub struct AnalysisRunSpec {
    /// What is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub metrics: Option<Vec<Metric>>,
    /// What stands for `{{args.<name>}}` in the texts of the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub args: Option<Vec<Argument>>,
    /// Metrics on trial: shown, without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub dry_run: Option<Vec<DryRun>>,
    /// How many measurements are kept. Default: 10 of each metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub measurement_retention: Option<Vec<MeasurementRetention>>,
    /// Instead of metrics, gates: asked together until all allow the next step, or one denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub gates: Option<Vec<Gate>>,
    /// The step that the gates are asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Ends the analysis: what was measured until then counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
    /// How long it stays once it is complete. Default: for as long as its Rollout keeps it, or for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
}

/// How long an analysis stays once it is complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TtlStrategy {
    /// Seconds, whatever became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub seconds_after_completion: Option<i32>,
    /// Seconds where it has failed, instead of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub seconds_after_failure: Option<i32>,
    /// Seconds where it was successful, instead of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub seconds_after_success: Option<i32>,
}

/// One metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Metric {
    /// Its name; no two metrics of an analysis share it.
    pub name: String,
    /// Time between two measurements, such as 30s. Without it the metric is measured once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Time from the beginning of the analysis to the first measurement, such as 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
    /// How many measurements complete the metric. Default: 1 without interval, else any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub count: Option<IntOrString>,
    /// An expression over `result`, what a plugin has measured and not judged: true of a value that is well, such as
    /// `result[0] < 0.05`. Without conditions nothing judges the value: it is inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub success_condition: Option<String>,
    /// The same, true of a value that is not well. With both conditions a value of which neither is true is inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub failure_condition: Option<String>,
    /// Failed measurements that are borne; -1: any number. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub failure_limit: Option<IntOrString>,
    /// Inconclusive measurements that are borne. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub inconclusive_limit: Option<IntOrString>,
    /// Errors in a row that are borne. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub consecutive_error_limit: Option<IntOrString>,
    /// Successes in a row that make the metric successful at once. Default: 0, it takes all its measurements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub consecutive_success_limit: Option<IntOrString>,
    /// How long one measurement may go on before it is inconclusive. Default: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// Who measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub provider: Option<Provider>,
}

/// An analysis as a Rollout writes it: beside the steps of a canary; or, where none of its metrics goes on without end, as
/// the step that waits for it, or before or after a blue-green switch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.metrics) || has(self.templates)",
    "an analysis has metrics, templates, or both",
)))]
pub struct RolloutAnalysis {
    /// At least one, or one template.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub metrics: Option<Vec<Metric>>,
    /// Templates whose metrics are measured as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub templates: Option<Vec<TemplateReference>>,
    /// What stands for `{{args.<name>}}` in metrics, also instead of values of templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub args: Option<Vec<RolloutArgument>>,
    /// Metrics on trial: shown, without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub dry_run: Option<Vec<DryRun>>,
    /// How many measurements are kept. Default: 10 of each metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub measurement_retention: Option<Vec<MeasurementRetention>>,
    /// What its AnalysisRuns bear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::run_metadata")]
    pub analysis_run_metadata: Option<RunMetadata>,
    /// Beside the steps: the one at which it begins. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub starting_step: Option<i32>,
}
