//! What a plugin hands back: a measurement, and what is to come after it.

use crate::{Label, Timestamp};

/// What was measured, for conditions (`successCondition`, `failureCondition`) to judge and for people to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing, which is not an error: there was no data.
    #[default]
    None,
    /// One number; NaN and the infinities are legal.
    Scalar(f64),
    /// Several numbers, at most 1,000.
    Vector(Vec<f64>),
    /// A text, at most 4 KiB.
    Text(String),
    /// A JSON document, at most 4 KiB. One that is not JSON makes the call an error.
    Json(String),
}

/// What a plugin found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// The value.
    pub value: Value,
    /// One line for people: it is shown in the status. At most 256 bytes; control characters become spaces.
    pub summary: String,
    /// More for people: kept for the latest measurement only. At most 16 pairs of 128 bytes each.
    pub details: Vec<Label>,
}

/// What a plugin keeps from one call to the next, at most 8 KiB unless the operator allows more. It begins with the
/// version of its form: a newer plugin may be handed what an older one has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    version: u8,
    bytes: Vec<u8>,
}

impl State {
    /// State of this version of its form.
    #[must_use]
    pub const fn new(version: u8, bytes: Vec<u8>) -> Self {
        Self { version, bytes }
    }

    /// What was kept, if its form is of this version. None: begin anew.
    #[must_use]
    pub fn of_version(&self, version: u8) -> Option<&[u8]> {
        (self.version == version).then_some(&self.bytes)
    }

    /// The bytes that KULTA keeps: the version, then the rest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 1);
        bytes.push(self.version);
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// State out of the bytes that KULTA kept; none where there is not even a version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, bytes) = bytes.split_first()?;
        Some(Self::new(*version, bytes.to_vec()))
    }
}

/// A measurement and what is to come after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What was found out.
    pub measurement: Measurement,
    /// Given back by [`Host::state`](crate::Host::state) in the next call for the same metric or gate; none: nothing is
    /// kept.
    pub next_state: Option<State>,
    /// When to be called again: a wish, which KULTA brings into its limits (1 second to 1 hour from now). None: at the
    /// metric's own interval.
    pub retry_at: Option<Timestamp>,
}

impl Outcome {
    /// A value, with one line for people.
    #[must_use]
    pub fn new(value: Value, summary: impl Into<String>) -> Self {
        Self {
            measurement: Measurement {
                value,
                summary: summary.into(),
                details: Vec::new(),
            },
            next_state: None,
            retry_at: None,
        }
    }

    /// The same with one more detail for people.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: &str) -> Self {
        self.measurement.details.push(Label::new(name, value));
        self
    }

    /// The same with state for the next call.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.next_state = Some(state);
        self
    }

    /// The same with the wish to be called again then.
    #[must_use]
    pub const fn with_retry_at(mut self, at: Timestamp) -> Self {
        self.retry_at = Some(at);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_comes_back_as_it_was_kept() {
        let state = State::new(1, vec![7, 8]);
        assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
    }

    #[test]
    fn state_of_another_version_is_not_read() {
        let state = State::new(2, vec![7]);
        assert_eq!(state.of_version(2), Some([7].as_slice()));
        assert_eq!(state.of_version(1), None);
    }

    #[test]
    fn no_bytes_are_no_state() {
        assert_eq!(State::from_bytes(&[]), None);
    }

    #[test]
    fn an_outcome_is_built_up() {
        let at = Timestamp::from_milliseconds(5);
        let outcome = Outcome::new(Value::Scalar(1.5), "one and a half")
            .with_detail("unit", "seconds")
            .with_state(State::new(1, Vec::new()))
            .with_retry_at(at);
        assert_eq!(outcome.measurement.details, [Label::new("unit", "seconds")]);
        assert_eq!(outcome.next_state, Some(State::new(1, Vec::new())));
        assert_eq!(outcome.retry_at, Some(at));
    }
}
