//! What a plugin author implements.

use serde::de::DeserializeOwned;

use crate::{ConfigError, Decision, Host, PluginError, Step, Subject, Verdict, configuration};

/// Who a plugin is. For people: a plugin is found by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// At most 64 bytes.
    pub name: &'static str,
    /// At most 64 bytes.
    pub version: &'static str,
    /// A JSON Schema (2020-12) of the configuration, at most 32 KiB; empty: none. A configuration that does not fit it is
    /// refused before anything begins.
    pub config_schema: &'static str,
}

/// What every plugin has: a name, and a configuration that users write.
pub trait Plugin {
    /// What users write, read with serde. Give it `#[serde(deny_unknown_fields)]`: a misspelt field is then an error that
    /// names it, and not ignored.
    type Config: DeserializeOwned;

    /// Who it is.
    const DESCRIPTION: Description;

    /// What serde can't tell of a configuration: whether its fields make sense together. Asked before anything begins.
    ///
    /// # Errors
    /// When the configuration makes no sense; the error names the field.
    fn check(_config: &Self::Config) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Reads and checks a configuration, a JSON document, as it is done before each call.
    ///
    /// # Errors
    /// When it can't be read or makes no sense; the error names the field.
    fn configure(json: &str) -> Result<Self::Config, ConfigError> {
        let config = configuration::read_json(json)?;
        Self::check(&config)?;
        Ok(config)
    }
}

/// A measurement that an analysis asks for. Made a WebAssembly component by [`export_metric`](crate::export_metric).
pub trait MetricPlugin: Plugin {
    /// Measures once.
    ///
    /// # Errors
    /// When there is no answer. That is not a verdict: it is tried again, unless the configuration is at fault.
    fn evaluate(config: &Self::Config, subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError>;
}

/// A gate that stands before every weight increase and before the full promotion. Made a WebAssembly component by
/// [`export_gate`](crate::export_gate).
pub trait GatePlugin: Plugin {
    /// Decides on the next step.
    ///
    /// # Errors
    /// When there is no answer. An error is never taken for [`Decision::Allow`]: it holds.
    fn decide(
        config: &Self::Config,
        subject: &Subject,
        next: Step,
        host: &impl Host,
    ) -> Result<Decision, PluginError>;
}
