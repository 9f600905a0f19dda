//! The pods of a Rollout: listed while a restart is due, and at no other time. Nobody watches pods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::Client;
use kulta_core::observed::{PodView, Pods, ReplicaSetView};
use kulta_core::restart;
use kulta_core::spec::Spec;
use kulta_core::text::with_causes;
use serde::Deserialize;

use super::read::ReadError;
use crate::context::Context;
use crate::key::ObjectKey;
use crate::pods::{self, Extent};
use crate::watch::Rollout;

/// The pods of `replica_sets` that are owned, if a restart of `rollout` is due.
pub(super) async fn of(
    context: &Context,
    key: &ObjectKey,
    rollout: &Rollout,
    spec: Option<&Spec>,
    replica_sets: &[ReplicaSetView],
) -> Pods {
    let is_due = spec.is_some_and(|spec| restart::is_due(spec, &rollout.status, Timestamp::now()));
    if !is_due {
        return Pods::NotListed;
    }
    match list(&context.client, key, replica_sets).await {
        Ok(pods) => Pods::Listed(pods),
        Err(error) => Pods::Unknown {
            message: with_causes(&error),
        },
    }
}

async fn list(
    client: &Client,
    rollout: &ObjectKey,
    replica_sets: &[ReplicaSetView],
) -> Result<Vec<PodView>, ReadError> {
    let owners: BTreeMap<&str, &str> = replica_sets
        .iter()
        .filter(|replica_set| replica_set.owned && replica_set.spec_replicas > 0)
        .map(|replica_set| (replica_set.uid.as_str(), replica_set.hash.as_str()))
        .collect();
    let hashes: Vec<_> = owners.values().copied().collect();
    pods::list(
        client,
        &rollout.namespace,
        &hashes,
        Extent::Whole,
        |pod: Written| pod.view(&owners),
    )
    .await
}

/// A pod; all that is not named here is dropped while it is read.
#[derive(Debug, Deserialize)]
struct Written {
    metadata: WrittenMetadata,
    #[serde(default)]
    status: WrittenStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMetadata {
    name: String,
    uid: String,
    resource_version: String,
    creation_timestamp: Timestamp,
    #[serde(default)]
    deletion_timestamp: Option<Timestamp>,
    #[serde(default)]
    owner_references: Vec<WrittenOwner>,
}

#[derive(Debug, Deserialize)]
struct WrittenOwner {
    name: String,
    uid: String,
    #[serde(default)]
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenStatus {
    phase: String,
    conditions: Vec<WrittenCondition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    last_transition_time: Option<Timestamp>,
}

impl Written {
    /// What decisions see of it; None: it is another owner's, or has ended.
    fn view(self, owners: &BTreeMap<&str, &str>) -> Option<PodView> {
        let Self { metadata, status } = self;
        let mut references = metadata.owner_references.into_iter();
        let owner = references.find(|owner| owner.controller && owners.contains_key(owner.uid.as_str()))?;
        // Nothing runs in such a pod any more, and its ReplicaSet has made another one.
        if ["Succeeded", "Failed"].contains(&status.phase.as_str()) {
            return None;
        }
        let created = metadata.creation_timestamp;
        let mut conditions = status.conditions.into_iter();
        let ready = conditions.find(|condition| condition.kind == "Ready" && condition.status == "True");
        Some(PodView {
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            replica_set: owner.name,
            created,
            ready_since: ready.map(|ready| ready.last_transition_time.unwrap_or(created)),
            deleting: metadata.deletion_timestamp.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scenario::{Reply, expect, observed, scenario};
    use crate::watch::Projection as _;
    use crate::watch::samples;

    const FIRST: &str =
        "GET /api/v1/namespaces/shop/pods?&labelSelector=rollouts-pod-template-hash+in+%28old%29&limit=100";

    fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut pod = json!({
            "metadata": {
                "name": name, "uid": format!("uid-{name}"), "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-old", "uid": "uid-old", "controller": true,
                }],
            },
            "spec": {"containers": [{"name": "web"}]},
            "status": {
                "phase": "Running",
                "conditions": [
                    {"type": "Initialized", "status": "True"},
                    {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:07Z"},
                ],
            },
        });
        change(&mut pod);
        pod
    }

    fn page(items: &[Value], next: &str) -> Reply {
        let metadata = json!({"resourceVersion": "7", "continue": next});
        Reply::With(200, json!({"metadata": metadata, "items": items}))
    }

    fn rollout(restarted_at: &str) -> (Rollout, Spec) {
        let mut object = samples::rollout("web");
        object["spec"]["restartAt"] = json!("2026-02-01T00:00:00Z");
        object["status"] = json!({"restartedAt": restarted_at});
        let rollout = Rollout::project(&object).unwrap();
        let spec = rollout.spec.clone().unwrap();
        (rollout, spec)
    }

    async fn listed(restarted_at: &str, exchanges: Vec<crate::scenario::Exchange>) -> Pods {
        let (rollout, spec) = rollout(restarted_at);
        let ended = scenario(exchanges, async |context| {
            let key = ObjectKey::new("shop", "web");
            of(context, &key, &rollout, Some(&spec), &observed().replica_sets).await
        })
        .await;
        ended.outcome
    }

    #[tokio::test]
    async fn nobody_is_asked_while_no_restart_is_due() {
        assert_eq!(listed("2026-02-01T00:00:00Z", Vec::new()).await, Pods::NotListed);
    }

    #[tokio::test]
    async fn the_pods_of_the_own_replica_sets_are_listed_page_by_page() {
        let not_ready = |pod: &mut Value| pod["status"]["conditions"] = json!([]);
        let going = |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = json!("2026-02-01T00:00:01Z");
        let of_another = |pod: &mut Value| pod["metadata"]["ownerReferences"][0]["uid"] = json!("uid-other");
        let ended = |pod: &mut Value| pod["status"]["phase"] = json!("Failed");
        let first = [pod("a", |_| {}), pod("b", not_ready), pod("c", of_another)];
        let second = [pod("d", going), pod("e", ended)];
        let next = format!("{FIRST}&continue=more");

        let pods = listed(
            "2026-01-01T00:00:00Z",
            vec![
                expect(FIRST, page(&first, "more")),
                expect(&next, page(&second, "")),
            ],
        )
        .await;

        let seen: Vec<_> = pods
            .listed()
            .unwrap()
            .iter()
            .map(|pod| {
                let since = pod.ready_since.map(|since| since.to_string());
                (pod.name.clone(), pod.replica_set.clone(), since, pod.deleting)
            })
            .collect();
        let since = Some("2026-01-01T00:00:07Z".to_owned());
        let expected = [
            ("a", since.clone(), false),
            ("b", None, false),
            ("d", since, true),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, since, deleting)| (name.to_owned(), "web-old".to_owned(), since, deleting))
        );
    }

    #[tokio::test]
    async fn a_missing_right_is_no_error_of_the_observation() {
        let forbidden = Reply::failure(403, "Forbidden", "pods is forbidden", &[]);

        let pods = listed("2026-01-01T00:00:00Z", vec![expect(FIRST, forbidden)]).await;

        assert!(
            matches!(&pods, Pods::Unknown { message } if message.contains("pods is forbidden")),
            "{pods:?}"
        );
    }
}
