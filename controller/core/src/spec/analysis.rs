//! What judges a new version: analyses and gates.

use serde_json::json;

/// How many analyses of a Rollout that are complete are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunHistory {
    /// Of those that were successful.
    pub successful: u32,
    /// Of the others.
    pub unsuccessful: u32,
}

/// As in Argo Rollouts.
impl Default for RunHistory {
    fn default() -> Self {
        Self {
            successful: 5,
            unsuccessful: 5,
        }
    }
}

/// What an analysis is to measure. Decisions pass it on as it is; what it means is known where it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The spec of the `AnalysisRun` to create, without its arguments. Of an analysis that refers to other objects:
    /// put together by whoever observes them.
    pub run: serde_json::Value,
    /// Its arguments.
    pub args: Vec<Argument>,
}

impl Analysis {
    /// The spec of its `AnalysisRun`, with its arguments; `stable` and `latest` are the hashes of the two versions, as far as
    /// they are known.
    #[must_use]
    pub fn run_with(&self, stable: Option<&str>, latest: Option<&str>) -> serde_json::Value {
        let mut run = self.run.clone();
        let args = self.args.iter().map(|argument| argument.of_run(stable, latest));
        if let Some(run) = run.as_object_mut().filter(|_| !self.args.is_empty()) {
            run.insert("args".to_owned(), args.collect());
        }
        run
    }
}

/// An argument of an analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub value: ArgumentValue,
}

impl Argument {
    fn of_run(&self, stable: Option<&str>, latest: Option<&str>) -> serde_json::Value {
        let Self { name, value } = self;
        let value = match value {
            ArgumentValue::Text(text) => Some(text.as_str()),
            ArgumentValue::StableHash => stable,
            ArgumentValue::LatestHash => latest,
            ArgumentValue::Secret { name: secret, key } => {
                let reference = json!({"secretKeyRef": {"name": secret, "key": key}});
                return json!({"name": name, "valueFrom": reference});
            }
            ArgumentValue::Unknown => None,
        };
        value.map_or_else(
            || json!({"name": name}),
            |value| json!({"name": name, "value": value}),
        )
    }
}

/// What an argument stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentValue {
    /// This text.
    Text(String),
    /// The hash of the stable version.
    StableHash,
    /// The hash of the new version.
    LatestHash,
    /// A key of a Secret: the `AnalysisRun` names it, too, and nobody else ever sees what is in it.
    Secret {
        /// The Secret, in the namespace of the Rollout.
        name: String,
        /// The key.
        key: String,
    },
    /// A field that is not there yet. An `AnalysisRun` that is made now comes to an error that says so.
    Unknown,
}

/// An analysis that goes on beside the steps, until the new version is promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundAnalysis {
    /// What of it is written in the Rollout, in a word.
    pub hash: String,
    /// What it measures.
    pub analysis: Analysis,
    /// The step at which it begins.
    pub starting_step: u32,
}

/// Gates that are asked together: each must let the rollout go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates {
    /// The gates, as the spec of an `AnalysisRun` has them.
    pub gates: serde_json::Value,
    /// Identity of the gates: other gates are asked anew.
    pub hash: String,
}

/// An analysis that the new version of a blue-green Rollout has to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionAnalysis {
    /// What of it is written in the Rollout, in a word.
    pub hash: String,
    /// What it measures.
    pub analysis: Analysis,
}
