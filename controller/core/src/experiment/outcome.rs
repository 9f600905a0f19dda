//! When an experiment is over, and how it ends.

use super::Draft;
use super::status::{ConditionKind, TemplateState};
use crate::analysis::run::AnalysisPhase;
use crate::draft::after;
use crate::status::Truth;

/// How an experiment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) phase: AnalysisPhase,
    pub(super) message: String,
}

impl Outcome {
    fn well(message: &str) -> Self {
        Self {
            phase: AnalysisPhase::Successful,
            message: message.to_owned(),
        }
    }

    /// The worse of the two, the first if both are alike.
    fn worse(self, other: Self) -> Self {
        if other.phase.is_worse_than(self.phase) {
            other
        } else {
            self
        }
    }
}

impl Draft<'_> {
    /// How the experiment ends, if it is over. Something that is not well ends it at once.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let templates = self.status.template_statuses.iter().filter_map(|template| {
            let phase = match template.status {
                TemplateState::Failed => AnalysisPhase::Failed,
                TemplateState::Error => AnalysisPhase::Error,
                TemplateState::Progressing | TemplateState::Running | TemplateState::Successful => {
                    return None;
                }
            };
            let message = template.message.clone();
            Some(Outcome { phase, message })
        });
        let worst = templates.chain(self.against()).reduce(Outcome::worse);
        worst.or_else(|| self.well_ended())
    }

    /// The analyses that are over and have not found that all is well.
    fn against(&self) -> impl Iterator<Item = Outcome> + '_ {
        let over = self.status.analysis_runs.iter();
        let over = over.filter(|run| run.phase.completed() && !run.phase.is_success());
        over.map(|run| Outcome {
            phase: run.phase,
            message: if run.message.is_empty() {
                format!("analysis '{}' is {}", run.name, run.phase.as_str())
            } else {
                format!("analysis '{}': {}", run.name, run.message)
            },
        })
    }

    /// What the analyses make of `outcome`, once all have ended.
    pub(super) fn worst_of_analyses(&self, outcome: Outcome) -> Outcome {
        self.against().fold(outcome, Outcome::worse)
    }

    fn well_ended(&self) -> Option<Outcome> {
        let experiment = self.observed.experiment;
        if experiment.terminate {
            return Some(Outcome::well("Experiment Terminated"));
        }
        let available = self.status.available_at?;
        let is_over = experiment
            .duration
            .is_some_and(|duration| self.now >= after(available, duration));
        if is_over && self.all_have_begun() {
            return Some(Outcome::well(""));
        }
        let mut required = experiment
            .analyses
            .iter()
            .filter(|analysis| analysis.is_required)
            .peekable();
        required.peek()?;
        let runs = &self.status.analysis_runs;
        let is_over = |name: &str| runs.iter().any(|run| run.name == name && run.phase.completed());
        required
            .all(|analysis| is_over(&analysis.name))
            .then(|| Outcome::well("Required AnalysisRuns completed"))
    }

    /// Whether every analysis has begun, so that it has its say.
    fn all_have_begun(&self) -> bool {
        let mut analyses = self.observed.experiment.analyses.iter().zip(&self.observed.runs);
        analyses.all(|(analysis, run)| {
            let mut known = self.status.analysis_runs.iter();
            let is_over = known.any(|known| known.name == analysis.name && known.phase.completed());
            is_over || run.own().is_some()
        })
    }

    /// Tells in conditions how far it is, in the words of Argo Rollouts.
    pub(super) fn tell_progress(&mut self) {
        let (name, now) = (self.observed.name, self.now);
        let running = self
            .status
            .template_statuses
            .iter()
            .all(|it| it.status == TemplateState::Running);
        let over = self.status.phase.completed();
        let (progressing, reason, message) = if over {
            (
                false,
                "ExperimentCompleted",
                format!("Experiment \"{name}\" has completed."),
            )
        } else if running {
            (
                true,
                "NewReplicaSetAvailable",
                format!("Experiment \"{name}\" is running."),
            )
        } else {
            (
                true,
                "ReplicaSetUpdated",
                format!("Experiment \"{name}\" is progressing."),
            )
        };
        let told = (reason, message.as_str());
        self.status
            .tell(ConditionKind::Progressing, progressing.into(), told, now);
        self.status
            .tell(ConditionKind::Running, (running && !over).into(), told, now);
        if over {
            self.status.tell(ConditionKind::Completed, Truth::True, told, now);
        }
    }
}
