//! The bundled plugin that compares the canary with the stable version by tests that may be looked at any time, and
//! stopped at any time, without losing their error rate.
//!
//! Open [`config`] first: what users write. `statistics` has the mathematics, `counting` and `look` where its numbers come
//! from, `verdict` what becomes of them.

pub mod config;
mod counting;
mod look;
mod number;
mod report;
mod state;
mod statistics;
mod verdict;

#[cfg(test)]
mod tests;

use kulta_plugin_sdk::{
    ConfigError, Description, Host, MetricPlugin, Plugin, PluginError, Subject, Verdict, export_metric,
};

use crate::config::Config;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Sequential;

impl Plugin for Sequential {
    type Config = Config;

    const DESCRIPTION: Description = Description {
        name: "sequential",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: include_str!("../config.schema.json"),
    };

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }
}

impl MetricPlugin for Sequential {
    fn evaluate(config: &Config, subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError> {
        verdict::evaluate(config, subject, host)
    }
}

export_metric!(Sequential);
