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

/// Something of each condition that is written, of which there is at least one: the text, or the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each<T> {
    /// There is a success condition only.
    Success(T),
    /// There is a failure condition only.
    Failure(T),
    /// There are both.
    Both {
        /// Of the success condition.
        success: T,
        /// Of the failure condition.
        failure: T,
    },
}

/// What is to be done with a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement<'written> {
    /// There is nothing to ask.
    Done(Finding),
    /// These conditions judge the value.
    Ask(Outcome, Each<&'written str>),
}

impl Conditions {
    /// Those that are written; None: there are none.
    fn written(&self) -> Option<Each<&str>> {
        match (self.success.as_deref(), self.failure.as_deref()) {
            (None, None) => None,
            (Some(success), None) => Some(Each::Success(success)),
            (None, Some(failure)) => Some(Each::Failure(failure)),
            (Some(success), Some(failure)) => Some(Each::Both { success, failure }),
        }
    }

    /// Whether a verdict is for these conditions to judge. One that a plugin has come to by itself is not: whoever wrote
    /// the conditions expects them to count, so that is an error.
    #[must_use]
    pub fn take(&self, verdict: Verdict) -> Judgement<'_> {
        let Some(written) = self.written() else {
            return Judgement::Done(Finding::from(verdict));
        };
        match verdict {
            Verdict::Measured(outcome) => Judgement::Ask(outcome, written),
            Verdict::Running(outcome) => Judgement::Done(Finding::Running(outcome)),
            Verdict::Pass(_) | Verdict::Fail(_) | Verdict::Inconclusive(_) => {
                let message = "the plugin judges by itself: take out successCondition and failureCondition, or let the \
                               plugin only measure";
                Judgement::Done(Finding::Error(message.to_owned()))
            }
        }
    }
}

impl Each<bool> {
    /// What came of the measurement: a failure wins; where both conditions are written and neither is true, it can't be
    /// told.
    #[must_use]
    pub fn judge(self, mut outcome: Outcome) -> Finding {
        let (verdict, said): (fn(Outcome) -> Finding, _) = match self {
            Self::Failure(true) | Self::Both { failure: true, .. } => {
                (Finding::Failed, "failureCondition is true")
            }
            Self::Success(false) => (Finding::Failed, "successCondition is false"),
            Self::Both { success: false, .. } => (Finding::Inconclusive, "neither condition is true"),
            Self::Success(true) | Self::Failure(false) | Self::Both { success: true, .. } => {
                (Finding::Successful, "")
            }
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

    fn judged(answers: Each<bool>) -> Finding {
        answers.judge(outcome("0.5"))
    }

    fn both(success: bool, failure: bool) -> Each<bool> {
        Each::Both { success, failure }
    }

    fn written() -> Conditions {
        Conditions {
            success: Some("result < 1".to_owned()),
            failure: None,
        }
    }

    #[test]
    fn one_condition_alone_decides_both_ways() {
        assert!(matches!(judged(Each::Success(true)), Finding::Successful(_)));
        assert!(matches!(judged(Each::Success(false)), Finding::Failed(_)));
        assert!(matches!(judged(Each::Failure(true)), Finding::Failed(_)));
        assert!(matches!(judged(Each::Failure(false)), Finding::Successful(_)));
    }

    #[test]
    fn of_two_conditions_the_failure_wins() {
        assert!(matches!(judged(both(true, true)), Finding::Failed(_)));
        assert!(matches!(judged(both(false, true)), Finding::Failed(_)));
        assert!(matches!(judged(both(true, false)), Finding::Successful(_)));
    }

    #[test]
    fn of_two_conditions_neither_can_be_told() {
        assert_eq!(
            judged(both(false, false)),
            Finding::Inconclusive(outcome("0.5: neither condition is true"))
        );
    }

    #[test]
    fn a_failure_says_which_condition_it_was() {
        assert_eq!(
            judged(Each::Success(false)),
            Finding::Failed(outcome("0.5: successCondition is false"))
        );
        let silent = Each::Failure(true);
        assert_eq!(
            silent.judge(outcome("")),
            Finding::Failed(outcome("failureCondition is true"))
        );
    }

    #[test]
    fn conditions_beside_a_plugin_that_judges_by_itself_are_an_error() {
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
            let written = written();
            let judgement = written.take(verdict(outcome("0.5")));
            assert!(
                matches!(judgement, Judgement::Done(Finding::Error(_))),
                "{judgement:?}"
            );
        }
    }

    #[test]
    fn conditions_wait_for_a_measurement_that_goes_on() {
        let written = written();
        let judgement = written.take(Verdict::Running(outcome("")));
        assert_eq!(judgement, Judgement::Done(Finding::Running(outcome(""))));
    }

    #[test]
    fn what_was_only_measured_is_for_the_conditions() {
        let written = written();
        let judgement = written.take(Verdict::Measured(outcome("0.5")));
        assert_eq!(
            judgement,
            Judgement::Ask(outcome("0.5"), Each::Success("result < 1"))
        );
    }

    #[test]
    fn without_conditions_the_verdict_is_the_plugins() {
        let none = Conditions::default();
        let judgement = none.take(Verdict::Fail(outcome("0.5")));
        assert_eq!(judgement, Judgement::Done(Finding::Failed(outcome("0.5"))));
    }
}
