//! What a plugin is asked and what it answers: the words of `kulta:analysis`, as decisions see them.
//!
//! The types follow `plugin-sdk/wit/analysis.wit`. They are apart from its generated bindings, so that a later version
//! of the interface changes the seam and not the decisions.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What was measured, for conditions to judge and for people to read.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing, which is not an error: there was no data.
    #[default]
    None,
    /// One number; NaN and the infinities are legal.
    Scalar(f64),
    /// Several numbers.
    Vector(Vec<f64>),
    /// A text.
    Text(String),
    /// A JSON document.
    Json(String),
}

/// What a plugin found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// One line for people.
    pub summary: String,
    /// More for people: names and values, kept for the latest reading only.
    pub details: Vec<(String, String)>,
}

/// A reading and what is to come after it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What was found out.
    pub reading: Reading,
    /// Handed to the next call for the same metric or gate; None: nothing is kept.
    pub next_state: Option<Vec<u8>>,
    /// When to be called again: a wish. None: at the metric's own interval.
    pub retry_at: Option<Timestamp>,
}

/// The answer of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Measured, not judged: the metric's conditions judge the value.
    Measured(Outcome),
    /// Not finished: the same measurement goes on, and its state is kept.
    Running(Outcome),
    /// It is well.
    Pass(Outcome),
    /// It is not well.
    Fail(Outcome),
    /// It can't be told, although everything worked.
    Inconclusive(Outcome),
}

/// The answer of a gate.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Go on.
    Allow(Outcome),
    /// Not yet.
    Hold(Outcome),
    /// Never: the rollout is aborted.
    Deny(Outcome),
}

/// What is being judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The namespace of the Rollout, or of the analysis where there is no Rollout.
    pub namespace: String,
    /// The name of the Rollout; of the analysis where there is no Rollout.
    pub name: String,
    /// The name of the metric or gate.
    pub metric: String,
    /// When this analysis, or the asking of this gate, began.
    pub started_at: Timestamp,
    /// What else is known, such as `canary-hash`; absent is what does not apply.
    pub facts: BTreeMap<String, String>,
}

/// The step that a gate is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextStep {
    /// The weight in force, in percent.
    pub from_weight: u32,
    /// The weight to come, in percent.
    pub to_weight: u32,
    /// It is the full promotion.
    pub is_last: bool,
}

/// What came of an earlier call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastPhase {
    /// The measurement went on.
    Running,
    /// It was well.
    Pass,
    /// It was not well.
    Fail,
    /// It could not be told.
    Inconclusive,
    /// There was no answer.
    Error,
    /// A gate allowed the step.
    Allow,
    /// A gate held it.
    Hold,
    /// A gate refused it for ever.
    Deny,
}

/// One earlier call for the same metric or gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When it was made.
    pub at: Timestamp,
    /// What came of it.
    pub phase: PastPhase,
    /// What it measured. Details are kept of the latest only.
    pub reading: Reading,
}
