//! Conditions of a metric, and what their answers make of a measurement. As in Argo Rollouts (`utils/evaluate`).

use super::finding::Finding;
use super::verdict::{Outcome, Verdict};

/// What users write to judge a value. Each is an expression over `result`; None: not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// True of a value that is well.
    pub success: Option<String>,
    /// True of a value that is not well.
    pub failure: Option<String>,
}

/// What the conditions say of a value. None: not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// Of the success condition.
    pub success: Option<bool>,
    /// Of the failure condition.
    pub failure: Option<bool>,
}

/// What is to be done with a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// There is nothing to ask.
    Done(Finding),
    /// The conditions judge the value.
    Ask(Outcome),
}

impl Conditions {
    /// Whether none is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.success.is_none() && self.failure.is_none()
    }

    /// Whether a verdict is for these conditions to judge. One that a plugin has come to by itself is not: whoever wrote
    /// the conditions expects them to count, so that is an error.
    #[must_use]
    pub fn take(&self, verdict: Verdict) -> Judgement {
        if self.is_empty() {
            return Judgement::Done(Finding::from(verdict));
        }
        match verdict {
            Verdict::Measured(outcome) => Judgement::Ask(outcome),
            Verdict::Running(outcome) => Judgement::Done(Finding::Running(outcome)),
            Verdict::Pass(_) | Verdict::Fail(_) | Verdict::Inconclusive(_) => {
                let message = "the plugin judges by itself: take out successCondition and failureCondition, or let the \
                               plugin only measure";
                Judgement::Done(Finding::Error(message.to_owned()))
            }
        }
    }
}

impl Answers {
    /// What came of the measurement: a failure wins; where both conditions are written and neither is true, it can't be
    /// told.
    #[must_use]
    pub fn judge(self, mut outcome: Outcome) -> Finding {
        let (verdict, said): (fn(Outcome) -> Finding, _) = match (self.success, self.failure) {
            (_, Some(true)) => (Finding::Failed, "failureCondition is true"),
            (Some(false), None) => (Finding::Failed, "successCondition is false"),
            (Some(false), Some(false)) => (Finding::Inconclusive, "neither condition is true"),
            (Some(true) | None, Some(false) | None) => (Finding::Successful, ""),
        };
        let summary = &mut outcome.reading.summary;
        if !summary.is_empty() && !said.is_empty() {
            summary.push_str(": ");
        }
        summary.push_str(said);
        verdict(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::verdict::Reading;

    fn outcome(summary: &str) -> Outcome {
        Outcome {
            reading: Reading {
                summary: summary.to_owned(),
                ..Reading::default()
            },
            ..Outcome::default()
        }
    }

    fn judged(success: Option<bool>, failure: Option<bool>) -> Finding {
        Answers { success, failure }.judge(outcome("0.5"))
    }

    fn written() -> Conditions {
        Conditions {
            success: Some("result < 1".to_owned()),
            failure: None,
        }
    }

    #[test]
    fn without_conditions_a_value_is_a_success() {
        assert_eq!(judged(None, None), Finding::Successful(outcome("0.5")));
    }

    #[test]
    fn one_condition_alone_decides_both_ways() {
        assert!(matches!(judged(Some(true), None), Finding::Successful(_)));
        assert!(matches!(judged(Some(false), None), Finding::Failed(_)));
        assert!(matches!(judged(None, Some(true)), Finding::Failed(_)));
        assert!(matches!(judged(None, Some(false)), Finding::Successful(_)));
    }

    #[test]
    fn of_two_conditions_the_failure_wins() {
        assert!(matches!(judged(Some(true), Some(true)), Finding::Failed(_)));
        assert!(matches!(judged(Some(false), Some(true)), Finding::Failed(_)));
        assert!(matches!(judged(Some(true), Some(false)), Finding::Successful(_)));
    }

    #[test]
    fn of_two_conditions_neither_can_be_told() {
        assert_eq!(
            judged(Some(false), Some(false)),
            Finding::Inconclusive(outcome("0.5: neither condition is true"))
        );
    }

    #[test]
    fn a_failure_says_which_condition_it_was() {
        assert_eq!(
            judged(Some(false), None),
            Finding::Failed(outcome("0.5: successCondition is false"))
        );
        let silent = Answers {
            success: None,
            failure: Some(true),
        };
        assert_eq!(
            silent.judge(outcome("")),
            Finding::Failed(outcome("failureCondition is true"))
        );
    }

    #[test]
    fn conditions_beside_a_plugin_that_judges_by_itself_are_an_error() {
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
            let judgement = written().take(verdict(outcome("0.5")));
            assert!(
                matches!(judgement, Judgement::Done(Finding::Error(_))),
                "{judgement:?}"
            );
        }
    }

    #[test]
    fn conditions_wait_for_a_measurement_that_goes_on() {
        let judgement = written().take(Verdict::Running(outcome("")));
        assert_eq!(judgement, Judgement::Done(Finding::Running(outcome(""))));
    }

    #[test]
    fn what_was_only_measured_is_for_the_conditions() {
        let judgement = written().take(Verdict::Measured(outcome("0.5")));
        assert_eq!(judgement, Judgement::Ask(outcome("0.5")));
    }

    #[test]
    fn without_conditions_the_verdict_is_the_plugins() {
        let judgement = Conditions::default().take(Verdict::Fail(outcome("0.5")));
        assert_eq!(judgement, Judgement::Done(Finding::Failed(outcome("0.5"))));
    }
}
