//! The fields of routes, and of what steps set in them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::schema;

/// The configuration of Argo Rollouts' plugin for the Gateway API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct GatewayApiPlugin {
    /// The name of one `HTTPRoute`, which takes managed rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_route: Option<String>,
    /// More of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_routes: Option<Vec<PluginRoute>>,
    /// The name of one `GRPCRoute`, which takes managed rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_route: Option<String>,
    /// More of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_routes: Option<Vec<PluginRoute>>,
    /// More `HTTPRoute`s: all that these labels select. They take no managed rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub http_route_selector: Option<LabelSelector>,
    /// The same with `GRPCRoute`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub grpc_route_selector: Option<LabelSelector>,
    /// The name of one `TCPRoute`, which has weights only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_route: Option<String>,
    /// More of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_routes: Option<Vec<PluginRoute>>,
    /// More `TCPRoute`s: all that these labels select.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub tcp_route_selector: Option<LabelSelector>,
    /// The name of one `TLSRoute`, which has weights only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_route: Option<String>,
    /// More of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_routes: Option<Vec<PluginRoute>>,
    /// More `TLSRoute`s: all that these labels select.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub tls_route_selector: Option<LabelSelector>,
    /// The namespace of all of them. Default: the Rollout's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Leaves the routes without the label that tells of a canary under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_in_progress_label: Option<bool>,
    /// The key of that label. Default: rollouts.argoproj.io/gatewayapi-canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress_label_key: Option<String>,
    /// Its value. Default: in-progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress_label_value: Option<String>,
}

/// A route, as Argo Rollouts' plugin has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PluginRoute {
    /// Its name.
    pub name: String,
    /// Whether it takes managed rules. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_header_routes: Option<bool>,
}

/// Routes of the Gateway API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct GatewayApi {
    /// The `HTTPRoute`s whose rules name both Services: of these only the weights are changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub http_routes: Option<Vec<NamedRoute>>,
    /// The same with `GRPCRoute`s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub grpc_routes: Option<Vec<NamedRoute>>,
    /// The same with `TCPRoute`s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub tcp_routes: Option<Vec<ConnectionRoute>>,
    /// The same with `TLSRoute`s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub tls_routes: Option<Vec<ConnectionRoute>>,
    /// More `HTTPRoute`s of its namespace: all that these labels select. They take no managed rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub http_route_selector: Option<LabelSelector>,
    /// The same with `GRPCRoute`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub grpc_route_selector: Option<LabelSelector>,
    /// The same with `TCPRoute`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub tcp_route_selector: Option<LabelSelector>,
    /// The same with `TLSRoute`s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::route_selector")]
    pub tls_route_selector: Option<LabelSelector>,
}

/// A route of whole connections, whose rules have no matches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ConnectionRoute {
    /// Its name.
    pub name: String,
    /// Default: the Rollout's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A reference to a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct NamedRoute {
    /// Its name.
    pub name: String,
    /// Default: the Rollout's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it takes managed rules. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_header_routes: Option<bool>,
}

/// A name that rules of the controller's own may have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ManagedRoute {
    /// The name; more rules of the same managed route are called `<name>-1` and so on.
    pub name: String,
}

/// Requests that go to the new version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SetHeaderRoute {
    /// One of managedRoutes.
    pub name: String,
    /// The headers that a request must have, all of them. None: the managed route is taken away.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub matches: Option<Vec<HeaderMatch>>,
}

/// A header that a request must have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct HeaderMatch {
    /// Its name.
    pub header_name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub header_value: Option<StringMatch>,
}

/// How a text must look: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct StringMatch {
    /// Exactly so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Beginning so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// As this regular expression says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

/// Requests of which the new version gets a copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SetMirrorRoute {
    /// One of managedRoutes.
    pub name: String,
    /// Which requests: those that one of these fits. None: the managed route is taken away.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub matches: Option<Vec<RouteMatch>>,
    /// Percent of them. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percentage: Option<i32>,
}

/// What a request must be like, in every respect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RouteMatch {
    /// Its method; only exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<StringMatch>,
    /// Its path; a prefix ends where an element of the path does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<StringMatch>,
    /// Its headers, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, StringMatch>>,
}
