//! The verb promote: on to the next step, or to the end.
//!
//! The patches are those of `kubectl argo rollouts promote`, the status first and the spec second. What it does not do:
//! end or skip a pause that was not there yet when the user looked. Where Argo Rollouts' would (a rollout paused by hand
//! also loses its step, a second promotion that comes too early skips the next pause, a promotion of a version that the
//! controller has not seen yet skips all of its steps), this says why it does not.

use serde_json::{Value, json};
use thiserror::Error;

use crate::cluster::Cluster;
use crate::error::Error as VerbError;
use crate::output::Output;
use crate::place::patch_status_there;
use crate::rollout::{Rollout, Strategy};
use crate::verdict::is_pause;

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// On after the pause or the analysis that it waits for.
    Next,
    /// To the end, without steps, pauses and analyses.
    Full,
    /// Past the step under way.
    SkipCurrentStep,
    /// Past all steps.
    SkipAllSteps,
}

/// What a promotion changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promotion {
    /// Fields of the status, written first.
    pub status: Option<Value>,
    /// Fields of the spec, written second.
    pub spec: Option<Value>,
}

/// A promotion that would do harm, or that nobody can make.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The status is about another version.
    #[error(
        "the controller has not seen the latest change of rollout '{name}' yet: wait until `kubectl kulta status {name} \
         --watch=false` tells of it, then promote"
    )]
    NotObserved {
        /// Its name.
        name: String,
    },
    /// There is nothing to go on with.
    #[error(
        "rollout '{name}' is aborted: `kubectl kulta retry rollout {name}` begins its steps again, `kubectl kulta \
         promote {name} --full` skips them"
    )]
    Aborted {
        /// Its name.
        name: String,
    },
    /// The pause of the step under way would be skipped before it was there.
    #[error(
        "step {step} of rollout '{name}' is a pause that is just about to begin: promote again once it is paused"
    )]
    PauseNotBegun {
        /// Its name.
        name: String,
        /// The step.
        step: u64,
    },
    /// Steps are of canaries.
    #[error("Cannot skip steps of a bluegreen rollout. Run without a flags")]
    BlueGreen,
    /// There are none.
    #[error("Cannot skip steps of a rollout without steps")]
    NoSteps,
}

/// What a promotion of the Rollout changes.
///
/// # Errors
/// When it would do harm.
pub fn promotion(rollout: Rollout<'_>, extent: Extent) -> Result<Promotion, Refusal> {
    if matches!(extent, Extent::SkipCurrentStep | Extent::SkipAllSteps) {
        return skip(rollout, extent);
    }
    let unpause = rollout.is_paused_by_hand().then(|| json!({"paused": false}));
    if !rollout.is_observed() {
        let name = rollout.name().to_owned();
        return Err(Refusal::NotObserved { name });
    }
    let status = match extent {
        Extent::Full if rollout.is_fully_promoted() => None,
        Extent::Full => Some(json!({"promoteFull": true})),
        _ => next(rollout)?,
    };
    Ok(Promotion {
        status,
        spec: unpause,
    })
}

/// The fields of the status that let the rollout go on.
fn next(rollout: Rollout<'_>) -> Result<Option<Value>, Refusal> {
    let name = || rollout.name().to_owned();
    let (pauses, count) = (rollout.pauses(), rollout.step_count());
    let canary_step = rollout
        .step_index()
        .filter(|_| rollout.strategy() == Strategy::Canary && count > 0);
    if !pauses.is_empty() {
        let in_doubt = rollout.step_analysis() == Some("Inconclusive") && rollout.controller_pause();
        return Ok(Some(match canary_step.filter(|_| in_doubt) {
            Some(step) => {
                let step = (step + 1).min(count);
                json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": step})
            }
            // That the controller's own mark stays is what tells it that the user has ended the pause.
            None => json!({"pauseConditions": null}),
        }));
    }
    if rollout.abort() || rollout.is_aborted() {
        return Err(Refusal::Aborted { name: name() });
    }
    let waits = rollout.is_paused_by_hand() || rollout.controller_pause() || rollout.is_fully_promoted();
    match canary_step {
        Some(step) if !waits && step < count => {
            if is_pause(rollout, step) {
                return Err(Refusal::PauseNotBegun { name: name(), step });
            }
            Ok(Some(
                json!({"pauseConditions": null, "currentStepIndex": step + 1}),
            ))
        }
        _ => Ok(None),
    }
}

fn skip(rollout: Rollout<'_>, extent: Extent) -> Result<Promotion, Refusal> {
    let count = rollout.step_count();
    if rollout.strategy() == Strategy::BlueGreen {
        return Err(Refusal::BlueGreen);
    }
    if count == 0 {
        return Err(Refusal::NoSteps);
    }
    if !rollout.is_observed() {
        let name = rollout.name().to_owned();
        return Err(Refusal::NotObserved { name });
    }
    let index = match extent {
        Extent::SkipCurrentStep => (rollout.step_index().unwrap_or(0) + 1).min(count),
        _ => count,
    };
    Ok(Promotion {
        status: Some(json!({"currentStepIndex": index})),
        spec: None,
    })
}

/// Lets a Rollout go on.
///
/// # Errors
/// When that would do harm, when the rollout goes on by itself meanwhile, and when the API server refuses.
pub async fn promote(
    cluster: &Cluster,
    name: &str,
    extent: Extent,
    out: &mut Output<'_>,
) -> Result<(), VerbError> {
    let seen = cluster.rollout(name).await?;
    let Promotion { status, spec } = promotion(Rollout::new(&seen), extent)?;
    if let Some(status) = &status {
        patch_status_there(cluster, name, &seen, status).await?;
    }
    if let Some(spec) = &spec {
        cluster.patch_spec(name, spec).await?;
    }
    out.line(match (status.is_some() || spec.is_some(), extent) {
        (false, _) => format!("rollout '{name}' has nothing to promote"),
        (true, Extent::Full) => format!("rollout '{name}' fully promoted"),
        (true, _) => format!("rollout '{name}' promoted"),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;

    use super::*;
    use crate::scenario::{
        conflict, expect_get, expect_patch, paused_at, rollout, scenario, with_spec, with_status,
    };

    fn of(object: &DynamicObject, extent: Extent) -> Result<Promotion, Refusal> {
        promotion(Rollout::new(object), extent)
    }

    fn status(fields: Value) -> Promotion {
        Promotion {
            status: Some(fields),
            spec: None,
        }
    }

    /// On its way at the step of this index, with nothing that holds it.
    fn moving_at(index: u64) -> DynamicObject {
        let moving = json!({"phase": "Progressing", "controllerPause": false, "pauseConditions": null});
        with_status(&paused_at(index), moving)
    }

    #[test]
    fn a_pause_is_ended_and_the_controllers_mark_stays() {
        assert_eq!(
            of(&paused_at(1), Extent::Next),
            Ok(status(json!({"pauseConditions": null})))
        );
    }

    #[test]
    fn an_inconclusive_analysis_of_the_step_is_passed_over() {
        let doubtful = json!({
            "pauseConditions": [{"reason": "InconclusiveAnalysisRun"}],
            "canary": {"currentStepAnalysisRunStatus": {"name": "web-new-2-2", "status": "Inconclusive"}},
        });
        assert_eq!(
            of(&with_status(&paused_at(2), doubtful), Extent::Next),
            Ok(status(
                json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": 3})
            ))
        );
    }

    #[test]
    fn a_running_step_is_skipped() {
        assert_eq!(
            of(&moving_at(2), Extent::Next),
            Ok(status(json!({"pauseConditions": null, "currentStepIndex": 3})))
        );
    }

    #[test]
    fn blue_green_without_a_pause_has_nothing_to_promote() {
        let blue_green = with_spec(&moving_at(0), json!({"strategy": {"blueGreen": {}}}));
        assert_eq!(of(&blue_green, Extent::Next), Ok(Promotion::default()));
    }

    #[test]
    fn unpausing_by_hand_skips_no_step() {
        let held = with_spec(&moving_at(2), json!({"paused": true}));
        let unpaused = Promotion {
            status: None,
            spec: Some(json!({"paused": false})),
        };
        assert_eq!(of(&held, Extent::Next), Ok(unpaused));
    }

    #[test]
    fn a_second_promotion_before_the_first_was_seen_changes_nothing() {
        let resumed = with_status(&paused_at(1), json!({"pauseConditions": null}));
        assert_eq!(of(&resumed, Extent::Next), Ok(Promotion::default()));
    }

    #[test]
    fn a_pause_that_has_not_begun_is_not_swallowed() {
        let told = of(&moving_at(3), Extent::Next).unwrap_err();
        assert_eq!(
            told.to_string(),
            "step 3 of rollout 'web' is a pause that is just about to begin: promote again once it is paused"
        );
    }

    #[test]
    fn a_version_that_the_controller_has_not_seen_keeps_its_steps() {
        let unseen = with_status(&rollout(), json!({"observedGeneration": 2}));
        for extent in [
            Extent::Next,
            Extent::Full,
            Extent::SkipCurrentStep,
            Extent::SkipAllSteps,
        ] {
            let told = of(&unseen, extent).unwrap_err();
            assert!(matches!(told, Refusal::NotObserved { .. }), "{told}");
        }
    }

    #[test]
    fn a_promoted_rollout_has_nothing_to_promote() {
        assert_eq!(of(&rollout(), Extent::Next), Ok(Promotion::default()));
        assert_eq!(of(&rollout(), Extent::Full), Ok(Promotion::default()));
    }

    #[test]
    fn an_aborted_rollout_is_to_be_retried_or_fully_promoted() {
        let aborted = with_status(
            &moving_at(0),
            json!({"abort": true, "abortedAt": "2026-03-01T12:00:00Z"}),
        );
        assert!(matches!(of(&aborted, Extent::Next), Err(Refusal::Aborted { .. })));
        assert_eq!(
            of(&aborted, Extent::Full),
            Ok(status(json!({"promoteFull": true})))
        );
    }

    #[test]
    fn skipping_a_step_or_all_sets_the_index_only() {
        assert_eq!(
            of(&paused_at(1), Extent::SkipCurrentStep),
            Ok(status(json!({"currentStepIndex": 2})))
        );
        assert_eq!(
            of(&paused_at(1), Extent::SkipAllSteps),
            Ok(status(json!({"currentStepIndex": 4})))
        );
        assert_eq!(
            of(&rollout(), Extent::SkipCurrentStep),
            Ok(status(json!({"currentStepIndex": 4})))
        );
    }

    #[test]
    fn there_are_no_steps_to_skip_in_blue_green_or_without_steps() {
        let blue_green = with_spec(&rollout(), json!({"strategy": {"blueGreen": {}}}));
        let stepless = with_spec(&rollout(), json!({"strategy": {"canary": {}}}));
        assert_eq!(of(&blue_green, Extent::SkipCurrentStep), Err(Refusal::BlueGreen));
        assert_eq!(of(&stepless, Extent::SkipAllSteps), Err(Refusal::NoSteps));
    }

    #[tokio::test]
    async fn the_status_is_patched_first_and_the_spec_second() {
        let held = with_spec(&paused_at(1), json!({"paused": true}));
        let body = json!({"metadata": {"resourceVersion": "50"}, "status": {"pauseConditions": null}});
        let exchanges = vec![
            expect_get(&held),
            expect_patch("/status", body, 200, &json!(held)),
            expect_patch("", json!({"spec": {"paused": false}}), 200, &json!(held)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            promote(cluster, "web", Extent::Next, out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' promoted\n");
    }

    #[tokio::test]
    async fn a_full_promotion_unpauses_too() {
        let held = with_spec(&paused_at(1), json!({"paused": true}));
        let body = json!({"metadata": {"resourceVersion": "50"}, "status": {"promoteFull": true}});
        let exchanges = vec![
            expect_get(&held),
            expect_patch("/status", body, 200, &json!(held)),
            expect_patch("", json!({"spec": {"paused": false}}), 200, &json!(held)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            promote(cluster, "web", Extent::Full, out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' fully promoted\n");
    }

    #[tokio::test]
    async fn a_status_that_was_only_counted_again_is_promoted_all_the_same() {
        let mut counted = with_status(&paused_at(1), json!({"readyReplicas": 3}));
        counted.metadata.resource_version = Some("51".to_owned());
        let body = |version: &str| json!({"metadata": {"resourceVersion": version}, "status": {"pauseConditions": null}});
        let exchanges = vec![
            expect_get(&paused_at(1)),
            expect_patch("/status", body("50"), 409, &conflict()),
            expect_get(&counted),
            expect_patch("/status", body("51"), 200, &json!(counted)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            promote(cluster, "web", Extent::Next, out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' promoted\n");
    }

    #[tokio::test]
    async fn a_pause_that_came_meanwhile_is_not_swallowed() {
        let body = json!({"metadata": {"resourceVersion": "50"}, "status": {"pauseConditions": null}});
        let exchanges = vec![
            expect_get(&paused_at(1)),
            expect_patch("/status", body, 409, &conflict()),
            expect_get(&paused_at(3)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            promote(cluster, "web", Extent::Next, out).await
        })
        .await;

        assert!(matches!(done.unwrap_err(), VerbError::MovedOn { .. }));
        assert_eq!(printed, "");
    }
}
