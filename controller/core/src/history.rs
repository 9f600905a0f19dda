//! The history of a Rollout: compact, numbered facts, written in the same status write as the change they tell.
//!
//! The number of a fact rises by one and is never used twice for one Rollout, not even after its status was lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::Weight;
use crate::status::Phase;

/// The history holds at most so many bytes of JSON: etcd objects have a limit, and the spec needs room too.
pub const MAX_BYTES: usize = 64 * 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Number of the fact: rises by one.
    pub sequence: u64,
    /// When it happened; never before the fact ahead of it.
    pub time: Timestamp,
    /// What happened.
    pub kind: FactKind,
    /// The revision it is about (a pod hash).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The revision before, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Index of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The canary's weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// The phase, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Who or what brought it about.
    pub cause: Cause,
    /// More words, where the kind does not say all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Kinds of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FactKind {
    /// A new revision is on its way (`from`: the one that it replaces as current).
    Started,
    /// The spec went back to the stable revision in mid-rollout.
    RolledBack,
    /// The steps were changed in mid-rollout and begin again.
    StepsChanged,
    /// A step is done.
    StepCompleted,
    /// A canary weight was asked for.
    WeightRequested,
    /// A canary weight is in force.
    WeightInForce,
    /// The rollout waits.
    Paused,
    /// The rollout goes on.
    Resumed,
    /// The rollout goes back to stable.
    Aborted,
    /// An aborted rollout begins again.
    Retried,
    /// The revision is stable now.
    Promoted,
    /// An analysis has begun.
    AnalysisStarted,
    /// An analysis came to its end: see the message.
    AnalysisCompleted,
    /// The phase changed.
    PhaseChanged,
    /// Something that a newer version tells of: kept, for its number is taken.
    #[serde(other)]
    Unknown,
}

/// Who or what brings something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A change of the spec.
    Spec,
    /// A user's action on the status (abort, retry, promote, resume).
    User,
    /// What an analysis found.
    Analysis,
    /// The controller, following the steps; also what a newer version knows more of.
    #[serde(other)]
    Controller,
}
