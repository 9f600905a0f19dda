//! The bundled plugin that judges metrics in a Prometheus: error rates, latencies, and the answer of any query.
//!
//! Open [`config`] first: what users write. `judgement` has the rules that error rates and latencies share.

mod answer;
pub mod config;
mod error_rate;
mod judgement;
mod latency;
mod query;

#[cfg(test)]
mod tests;

use kulta_plugin_sdk::{
    ConfigError, Description, Host, MetricPlugin, Plugin, PluginError, Subject, Verdict, export_metric,
};

use crate::config::{Config, Measure};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Prometheus;

impl Plugin for Prometheus {
    type Config = Config;

    const DESCRIPTION: Description = Description {
        name: "prometheus",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: include_str!("../config.schema.json"),
    };

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }
}

impl MetricPlugin for Prometheus {
    fn evaluate(config: &Config, subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError> {
        let asker = answer::Asker::new(host, &config.provider, subject);
        match config.measure()? {
            Measure::Query(query) => query::evaluate(&asker, query),
            Measure::ErrorRate(error_rate) => error_rate::evaluate(&asker, error_rate),
            Measure::Latency(latency) => latency::evaluate(&asker, latency),
        }
    }
}

export_metric!(Prometheus);
