//! `provider.prometheus`: a query of a Prometheus, written as in Argo Rollouts and measured by the plugin `prometheus`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parse::Field;
use kulta_core::spec::Problem;

/// The plugin that measures it.
pub(super) const PLUGIN: &str = "prometheus";
/// No Prometheus is given more seconds for an answer: a plugin that asks has not many more for the whole of its work.
const LONGEST_TIMEOUT: i64 = 5;

/// A query of a Prometheus. Which one, and with which credentials, is for whoever operates KULTA to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Prometheus {
    /// That of a provider, or an allowed one. Default: the provider `prometheus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `PromQL` for one instant.
    pub query: String,
    /// Seconds; 5 if more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub authentication: Option<Value>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub headers: Option<Value>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub insecure: Option<Value>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub range_query: Option<Value>,
}

/// The Prometheus that a metric asks, where the metric says it and not the configuration of its plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// As written; None: the provider `prometheus`.
    pub address: Option<String>,
    /// How long an answer may take.
    pub timeout: Option<Duration>,
}

impl Prometheus {
    /// The configuration of the plugin, and whom it asks.
    pub(super) fn meaning(&self, field: &Field<'_>, problems: &mut Vec<Problem>) -> (Value, Source) {
        let path = |name: &str| format!("provider.prometheus.{name}");
        for (name, written, remedy) in self.unsupported() {
            if written.is_some_and(says_something) {
                let message = format!("not supported by KULTA: {remedy}");
                problems.push(field.problem(&path(name), message));
            }
        }
        if self.query.is_empty() {
            let message = "must not be empty; write PromQL, such as `sum(rate(http_requests_total[2m]))`";
            problems.push(field.problem(&path("query"), message));
        }
        if self.timeout.is_some_and(|seconds| seconds < 1) {
            let message = "must be at least 1 (seconds); correct it, or take it out";
            problems.push(field.problem(&path("timeout"), message));
        }
        // Argo Rollouts waits for as long as is written, usually 30 s: no reason to refuse what is written for it.
        let seconds = self.timeout.map(|seconds| seconds.min(LONGEST_TIMEOUT));
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let source = Source {
            address: self.address.clone().filter(|address| !address.is_empty()),
            timeout: seconds.map(Duration::from_secs),
        };
        (json!({"query": self.query}), source)
    }

    /// The fields of Argo Rollouts that have no effect here, and what to do instead.
    fn unsupported(&self) -> [(&'static str, Option<&Value>, &'static str); 4] {
        let credentials = "credentials belong to a provider of the operator's configuration; take it out, and write \
                           that provider's address";
        let headers = "headers belong to a provider of the operator's configuration; take them out, and write that \
                       provider's address";
        let insecure = "certificates are always checked; take it out, and have the operator write the authority as \
                        caFile of a provider";
        let range = "a query is asked for one instant; take it out, and write a range in the query, such as \
                     `max_over_time(...[5m:1m])`";
        [
            ("authentication", self.authentication.as_ref(), credentials),
            ("headers", self.headers.as_ref(), headers),
            ("insecure", self.insecure.as_ref(), insecure),
            ("rangeQuery", self.range_query.as_ref(), range),
        ]
    }
}

/// Whether anything is meant: what Argo Rollouts writes out itself, such as `authentication: {sigv4: {}}`, means nothing.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(fields) => fields.values().any(says_something),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
