//! The history of a Rollout: compact, numbered facts, written in the same status write as the change they tell.
//!
//! The number of a fact rises by one and is never used twice for one Rollout, not even after its status was lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analysis::run::AnalysisPhase;
use crate::spec::Weight;
use crate::status::Phase;

pub mod past;

/// The history holds at most so many bytes of JSON: etcd objects have a limit, and the spec needs room too.
pub const MAX_BYTES: usize = 64 * 1024;

/// One thing that happened, and where the rollout stood right after it: each fact can be told alone, however many before
/// it are forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Number of the fact: rises by one.
    pub sequence: u64,
    /// When it happened; never before the fact ahead of it.
    pub time: Timestamp,
    /// What happened.
    pub kind: FactKind,
    /// The number of the first fact of the attempt (to bring a revision to all users) that it belongs to; None between
    /// attempts. The facts of an attempt follow each other without a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u64>,
    /// The revision it is about (a pod hash).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The revision before, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The revision that is trusted with all traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// Index of the step: the one that is done, for [`FactKind::StepCompleted`]; else the one under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The canary's weight that is asked for; in a blue-green rollout 100 once the active Service selects the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// The canary's weight in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Weight>,
    /// The phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Who or what brought it about.
    pub cause: Cause,
    /// The image of `revision`, where an event names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where the revision comes from, where an event tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<Origin>>,
    /// What an analysis measured last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// More words, where the kind does not say all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Fact {
    /// A fact of which nothing else is known.
    #[must_use]
    pub const fn new(kind: FactKind, cause: Cause, time: Timestamp) -> Self {
        Self {
            sequence: 0,
            time,
            kind,
            chain: None,
            revision: None,
            from: None,
            stable: None,
            step: None,
            weight: None,
            in_force: None,
            phase: None,
            cause,
            image: None,
            origin: None,
            evidence: Vec::new(),
            message: String::new(),
        }
    }
}

/// Where a revision comes from, as annotations of the Rollout told when it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it was committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
    /// The repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Who changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The event, or the chain of events, that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
}

impl Origin {
    /// Each of its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.commit, &self.repository, &self.actor, &self.triggered_by]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// The last measurement of one metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The metric.
    pub metric: String,
    /// What became of it.
    pub phase: AnalysisPhase,
    /// What was measured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
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
    /// The steps, and all that is asked on the way, are left out: see the message.
    StepsSkipped,
    /// A step is done.
    StepCompleted,
    /// A canary weight was asked for.
    WeightRequested,
    /// A canary weight is in force.
    WeightInForce,
    /// The active Service selects another revision (`from`: the one before; see the message): all users go there.
    Switched,
    /// The rollout waits.
    Paused,
    /// The rollout goes on.
    Resumed,
    /// The rollout goes back to stable.
    Aborted,
    /// An aborted rollout begins again.
    Retried,
    /// The attempt ends without having come to anything, because another one begins.
    Superseded,
    /// The revision is stable now.
    Promoted,
    /// The promoted revision serves all users: all of its pods are available, and all traffic is known to go there.
    Published,
    /// Nothing is left to do for the revision: the end of the attempt.
    Finished,
    /// All traffic is back on the stable revision: the end of an attempt that failed.
    Restored,
    /// An analysis has begun.
    AnalysisStarted,
    /// An analysis came to its end: see the message.
    AnalysisCompleted,
    /// The phase changed. Between attempts, where pods come and go all the time, not every change is told.
    PhaseChanged,
    /// Something that a newer version tells of: kept, for its number is taken.
    #[serde(other)]
    Unknown,
}

impl FactKind {
    /// Whether an attempt to bring a revision to all users begins with it.
    #[must_use]
    pub const fn begins_chain(self) -> bool {
        matches!(self, Self::Started | Self::Retried)
    }

    /// Whether an attempt ends with it.
    #[must_use]
    pub const fn ends_chain(self) -> bool {
        matches!(self, Self::Superseded | Self::Finished | Self::Restored)
    }
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
