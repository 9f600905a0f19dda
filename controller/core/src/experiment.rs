//! Experiments: some versions run side by side for a while, analyses look at them, and then they go. The rules are those of
//! Argo Rollouts (`experiments/experiment.go`).
//!
//! [`decide`] says what is to be done about one now, from what was seen of it. A name says which template or analysis an
//! object belongs to, so what was begun and not written down is found again.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::run::AnalysisPhase;
use crate::draft::after;
use crate::observed::Routed;

use self::outcome::Outcome;
pub use self::status::{
    AnalysisState, Condition, ConditionKind, ExperimentStatus, TemplateState, TemplateStatus,
};

/// How soon to look again whether what was taken away is gone.
const GONE_RETRY: SignedDuration = SignedDuration::from_secs(5);

mod analyses;
mod outcome;
pub mod status;
mod templates;
#[cfg(test)]
mod tests;

/// What an experiment is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// The versions that run side by side; no two have the same name.
    pub templates: Vec<Template>,
    /// How long, from the moment on when all of them are available; None: until its analyses are done, or somebody ends it.
    pub duration: Option<SignedDuration>,
    /// How long pods may take to become available.
    pub progress_deadline: SignedDuration,
    /// It was told to end.
    pub terminate: bool,
    /// What looks at them; no two have the same name.
    pub analyses: Vec<Analysis>,
    /// How long pods stay after its end.
    pub scale_down_delay: SignedDuration,
}

/// A version in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Wanted pods.
    pub replicas: u32,
    /// Whether it has a Service of its own, and what that is called; None for the name: as its ReplicaSet.
    pub service: Option<Option<String>>,
}

/// An analysis in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// Its name.
    pub name: String,
    /// The experiment ends when all of these have come to their end.
    pub is_required: bool,
}

/// What was seen of an experiment.
#[derive(Debug, Clone)]
pub struct Observed<'experiment> {
    /// Its name.
    pub name: &'experiment str,
    /// What it is to do.
    pub experiment: &'experiment Experiment,
    /// How far it has come.
    pub status: &'experiment ExperimentStatus,
    /// The ReplicaSets and Services of its templates, in their order.
    pub templates: Vec<TemplateSeen>,
    /// The `AnalysisRun`s of its analyses, in their order.
    pub runs: Vec<Seen<RunSeen>>,
    /// What its Rollout has noted on it, if it has: while routes may send to its Services, these and its pods stay.
    pub routed: Option<Routed>,
    /// Why its analyses can't be put together, as they are written now: a template that is not there, for example. It begins
    /// when they can.
    pub problem: Option<String>,
}

/// An object under a name that the experiment gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// There is none.
    Missing,
    /// There is one that is about to go: it was left by an experiment of the same name, or is being deleted.
    Leaving,
    /// There is one that is somebody else's.
    Taken,
    /// The experiment's own.
    Own(T),
}

impl<T> Seen<T> {
    /// The experiment's own.
    pub const fn own(&self) -> Option<&T> {
        match self {
            Self::Own(object) => Some(object),
            Self::Missing | Self::Leaving | Self::Taken => None,
        }
    }
}

/// What was seen of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSeen {
    /// The hash that its ReplicaSet and its pods have, or are to have.
    pub hash: String,
    /// Its ReplicaSet, by the name of [`replica_set_name`].
    pub replica_set: Seen<ReplicaSetSeen>,
    /// Its Service, by the name of [`service_name`].
    pub service: Seen<Version>,
}

/// Identity and version of an object: preconditions of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// A ReplicaSet of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSetSeen {
    /// `metadata.resourceVersion`: precondition of writes.
    pub resource_version: String,
    /// `spec.replicas`
    pub spec_replicas: u32,
    /// `status.replicas`
    pub replicas: u32,
    /// `status.readyReplicas`
    pub ready: u32,
    /// `status.availableReplicas`
    pub available: u32,
    /// Why pods can't be made.
    pub failure: Option<String>,
}

/// An `AnalysisRun` of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSeen {
    /// `metadata.uid`: precondition of its deletion.
    pub uid: String,
    /// `metadata.resourceVersion`: precondition of writes.
    pub resource_version: String,
    /// It was told to end.
    pub terminate: bool,
    /// `status.phase`
    pub phase: AnalysisPhase,
    /// `status.message`
    pub message: String,
}

/// What is to be done about an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The writes, in their order.
    pub actions: Vec<Action>,
    /// The status to write after them.
    pub status: ExperimentStatus,
    /// When to look again even if nothing is seen to change.
    pub wake_at: Option<Timestamp>,
}

/// One write. Templates and analyses are told by their place in the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the ReplicaSet of a template, with all of its pods.
    CreateReplicaSet {
        /// Which template.
        template: usize,
        /// The name.
        name: String,
        /// The hash of its pods.
        hash: String,
        /// Wanted pods.
        replicas: u32,
    },
    /// Change the size of a ReplicaSet.
    ScaleReplicaSet {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
        /// The size to be.
        to: u32,
    },
    /// Make the Service of a template.
    CreateService {
        /// Which template.
        template: usize,
        /// The name.
        name: String,
        /// The hash of the pods that it selects.
        hash: String,
    },
    /// Delete a Service.
    DeleteService {
        /// Its name.
        name: String,
        /// Preconditions.
        version: Version,
    },
    /// Begin an analysis.
    CreateRun {
        /// Which analysis.
        analysis: usize,
        /// The name.
        name: String,
    },
    /// Delete an analysis of an earlier life.
    DeleteRun {
        /// Its name.
        name: String,
        /// Preconditions.
        version: Version,
    },
    /// Tell an analysis to end.
    TerminateRun {
        /// Its name.
        name: String,
        /// Precondition.
        resource_version: String,
    },
}

/// The name of the ReplicaSet of `template`. One that is taken leads to another one, with the hash in it.
#[must_use]
pub fn replica_set_name(experiment: &str, template: &str, hash: &str, collisions: u32) -> String {
    if collisions == 0 {
        format!("{experiment}-{template}")
    } else {
        format!("{experiment}-{template}-{hash}")
    }
}

/// The name of the Service of `template`, if it has one.
#[must_use]
pub fn service_name(template: &Template, replica_set: &str) -> Option<String> {
    let own = template.service.as_ref()?;
    Some(own.clone().unwrap_or_else(|| replica_set.to_owned()))
}

/// The name of the `AnalysisRun` of `analysis`.
#[must_use]
pub fn run_name(experiment: &str, analysis: &str) -> String {
    format!("{experiment}-{analysis}")
}

/// What is to be done about an experiment now.
#[must_use]
pub fn decide(observed: &Observed<'_>, now: Timestamp) -> Plan {
    let mut draft = Draft {
        observed,
        now,
        actions: Vec::new(),
        status: observed.status.clone(),
        wake_at: None,
    };
    if observed.status.phase.completed() {
        // Whoever wrote the phase may not have said since when.
        if observed.status.ended_at().is_none() {
            draft.tell_progress();
        }
        draft.tidy_up();
    } else if let Some(problem) = draft.holds() {
        draft.status.message = problem;
    } else {
        draft.go_on();
    }
    Plan {
        actions: draft.actions,
        status: draft.status,
        wake_at: draft.wake_at,
    }
}

/// A plan in the making.
struct Draft<'observed> {
    observed: &'observed Observed<'observed>,
    now: Timestamp,
    actions: Vec<Action>,
    status: ExperimentStatus,
    wake_at: Option<Timestamp>,
}

impl Action {
    /// Whether it makes something.
    const fn creates(&self) -> bool {
        match self {
            Self::CreateReplicaSet { .. } | Self::CreateService { .. } | Self::CreateRun { .. } => true,
            Self::ScaleReplicaSet { .. }
            | Self::DeleteService { .. }
            | Self::DeleteRun { .. }
            | Self::TerminateRun { .. } => false,
        }
    }
}

impl Draft<'_> {
    /// Why it does not begin: what its analyses need is not there. Once there are pods it goes on.
    fn holds(&self) -> Option<String> {
        let has_begun = self
            .observed
            .templates
            .iter()
            .any(|seen| seen.replica_set.own().is_some());
        self.observed
            .problem
            .clone()
            .filter(|_| !has_begun && !self.observed.experiment.terminate)
    }

    fn go_on(&mut self) {
        self.status.message.clear();
        self.keep_templates();
        if self.status.available_at.is_none() && self.all_run() {
            self.status.available_at = Some(self.now);
        }
        self.begin_analyses();
        self.take_up_analyses();
        self.status.phase = match self.status.available_at {
            Some(_) => AnalysisPhase::Running,
            None => AnalysisPhase::Pending,
        };
        match self.outcome() {
            Some(outcome) => self.end(outcome),
            None => self.wake_at_its_end(),
        }
        self.tell_progress();
    }

    fn all_run(&self) -> bool {
        let mut states = self.status.template_statuses.iter();
        states.all(|template| template.status == TemplateState::Running)
    }

    /// It has come to its end, but what still measures is waited for: what it finds counts.
    fn end(&mut self, outcome: Outcome) {
        // What is over makes nothing new.
        self.actions.retain(|action| !action.creates());
        if !self.terminate_analyses() {
            return;
        }
        let worst = self.worst_of_analyses(outcome);
        for template in &mut self.status.template_statuses {
            if !template.status.is_over() {
                template.set(TemplateState::Successful, String::new(), self.now);
            }
        }
        self.status.phase = worst.phase;
        self.status.message = worst.message;
        // Its pods go once this is written: a note that routes may send to them comes before its end, or is refused.
        self.count_pods();
        if let Some(due) = self.gone_at() {
            self.look_again(due);
        }
    }

    /// When its pods may go: after the delay, which begins when it is over and no route sends to them. None: not yet.
    fn gone_at(&self) -> Option<Timestamp> {
        let ended = self.status.ended_at().unwrap_or(self.now);
        let left = match &self.observed.routed {
            Some(Routed::Now(_)) => return None,
            Some(Routed::Until(left)) => ended.max(*left),
            None => ended,
        };
        Some(after(left, self.observed.experiment.scale_down_delay))
    }

    /// What is left of an experiment that is over goes: analyses at once, pods after the delay, when no route sends to them.
    fn tidy_up(&mut self) {
        self.terminate_analyses();
        self.count_pods();
        let Some(due) = self.gone_at() else { return };
        if self.now >= due {
            self.scale_down();
            if self.has_pods() {
                // A Service that is slow to go tells nobody.
                self.look_again(after(self.now, GONE_RETRY));
            }
        } else if self.has_pods() {
            self.look_again(due);
        }
    }

    fn wake_at_its_end(&mut self) {
        if let (Some(available), Some(duration)) =
            (self.status.available_at, self.observed.experiment.duration)
        {
            let end = after(available, duration);
            // Past its end it waits for what is on its way: an analysis that is made anew once the one before it is gone.
            let at_least = if end > self.now {
                end
            } else {
                after(self.now, GONE_RETRY)
            };
            self.look_again(at_least);
        }
    }

    fn look_again(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}
