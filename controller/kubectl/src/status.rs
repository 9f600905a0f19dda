//! The verb status: what is true of a Rollout, and waiting until it has come to an end.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kulta_core::status::Phase;

use crate::cluster::{Cluster, Kind};
use crate::error::Error;
use crate::output::Output;
use crate::rollout::Rollout;
use crate::run::Outcome;
use crate::verdict::{Verdict, verdict, waits_for_a_hand};
use crate::watch::lasting;

/// How long is waited, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// At most so long; None: for ever.
    pub timeout: Option<Duration>,
    /// Also for a pause that somebody has to end.
    pub until_paused: bool,
}

/// Tells what is true of a Rollout now.
///
/// # Errors
/// When it can't be read.
pub async fn now(cluster: &Cluster, name: &str, out: &mut Output<'_>) -> Result<Outcome, Error> {
    let object = cluster.rollout(name).await?;
    let verdict = verdict(Rollout::new(&object));
    match verdict.phase {
        Phase::Healthy | Phase::Degraded => out.line(verdict.phase.as_str())?,
        Phase::Progressing | Phase::Paused => out.line(&verdict)?,
    }
    Ok(match verdict.phase {
        Phase::Degraded => degraded(verdict),
        Phase::Healthy | Phase::Progressing | Phase::Paused => Outcome::Done,
    })
}

/// Tells what is true of a Rollout whenever it changes, until it has come to an end.
///
/// # Errors
/// When it can't be read, and when it is deleted.
pub async fn wait(
    cluster: &Cluster,
    name: &str,
    patience: Patience,
    out: &mut Output<'_>,
) -> Result<Outcome, Error> {
    let waiting = until_ended(cluster, name, patience.until_paused, out);
    let Some(timeout) = patience.timeout else {
        return waiting.await;
    };
    match tokio::time::timeout(timeout, waiting).await {
        Ok(ended) => ended,
        Err(_) => Ok(Outcome::TimedOut),
    }
}

async fn until_ended(
    cluster: &Cluster,
    name: &str,
    until_paused: bool,
    out: &mut Output<'_>,
) -> Result<Outcome, Error> {
    let mut told = None;
    // Asked for once before it is watched: one that is not there, or may not be seen, is told at once.
    let object = cluster.rollout(name).await?;
    if let Some(outcome) = tell(&object, until_paused, &mut told, out)? {
        return Ok(outcome);
    }
    let changes = watch_object(cluster.objects(Kind::Rollout), name).default_backoff();
    let mut changes = pin!(changes);
    while let Some(change) = changes.next().await {
        match change {
            Ok(Some(object)) => {
                if let Some(outcome) = tell(&object, until_paused, &mut told, out)? {
                    return Ok(outcome);
                }
            }
            Ok(None) => {
                return Err(Error::Deleted {
                    name: name.to_owned(),
                    namespace: cluster.namespace().to_owned(),
                });
            }
            Err(error) => {
                if let Some(error) = lasting(error) {
                    return Err(cluster.error(format!("watch rollout '{name}'"))(error));
                }
            }
        }
    }
    // A watch goes on for ever; one that does not has nothing more to tell.
    Ok(Outcome::TimedOut)
}

/// Prints what is true of the Rollout, unless it was told last, and says whether that is the end.
fn tell(
    object: &DynamicObject,
    until_paused: bool,
    told: &mut Option<Verdict>,
    out: &mut Output<'_>,
) -> Result<Option<Outcome>, Error> {
    let rollout = Rollout::new(object);
    let now = verdict(rollout);
    if told.as_ref() != Some(&now) {
        out.line(&now)?;
        out.flush()?;
        *told = Some(now.clone());
    }
    Ok(match now.phase {
        Phase::Healthy => Some(Outcome::Done),
        Phase::Degraded => Some(degraded(now)),
        Phase::Paused if until_paused && waits_for_a_hand(rollout) => {
            Some(Outcome::Paused { message: now.message })
        }
        Phase::Paused | Phase::Progressing => None,
    })
}

fn degraded(verdict: Verdict) -> Outcome {
    Outcome::Degraded {
        message: verdict.message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scenario::{
        Exchange, expect, expect_get, failure, paused_at, rollout, scenario, with_spec, with_status,
    };

    const FOREVER: Patience = Patience {
        timeout: None,
        until_paused: false,
    };
    const UNTIL_PAUSED: Patience = Patience {
        until_paused: true,
        ..FOREVER
    };

    fn progressing() -> DynamicObject {
        with_status(
            &rollout(),
            json!({"phase": "Progressing", "message": "more replicas need to be updated"}),
        )
    }

    fn degraded() -> DynamicObject {
        with_status(
            &rollout(),
            json!({"phase": "Degraded", "message": "RolloutAborted: no"}),
        )
    }

    /// The list that a watch of the Rollout begins with.
    fn expect_list(items: &[DynamicObject]) -> Exchange {
        expect(
            "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts?&fieldSelector=metadata.name%3Dweb&limit=500",
            200,
            &json!({
                "apiVersion": "kulta.io/v1alpha1", "kind": "RolloutList",
                "metadata": {"resourceVersion": "60"}, "items": items,
            }),
        )
    }

    fn expect_watch(events: &[(&str, DynamicObject)]) -> Exchange {
        let watch = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts?&watch=true&timeoutSeconds=290\
                     &fieldSelector=metadata.name%3Dweb&allowWatchBookmarks=true&resourceVersion=60";
        let events: Vec<_> = events
            .iter()
            .map(|(kind, object)| json!({"type": kind, "object": object}))
            .collect();
        expect(watch, 200, &Value::Null).with_events(&events)
    }

    async fn waited(exchanges: Vec<Exchange>, patience: Patience) -> (Result<Outcome, Error>, String) {
        scenario(exchanges, async |cluster, out| {
            wait(cluster, "web", patience, out).await
        })
        .await
    }

    #[tokio::test]
    async fn healthy_ends_at_once() {
        let (done, printed) = waited(vec![expect_get(&rollout())], FOREVER).await;
        assert_eq!(done.unwrap(), Outcome::Done);
        assert_eq!(printed, "Healthy\n");
    }

    #[tokio::test]
    async fn every_change_is_told_once_until_the_end() {
        let exchanges = vec![
            expect_get(&progressing()),
            expect_list(&[progressing()]),
            expect_watch(&[
                ("MODIFIED", paused_at(1)),
                ("MODIFIED", paused_at(1)),
                ("MODIFIED", rollout()),
            ]),
        ];

        let (done, printed) = waited(exchanges, FOREVER).await;

        assert_eq!(done.unwrap(), Outcome::Done);
        assert_eq!(
            printed,
            "Progressing - more replicas need to be updated\nPaused - CanaryPauseStep\nHealthy\n"
        );
    }

    #[tokio::test]
    async fn degraded_ends_with_its_message() {
        let exchanges = vec![
            expect_get(&progressing()),
            expect_list(&[progressing()]),
            expect_watch(&[("MODIFIED", degraded())]),
        ];

        let (done, _) = waited(exchanges, FOREVER).await;

        let message = "RolloutAborted: no".to_owned();
        assert_eq!(done.unwrap(), Outcome::Degraded { message });
    }

    #[tokio::test]
    async fn a_pause_for_a_hand_ends_where_that_is_wished_for() {
        let (done, printed) = waited(vec![expect_get(&paused_at(1))], UNTIL_PAUSED).await;

        let message = "CanaryPauseStep".to_owned();
        assert_eq!(done.unwrap(), Outcome::Paused { message });
        assert_eq!(printed, "Paused - CanaryPauseStep\n");
    }

    #[tokio::test]
    async fn a_pause_for_a_time_is_waited_through() {
        let steps =
            json!({"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": 60}}]}}});
        let timed = with_spec(&paused_at(1), steps);
        let exchanges = vec![
            expect_get(&timed),
            expect_list(std::slice::from_ref(&timed)),
            expect_watch(&[("MODIFIED", rollout())]),
        ];

        let (done, _) = waited(exchanges, UNTIL_PAUSED).await;

        assert_eq!(done.unwrap(), Outcome::Done);
    }

    #[tokio::test]
    async fn a_deleted_rollout_ends_with_an_error() {
        let exchanges = vec![expect_get(&progressing()), expect_list(&[])];

        let (done, _) = waited(exchanges, FOREVER).await;

        assert!(matches!(done.unwrap_err(), Error::Deleted { .. }));
    }

    #[tokio::test]
    async fn a_right_that_is_taken_away_ends_with_an_error() {
        let list = expect_list(&[]);
        let refused = list.failing(403, &failure(403, "Forbidden", "no watching"));

        let (done, _) = waited(vec![expect_get(&progressing()), refused], FOREVER).await;

        let told = done.unwrap_err().to_string();
        assert!(
            told.starts_with("can't watch rollout 'web': no watching"),
            "{told}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end() {
        let patience = Patience {
            timeout: Some(Duration::from_mins(1)),
            until_paused: false,
        };
        let exchanges = vec![
            expect_get(&progressing()),
            expect_list(&[progressing()]),
            expect_watch(&[]).that_goes_on(),
        ];

        let (done, _) = waited(exchanges, patience).await;

        assert_eq!(done.unwrap(), Outcome::TimedOut);
    }

    #[tokio::test]
    async fn without_watching_a_paused_rollout_is_told_and_no_failure() {
        let (done, printed) = scenario(vec![expect_get(&paused_at(1))], async |cluster, out| {
            now(cluster, "web", out).await
        })
        .await;

        assert_eq!(done.unwrap(), Outcome::Done);
        assert_eq!(printed, "Paused - CanaryPauseStep\n");
    }

    #[tokio::test]
    async fn without_watching_a_degraded_rollout_is_a_failure() {
        let (done, printed) = scenario(vec![expect_get(&degraded())], async |cluster, out| {
            now(cluster, "web", out).await
        })
        .await;

        let message = "RolloutAborted: no".to_owned();
        assert_eq!(done.unwrap(), Outcome::Degraded { message });
        assert_eq!(printed, "Degraded\n");
    }
}
