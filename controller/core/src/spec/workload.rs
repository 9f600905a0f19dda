//! Another object that the pod template is taken from.

/// A workload whose pod template a Rollout takes instead of one of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its name, in the namespace of the Rollout.
    pub name: String,
    /// What becomes of its own pods once the Rollout has some.
    pub scale_down: WorkloadScaleDown,
}

impl std::fmt::Display for Workload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?}", self.kind, self.name)
    }
}

/// The kinds of workloads that have a pod template to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// Of `apps/v1`.
    Deployment,
    /// Of `apps/v1`.
    ReplicaSet,
    /// Of `v1`.
    PodTemplate,
}

impl std::fmt::Display for WorkloadKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::PodTemplate => "PodTemplate",
        })
    }
}

/// What becomes of the pods of a Deployment while the first revision takes their place. Later revisions leave it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadScaleDown {
    /// They stay.
    Never,
    /// They go when the Rollout is healthy.
    OnSuccess,
    /// They go one by one as pods of the Rollout are ready, the last one when it is healthy.
    Progressively,
}
