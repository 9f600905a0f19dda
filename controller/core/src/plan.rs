//! What a decision answers: the writes to do, in order, the status to report, and when to look again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::history::Fact;
use crate::revision::TemplateDigest;
use crate::spec::RouteReference;
use crate::status::Status;

/// The answer of [`decide`](crate::decide).
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The writes, in the order in which they must be done. A conflict ends the plan: what it stood on is not so any
    /// more. After one that is refused, the others are done all the same, since none stands on another.
    pub actions: Vec<Action>,
    /// The status to write after them.
    pub status: Status,
    /// What is new in `status.history`: the transitions that this plan makes.
    pub transitions: Vec<Fact>,
    /// By the name of each sink of events: how many facts leave the history that it did not get and never will.
    pub lost: BTreeMap<String, u64>,
    /// When to decide again even if nothing is seen to change.
    pub wake_at: Option<Timestamp>,
}

/// One write. Each carries its own precondition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take an orphan ReplicaSet that matches the selector.
    AdoptReplicaSet {
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
    },
    /// Create the ReplicaSet of the current template, with 0 replicas.
    CreateReplicaSet {
        /// Its name.
        name: String,
        /// Its hash label.
        hash: String,
        /// Digest of the template it must be made from; another one now: a conflict.
        digest: TemplateDigest,
        /// Its revision number.
        revision: u64,
        /// `spec.minReadySeconds`.
        min_ready_seconds: u32,
        /// `spec.replicas` of the Rollout.
        desired_replicas: u32,
    },
    /// Annotate a ReplicaSet that carries the current template again (or in other words) with its new number and
    /// the template's digest.
    RecordRevision {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The revision number.
        revision: u64,
        /// The digest of the Rollout's template.
        digest: TemplateDigest,
    },
    /// Write the revision number on the Rollout.
    AnnotateRollout {
        /// The revision number.
        revision: u64,
    },
    /// Change the size of a ReplicaSet, and bring what else of it follows the Rollout in line.
    ScaleReplicaSet {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The number of its revision, for the event.
        revision: u64,
        /// The size now.
        from: u32,
        /// The size to be.
        to: u32,
        /// `spec.minReadySeconds` of the Rollout.
        min_ready_seconds: u32,
        /// `spec.replicas` of the Rollout, kept as an annotation.
        desired_replicas: u32,
    },
    /// Set or remove the time after which a ReplicaSet goes to 0.
    SetScaleDownDeadline {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// None: remove it.
        deadline: Option<Timestamp>,
    },
    /// Delete an old, empty ReplicaSet.
    DeleteReplicaSet {
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
    },
    /// Make a Service select one revision.
    PointService {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The revision it selects now.
        from: Option<String>,
        /// The revision it is to select.
        to: String,
    },
    /// Begin an analysis.
    CreateAnalysisRun {
        /// Its name.
        name: String,
        /// What it is for.
        purpose: Purpose,
        /// The revision that it judges: its hash.
        hash: String,
        /// The same: its number.
        revision: u64,
        /// What it is begun with, in a word.
        definition: String,
        /// Its spec.
        spec: serde_json::Value,
    },
    /// Tell an analysis to end.
    TerminateAnalysisRun {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
    },
    /// Delete an old analysis.
    DeleteAnalysisRun {
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
    },
    /// Change weights of one route, and nothing else of it.
    SetRouteWeights {
        /// Which route.
        route: RouteReference,
        /// Precondition: `metadata.generation`.
        generation: i64,
        /// The refs to change.
        changes: Vec<WeightChange>,
    },
}

/// What an analysis is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It goes on beside the steps.
    Background,
    /// The step of this index waits for it.
    Step(u32),
    /// The promotion gates are asked about the step of this index.
    Gate(u32),
    /// A blue-green switch waits for it.
    PrePromotion,
    /// The promotion waits for it after a blue-green switch.
    PostPromotion,
}

/// A backendRef whose weight changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    /// Index of the rule.
    pub rule: usize,
    /// Index within `backendRefs`.
    pub index: usize,
    /// Name of the ref: precondition.
    pub name: String,
    /// The weight as written now: precondition (None: not written).
    pub from: Option<u32>,
    /// The weight to be.
    pub to: u32,
}
