//! The account of how long a rollout takes holds together.

use kulta_core::observed::Observed;
use kulta_core::plan::Plan;
use kulta_core::spec::Spec;
use kulta_core::status::{CompletionStatus, Phase, RolloutDuration};

use super::PlanRule;

/// What has ended has begun before and says as what; what was aborted or is Healthy has ended.
pub(crate) struct Durations;

impl PlanRule for Durations {
    fn judge(&mut self, observed: &Observed, _spec: &Spec, plan: &Plan) -> Result<(), String> {
        let status = &plan.status;
        let Some(duration) = &status.duration else {
            return Ok(());
        };
        holds_together(duration)?;
        // A failed write is told before anything is counted.
        if observed.failure.is_some() || !duration.is_running() {
            return Ok(());
        }
        if status.phase == Phase::Healthy || status.aborted_at.is_some() {
            return Err(format!("{:?}, and still counted: {duration:?}", status.phase));
        }
        Ok(())
    }
}

fn holds_together(duration: &RolloutDuration) -> Result<(), String> {
    let RolloutDuration {
        rollout_started_at,
        manual_pause_started_at,
        total_manual_pause_duration_seconds,
        finished_at,
        completion_status,
    } = duration;
    let Some(began) = rollout_started_at else {
        return Err(format!("it never began: {duration:?}"));
    };
    let will_be = |outcome: &CompletionStatus| {
        use CompletionStatus::{FastPromoted, FastRolledBack, RolledBack};
        matches!(outcome, FastPromoted | FastRolledBack | RolledBack)
    };
    match finished_at {
        None if completion_status.as_ref().is_none_or(will_be) => Ok(()),
        None => Err(format!("it has not ended, but has an outcome: {duration:?}")),
        Some(_) if completion_status.is_none() || manual_pause_started_at.is_some() => Err(format!(
            "it has ended without an outcome, or in a pause: {duration:?}"
        )),
        Some(ended) => {
            let seconds = ended.duration_since(*began).as_secs();
            let paused = i64::try_from(*total_manual_pause_duration_seconds).unwrap_or(i64::MAX);
            if (0..=seconds).contains(&paused) {
                Ok(())
            } else {
                Err(format!("more than all of its time was a pause: {duration:?}"))
            }
        }
    }
}
