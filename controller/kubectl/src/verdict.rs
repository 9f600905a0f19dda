//! What is true of a Rollout now, also in the moments in which its status does not tell yet.

use kulta_core::status::{PauseReason, Phase};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unknown;
use serde_json::Value;

use crate::rollout::Rollout;

/// The phase of a Rollout, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The phase.
    pub phase: Phase,
    /// Why it is in that phase; may be empty.
    pub message: String,
}

impl Verdict {
    fn waiting(message: &str) -> Self {
        Self {
            phase: Phase::Progressing,
            message: message.to_owned(),
        }
    }
}

impl std::fmt::Display for Verdict {
    /// As `kubectl argo rollouts status` writes it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.phase.as_str())?;
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(formatter, " - {}", self.message)
        }
    }
}

/// What is true of the Rollout now. A status that is older than what the user asked for last is on its way, whatever it
/// says: `retry` and `status` in one line would else end with the abort of before.
#[must_use]
pub fn verdict(rollout: Rollout<'_>) -> Verdict {
    if !rollout.is_observed() {
        return Verdict::waiting("waiting for rollout spec update to be observed");
    }
    let phase = match rollout.phase() {
        Some("Healthy") => Phase::Healthy,
        Some("Degraded") => Phase::Degraded,
        Some("Paused") => Phase::Paused,
        Some("Progressing") | None => Phase::Progressing,
        Some(other) => {
            return Verdict::waiting(&format!(
                "its phase is \"{other}\", which this version of kubectl-kulta does not know: update it"
            ));
        }
    };
    if let Some(message) = unseen(rollout, phase) {
        return Verdict::waiting(message);
    }
    Verdict {
        phase,
        message: rollout.message().to_owned(),
    }
}

/// What the user has asked for on the status and the controller has not taken up yet. Of a spec that can't be worked
/// with it takes up little, so nothing is waited for.
fn unseen(rollout: Rollout<'_>, phase: Phase) -> Option<&'static str> {
    if rollout.is_invalid() {
        return None;
    }
    let degraded = phase == Phase::Degraded;
    match (rollout.abort(), rollout.is_aborted()) {
        (true, false) if !degraded => return Some("waiting for rollout to abort"),
        (true, true) if rollout.promote_full() => return Some("waiting for rollout to be promoted"),
        (false, true) if degraded => return Some("waiting for rollout to retry"),
        _ => {}
    }
    // A full promotion ends the pauses of the controller, not that of a user.
    if rollout.promote_full() && !rollout.pauses().is_empty() && !rollout.is_paused_by_hand() {
        return Some("waiting for rollout to be promoted");
    }
    // A blue-green rollout without pods is paused until there are some.
    let is_held = rollout.is_paused_by_hand() || rollout.desired() == 0;
    let resumed = phase == Phase::Paused && rollout.pauses().is_empty() && !is_held;
    resumed.then_some("waiting for rollout to unpause")
}

/// Whether the Rollout is paused until somebody does something, and not just for a time.
#[must_use]
pub fn waits_for_a_hand(rollout: Rollout<'_>) -> bool {
    if verdict(rollout).phase != Phase::Paused {
        return false;
    }
    let by_time = |reason: &str| match PauseReason::deserialize(reason.into_deserializer()) {
        Ok(PauseReason::CanaryPauseStep) => rollout.step_index().is_some_and(is_timed(rollout)),
        Ok(PauseReason::BlueGreenPause) => rollout.is_auto_promoted(),
        // Nor does one that is not known here end by itself.
        Ok(PauseReason::InconclusiveAnalysisRun | PauseReason::InconclusiveExperiment)
        | Err::<_, Unknown>(_) => false,
    };
    let is_held = rollout.is_paused_by_hand() || rollout.desired() == 0;
    is_held || !rollout.pauses().iter().all(|pause| by_time(&pause.reason))
}

/// Whether the step of an index is a pause that ends by itself.
pub(crate) fn is_timed(rollout: Rollout<'_>) -> impl Fn(u64) -> bool {
    move |index| {
        let step = rollout.step(index);
        let duration = step.and_then(|step| step.pointer("/pause/duration"));
        duration.is_some_and(|duration| !duration.is_null())
    }
}

/// Whether the step of this index is a pause.
pub(crate) fn is_pause(rollout: Rollout<'_>, index: u64) -> bool {
    let pause = rollout.step(index).and_then(|step| step.get("pause"));
    pause.is_some_and(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::{paused_at, rollout, with_spec, with_status};

    fn told(object: &kube::api::DynamicObject) -> String {
        verdict(Rollout::new(object)).to_string()
    }

    #[test]
    fn a_blue_green_pause_with_a_duration_waits_for_nobody() {
        let conditions = json!([{"reason": "BlueGreenPause", "startTime": "2026-03-01T12:05:00Z"}]);
        let paused = with_status(&paused_at(1), json!({"pauseConditions": conditions}));
        let waits = |blue_green| {
            let strategy = json!({"strategy": {"blueGreen": blue_green}});
            waits_for_a_hand(Rollout::new(&with_spec(&paused, strategy)))
        };

        assert!(!waits(json!({"autoPromotionSeconds": 30})));
        assert!(waits(
            json!({"autoPromotionEnabled": false, "autoPromotionSeconds": 30})
        ));
    }

    #[test]
    fn a_full_promotion_that_was_not_taken_up_yet_counts_as_progressing() {
        let asked = with_status(&paused_at(1), json!({"promoteFull": true}));
        assert_eq!(told(&asked), "Progressing - waiting for rollout to be promoted");

        let held = with_spec(&asked, json!({"paused": true}));
        assert_eq!(told(&held), "Paused - CanaryPauseStep");
    }

    #[test]
    fn a_status_of_an_older_generation_counts_as_progressing() {
        let object = with_status(&rollout(), json!({"observedGeneration": 2, "phase": "Healthy"}));
        assert_eq!(
            told(&object),
            "Progressing - waiting for rollout spec update to be observed"
        );
    }

    #[test]
    fn a_generation_written_as_text_is_read_too() {
        let object = with_status(&rollout(), json!({"observedGeneration": "3", "phase": "Healthy"}));
        assert_eq!(told(&object), "Healthy");
    }

    #[test]
    fn a_rollout_without_status_is_progressing() {
        let object = with_status(&rollout(), json!(null));
        assert_eq!(
            told(&object),
            "Progressing - waiting for rollout spec update to be observed"
        );
    }

    #[test]
    fn a_resumed_rollout_waits_to_unpause() {
        let resumed = json!({"phase": "Paused", "controllerPause": true, "pauseConditions": null});
        assert_eq!(
            told(&with_status(&rollout(), resumed)),
            "Progressing - waiting for rollout to unpause"
        );
    }

    #[test]
    fn a_rollout_held_by_hand_is_paused_though_its_step_was_resumed() {
        let held = json!({"phase": "Paused", "message": "manually paused", "controllerPause": true});
        let object = with_spec(&with_status(&rollout(), held), json!({"paused": true}));
        assert_eq!(told(&object), "Paused - manually paused");
    }

    #[test]
    fn a_rollout_that_waits_for_pods_to_be_wanted_is_paused() {
        let held = json!({"phase": "Paused", "message": "no pods are wanted", "controllerPause": true});
        let object = with_spec(&with_status(&rollout(), held), json!({"replicas": 0}));
        assert_eq!(told(&object), "Paused - no pods are wanted");
        assert!(waits_for_a_hand(Rollout::new(&object)));
    }

    #[test]
    fn a_retried_rollout_is_not_degraded_any_more() {
        let retried = json!({"phase": "Degraded", "abort": false, "abortedAt": "2026-03-01T12:00:00Z"});
        assert_eq!(
            told(&with_status(&rollout(), retried)),
            "Progressing - waiting for rollout to retry"
        );
    }

    #[test]
    fn an_abort_that_was_not_seen_yet_is_waited_for() {
        let aborted =
            json!({"phase": "Paused", "abort": true, "pauseConditions": [{"reason": "CanaryPauseStep"}]});
        assert_eq!(
            told(&with_status(&rollout(), aborted)),
            "Progressing - waiting for rollout to abort"
        );
    }

    #[test]
    fn an_invalid_spec_is_told_though_an_abort_was_asked_for() {
        let invalid = json!({
            "phase": "Degraded", "message": "InvalidSpec: no", "abortedAt": "2026-03-01T12:00:00Z",
            "conditions": [{"type": "InvalidSpec", "status": "True"}],
        });
        assert_eq!(
            told(&with_status(&rollout(), invalid)),
            "Degraded - InvalidSpec: no"
        );
    }

    #[test]
    fn a_phase_of_the_future_is_progressing_and_named() {
        let text = told(&with_status(&rollout(), json!({"phase": "Dreaming"})));
        assert!(
            text.starts_with("Progressing - its phase is \"Dreaming\""),
            "{text}"
        );
    }

    #[test]
    fn fields_of_wrong_types_are_not_there() {
        let odd =
            json!({"phase": 7, "message": [], "pauseConditions": "x", "abort": "yes", "conditions": {}});
        assert_eq!(told(&with_status(&rollout(), odd)), "Progressing");
    }

    #[test]
    fn a_pause_with_a_duration_waits_for_no_hand() {
        let paused = json!({
            "phase": "Paused", "currentStepIndex": 1, "pauseConditions": [{"reason": "CanaryPauseStep"}],
        });
        let paused = with_status(&rollout(), paused);
        let timed =
            json!({"strategy": {"canary": {"steps": [{"setWeight": 1}, {"pause": {"duration": "1m"}}]}}});

        assert!(waits_for_a_hand(Rollout::new(&paused)));
        assert!(!waits_for_a_hand(Rollout::new(&with_spec(&paused, timed))));
    }
}
