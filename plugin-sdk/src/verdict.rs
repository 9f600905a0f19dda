//! What a plugin answers: verdicts of metrics, decisions of gates, and errors, which are neither.

use thiserror::Error;

use crate::{Outcome, QueryError};

/// The answer of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Measured, not judged: the metric's conditions judge the value. Without conditions it counts as a success.
    Measured(Outcome),
    /// Not finished: call again at `retry_at`, it is still the same measurement and the state is kept. A plugin that has
    /// seen too few requests answers this; whoever waits too long makes it inconclusive.
    Running(Outcome),
    /// It is well. A condition written beside a plugin that judges by itself is an error.
    Pass(Outcome),
    /// It is not well.
    Fail(Outcome),
    /// It can't be told, although everything worked.
    Inconclusive(Outcome),
}

impl Verdict {
    /// What was found out, whatever it means.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match self {
            Self::Measured(outcome)
            | Self::Running(outcome)
            | Self::Pass(outcome)
            | Self::Fail(outcome)
            | Self::Inconclusive(outcome) => outcome,
        }
    }

    /// The one line for people.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.outcome().measurement.summary
    }
}

/// The step that a gate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The weight in force, in percent.
    pub from_weight: u32,
    /// The weight to come, in percent.
    pub to_weight: u32,
    /// It is the full promotion.
    pub is_last: bool,
}

/// The answer of a gate. An error is never taken for [`Decision::Allow`]: it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Go on.
    Allow(Outcome),
    /// Not yet: ask again at `retry_at`.
    Hold(Outcome),
    /// Never: the rollout is aborted.
    Deny(Outcome),
}

impl Decision {
    /// What was found out, whatever it means.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match self {
            Self::Allow(outcome) | Self::Hold(outcome) | Self::Deny(outcome) => outcome,
        }
    }

    /// The one line for people.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.outcome().measurement.summary
    }
}

/// Why there is no answer: this is never taken for a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PluginError {
    /// The configuration makes no sense; the text names the path of the field. Not tried again.
    #[error("{0}")]
    InvalidConfig(String),
    /// Something that was asked did not answer. Tried again.
    #[error("{0}")]
    Upstream(String),
    /// A fault of the plugin. Tried again.
    #[error("{0}")]
    Internal(String),
    /// Anything else. Tried again.
    #[error("{0}")]
    Other(String),
}

/// A query without an answer is tried again, whatever the reason: even one that is not understood may be understood
/// once the provider has other data (`PromQL` finds some faults only when it evaluates).
impl From<QueryError> for PluginError {
    fn from(error: QueryError) -> Self {
        Self::Upstream(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn a_verdict_has_an_outcome_whatever_it_is() {
        let outcome = Outcome::new(Value::None, "seen");
        let verdicts = [
            Verdict::Measured(outcome.clone()),
            Verdict::Running(outcome.clone()),
            Verdict::Pass(outcome.clone()),
            Verdict::Fail(outcome.clone()),
            Verdict::Inconclusive(outcome.clone()),
        ];
        assert!(verdicts.iter().all(|verdict| verdict.outcome() == &outcome));
    }

    #[test]
    fn a_decision_has_a_summary_whatever_it_is() {
        let outcome = Outcome::new(Value::None, "seen");
        let decisions = [
            Decision::Allow(outcome.clone()),
            Decision::Hold(outcome.clone()),
            Decision::Deny(outcome),
        ];
        assert!(decisions.iter().all(|decision| decision.summary() == "seen"));
    }

    #[test]
    fn a_query_without_an_answer_is_tried_again() {
        let error = PluginError::from(QueryError::Timeout);
        assert_eq!(error, PluginError::Upstream("no answer in time".to_owned()));
    }
}
