//! What a decision answers: the writes to do, in order, the status to report, and when to look again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::history::Fact;
use crate::observed::{Judge, Routed};
use crate::revision::TemplateDigest;
use crate::spec::{AntiAffinity, PodMetadata, RouteLabel, RouteReference};
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
        /// What its pods are to bear besides their template.
        metadata: PodMetadata,
        /// The revision whose nodes its pods are to keep off.
        apart_from: Option<ApartFrom>,
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
    /// Write on the Rollout what its annotations tell, and how many pods it has where that is left out.
    AnnotateRollout {
        /// The revision number; None: as it is.
        revision: Option<u64>,
        /// The generation of the workload that its template is taken from; None: as it is.
        workload_generation: Option<i64>,
        /// What counts for `spec.replicas`, which is not written; None: it is.
        replicas: Option<u32>,
    },
    /// Change the size of the Deployment that the template is taken from.
    ScaleDeployment {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The size now.
        from: u32,
        /// The size to be.
        to: u32,
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
    /// Begin an experiment.
    CreateExperiment {
        /// Its name.
        name: String,
        /// The index of its step.
        step: u32,
        /// What the step says of it.
        experiment: serde_json::Value,
        /// Where the pods of the stable version are made.
        stable: Version,
        /// The same of the new version, which it judges.
        canary: Version,
        /// The number of the new version.
        revision: u64,
        /// What it is begun with, in a word.
        definition: String,
    },
    /// Tell an analysis or an experiment to end.
    TerminateAnalysisRun {
        /// What it is.
        judge: Judge,
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
    },
    /// Note on an experiment whether routes may send to its Services.
    MarkExperiment {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The note.
        routed: Routed,
    },
    /// Delete an old analysis or experiment.
    DeleteAnalysisRun {
        /// What it is.
        judge: Judge,
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
    },
    /// Change weights, the controller's own rules and its label of one route, and nothing else of it.
    SetRouteWeights {
        /// Which route.
        route: RouteReference,
        /// Precondition: `metadata.generation`.
        generation: i64,
        /// The refs to change.
        changes: Vec<WeightChange>,
        /// The refs that go and come, one after the other, after those that change.
        backends: Vec<BackendChange>,
        /// The rules to change, one after the other, after the refs.
        rules: Vec<RuleChange>,
        /// The label to change.
        label: Option<LabelChange>,
    },
    /// Put other labels and annotations into the template of a ReplicaSet, for the pods that it makes from then on.
    InjectMetadata {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// All that may be in its template and its pods already.
        former: PodMetadata,
        /// What is to be there instead.
        metadata: PodMetadata,
    },
    /// Put them into the pods that it has, and note that all have them.
    SpreadMetadata {
        /// Its name.
        name: String,
        /// Its UID: whose pods they are.
        uid: String,
        /// The hash of its pods.
        hash: String,
        /// Precondition.
        resource_version: String,
        /// All that may be in its pods already.
        former: PodMetadata,
        /// What is to be there instead.
        metadata: PodMetadata,
    },
    /// Evict a pod, as far as its disruption budget allows: its ReplicaSet makes another one.
    EvictPod {
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Precondition.
        resource_version: String,
    },
}

/// A version, where the template of its pods is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its hash.
    pub hash: String,
    /// The name of its ReplicaSet.
    pub replica_set: String,
}

/// A revision that another one is kept apart from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApartFrom {
    /// Its hash.
    pub hash: String,
    /// How.
    pub how: AntiAffinity,
}

/// What an analysis is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It goes on beside the steps.
    Background,
    /// The step of this index waits for it.
    Step(u32),
    /// It is the experiment of the step of this index.
    Experiment(u32),
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

/// A backendRef that goes or comes: that of the Service of an experiment, in the namespace of the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendChange {
    /// Take a ref out.
    Remove {
        /// Index of the rule.
        rule: usize,
        /// Index within `backendRefs`, as the changes before have left them.
        index: usize,
        /// Name of the ref: precondition.
        name: String,
    },
    /// Put a ref behind the others, with no weight.
    Add {
        /// Index of the rule.
        rule: usize,
        /// Name of the Service.
        name: String,
        /// Its port.
        port: u16,
    },
}

/// A change of one rule of a route. The index is that in the list as the changes before have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleChange {
    /// Put a rule in.
    Add {
        /// Its index to be.
        index: usize,
        /// The rule.
        rule: serde_json::Value,
    },
    /// Put a rule in the place of another one of the same name.
    Replace {
        /// Its index.
        index: usize,
        /// Its name: precondition.
        name: String,
        /// The rule to be.
        rule: serde_json::Value,
    },
    /// Take a rule out.
    Remove {
        /// Its index.
        index: usize,
        /// Its name: precondition.
        name: String,
    },
}

/// A change of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// Give an object a label that it does not have.
    Set {
        /// The label.
        label: RouteLabel,
        /// Precondition where it is the first label of all: the object's resourceVersion.
        first: Option<String>,
    },
    /// Take a label away. Its value is a precondition.
    Remove(RouteLabel),
}
