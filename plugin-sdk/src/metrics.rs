//! What a provider of metrics answers.

use thiserror::Error;

use crate::Timestamp;

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// At most 128 bytes.
    pub name: String,
    /// At most 1 KiB from KULTA; from a plugin, at most 128 bytes are kept.
    pub value: String,
}

impl Label {
    /// A label of both.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// One value of a time series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub at: Timestamp,
    /// Any number; NaN and the infinities are legal here.
    pub value: f64,
}

/// One time series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What tells it from the others of the same answer. The name of the metric is the label `__name__`.
    pub labels: Vec<Label>,
    /// Oldest first. Exactly one in the answer to an instant query.
    pub samples: Vec<Sample>,
}

impl Series {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|label| label.name == name)?;
        Some(&label.value)
    }
}

/// The answer's kind is the query's.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// One number.
    Scalar(Sample),
    /// Of an instant query: series of one sample each. May be empty.
    Vector(Vec<Series>),
    /// Of a range query. May be empty.
    Matrix(Vec<Series>),
    /// A text.
    Text(String),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked for.
    pub data: Data,
    /// What the provider adds, such as that the answer is only partial.
    pub warnings: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The plugin, or the namespace it works for, may not use this provider, or not in this way.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The call has asked as often as it may (8 times unless the operator allows more).
    #[error("asked more often than one call may ask")]
    BudgetExhausted,
    /// The answer has more bytes than allowed (256 KiB); so many were read before it was given up.
    #[error("the answer is too large: given up after {0} bytes")]
    TooLarge(u64),
    /// No answer in time (5 seconds, or what is left of the call's time).
    #[error("no answer in time")]
    Timeout,
    /// The provider does not understand the query; its words.
    #[error("the query is not understood: {0}")]
    BadQuery(String),
    /// The provider can't be reached, or answers with an error of its own; its words.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_found_by_its_name() {
        let series = Series {
            labels: vec![Label::new("le", "0.5")],
            samples: Vec::new(),
        };
        assert_eq!(series.label("le"), Some("0.5"));
        assert_eq!(series.label("job"), None);
    }
}
