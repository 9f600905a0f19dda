//! What is asked about one metric or gate, and how a refusal is told.

use std::sync::Arc;

use kulta_api::analysis::{Planned, is_known};
use kulta_core::analysis::condition::Conditions;
use kulta_core::spec::Problem;
use kulta_core::text;
use kulta_core::text::with_causes;
use kulta_plugin_host::{CallError, CallFailure, Digest, PluginError, World};
use serde_json::Value;

use super::field;
use crate::analysis::plugins::InService;

/// What tells a question from others: whoever asks it, it has the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The plugin; None: what evaluates conditions.
    asked: Option<Digest>,
    text: Digest,
}

/// What is asked.
pub(super) enum Topic {
    /// Whether this version of a plugin takes a configuration.
    Configuration {
        version: Arc<InService>,
        configuration: String,
    },
    /// Whether a condition can be read.
    Condition(String),
}

/// What is asked about a metric or gate.
pub(super) struct Question<'p> {
    pub(super) key: Key,
    pub(super) topic: Topic,
    planned: &'p Planned,
    path: String,
}

/// Why a configuration or condition is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// In the plugin's own words, which may begin with a field.
    Said(String),
    /// By the host, or what evaluates conditions.
    Other(String),
}

impl Key {
    #[cfg(test)]
    pub(super) fn of_condition(text: &str) -> Self {
        Self {
            asked: None,
            text: Digest::of(text.as_bytes()),
        }
    }
}

impl Refusal {
    pub(super) fn of(cause: &CallError) -> Self {
        match cause {
            CallError::Plugin(PluginError::InvalidConfig(said)) => Self::Said(said.clone()),
            other => Self::Other(text::message(&with_causes(other))),
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::Said(text) | Self::Other(text) => text.len(),
        }
    }
}

impl<'p> Question<'p> {
    pub(super) fn of_configuration(planned: &'p Planned, version: &Arc<InService>) -> Self {
        let configuration = planned.measured.configuration.to_string();
        Self {
            key: Key {
                asked: Some(version.plugin.identity().digest),
                text: Digest::of(configuration.as_bytes()),
            },
            topic: Topic::Configuration {
                version: Arc::clone(version),
                configuration,
            },
            planned,
            path: planned.configuration_path(),
        }
    }

    /// About the conditions of a metric, but for those of which a part is not known yet.
    pub(super) fn of_conditions(planned: &'p Planned) -> impl Iterator<Item = Self> {
        let Conditions { success, failure } = &planned.measured.conditions;
        let written = [("successCondition", success), ("failureCondition", failure)];
        written.into_iter().filter_map(move |(field, condition)| {
            let condition = Value::String(condition.clone()?);
            let is_known = is_known(&condition);
            let Value::String(condition) = condition else {
                return None;
            };
            is_known.then(|| Self {
                key: Key {
                    asked: None,
                    text: Digest::of(condition.as_bytes()),
                },
                topic: Topic::Condition(condition),
                planned,
                path: format!("{}.{field}", planned.measured.path),
            })
        })
    }

    pub(super) const fn bytes(&self) -> usize {
        match &self.topic {
            Topic::Configuration { configuration, .. } => configuration.len(),
            Topic::Condition(condition) => condition.len(),
        }
    }

    /// A refusal as a problem of the Rollout; None where it may be about what only stands for a value that is not known yet.
    pub(super) fn problem(self, refusal: &Refusal) -> Option<Problem> {
        let Topic::Configuration { version, .. } = &self.topic else {
            let (Refusal::Said(message) | Refusal::Other(message)) = refusal;
            return Some(self.planned.problem(self.path, message.clone()));
        };
        let configuration = &self.planned.measured.configuration;
        let plugin = version.plugin.identity();
        let named = match refusal {
            Refusal::Said(said) => field::named(said, configuration),
            Refusal::Other(_) => None,
        };
        let (path, doubted, message) = match (named, refusal) {
            (Some(field), _) => (
                format!("{}.{}", self.path, field.path),
                field.value,
                field.message,
            ),
            (None, Refusal::Said(message) | Refusal::Other(message)) => {
                (self.path, configuration, message.as_str())
            }
        };
        let message = format!("plugin {plugin}: {message}");
        // What a stand-in may be the reason of is left to the analysis.
        is_known(doubted).then(|| self.planned.problem(path, message))
    }
}

/// What is wrong with a plugin that is used for what it is not made for.
pub(super) fn misused(planned: &Planned, version: &InService) -> Option<Problem> {
    let wanted = if planned.measured.metric.gate {
        World::PromotionGate
    } else {
        World::MetricAnalysis
    };
    if version.plugin.worlds().contains(&wanted) {
        return None;
    }
    let failure = CallFailure {
        plugin: version.plugin.identity().clone(),
        cause: CallError::MissingWorld { missing: wanted },
    };
    let path = if planned.measured.metric.gate {
        format!("{}.plugin", planned.measured.path)
    } else {
        planned.configuration_path()
    };
    Some(planned.problem(path, with_causes(&failure)))
}
