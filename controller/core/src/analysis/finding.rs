//! What came of a measurement, once the plugin's verdict has been judged.

use std::fmt::{Display as _, Write as _};

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

/// What is said of a value that was only measured.
const UNJUDGED: &str = "measured, and nothing judges the value";

impl From<Verdict> for Finding {
    /// A value that was measured and that nothing judges says nothing for the new version. (In Argo Rollouts it counts
    /// as a success: 100 % of errors, too.)
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Measured(mut outcome) => {
                let summary = &mut outcome.reading.summary;
                let separator = if summary.is_empty() { "" } else { ": " };
                summary.insert_str(0, &format!("{UNJUDGED}{separator}"));
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
            Self::Scalar(number) => write_number(*number, formatter),
            Self::Vector(numbers) => {
                formatter.write_char('[')?;
                for (index, number) in numbers.iter().enumerate() {
                    if index > 0 {
                        formatter.write_char(',')?;
                    }
                    write_number(*number, formatter)?;
                }
                formatter.write_char(']')
            }
            Self::Text(text) | Self::Json(text) => formatter.write_str(text),
        }
    }
}

/// As JSON has it in Argo Rollouts: very large and very small numbers with an exponent, instead of 300 digits.
fn write_number(number: f64, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    let size = number.abs();
    if !number.is_finite() || size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.fmt(formatter);
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => write!(formatter, "{digits}e+{exponent}"),
        _ => formatter.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_large_and_very_small_numbers_have_an_exponent() {
        let texts = [
            (0.0, "0"),
            (0.5, "0.5"),
            (1e20, "100000000000000000000"),
            (-1.5e300, "-1.5e+300"),
            (1e-7, "1e-7"),
            (f64::INFINITY, "inf"),
        ];
        for (number, text) in texts {
            assert_eq!(Value::Scalar(number).to_string(), text);
        }
    }

    #[test]
    fn a_value_that_nothing_judges_is_inconclusive() {
        for (summary, told) in [
            ("", UNJUDGED.to_owned()),
            ("2 of 3", format!("{UNJUDGED}: 2 of 3")),
        ] {
            let mut outcome = Outcome::default();
            outcome.reading.summary = summary.to_owned();

            let finding = Finding::from(Verdict::Measured(outcome));

            assert!(
                matches!(&finding, Finding::Inconclusive(outcome) if outcome.reading.summary == told),
                "{finding:?}"
            );
        }
    }
}
