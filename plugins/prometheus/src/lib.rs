//! The bundled plugin that judges metrics in a Prometheus.

use kulta_plugin_sdk::{
    Answer, ConfigError, Data, Description, Host, MetricPlugin, Outcome, Plugin, PluginError, Subject, Value,
    Verdict, export_metric,
};
use serde::Deserialize;

/// What users write.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The provider to ask.
    #[serde(default = "default_provider")]
    pub provider: String,
    /// A query in PromQL whose answer conditions judge.
    pub query: String,
}

fn default_provider() -> String {
    "prometheus".to_owned()
}

/// The plugin.
#[derive(Debug)]
pub struct Prometheus;

impl Plugin for Prometheus {
    type Config = Config;

    const DESCRIPTION: Description = Description {
        name: "prometheus",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: "",
    };

    fn check(config: &Config) -> Result<(), ConfigError> {
        if config.query.is_empty() {
            return Err(ConfigError::new("query", "is empty"));
        }
        Ok(())
    }
}

impl MetricPlugin for Prometheus {
    fn evaluate(config: &Config, _subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError> {
        let answer = host.query_instant(&config.provider, &config.query, host.now())?;
        let value = value(answer)?;
        let summary = match &value {
            Value::Scalar(number) => format!("{number}"),
            Value::Vector(numbers) => format!("{} series", numbers.len()),
            _ => "no data".to_owned(),
        };
        Ok(Verdict::Measured(Outcome::new(value, summary)))
    }
}

fn value(answer: Answer) -> Result<Value, PluginError> {
    match answer.data {
        Data::Scalar(sample) => Ok(Value::Scalar(sample.value)),
        Data::Vector(series) => {
            let values = series.iter().filter_map(|one| one.samples.first());
            Ok(Value::Vector(values.map(|sample| sample.value).collect()))
        }
        Data::Matrix(_) | Data::Text(_) => Err(PluginError::InvalidConfig(
            "query: answers neither with a number nor with an instant vector".to_owned(),
        )),
    }
}

export_metric!(Prometheus);
