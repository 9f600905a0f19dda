//! How long an analysis that is complete stays (`ttlStrategy`, as in Argo Rollouts' `analysis/controller.go`).

use jiff::{SignedDuration, Timestamp};

use super::run::{AnalysisPhase, RunStatus};

/// How long it stays, by what became of it; None: for ever, or for as long as the first one says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeToLive {
    /// Whatever became of it.
    pub after_completion: Option<SignedDuration>,
    /// Where it has failed.
    pub after_failure: Option<SignedDuration>,
    /// Where it was successful.
    pub after_success: Option<SignedDuration>,
}

impl TimeToLive {
    /// When an analysis with this status is to go; None: it is to stay, or nobody knows when it was complete.
    #[must_use]
    pub fn ends_at(&self, status: &RunStatus) -> Option<Timestamp> {
        let special = match status.phase {
            AnalysisPhase::Pending | AnalysisPhase::Running => return None,
            AnalysisPhase::Successful => self.after_success,
            AnalysisPhase::Failed => self.after_failure,
            AnalysisPhase::Error | AnalysisPhase::Inconclusive => None,
        };
        let stays = special.or(self.after_completion)?;
        // One that would go after the end of all times stays.
        status.completed_at?.checked_add(stays).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn completed(phase: AnalysisPhase) -> RunStatus {
        RunStatus {
            phase,
            completed_at: Some(at(1000)),
            ..RunStatus::default()
        }
    }

    fn seconds(completion: Option<i64>, failure: Option<i64>, success: Option<i64>) -> TimeToLive {
        TimeToLive {
            after_completion: completion.map(SignedDuration::from_secs),
            after_failure: failure.map(SignedDuration::from_secs),
            after_success: success.map(SignedDuration::from_secs),
        }
    }

    #[test]
    fn failure_and_success_come_before_completion() {
        let all = seconds(Some(1), Some(2), Some(3));
        let ends = |phase| all.ends_at(&completed(phase));
        assert_eq!(ends(AnalysisPhase::Failed), Some(at(1002)));
        assert_eq!(ends(AnalysisPhase::Successful), Some(at(1003)));
        assert_eq!(ends(AnalysisPhase::Error), Some(at(1001)));
        assert_eq!(ends(AnalysisPhase::Inconclusive), Some(at(1001)));
    }

    #[test]
    fn what_is_not_said_is_for_ever() {
        let failure = seconds(None, Some(0), None);
        assert_eq!(failure.ends_at(&completed(AnalysisPhase::Successful)), None);
        assert_eq!(
            TimeToLive::default().ends_at(&completed(AnalysisPhase::Failed)),
            None
        );
    }

    #[test]
    fn one_that_goes_on_stays() {
        let status = completed(AnalysisPhase::Running);
        assert_eq!(seconds(Some(0), None, None).ends_at(&status), None);
    }
}
