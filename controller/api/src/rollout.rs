//! The kind Rollout: what users write, in the shape of Argo Rollouts.
//!
//! These types say what can be written; [`parse`] says what it means and what is wrong with it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_core::ApiResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Group;
use crate::analysis::{Gate, RolloutAnalysis};
use crate::crd::schema;
use crate::experiment::ExperimentStep;

mod amounts;
mod blue_green;
mod canary;
mod managed;
mod parse;
mod pod_fields;
mod pods;
mod routes;
mod routing;
mod step_hash;
mod steps;
mod strategy;
#[cfg(test)]
mod tests;
pub mod workload;

pub(crate) use parse::natural;
pub use parse::{parse, parse_with, selector, template};
pub use pod_fields::{AntiAffinity, Metadata, PreferredAntiAffinity, RequiredAntiAffinity};
pub use routes::{RouteSelector, route_selectors};
pub use routing::{
    ConnectionRoute, GatewayApi, GatewayApiPlugin, HeaderMatch, ManagedRoute, NamedRoute, PluginRoute,
    RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch,
};
pub(crate) use steps::weight;

/// The kind.
pub const KIND: &str = "Rollout";
/// The resource's name in URLs.
pub const PLURAL: &str = "rollouts";

/// The resource, for a client.
#[must_use]
pub fn api_resource(group: Group) -> ApiResource {
    group.resource(KIND, PLURAL)
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutSpec {
    /// Wanted number of pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    // Written by the API server where it is left out: the scale subresource fails without it.
    #[schemars(range(min = 0), extend("default" = 1))]
    pub replicas: Option<i32>,
    /// Which pods are the Rollout's. Must match the labels of the template; can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
    /// The pods, as in a Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::pod_template")]
    pub template: Option<Value>,
    /// The workload that the pods are taken from, instead of template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadReference>,
    /// Seconds that a pod must be ready before it counts as available. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_ready_seconds: Option<i32>,
    /// Number of old, empty ReplicaSets to keep. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub revision_history_limit: Option<i32>,
    /// Holds the rollout where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Seconds without progress after which the rollout is Degraded; more than minReadySeconds. Default: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub progress_deadline_seconds: Option<i32>,
    /// Whether a rollout goes back to the stable version when that time has passed. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_abort: Option<bool>,
    /// How far back a version is gone back to at once, without steps, pauses, analyses and gates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<RollbackWindow>,
    /// Pods that were created before this time are replaced by others of the same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub restart_at: Option<String>,
    /// How many analyses that are complete are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RunHistory>,
    /// How a new version replaces the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub strategy: Option<Strategy>,
}

/// A workload whose pod template is taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct WorkloadReference {
    /// apps/v1, or v1 of a `PodTemplate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Deployment, ReplicaSet or `PodTemplate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name, in the namespace of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What becomes of the pods of a Deployment while the first revision comes up: never (they stay), onsuccess (they go
    /// when the Rollout is healthy) or progressively. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<String>,
}

/// How many analyses that are complete are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RunHistory {
    /// Of those that were successful. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub successful_run_history_limit: Option<i32>,
    /// Of the others. Default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub unsuccessful_run_history_limit: Option<i32>,
}

/// How far back a version is gone back to at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackWindow {
    /// Fewer revisions than these may have been made between the version and the stable one. Default: 0, none is gone back
    /// to at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub revisions: Option<i32>,
}

/// How a new version replaces the old one: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.canary) != has(self.blueGreen)",
    "exactly one of canary and blueGreen: write strategy.canary or strategy.blueGreen, and take the other out",
)))]
pub struct Strategy {
    /// Brings the new version up beside the old one and gives it a growing share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Brings the new version up whole beside the old one and sends all users to it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreen>,
}

/// The blue-green strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct BlueGreen {
    /// The Service that all users ask, or are sent to by routes while no new version is tried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub active_service: Option<String>,
    /// The Service that selects the pods of the new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_service: Option<String>,
    /// Pods of the new version until analysis, pause and gates before the switch are passed. Default: replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub preview_replica_count: Option<i32>,
    /// Whether users are switched without somebody who says so. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promotion_enabled: Option<bool>,
    /// Seconds to wait before the switch; without effect where autoPromotionEnabled is false. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub auto_promotion_seconds: Option<i32>,
    /// An analysis that the new version has to pass before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion_analysis: Option<RolloutAnalysis>,
    /// An analysis after the switch: one that fails sends the users back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion_analysis: Option<RolloutAnalysis>,
    /// Gates that are asked before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub promotion_gates: Option<Vec<Gate>>,
    /// Seconds that old pods stay up after the promotion. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_seconds: Option<i32>,
    /// No more old versions than these stay up for that time. Default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Seconds that the pods of the new version stay up after an abort, 0: for ever. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Pods that may be missing while they are restarted, a number or a percentage. Default: 25%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub max_unavailable: Option<IntOrString>,
    /// Labels and annotations that pods of the active version bear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_metadata: Option<Metadata>,
    /// Labels and annotations that pods of the new version bear until it is promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_metadata: Option<Metadata>,
    /// Keeps pods of a new version off the nodes of the stable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
    /// Sends all users to either Service by the weights of routes, and not by the selector of activeService.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::blue_green_routing")]
    pub traffic_routing: Option<TrafficRouting>,
}

/// The canary strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "!has(self.steps) || self.steps.all(step, [has(step.setWeight) ? step.setWeight : 0, \
     has(step.setCanaryScale) && has(step.setCanaryScale.weight) ? step.setCanaryScale.weight : 0].all(weight, weight <= \
     (has(self.trafficRouting) && has(self.trafficRouting.maxTrafficWeight) ? self.trafficRouting.maxTrafficWeight : 100)))",
    "weights of steps are at most 100, or trafficRouting.maxTrafficWeight where that is written",
)))]
pub struct Canary {
    /// The Service that selects the pods of the new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_service: Option<String>,
    /// The Service that selects the pods of the stable version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_service: Option<String>,
    /// Splits traffic by the weights of routes instead of by the number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<TrafficRouting>,
    /// What to do, in this order. Without steps: straight to the new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub steps: Option<Vec<Step>>,
    /// An analysis beside the steps: one that fails takes the new version back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RolloutAnalysis>,
    /// Gates that are asked before every rise of the weight and before the promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub promotion_gates: Option<Vec<Gate>>,
    /// Pods above replicas, a number or a percentage; without traffic routing. Default: 25%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub max_surge: Option<IntOrString>,
    /// Pods that may be unavailable, a number or a percentage: without traffic routing, and while they are restarted.
    /// Default: 25%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub max_unavailable: Option<IntOrString>,
    /// Seconds that old pods stay up after traffic has left them; with traffic routing only. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_seconds: Option<i32>,
    /// No more old versions than these stay up for that time. Default: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Seconds that canary pods stay up after an abort, 0: for ever; with traffic routing only. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Shrinks the stable version as traffic leaves it; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_stable_scale: Option<bool>,
    /// Least number of pods of a version that has any; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_pods_per_replica_set: Option<i32>,
    /// How many available pods of those wanted are enough for a step, and for the promotion. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_progress_threshold: Option<ReplicaProgressThreshold>,
    /// Labels and annotations that pods of the new version bear until it is promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_metadata: Option<Metadata>,
    /// Labels and annotations that pods of the stable version bear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_metadata: Option<Metadata>,
    /// Keeps pods of a new version off the nodes of the stable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
}

/// How many available pods of those wanted are enough to go on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ReplicaProgressThreshold {
    /// `Percent` of the wanted pods, or a number of `Pods`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["Percent", "Pods"]))]
    pub kind: String,
    /// So many.
    #[schemars(range(min = 0))]
    pub value: i32,
}

/// Where traffic is split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TrafficRouting {
    /// By routes of the Gateway API.
    #[serde(rename = "gatewayAPI", skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApi>,
    /// The same as manifests for Argo Rollouts ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<RouterPlugins>,
    /// What all traffic is: weights of steps and routes are parts of it. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_traffic_weight: Option<i32>,
    /// Names for rules of the controller's own in routes, those that come first in a route first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub managed_routes: Option<Vec<ManagedRoute>>,
}

/// Traffic router plugins of Argo Rollouts, by their names. KULTA does itself what the one that it knows does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RouterPlugins {
    /// Routes of the Gateway API.
    #[serde(rename = "argoproj-labs/gatewayAPI", skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApiPlugin>,
}

/// One step: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "(has(self.setWeight) ? 1 : 0) + (has(self.pause) ? 1 : 0) + (has(self.setCanaryScale) ? 1 : 0) \
     + (has(self.analysis) ? 1 : 0) + (has(self.experiment) ? 1 : 0) + (has(self.gate) ? 1 : 0) \
     + (has(self.setHeaderRoute) ? 1 : 0) + (has(self.setMirrorRoute) ? 1 : 0) == 1",
    "a step has exactly one of setWeight, pause, setCanaryScale, setHeaderRoute, setMirrorRoute, analysis, experiment and \
     gate: look for a misspelt one or a second one",
)))]
pub struct Step {
    /// Percent of traffic (of pods, without traffic routing) for the new version; parts of maxTrafficWeight, where that is
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub set_weight: Option<i32>,
    /// Waits for a time, or without a duration until somebody resumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseStep>,
    /// Sizes the new version apart from its weight; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Goes on when this analysis is successful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RolloutAnalysis>,
    /// Goes on when this experiment is successful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentStep>,
    /// Goes on when this gate allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Sends requests with some headers to the new version, whatever its weight is; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_header_route: Option<SetHeaderRoute>,
    /// Sends a copy of some requests to the new version, too; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_mirror_route: Option<SetMirrorRoute>,
}

/// A pause.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PauseStep {
    /// How long: seconds, or a text such as 1m30s. Without it: until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::int_or_string")]
    pub duration: Option<IntOrString>,
}

/// The size of the new version: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "(has(self.replicas) ? 1 : 0) + (has(self.weight) ? 1 : 0) \
     + (has(self.matchTrafficWeight) && self.matchTrafficWeight ? 1 : 0) == 1",
    "setCanaryScale has exactly one of replicas, weight and matchTrafficWeight: true",
)))]
pub struct SetCanaryScale {
    /// So many pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// As many as this weight needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: Option<i32>,
    /// As many as the weight asks for again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_traffic_weight: Option<bool>,
}
