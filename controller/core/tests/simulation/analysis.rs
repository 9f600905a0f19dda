//! Analyses and experiments of the simulated cluster: what they find depends on the version that they judge.

use jiff::Timestamp;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::Evidence;
use kulta_core::observed::{AnalysisRunView, Judge};

use super::sharing::Pods;

/// What the analyses of one version find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// They come to this end after so many ticks.
    After(u64, AnalysisPhase),
    /// They go on until they are ended.
    Endless,
    /// They can't begin.
    Held,
}

/// An analysis or an experiment.
#[derive(Debug, Clone)]
pub(crate) struct AnalysisRun {
    pub(crate) judge: Judge,
    pub(crate) name: String,
    pub(crate) uid: u64,
    pub(crate) resource_version: u64,
    pub(crate) created: Timestamp,
    pub(crate) created_at: u64,
    pub(crate) version: u32,
    /// The revision that it judges.
    pub(crate) hash: String,
    pub(crate) definition: String,
    pub(crate) terminate: bool,
    pub(crate) phase: AnalysisPhase,
    /// It says why it can't begin.
    pub(crate) held: bool,
    pub(crate) spec: serde_json::Value,
    /// What routes may send to, if it is an experiment.
    pub(crate) pods: Pods,
}

impl AnalysisRun {
    /// Lets a second pass. True: something changed.
    pub(crate) fn step(&mut self, tick: u64, opinion: Opinion) -> bool {
        if self.phase.completed() {
            return self.pods.go(tick);
        }
        let moved = self.pods.come(tick, self.created_at);
        let before = self.phase;
        let was_held = self.held;
        self.held = opinion == Opinion::Held && !self.terminate;
        self.phase = match opinion {
            _ if self.terminate => AnalysisPhase::Successful,
            Opinion::After(ticks, phase) if tick >= self.created_at + ticks => phase,
            Opinion::Held => AnalysisPhase::Pending,
            // Once it has begun, it goes on.
            _ if before == AnalysisPhase::Pending && !self.pods.are_ready() => AnalysisPhase::Pending,
            _ => AnalysisPhase::Running,
        };
        moved || self.phase != before || self.held != was_held
    }

    /// What the controller sees of it, with endpoints as of `endpoints`.
    pub(crate) fn view(&self, endpoints: u64) -> AnalysisRunView {
        let message = match self.phase {
            AnalysisPhase::Pending if self.held => "the Secret \"token\" can't be read",
            AnalysisPhase::Failed => "Metric \"errors\" assessed Failed due to failed (1) > failureLimit (0)",
            _ => "",
        };
        AnalysisRunView {
            judge: self.judge,
            name: self.name.clone(),
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
            created: self.created,
            hash: Some(self.hash.clone()),
            definition: Some(self.definition.clone()),
            terminate: self.terminate,
            phase: self.phase,
            message: message.to_owned(),
            evidence: vec![Evidence {
                metric: "errors".to_owned(),
                phase: self.phase,
                value: "0.2".to_owned(),
            }],
            sharing: self.pods.view(endpoints),
        }
    }
}
