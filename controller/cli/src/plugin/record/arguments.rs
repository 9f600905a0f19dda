//! What is asked of a plugin while it is recorded, as it is typed.

use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use jiff::Timestamp;
use kulta_core::analysis::verdict::{NextStep, Subject};
use kulta_plugin_host::limits::Limits;

use super::RecordError;
use crate::plugin::Source;
use crate::plugin::case::{Question, usual};

/// The configuration of a plugin, as users write it.
type Config = serde_json::Map<String, serde_json::Value>;

/// Which plugin, what it is asked, and whom it may ask.
#[derive(Debug, Args)]
pub struct RecordArguments {
    /// The plugin, as `kulta plugin build` has written it
    pub file: PathBuf,
    /// Its configuration: a YAML file with what users write under the plugin's name. Default: nothing
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the Prometheus is
    #[arg(long, value_name = "http://HOST:PORT")]
    pub address: String,
    /// The name that the plugin knows it under
    #[arg(long, value_name = "NAME", default_value = usual::PROVIDER)]
    pub provider: String,
    /// The time of the call. Default: the present
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// When the analysis began. Default: at the time of the call
    #[arg(long, value_name = "TIME")]
    pub started_at: Option<Timestamp>,
    /// The namespace of the Rollout
    #[arg(long, default_value = usual::NAMESPACE)]
    pub namespace: String,
    /// The name of the Rollout
    #[arg(long, default_value = usual::NAME)]
    pub name: String,
    /// The name of the metric or gate
    #[arg(long, default_value = usual::METRIC)]
    pub metric: String,
    /// Something else that is known, such as canary-hash=6d5f; once for each
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    pub facts: Vec<Fact>,
    /// What a gate is asked about: the weight in force and the one to come
    #[arg(long, value_name = "FROM:TO")]
    pub step: Option<Weights>,
    /// The step is the full promotion
    #[arg(long, requires = "step")]
    pub last: bool,
    /// What the call before handed back, as in the status of an AnalysisRun. Default: there was none
    #[arg(long, value_name = "BASE64")]
    pub state: Option<State>,
    /// What the case is called. Default: the time of the call
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
    /// A new file for the case. Default: standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A fact by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact(String, String);

impl FromStr for Fact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self(name.to_owned(), value.to_owned())),
            _ => Err("write NAME=VALUE"),
        }
    }
}

/// From one weight to the next, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    from: u32,
    to: u32,
}

impl FromStr for Weights {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let weight = |text: &str| text.parse().ok().filter(|weight| *weight <= 100);
        let weights = text
            .split_once(':')
            .and_then(|(from, to)| Some((weight(from)?, weight(to)?)));
        let (from, to) = weights.ok_or("write FROM:TO, each from 0 to 100, such as 10:50")?;
        Ok(Self { from, to })
    }
}

/// What a call hands to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State(Vec<u8>);

impl FromStr for State {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_STANDARD.decode(text).map(Self);
        bytes.map_err(|_no_base64| "no base64: write it as the status of an AnalysisRun has it")
    }
}

impl RecordArguments {
    /// What users would write under the plugin's name.
    pub(super) fn read_config(&self) -> Result<Config, RecordError> {
        let Some(path) = &self.config else {
            return Ok(Config::new());
        };
        let text = std::fs::read_to_string(path).map_err(|source| RecordError::ReadConfig {
            path: path.clone(),
            source,
        })?;
        serde_saphyr::from_str(&text).map_err(|source| RecordError::ParseConfig {
            path: path.clone(),
            source: Box::new(source),
        })
    }

    pub(super) fn question(&self, config: &Config, now: Timestamp) -> Question {
        let facts = self.facts.iter().cloned();
        Question {
            config: serde_json::Value::Object(config.clone()).to_string(),
            now,
            subject: Subject {
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                metric: self.metric.clone(),
                started_at: self.started_at.unwrap_or(now),
                facts: facts.map(|Fact(name, value)| (name, value)).collect(),
            },
            step: self.step.map(|Weights { from, to }| NextStep {
                from_weight: from,
                to_weight: to,
                is_last: self.last,
            }),
            state: self.state.clone().map(|State(bytes)| bytes),
            previous: Vec::new(),
            limits: Limits::default(),
        }
    }

    pub(super) fn source(&self) -> Source {
        Source {
            provider: self.provider.clone(),
            address: self.address.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_may_have_equals_signs_in_its_value() {
        assert_eq!(
            "arg.query=up{a='b'}".parse(),
            Ok(Fact("arg.query".to_owned(), "up{a='b'}".to_owned()))
        );
        assert!("canary-hash".parse::<Fact>().is_err());
        assert!("=6d5f".parse::<Fact>().is_err());
    }

    #[test]
    fn a_step_goes_from_one_share_to_another() {
        assert_eq!("10:50".parse(), Ok(Weights { from: 10, to: 50 }));
        for nonsense in ["10", "10-50", "10:101", "-1:50", ":"] {
            assert!(nonsense.parse::<Weights>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_state_is_base64() {
        assert_eq!("AQc=".parse(), Ok(State(vec![1, 7])));
        assert!("!".parse::<State>().is_err());
    }
}
