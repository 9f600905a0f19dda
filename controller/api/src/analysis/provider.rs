//! Who measures a metric: what users write, and what that means.

use kulta_core::analysis::condition::Conditions;
use kulta_core::analysis::metric::Metric;
use kulta_core::spec::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parse::Field;
use super::{Job, Measured, Prometheus, Source, Web, job, prometheus, web};
use crate::crd::schema;

/// What else could be written is a plugin's.
const OTHERS: &str = "KULTA has no such provider; have a plugin ask it: `provider.plugin: {<name>: ...}` runs one that \
                      is installed in a ConfigMap (see plugin-sdk), and provider.web asks any server that the operator \
                      allows, if it answers in JSON";

/// Who measures: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "[has(self.prometheus), has(self.web), has(self.job), has(self.plugin)].filter(x, x).size() == 1",
    "exactly one of prometheus, web, job and plugin; whatever else is to be asked, a plugin asks",
)))]
pub struct Provider {
    /// A query of a Prometheus, for the conditions to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// A request by HTTP, whose answer the conditions judge.
    // Spelt out in each of the places where a Rollout has analyses, its fields would take a sixth of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::configuration")]
    pub web: Option<Web>,
    /// A Job in the analysis' namespace: well if it completes, and not if it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::configuration")]
    pub job: Option<Job>,
    /// The name of one plugin, and its configuration. The plugins `prometheus` and `web` come with KULTA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::plugin")]
    pub plugin: Option<Map<String, Value>>,
    /// Known so that it can be refused with a reason, as those that follow; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub kayenta: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub datadog: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub wavefront: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub new_relic: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub cloud_watch: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub graphite: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub influxdb: Option<Value>,
    /// See `kayenta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub skywalking: Option<Value>,
}

/// Under which field a metric's provider is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// `provider.prometheus`.
    Prometheus,
    /// `provider.web`.
    Web,
    /// `provider.job`, which is no plugin.
    Job,
    /// `provider.plugin`, or a gate.
    Plugin,
}

/// Who is asked, and what.
pub(super) struct Asked {
    pub(super) written: Written,
    pub(super) plugin: String,
    pub(super) configuration: Value,
    /// Whom the plugin asks, where that is not for its configuration to say.
    pub(super) source: Option<Source>,
}

impl Asked {
    /// The metric at `field` that is measured so.
    pub(super) fn measured(self, metric: Metric, conditions: Conditions, field: &Field<'_>) -> Measured {
        Measured {
            metric,
            plugin: self.plugin,
            configuration: self.configuration,
            written: self.written,
            source: self.source,
            secrets: Vec::new(),
            conditions,
            path: field.path.to_owned(),
        }
    }
}

/// What a provider means. Returns None only where `problems` tells why.
pub(super) fn asked(
    provider: Option<&Provider>,
    conditions: &Conditions,
    field: &Field<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Asked> {
    let nobody = Provider::default();
    let provider = provider.unwrap_or(&nobody);
    let before = problems.len();
    for (name, written) in provider.others() {
        if written.is_some() {
            problems.push(field.problem(&format!("provider.{name}"), OTHERS));
        }
    }
    if problems.len() > before {
        return None;
    }
    let Provider {
        prometheus,
        web,
        job,
        plugin,
        ..
    } = provider;
    match (prometheus, web, job, plugin) {
        (Some(query), None, None, None) => {
            let (configuration, source) = query.meaning(field, problems);
            Some(Asked {
                written: Written::Prometheus,
                plugin: prometheus::PLUGIN.to_owned(),
                configuration,
                source: Some(source),
            })
        }
        (None, Some(request), None, None) => Some(Asked {
            written: Written::Web,
            plugin: web::PLUGIN.to_owned(),
            configuration: request.meaning(conditions, field, problems),
            source: None,
        }),
        (None, None, Some(job), None) => Some(Asked {
            written: Written::Job,
            plugin: job::NAME.to_owned(),
            configuration: job.meaning(conditions, field, problems),
            source: None,
        }),
        (None, None, None, Some(plugins)) => installed(plugins, field, problems),
        (None, None, None, None) => installed(&Map::new(), field, problems),
        _ => {
            let message = "must have exactly one of prometheus, web, job and plugin; take the others out";
            problems.push(field.problem("provider", message));
            None
        }
    }
}

fn installed(plugins: &Map<String, Value>, field: &Field<'_>, problems: &mut Vec<Problem>) -> Option<Asked> {
    let mut plugins = plugins.into_iter();
    let (Some((name, configuration)), None) = (plugins.next(), plugins.next()) else {
        let message = "must have exactly one entry: the name of a plugin with its configuration, such as \
                       `prometheus: {errorRate: ...}`";
        problems.push(field.problem("provider.plugin", message));
        return None;
    };
    Some(Asked {
        written: Written::Plugin,
        plugin: name.clone(),
        configuration: configuration.clone(),
        source: None,
    })
}

impl Provider {
    /// The providers of Argo Rollouts that KULTA does not have.
    fn others(&self) -> [(&'static str, &Option<Value>); 8] {
        [
            ("kayenta", &self.kayenta),
            ("datadog", &self.datadog),
            ("wavefront", &self.wavefront),
            ("newRelic", &self.new_relic),
            ("cloudWatch", &self.cloud_watch),
            ("graphite", &self.graphite),
            ("influxdb", &self.influxdb),
            ("skywalking", &self.skywalking),
        ]
    }
}
