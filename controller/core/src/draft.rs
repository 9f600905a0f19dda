//! A plan in the making: the status to be, the writes so far, the next time to look.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::observed::{Judge, Observed, PodView};
use crate::plan::{Action, Plan};
use crate::status::Status;
use crate::{outbox, transition};

/// A plan in the making.
pub(crate) struct Draft<'a> {
    /// What was seen.
    pub(crate) observed: &'a Observed,
    /// The time of the decision: never before the last fact of the history, even if the clock was set back.
    pub(crate) now: Timestamp,
    /// The status to be.
    pub(crate) status: Status,
    /// Something is wrong with the world around the Rollout: nothing may be taken away and no step forward be made.
    pub(crate) hold: bool,
    actions: Vec<Action>,
    touched: BTreeSet<String>,
    wake_at: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    /// Begins a plan.
    pub(crate) fn new(observed: &'a Observed, now: Timestamp) -> Self {
        let latest = observed
            .status
            .history
            .last()
            .map_or(now, |fact| fact.time.max(now));
        Self {
            observed,
            now: latest,
            status: observed.status.clone(),
            hold: false,
            actions: Vec::new(),
            touched: BTreeSet::new(),
            wake_at: None,
        }
    }

    /// Adds a write, unless the plan writes that object already: the second precondition would fail on the first
    /// write. What is left out is decided again in the next round.
    pub(crate) fn act(&mut self, action: Action) {
        if self.touched.insert(action.object()) {
            self.actions.push(action);
        }
    }

    /// Takes back the writes so far, and what the status says of them: nothing of it was done yet.
    pub(crate) fn withdraw(&mut self) {
        self.actions.clear();
        self.touched.clear();
        self.status.traffic.clone_from(&self.observed.status.traffic);
    }

    /// Evicts a pod.
    pub(crate) fn evict(&mut self, pod: &PodView) {
        self.act(Action::EvictPod {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
        });
    }

    /// Whether the plan writes anything so far.
    pub(crate) fn acts(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether the plan moves pods or traffic so far.
    pub(crate) fn moves(&self) -> bool {
        self.actions.iter().any(Action::moves)
    }

    /// Asks to be woken at `time`, or earlier.
    pub(crate) fn wake_at(&mut self, time: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(time, |earlier| earlier.min(time)));
    }

    /// The end of the plan.
    pub(crate) fn finish(mut self) -> Plan {
        let told = transition::between(&self.observed.status, &self.status, self.observed, self.now);
        if let Some(time) = told.more_at {
            self.wake_at(time);
        }
        let transitions = told.facts;
        let lost = outbox::record(&mut self.status, &transitions, &self.observed.sinks, self.now);
        Plan {
            actions: self.actions,
            status: self.status,
            transitions,
            lost,
            wake_at: self.wake_at,
        }
    }
}

/// `time` plus `duration`; a duration that leads out of the calendar never ends.
pub(crate) fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

impl Action {
    /// Whether it changes where pods or traffic are.
    fn moves(&self) -> bool {
        match self {
            Self::ScaleReplicaSet { from, to, .. } => from != to,
            Self::AdoptReplicaSet { .. }
            | Self::CreateReplicaSet { .. }
            | Self::PointService { .. }
            | Self::SetRouteWeights { .. } => true,
            Self::RecordRevision { .. }
            | Self::AnnotateRollout { .. }
            | Self::ScaleDeployment { .. }
            | Self::SetScaleDownDeadline { .. }
            | Self::DeleteReplicaSet { .. }
            | Self::CreateAnalysisRun { .. }
            | Self::CreateExperiment { .. }
            | Self::TerminateAnalysisRun { .. }
            | Self::MarkExperiment { .. }
            | Self::DeleteAnalysisRun { .. }
            | Self::InjectMetadata { .. }
            | Self::SpreadMetadata { .. }
            | Self::EvictPod { .. } => false,
        }
    }

    /// The object that the action writes, as text.
    fn object(&self) -> String {
        match self {
            Self::AnnotateRollout { .. } => "rollout".to_owned(),
            Self::CreateAnalysisRun { name, .. } => format!("{} {name}", Judge::AnalysisRun.as_str()),
            Self::CreateExperiment { name, .. } | Self::MarkExperiment { name, .. } => {
                format!("{} {name}", Judge::Experiment.as_str())
            }
            Self::TerminateAnalysisRun { judge, name, .. } | Self::DeleteAnalysisRun { judge, name, .. } => {
                format!("{} {name}", judge.as_str())
            }
            Self::ScaleDeployment { name, .. } => format!("deployment {name}"),
            Self::PointService { name, .. } => format!("service {name}"),
            Self::SetRouteWeights { route, .. } => format!("{} {route}", route.kind),
            Self::EvictPod { name, .. } => format!("pod {name}"),
            Self::AdoptReplicaSet { name, .. }
            | Self::CreateReplicaSet { name, .. }
            | Self::RecordRevision { name, .. }
            | Self::ScaleReplicaSet { name, .. }
            | Self::SetScaleDownDeadline { name, .. }
            | Self::InjectMetadata { name, .. }
            | Self::SpreadMetadata { name, .. }
            | Self::DeleteReplicaSet { name, .. } => format!("replicaset {name}"),
        }
    }
}
