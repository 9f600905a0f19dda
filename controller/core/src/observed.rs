//! What was seen of the cluster: the only input of [`decide`](crate::decide) besides the time.
//!
//! These are projections: no pod template, no managed field is kept here. Whoever fills them reads the cluster, and
//! adds nothing that two readings of the same cluster would not share.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::history::Origin;
use crate::revision::TemplateDigest;
use crate::spec::{InvalidSpec, PodKeys, PodMetadata, Problem, RouteReference, Spec};
use crate::status::Status;

mod judge;
mod pods;
mod routing;

pub use judge::{AnalysisRunView, ExperimentRefs, Judge, Routed, Sharing, SharingService};
pub use pods::{PodView, Pods};
pub use routing::{
    BackendView, ParentReport, PortTarget, RouteView, RuleView, ServicePort, ServiceView, Verdict,
};

/// Everything one decision looks at.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The Rollout's own metadata.
    pub rollout: RolloutView,
    /// Its spec, or everything that is wrong with it.
    pub spec: Result<Spec, InvalidSpec>,
    /// What is wrong with the templates and fields that its analyses refer to: these analyses are not in its spec then.
    pub analysis_problems: Vec<Problem>,
    /// What plugins and conditions say of the configurations and expressions that are written for them. It keeps something new
    /// from beginning, and nothing else: a plugin that is replaced must not stop what goes on without it.
    pub plugin_problems: Vec<Problem>,
    /// Plugins are still being asked about their configurations: a generation that was not dealt with does not begin
    /// before they have answered, or had the time to.
    pub awaits_plugins: bool,
    /// Its status as last written.
    pub status: Status,
    /// Its pod template.
    pub template: TemplateView,
    /// The workload that the template is taken from, if the spec names one.
    pub workload: Option<WorkloadView>,
    /// The ReplicaSets that are the Rollout's or match its selector and have no owner.
    pub replica_sets: Vec<ReplicaSetView>,
    /// Their pods, while a restart is due.
    pub pods: Pods,
    /// The stable Service, or the active one, if it is blue-green: all users' or most of them. None when the spec names
    /// none.
    pub stable_service: Option<Presence<ServiceView>>,
    /// The canary Service, or the preview Service, if it is blue-green: that of the new version. None when the spec names
    /// none.
    pub canary_service: Option<Presence<ServiceView>>,
    /// The routes the spec names, in its order.
    pub routes: Vec<(RouteReference, Presence<RouteView>)>,
    /// The analyses and experiments that the Rollout owns.
    pub analysis_runs: Vec<AnalysisRunView>,
    /// Names that analyses and experiments of the Rollout could have and that are not to be had: of those that are somebody
    /// else's or nobody's, and of those that are being deleted.
    pub analysis_names_taken: BTreeSet<String>,
    /// Whose the refs of experiments are.
    pub experiment_refs: ExperimentRefs,
    /// An older Rollout whose selector overlaps with this one's.
    pub overlaps_with: Option<String>,
    /// What the last plan could not do, if it failed just now.
    pub failure: Option<ApplyFailure>,
    /// What the sinks of events have got of the history.
    pub sinks: Sinks,
    /// The operator's settings.
    pub settings: Settings,
}

/// What the sinks of events have got of the history of one Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sinks {
    /// The sinks that are set up, each with the number of the last fact that is done with; 0: nothing since the controller
    /// started.
    pub acknowledged: BTreeMap<String, u64>,
    /// Events that a sink would not take.
    pub refusals: Vec<Refusal>,
}

/// An event that a sink would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The sink.
    pub sink: String,
    /// The number of the fact.
    pub sequence: u64,
    /// What the sink said.
    pub message: String,
}

/// An object that is referred to by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence<T> {
    /// No such object.
    Missing,
    /// The object as seen.
    Present(T),
}

impl<T> Presence<T> {
    /// The object, when it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Missing => None,
            Self::Present(object) => Some(object),
        }
    }
}

/// The Rollout's own metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// The annotation `rollout.argoproj.io/revision`.
    pub revision: Option<u64>,
    /// The annotation `rollout.argoproj.io/workload-generation`.
    pub workload_generation: Option<i64>,
    /// Where its annotations say that the template comes from.
    pub origin: Origin,
    /// Its `spec.replicas` is not written, and nothing but the controller writes the default: then the subresource scale can't be
    /// read, which the horizontal autoscaler works by.
    pub lacks_replicas: bool,
}

/// The workload that a pod template is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadView {
    /// Its resourceVersion: precondition of writes.
    pub resource_version: String,
    /// `metadata.generation`; 0 of a kind that has none.
    pub generation: i64,
    /// `spec.replicas`; None of a kind that has none.
    pub replicas: Option<u32>,
}

/// The Rollout's pod template: its identity and what the API server says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateView {
    /// Identity of the template.
    pub digest: TemplateDigest,
    /// The image of its main container.
    pub image: Option<String>,
    /// What is known of it.
    pub check: TemplateCheck,
}

/// What a server-side dry run said of a template that no ReplicaSet carries yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateCheck {
    /// A ReplicaSet carries this digest already: nothing was asked.
    Known,
    /// Valid and new. `name_taken`: the ReplicaSet's name belongs to an object that is not ours.
    New {
        /// The name of the ReplicaSet to create exists with another template or owner.
        name_taken: bool,
    },
    /// Written differently, but equal after the API server's defaulting to the template of this ReplicaSet.
    Equal {
        /// Name of that ReplicaSet.
        replica_set: String,
    },
    /// The API server refuses the template (400, 422).
    Invalid {
        /// Its message.
        message: String,
    },
    /// A quota or policy refuses the ReplicaSet (403).
    Refused {
        /// Its message.
        message: String,
    },
    /// No answer for now (timeouts, 409, 429, 5xx): asked again.
    Unknown {
        /// What went wrong.
        message: String,
    },
}

/// A ReplicaSet, without its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSetView {
    /// Its name.
    pub name: String,
    /// Its UID: preconditions of writes.
    pub uid: String,
    /// Its resourceVersion: preconditions of writes.
    pub resource_version: String,
    /// Label `rollouts-pod-template-hash`.
    pub hash: String,
    /// Annotation with the full digest of the Rollout's template it was made from; None when another controller made it.
    pub digest: Option<TemplateDigest>,
    /// Annotation `rollout.argoproj.io/revision`; 0 when there is none.
    pub revision: u64,
    /// Creation time.
    pub created: Timestamp,
    /// Whether the Rollout owns it (else it is an orphan that matches).
    pub owned: bool,
    /// `spec.replicas`.
    pub spec_replicas: u32,
    /// `spec.minReadySeconds`.
    pub min_ready_seconds: u32,
    /// `status.replicas`: pods that exist.
    pub replicas: u32,
    /// `status.readyReplicas`.
    pub ready: u32,
    /// `status.availableReplicas`.
    pub available: u32,
    /// Annotation `scale-down-deadline`.
    pub scale_down_deadline: Option<Timestamp>,
    /// Annotation `rollout.argoproj.io/desired-replicas`.
    pub desired_replicas: Option<u32>,
    /// Message of a true condition `ReplicaFailure`: pods can't be created.
    pub failure: Option<String>,
    /// The image of its main container.
    pub image: Option<String>,
    /// What may have been put into its pods besides their template, as its annotation says.
    pub injected: PodMetadata,
    /// What its template has besides that: its pods keep it whatever their part is.
    pub own_keys: PodKeys,
    /// What is on its way into its pods instead; None: all have what `injected` says.
    pub injecting: Option<PodMetadata>,
    /// Its controller has seen its template as it is: the pods that it makes are made of that.
    pub is_observed: bool,
}

impl ReplicaSetView {
    /// Available pods that the current `spec.replicas` will keep: after a scale-down `status` lags behind.
    #[must_use]
    pub fn lasting_available(&self) -> u32 {
        self.available.min(self.spec_replicas)
    }

    /// All wanted pods exist and are available, and there is at least one.
    #[must_use]
    pub fn saturated(&self) -> bool {
        self.spec_replicas > 0 && self.lasting_available() == self.spec_replicas
    }
}

/// A write that failed, and what it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyFailure {
    /// Which kind of write.
    pub kind: FailureKind,
    /// The API server's message.
    pub message: String,
}

/// What a failed write was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Creating the new ReplicaSet.
    CreateReplicaSet,
    /// Writing a route's weights.
    Traffic,
    /// Ending or deleting an analysis that is not needed any more, or a note on an experiment: all that was decided holds without
    /// it.
    Cleanup,
    /// Evicting a pod, or giving pods their labels and annotations: the rollout goes on without it.
    Pods,
    /// Any other write.
    Other,
}

impl FailureKind {
    /// Whether the rollout can't go on before it is done.
    #[must_use]
    pub const fn holds_up(self) -> bool {
        match self {
            Self::CreateReplicaSet | Self::Traffic | Self::Other => true,
            Self::Cleanup | Self::Pods => false,
        }
    }
}

/// Settings of the operator that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a parent of a route may stay silent about a new weight.
    pub route_acceptance_deadline: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        // Gateway controllers answer within seconds; a minute also covers one that is just being restarted.
        Self {
            route_acceptance_deadline: SignedDuration::from_secs(60),
        }
    }
}
