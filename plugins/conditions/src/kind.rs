//! What an operand is, as far as that can be told before the evaluation. Go's `expr` refuses to compare what can never be
//! equal; where it does not refuse, a condition such as `result == "1"` is always false, and its failure never seen.

use expr::Value;

use crate::Measured;

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Bool,
    Nil,
    Map,
    /// A list of numbers.
    Numbers,
    /// A list of texts.
    Texts,
    /// Another list.
    List,
    /// That can't be told before.
    Unknown,
}

impl Kind {
    /// What was measured.
    pub(crate) fn of(measured: &Measured, value: &Value) -> Self {
        match (measured, value) {
            (Measured::Vector(_), _) => Self::Numbers,
            (_, Value::Integer(_) | Value::Float(_)) => Self::Number,
            (_, Value::String(_)) => Self::Text,
            (_, Value::Bool(_)) => Self::Bool,
            (_, Value::Nil) => Self::Nil,
            (_, Value::Map(_) | Value::KeyedMap(_)) => Self::Map,
            (_, Value::Array(_) | Value::Bytes(_)) => Self::List,
        }
    }

    /// Whether the two can be equal.
    pub(crate) fn fits(self, other: Self) -> bool {
        let either = |kind: Self| self == kind || other == kind;
        either(Self::Unknown) || either(Self::Nil) || self == other || (self.is_list() && other.is_list())
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Numbers | Self::Texts | Self::List)
    }

    /// What is in the list.
    pub(crate) fn element(self) -> Self {
        match self {
            Self::Numbers => Self::Number,
            Self::Texts => Self::Text,
            _ => Self::Unknown,
        }
    }

    /// The list of elements of these kinds.
    pub(crate) fn list_of(elements: &[Self]) -> Self {
        let all = |kind: Self| !elements.is_empty() && elements.iter().all(|element| *element == kind);
        if all(Self::Number) {
            Self::Numbers
        } else if all(Self::Text) {
            Self::Texts
        } else {
            Self::List
        }
    }

    /// In texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Bool => "a bool",
            Self::Nil => "nil",
            Self::Map => "a map",
            Self::Numbers => "a list of numbers",
            Self::Texts => "a list of strings",
            Self::List => "a list",
            Self::Unknown => "something",
        }
    }
}
