//! The conditions of a Rollout.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A condition of a Rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// True, False or Unknown.
    pub status: Truth,
    /// The reason in one word.
    pub reason: Reason,
    /// The message.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
}

/// The value of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It can't be said.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The types of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// The spec, or something it refers to, can't be worked with. Absent when all is well.
    InvalidSpec,
    /// At least `spec.replicas` pods are available.
    Available,
    /// The rollout moves, or has come to its end.
    Progressing,
    /// The rollout waits for time or for the user.
    Paused,
    /// The stable revision is the one the spec asks for.
    Completed,
    /// Completed, and all pods of the revision are available.
    Healthy,
    /// Pods can't be created. Absent when they can.
    ReplicaFailure,
    /// A gateway rejects a route or says nothing about it. Absent when all is well.
    RouteNotAccepted,
    /// Somebody else keeps writing a route's weights. Absent when nobody does.
    RouteContested,
    /// An analysis that is not needed any more can't be ended or deleted. Absent when all is well.
    CleanupFailed,
    /// Pods can't be restarted, or not be given their labels and annotations. Absent when all is well.
    PodsFailed,
    /// Events of this or the last attempt that a sink did not get and never will. Absent when there are none.
    EventsLost,
    /// kstatus: the object is as its spec says.
    Ready,
    /// kstatus: work is under way.
    Reconciling,
    /// kstatus: work can't go on without help.
    Stalled,
}

/// The reasons of conditions; those that Argo Rollouts has are spelt as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is a word that explains itself, and the message says the rest"
)]
pub enum Reason {
    InvalidSpec,
    AvailableReason,
    NewReplicaSetCreated,
    FoundNewReplicaSet,
    ReplicaSetUpdated,
    NewReplicaSetAvailable,
    RolloutPaused,
    RolloutRetry,
    RolloutAborted,
    RolloutCompleted,
    RolloutHealthy,
    ProgressDeadlineExceeded,
    ReplicaSetCreateError,
    TrafficRoutingError,
    WriteFailed,
    FailedCreate,
    RouteRejected,
    RouteSilent,
    ForeignManager,
    EventRefused,
    HistoryFull,
    Progressing,
    Degraded,
}
