//! What is wrong with a spec.

use super::Spec;

/// A spec that can't be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSpec {
    /// What is wrong with it. Never empty.
    pub problems: Vec<Problem>,
    /// What is left of it without what is wrong, if it still says for sure where the traffic and the pods are: enough
    /// to bring the traffic home, never to go on.
    pub readable: Option<Box<Spec>>,
}

impl From<Vec<Problem>> for InvalidSpec {
    /// Of which nothing can be read.
    fn from(problems: Vec<Problem>) -> Self {
        Self {
            problems,
            readable: None,
        }
    }
}

/// One thing wrong with an object: where, what, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field path, such as `spec.strategy.canary.steps[2].setWeight`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}
