//! The verbs that are one patch: abort, retry, terminate, pause, restart; and resume, which is the one that ends the pause there is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::age;
use crate::cluster::{Cluster, Kind};
use crate::error::Error;
use crate::output::Output;
use crate::place::patch_status_there;
use crate::rollout::Rollout;
use crate::verdict::verdict;

/// Gives the traffic back to the stable version.
///
/// # Errors
/// When the API server refuses.
pub async fn abort(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    let patched = cluster.patch_status(name, &json!({"abort": true}), None).await?;
    let rollout = Rollout::new(&patched);
    if rollout.is_observed() && rollout.is_fully_promoted() {
        out.line(format!(
            "rollout '{name}' has nothing under way to abort: `kubectl kulta undo {name}` goes back to the revision before"
        ))?;
    } else {
        out.line(format!("rollout '{name}' aborted"))?;
    }
    Ok(())
}

/// Tries an aborted version again.
///
/// # Errors
/// When the API server refuses.
pub async fn retry(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    let patched = cluster.patch_status(name, &json!({"abort": false}), None).await?;
    if Rollout::new(&patched).is_aborted() {
        out.line(format!("rollout '{name}' retried"))?;
    } else {
        out.line(format!(
            "rollout '{name}' was not aborted: there is nothing to retry"
        ))?;
    }
    Ok(())
}

/// Begins an Experiment anew that is over.
///
/// # Errors
/// When the API server refuses.
pub async fn retry_experiment(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    cluster.clear_status(Kind::Experiment, name).await?;
    out.line(format!("experiment '{name}' retried"))?;
    Ok(())
}

/// Tells an AnalysisRun or an Experiment to end.
///
/// # Errors
/// When the API server refuses.
pub async fn terminate(cluster: &Cluster, kind: Kind, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    cluster
        .merge(kind, name, &json!({"spec": {"terminate": true}}))
        .await?;
    let what = kind.resource(cluster.group()).kind.to_lowercase();
    out.line(format!("{what} '{name}' terminated"))?;
    Ok(())
}

/// Holds the rollout where it is.
///
/// # Errors
/// When the API server refuses.
pub async fn pause(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    cluster.patch_spec(name, &json!({"paused": true})).await?;
    out.line(format!("rollout '{name}' paused"))?;
    Ok(())
}

/// Has the pods that there are by then replaced, in as much time from `now` as `after` says.
///
/// # Errors
/// When the API server refuses.
pub async fn restart(
    cluster: &Cluster,
    name: &str,
    now: Timestamp,
    after: Duration,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    // Times of objects have no fractions of seconds.
    let at = now.checked_add(after).unwrap_or(Timestamp::MAX);
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    cluster
        .patch_spec(name, &json!({"restartAt": at.to_string()}))
        .await?;
    let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let after = age::short(SignedDuration::from_secs(seconds));
    out.line(format!("rollout '{name}' restarts in {after}"))?;
    Ok(())
}

/// What ends the pause that holds a Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Resumption {
    /// These fields of the spec.
    Spec(Value),
    /// These fields of the status.
    Status(Value),
    /// Nothing: none holds it.
    None,
}

/// Ends the pause that somebody made by hand, if there is one, else that of the step; never two at once.
fn resumption(rollout: Rollout<'_>) -> Resumption {
    if rollout.is_paused_by_hand() {
        Resumption::Spec(json!({"paused": false}))
    } else if rollout.pauses().is_empty() {
        Resumption::None
    } else {
        Resumption::Status(json!({"pauseConditions": null}))
    }
}

/// Goes on after a pause, and skips nothing else.
///
/// # Errors
/// When the API server refuses, and when the Rollout has changed since it was read.
pub async fn resume(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    let object = cluster.rollout(name).await?;
    let rollout = Rollout::new(&object);
    match resumption(rollout) {
        Resumption::Spec(spec) => {
            cluster.patch_spec(name, &spec).await?;
            out.line(format!("rollout '{name}' resumed"))?;
            if let Some(pause) = rollout.pauses().first() {
                let reason = &pause.reason;
                out.line(format!(
                    "it is still paused for {reason}: say `kubectl kulta resume {name}` again to go on"
                ))?;
            }
        }
        Resumption::Status(status) => {
            patch_status_there(cluster, name, &object, &status).await?;
            out.line(format!("rollout '{name}' resumed"))?;
        }
        Resumption::None => {
            let verdict = verdict(rollout);
            out.line(format!("rollout '{name}' is not paused: {verdict}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{
        conflict, expect, expect_get, expect_patch, failure, paused_at, rollout, scenario, with_spec,
        with_status,
    };

    const EXPERIMENT: &str = "/apis/kulta.io/v1alpha1/namespaces/shop/experiments/try";

    #[tokio::test]
    async fn an_experiment_is_retried_by_taking_its_status_away() {
        let patch = format!("PATCH {EXPERIMENT}/status?&fieldManager=kubectl-kulta");
        let exchanges = vec![expect(&patch, 200, &json!(rollout())).with_body(json!({"status": null}))];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            retry_experiment(cluster, "try", out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "experiment 'try' retried\n");
    }

    #[tokio::test]
    async fn an_experiment_is_told_to_end_in_its_spec() {
        let patch = format!("PATCH {EXPERIMENT}?&fieldManager=kubectl-kulta");
        let body = json!({"spec": {"terminate": true}});
        let exchanges = vec![expect(&patch, 200, &json!(rollout())).with_body(body)];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            terminate(cluster, Kind::Experiment, "try", out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "experiment 'try' terminated\n");
    }

    #[tokio::test]
    async fn abort_is_one_patch_of_the_status() {
        let patch = expect_patch(
            "/status",
            json!({"status": {"abort": true}}),
            200,
            &json!(paused_at(1)),
        );

        let (done, printed) =
            scenario(vec![patch], async |cluster, out| abort(cluster, "web", out).await).await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' aborted\n");
    }

    #[tokio::test]
    async fn abort_of_a_promoted_rollout_says_that_nothing_is_under_way() {
        let patch = expect_patch(
            "/status",
            json!({"status": {"abort": true}}),
            200,
            &json!(rollout()),
        );

        let (done, printed) =
            scenario(vec![patch], async |cluster, out| abort(cluster, "web", out).await).await;

        done.unwrap();
        assert!(printed.contains("nothing under way to abort"), "{printed}");
    }

    #[tokio::test]
    async fn retry_is_one_patch_of_the_status() {
        let aborted = with_status(&rollout(), json!({"abortedAt": "2026-03-01T12:00:00Z"}));
        let patch = expect_patch(
            "/status",
            json!({"status": {"abort": false}}),
            200,
            &json!(aborted),
        );

        let (done, printed) =
            scenario(vec![patch], async |cluster, out| retry(cluster, "web", out).await).await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' retried\n");
    }

    #[tokio::test]
    async fn pause_is_one_patch_of_the_spec() {
        let patch = expect_patch("", json!({"spec": {"paused": true}}), 200, &json!(rollout()));

        let (done, printed) =
            scenario(vec![patch], async |cluster, out| pause(cluster, "web", out).await).await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' paused\n");
    }

    #[tokio::test]
    async fn restart_is_one_patch_of_the_spec_with_the_time_in_whole_seconds() {
        let now = "2026-03-01T12:00:00.75Z".parse().unwrap();
        for (after, at, told) in [
            (0, "2026-03-01T12:00:00Z", "0s"),
            (90, "2026-03-01T12:01:30Z", "90s"),
        ] {
            let patch = expect_patch("", json!({"spec": {"restartAt": at}}), 200, &json!(rollout()));

            let (done, printed) = scenario(vec![patch], async |cluster, out| {
                restart(cluster, "web", now, Duration::from_secs(after), out).await
            })
            .await;

            done.unwrap();
            assert_eq!(printed, format!("rollout 'web' restarts in {told}\n"));
        }
    }

    #[tokio::test]
    async fn resume_ends_the_pause_by_hand_and_leaves_that_of_the_step() {
        let held = with_spec(&paused_at(1), json!({"paused": true}));
        let exchanges = vec![
            expect_get(&held),
            expect_patch("", json!({"spec": {"paused": false}}), 200, &json!(paused_at(1))),
        ];

        let (done, printed) =
            scenario(exchanges, async |cluster, out| resume(cluster, "web", out).await).await;

        done.unwrap();
        assert!(printed.contains("still paused for CanaryPauseStep"), "{printed}");
    }

    #[tokio::test]
    async fn resume_ends_the_pause_of_the_step_that_it_has_seen_and_no_later_one() {
        let body = json!({"metadata": {"resourceVersion": "50"}, "status": {"pauseConditions": null}});
        let exchanges = vec![
            expect_get(&paused_at(1)),
            expect_patch("/status", body, 409, &conflict()),
            expect_get(&paused_at(3)),
        ];

        let (done, printed) =
            scenario(exchanges, async |cluster, out| resume(cluster, "web", out).await).await;

        assert!(matches!(done.unwrap_err(), Error::MovedOn { .. }));
        assert_eq!(printed, "");
    }

    #[tokio::test]
    async fn resume_of_a_rollout_that_is_not_paused_writes_nothing() {
        let (done, printed) = scenario(vec![expect_get(&rollout())], async |cluster, out| {
            resume(cluster, "web", out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout 'web' is not paused: Healthy\n");
    }

    #[tokio::test]
    async fn a_rollout_that_is_not_there_is_told_with_its_namespace() {
        let missing = failure(404, "NotFound", "rollouts.kulta.io \"web\" not found");
        let patch = expect_patch("/status", json!({"status": {"abort": true}}), 404, &missing);

        let (done, _) = scenario(vec![patch], async |cluster, out| abort(cluster, "web", out).await).await;

        let told = done.unwrap_err().to_string();
        assert!(
            told.starts_with("rollouts.kulta.io \"web\" not found (namespace shop): check the name"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn a_missing_right_is_told_in_the_api_servers_words() {
        let refusal = failure(
            403,
            "Forbidden",
            "user \"eve\" cannot patch resource \"rollouts/status\"",
        );
        let patch = expect_patch("/status", json!({"status": {"abort": true}}), 403, &refusal);

        let (done, _) = scenario(vec![patch], async |cluster, out| abort(cluster, "web", out).await).await;

        let told = done.unwrap_err().to_string();
        assert!(told.contains("user \"eve\" cannot patch"), "{told}");
        assert!(told.contains("ask whoever runs the cluster"), "{told}");
    }
}
