//! What came of a measurement, once the plugin's verdict has been judged.

use std::fmt::Write;

use super::verdict::{Outcome, Value, Verdict};

/// What came of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// It is well.
    Successful(Outcome),
    /// It is not well.
    Failed(Outcome),
    /// It can't be told.
    Inconclusive(Outcome),
    /// It goes on.
    Running(Outcome),
    /// It could not be measured: why.
    Error(String),
}

impl From<Verdict> for Finding {
    /// A value that was measured and that nothing judges says nothing for the new version. (In Argo Rollouts it counts
    /// as a success: 100 % of errors, too.)
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Measured(mut outcome) => {
                let summary = std::mem::take(&mut outcome.reading.summary);
                outcome.reading.summary = format!("measured, and nothing judges the value: {summary}");
                Self::Inconclusive(outcome)
            }
            Verdict::Pass(outcome) => Self::Successful(outcome),
            Verdict::Running(outcome) => Self::Running(outcome),
            Verdict::Fail(outcome) => Self::Failed(outcome),
            Verdict::Inconclusive(outcome) => Self::Inconclusive(outcome),
        }
    }
}

impl std::fmt::Display for Value {
    /// As Argo Rollouts writes the value of a measurement: `0.5`, `[0.5,0.7]`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Scalar(number) => number.fmt(formatter),
            Self::Vector(numbers) => {
                formatter.write_char('[')?;
                for (index, number) in numbers.iter().enumerate() {
                    if index > 0 {
                        formatter.write_char(',')?;
                    }
                    number.fmt(formatter)?;
                }
                formatter.write_char(']')
            }
            Self::Text(text) | Self::Json(text) => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nothing_judges_is_inconclusive() {
        let finding = Finding::from(Verdict::Measured(Outcome::default()));

        assert!(
            matches!(&finding, Finding::Inconclusive(outcome) if outcome.reading.summary.contains("nothing judges")),
            "{finding:?}"
        );
    }
}
