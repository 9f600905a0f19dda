//! What an object as it is now says of an action that was decided on a projection of it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kulta_api::names::{REVISION_ANNOTATION, REVISION_HISTORY_ANNOTATION, TEMPLATE_DIGEST_ANNOTATION};
use kulta_api::rollout::KIND;
use kulta_core::revision::TemplateDigest;
use serde_json::Value;
use thiserror::Error;

use super::request::Target;
use crate::expectations::{Outcome, Write};
use crate::key::ObjectKey;
use crate::owner;

/// An object is not what the action takes it for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Disagreement {
    /// The Rollout was deleted and created anew.
    #[error("the Rollout is another one of the same name")]
    AnotherRollout,
    /// The Rollout is being deleted.
    #[error("the Rollout is being deleted")]
    RolloutGoing,
    /// Another object of the name is still there.
    #[error("the one of that name is being deleted")]
    Going,
    /// Another controller has the ReplicaSet.
    #[error("the ReplicaSet belongs to {kind} {name} now")]
    Owned {
        /// Kind of the owner.
        kind: String,
        /// Its name.
        name: String,
    },
}

/// Whether `live` is the Rollout with this UID, and there to stay.
pub(super) fn same_rollout(live: &ObjectMeta, uid: &str) -> Result<(), Disagreement> {
    if live.uid.as_deref() != Some(uid) {
        Err(Disagreement::AnotherRollout)
    } else if live.deletion_timestamp.is_some() {
        Err(Disagreement::RolloutGoing)
    } else {
        Ok(())
    }
}

/// The write that made `existing`, if it is just what was to be created: of this owner, from this template.
pub(super) fn as_created(
    existing: &ObjectMeta,
    target: Target,
    rollout_uid: &str,
    digest: &TemplateDigest,
) -> Option<Write> {
    let made_from = existing.annotations.as_ref()?.get(TEMPLATE_DIGEST_ANNOTATION)?;
    as_owned(existing, target, rollout_uid).filter(|_| made_from == digest.as_str())
}

/// Whether an object that has the name of a new one stays: one that is being deleted is not what was to be created.
pub(super) fn there_to_stay(existing: &ObjectMeta) -> Result<(), Disagreement> {
    match existing.deletion_timestamp {
        Some(_) => Err(Disagreement::Going),
        None => Ok(()),
    }
}

/// The write that made `existing`, if it is of this owner.
pub(super) fn as_owned(existing: &ObjectMeta, target: Target, rollout_uid: &str) -> Option<Write> {
    let owned = existing
        .owner_references
        .iter()
        .flatten()
        .any(|reference| reference.controller == Some(true) && reference.uid == rollout_uid);
    let (uid, resource_version) = (existing.uid.clone()?, existing.resource_version.clone()?);
    owned.then_some(Write {
        kind: target.kind,
        object: target.key,
        uid,
        outcome: Outcome::Written { resource_version },
    })
}

/// The owners of a ReplicaSet (its metadata as JSON, so that nothing of another owner is lost) and the Rollout as
/// the one that controls it.
pub(super) fn owners_with(
    replica_set: &Value,
    rollout: &ObjectKey,
    uid: &str,
) -> Result<Vec<Value>, Disagreement> {
    let mut owners = replica_set
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if let Some(controller) = owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
    {
        let text = |field| {
            controller
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        return Err(Disagreement::Owned {
            kind: text("kind"),
            name: text("name"),
        });
    }
    owners.retain(|owner| owner.get("uid").and_then(Value::as_str) != Some(uid));
    owners.push(owner::reference(rollout.group, KIND, &rollout.name, uid));
    Ok(owners)
}

/// The revisions that a ReplicaSet had before it gets the number `next`, separated by commas; None: there were none.
pub(super) fn revision_history(live: &ObjectMeta, next: u64) -> Option<String> {
    let annotation = |name: &str| {
        live.annotations
            .as_ref()?
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let history = annotation(REVISION_HISTORY_ANNOTATION);
    match (
        history,
        annotation(REVISION_ANNOTATION).filter(|current| *current != next.to_string()),
    ) {
        (Some(history), Some(current)) => Some(format!("{history},{current}")),
        (history, current) => history.or(current),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expectations::Kind;

    fn metadata(json: Value) -> ObjectMeta {
        serde_json::from_value(json).unwrap()
    }

    fn created(owner: &str, controller: bool, digest: &str) -> ObjectMeta {
        metadata(json!({
            "uid": "uid-rs",
            "resourceVersion": "7",
            "annotations": {TEMPLATE_DIGEST_ANNOTATION: digest},
            "ownerReferences": [{
                "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web",
                "uid": owner, "controller": controller,
            }],
        }))
    }

    #[test]
    fn only_the_own_replica_set_of_the_same_template_counts_as_created() {
        let target = Target {
            kind: Kind::ReplicaSet,
            key: ObjectKey::new("shop", "web-abc"),
            version: None,
        };
        let digest = TemplateDigest::stored("d1gest");
        let cases = [
            ("just as created", created("uid-1", true, "d1gest"), true),
            ("another owner", created("uid-2", true, "d1gest"), false),
            (
                "an owner that does not control it",
                created("uid-1", false, "d1gest"),
                false,
            ),
            ("another template", created("uid-1", true, "other"), false),
            (
                "nobody's",
                metadata(json!({"uid": "uid-rs", "resourceVersion": "7"})),
                false,
            ),
        ];
        for (name, existing, counts) in cases {
            let write = as_created(&existing, target.clone(), "uid-1", &digest);
            assert_eq!(write.is_some(), counts, "{name}");
        }
    }

    #[test]
    fn a_rollout_that_is_another_or_about_to_go_takes_nothing() {
        let cases = [
            (json!({"uid": "uid-1"}), Ok(())),
            (json!({"uid": "uid-2"}), Err(Disagreement::AnotherRollout)),
            (
                json!({"uid": "uid-1", "deletionTimestamp": "2026-03-01T12:00:00Z"}),
                Err(Disagreement::RolloutGoing),
            ),
        ];
        for (live, expected) in cases {
            assert_eq!(same_rollout(&metadata(live.clone()), "uid-1"), expected, "{live}");
        }
    }

    #[test]
    fn an_adopter_joins_the_owners_that_are_there() {
        let audit =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "audit", "uid": "uid-9", "unknown": 1});
        let replica_set = json!({"metadata": {"ownerReferences": [audit]}});

        let owners = owners_with(&replica_set, &ObjectKey::new("shop", "web"), "uid-1").unwrap();

        assert_eq!(owners.len(), 2);
        assert_eq!(owners[0], audit);
        assert_eq!(owners[1]["uid"], "uid-1");
        assert_eq!(owners[1]["controller"], true);
    }

    #[test]
    fn an_adopter_is_refused_where_another_controller_was_faster() {
        let deployment = json!({"kind": "Deployment", "name": "web", "uid": "uid-9", "controller": true});

        let refused = owners_with(
            &json!({"metadata": {"ownerReferences": [deployment]}}),
            &ObjectKey::new("shop", "web"),
            "uid-1",
        );

        let expected = Disagreement::Owned {
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
        };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn earlier_revisions_are_remembered_in_order() {
        let cases = [
            (json!({}), None),
            (json!({REVISION_ANNOTATION: "2"}), Some("2")),
            (
                json!({REVISION_ANNOTATION: "5", REVISION_HISTORY_ANNOTATION: "1,3"}),
                Some("1,3,5"),
            ),
            // The number stays: only the digest is recorded.
            (
                json!({REVISION_ANNOTATION: "7", REVISION_HISTORY_ANNOTATION: "1"}),
                Some("1"),
            ),
            (json!({REVISION_ANNOTATION: "7"}), None),
        ];
        for (annotations, expected) in cases {
            let live = metadata(json!({"annotations": annotations}));
            assert_eq!(revision_history(&live, 7).as_deref(), expected, "{annotations}");
        }
    }
}
