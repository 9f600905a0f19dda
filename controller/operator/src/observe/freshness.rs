//! Whether the caches show the own writes.

use super::ObserveError;
use super::read::{self, ReadError};
use crate::context::Context;
use crate::expectations::{Kind, Version};
use crate::key::ObjectKey;

/// Confirms, once in each term, that the cache shows the Rollout as the replica that led before has left it, or that it is gone.
///
/// # Errors
/// When it does not, or when the API server can't be asked.
pub(crate) async fn confirm_anew(context: &Context, rollout: &ObjectKey) -> Result<(), ObserveError> {
    if !context.expectations.is_doubted(rollout) {
        return Ok(());
    }
    let actual = version(context, Kind::Rollout, rollout).await?;
    if actual != context.caches.version(Kind::Rollout, rollout) {
        return Err(ObserveError::Stale {
            object: rollout.clone(),
        });
    }
    context.expectations.confirmed(rollout);
    Ok(())
}

/// Confirms that the caches are not older than the last write made for this Rollout.
///
/// # Errors
/// When they are, or when the API server can't be asked about a write that should have been seen long since.
pub(super) async fn confirm(context: &Context, rollout: &ObjectKey) -> Result<(), ObserveError> {
    while let Some(unseen) = context
        .expectations
        .satisfied(rollout, |kind, key| context.caches.version(kind, key))
    {
        let write = unseen.write;
        let stale = || ObserveError::Stale {
            object: write.object.clone(),
        };
        if !unseen.overdue {
            return Err(stale());
        }
        // Deleted or created anew before the watch showed it? Then the cache is right, and the write history.
        let actual = version(context, write.kind, &write.object).await?;
        if actual != context.caches.version(write.kind, &write.object) {
            return Err(stale());
        }
        context.expectations.settle(rollout, &write);
    }
    Ok(())
}

async fn version(context: &Context, kind: Kind, object: &ObjectKey) -> Result<Option<Version>, ReadError> {
    read::version(&context.client, &context.caches, &context.instance, kind, object).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kulta_api::names::INSTANCE_ID_LABEL;
    use serde_json::{Value, json};

    use super::*;
    use crate::backoff::Retry;
    use crate::expectations::{Outcome, Write};
    use crate::scenario::{Reply, expect, scenario};
    use crate::watch::{Projection as _, ReplicaSet, Rollout, samples};

    /// Longer than any watch takes.
    const LONG: Duration = Duration::from_mins(1);
    const READ: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/web-abc";

    fn rollout() -> ObjectKey {
        ObjectKey::new("shop", "web")
    }

    fn expect_version(context: &Context, resource_version: &str) {
        let write = Write {
            kind: Kind::ReplicaSet,
            object: ObjectKey::new("shop", "web-abc"),
            uid: "uid-web-abc".to_owned(),
            outcome: Outcome::Written {
                resource_version: resource_version.to_owned(),
            },
        };
        context.expectations.wrote(&rollout(), write);
    }

    /// A ReplicaSet at version 100.
    fn see(context: &Context) {
        let replica_set = ReplicaSet::project(&samples::replica_set("web", "abc")).unwrap();
        context
            .caches
            .apply(&ObjectKey::new("shop", "web-abc"), &Arc::new(replica_set));
    }

    fn at_version(resource_version: &str) -> Value {
        let mut replica_set = samples::replica_set("web", "abc");
        replica_set["metadata"]["resourceVersion"] = json!(resource_version);
        replica_set
    }

    const READ_ROLLOUT: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web";

    fn rollout_at(version: &str) -> Value {
        let mut rollout = samples::rollout("web");
        rollout["metadata"]["resourceVersion"] = json!(version);
        rollout
    }

    /// How it is with a Rollout that is in the cache at version 50, when this replica comes to lead, and another time.
    async fn confirmed_anew(answer: Reply) -> [Result<(), ObserveError>; 2] {
        let ended = scenario(vec![expect(READ_ROLLOUT, answer)], async |context| {
            samples::put::<Rollout>(&context.caches, &rollout_at("50"));
            context.expectations.doubt([rollout()]);
            let first = confirm_anew(context, &rollout()).await;
            let second = match first {
                Ok(()) => confirm_anew(context, &rollout()).await,
                Err(_) => Ok(()),
            };
            [first, second]
        })
        .await;
        ended.outcome
    }

    #[tokio::test]
    async fn a_rollout_that_the_former_leader_has_left_as_it_is_seen_is_asked_for_once() {
        let [first, second] = confirmed_anew(Reply::With(200, rollout_at("50"))).await;

        assert!(first.is_ok() && second.is_ok());
    }

    #[tokio::test]
    async fn a_cache_that_does_not_show_what_the_former_leader_has_written_is_waited_for() {
        let [first, _] = confirmed_anew(Reply::With(200, rollout_at("51"))).await;

        assert_eq!(first.unwrap_err().retry(), Retry::Stale);
    }

    #[tokio::test]
    async fn a_rollout_that_no_cache_shows_but_that_is_there_is_waited_for() {
        let there = expect(READ_ROLLOUT, Reply::With(200, rollout_at("50")));
        let ended = scenario(vec![there], async |context| {
            context.expectations.doubt([rollout()]);
            confirm_anew(context, &rollout()).await
        })
        .await;

        assert_eq!(ended.outcome.unwrap_err().retry(), Retry::Stale);
    }

    #[tokio::test]
    async fn a_rollout_of_another_instance_is_none_that_a_cache_has_to_show() {
        let mut others = rollout_at("50");
        others["metadata"]["labels"] = json!({INSTANCE_ID_LABEL: "blue"});
        let there = expect(READ_ROLLOUT, Reply::With(200, others));
        let ended = scenario(vec![there], async |context| {
            context.expectations.doubt([rollout()]);
            confirm_anew(context, &rollout()).await
        })
        .await;

        assert!(ended.outcome.is_ok());
    }

    #[tokio::test]
    async fn a_cache_older_than_the_own_write_is_waited_for() {
        let ended = scenario(Vec::new(), async |context| {
            see(context);
            expect_version(context, "101");
            confirm(context, &rollout()).await
        })
        .await;
        assert_eq!(ended.outcome.unwrap_err().retry(), Retry::Stale);
    }

    #[tokio::test]
    async fn a_cache_with_the_own_write_is_fresh() {
        let ended = scenario(Vec::new(), async |context| {
            see(context);
            expect_version(context, "100");
            confirm(context, &rollout()).await
        })
        .await;
        assert!(ended.outcome.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_vanished_before_it_was_seen_is_asked_for_and_settled() {
        let missing = Reply::failure(404, "NotFound", "not found", &[]);
        let ended = scenario(vec![expect(READ, missing)], async |context| {
            expect_version(context, "101");
            tokio::time::advance(LONG).await;
            confirm(context, &rollout()).await
        })
        .await;
        assert!(ended.outcome.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_lags_for_long_is_still_waited_for() {
        let newer = Reply::With(200, at_version("101"));
        let ended = scenario(vec![expect(READ, newer)], async |context| {
            see(context);
            expect_version(context, "101");
            tokio::time::advance(LONG).await;
            confirm(context, &rollout()).await
        })
        .await;
        assert_eq!(ended.outcome.unwrap_err().retry(), Retry::Stale);
    }
}
