//! The bundled plugin that keeps change freezes and allowed hours: a gate that is closed while a team does not want
//! changes, and says when it will open.
//!
//! Open [`config`] first: what users write. `opening` has the rule for when the gate opens, `clock` what becomes of it
//! when clocks are changed.

mod answer;
pub mod civil;
mod clock;
pub mod config;
mod hours;
mod opening;

#[cfg(test)]
mod tests;

use kulta_plugin_sdk::{
    ConfigError, Decision, Description, GatePlugin, Host, Plugin, PluginError, Step, Subject, export_gate,
};

use crate::config::Config;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Schedule;

impl Plugin for Schedule {
    type Config = Config;

    const DESCRIPTION: Description = Description {
        name: "schedule",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: include_str!("../config.schema.json"),
    };

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }
}

impl GatePlugin for Schedule {
    fn decide(
        config: &Config,
        _subject: &Subject,
        _next: Step,
        host: &impl Host,
    ) -> Result<Decision, PluginError> {
        let opening = opening::find(config, host)?;
        answer::decision(config, &opening, host)
    }
}

export_gate!(Schedule);
