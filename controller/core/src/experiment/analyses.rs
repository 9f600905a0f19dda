//! The analyses of an experiment.

use super::status::AnalysisState;
use super::{Action, Draft, Seen, Version, run_name};
use crate::analysis::run::AnalysisPhase;
use crate::text;

impl Draft<'_> {
    /// Begins those that have not begun, once it is written down that all pods are available, which their arguments may name;
    /// one that was deleted before it had come to its end is begun again. One that has ended and of which nothing is written down
    /// is of an earlier life: whoever takes the status away (`retry experiment`) wants another one.
    pub(super) fn begin_analyses(&mut self) {
        let observed = self.observed;
        if observed.status.available_at.is_none() {
            return;
        }
        let analyses = observed.experiment.analyses.iter().zip(&observed.runs);
        for (index, (analysis, run)) in analyses.enumerate() {
            let name = run_name(observed.name, &analysis.name);
            let known = self
                .status
                .analysis_runs
                .iter()
                .position(|known| known.name == analysis.name);
            if let Seen::Own(run) = run
                && known.is_none()
                && run.phase.completed()
            {
                let version = Version {
                    uid: run.uid.clone(),
                    resource_version: run.resource_version.clone(),
                };
                self.actions.push(Action::DeleteRun { name, version });
                continue;
            }
            let place = known.unwrap_or_else(|| {
                self.status.analysis_runs.push(AnalysisState {
                    name: analysis.name.clone(),
                    analysis_run: name.clone(),
                    ..AnalysisState::default()
                });
                self.status.analysis_runs.len() - 1
            });
            let Some(known) = self.status.analysis_runs.get_mut(place) else {
                continue;
            };
            match run {
                Seen::Missing if !known.phase.completed() => {
                    self.actions.push(Action::CreateRun {
                        analysis: index,
                        name,
                    });
                }
                Seen::Taken if !known.phase.completed() => {
                    known.phase = AnalysisPhase::Error;
                    known.message = format!(
                        "the AnalysisRun {name:?} exists and is somebody else's; delete it, or rename the analysis"
                    );
                }
                Seen::Missing | Seen::Leaving | Seen::Taken | Seen::Own(_) => {}
            }
        }
    }

    /// Takes up what the analyses have found.
    pub(super) fn take_up_analyses(&mut self) {
        let observed = self.observed;
        let analyses = observed.experiment.analyses.iter().zip(&observed.runs);
        for (analysis, run) in analyses {
            let mut known = self.status.analysis_runs.iter_mut();
            let known = known.find(|known| known.name == analysis.name);
            if let (Some(run), Some(known)) = (run.own(), known) {
                known.phase = run.phase;
                known.message = text::message(&run.message);
            }
        }
    }

    /// Tells those that go on to end. False: some have not ended yet.
    pub(super) fn terminate_analyses(&mut self) -> bool {
        let observed = self.observed;
        let mut all_ended = true;
        for (analysis, run) in observed.experiment.analyses.iter().zip(&observed.runs) {
            let Some(run) = run.own().filter(|run| !run.phase.completed()) else {
                continue;
            };
            all_ended = false;
            if !run.terminate {
                self.actions.push(Action::TerminateRun {
                    name: run_name(observed.name, &analysis.name),
                    resource_version: run.resource_version.clone(),
                });
            }
        }
        all_ended
    }
}
