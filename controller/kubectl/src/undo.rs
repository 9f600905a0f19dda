//! The verb undo: back to the pod template of an earlier revision.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use kulta_api::names::{DEPLOYMENT_HASH_LABEL, HASH_LABEL, TEMPLATE_DIGEST_ANNOTATION};
use kulta_api::{injected, rollout as kind, selector};
use kulta_core::revision::TemplateDigest;
use serde_json::Value;
use thiserror::Error;

use crate::cluster::{Cluster, Kind};
use crate::error::Error as VerbError;
use crate::output::Output;
use crate::rollout::{Rollout, is_controlled_by, revision};
use crate::template::Home;

/// There is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UndoError {
    /// The revision is not there (any more).
    #[error("unable to find specified revision {revision} in history; there are {known}")]
    NoSuchRevision {
        /// Which.
        revision: u64,
        /// Those there are.
        known: String,
    },
    /// There is one revision, or none.
    #[error(
        "no revision found for rollout '{name}' to go back to: it has had only one, or its old ReplicaSets are gone"
    )]
    NoPreviousRevision {
        /// The Rollout.
        name: String,
    },
    /// Which revision is the latest is not known.
    #[error(
        "the controller has not taken up the latest change of rollout '{name}', so which revision was before it is not known: \
         choose one with --to-revision; there are {known}"
    )]
    LatestNotTakenUp {
        /// The Rollout.
        name: String,
        /// The revisions there are.
        known: String,
    },
    /// A ReplicaSet without a template comes from no API server.
    #[error("ReplicaSet '{name}' has no pod template: choose another revision with --to-revision")]
    NoTemplate {
        /// The ReplicaSet.
        name: String,
    },
    /// There is nothing to change.
    #[error("rollout '{name}' has no pod template, of its own or by a workloadRef that can be followed")]
    NoTemplateNow {
        /// The Rollout.
        name: String,
    },
    /// Somebody else has changed the template since it was read.
    #[error(
        "the pod template of rollout '{name}' was changed by somebody else meanwhile, so nothing was undone: look at it, \
         then say it again ({reason})"
    )]
    TemplateChanged {
        /// The Rollout.
        name: String,
        /// The API server's words.
        reason: String,
    },
}

/// A way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// The Rollout asks for that revision already.
    Unchanged,
    /// The template now, and the one to go back to.
    Change {
        /// Now.
        from: Value,
        /// Then.
        to: Value,
    },
}

/// The ReplicaSet to go back to: that of the revision `wanted`, else the one before the latest. `is_taken_up`: the controller
/// has seen the template as it is.
///
/// # Errors
/// When there is none.
pub fn target<'r>(
    rollout: Rollout<'_>,
    replica_sets: &'r [DynamicObject],
    wanted: Option<u64>,
    is_taken_up: bool,
) -> Result<&'r DynamicObject, UndoError> {
    let owned = replica_sets
        .iter()
        .filter(|replica_set| is_controlled_by(replica_set, rollout.uid()));
    let mut revisions: Vec<_> = owned
        .filter_map(|replica_set| Some((revision(replica_set)?, replica_set)))
        .collect();
    revisions.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    match wanted {
        Some(wanted) => {
            let found = revisions.iter().find(|(revision, _)| *revision == wanted);
            found
                .map(|(_, replica_set)| *replica_set)
                .ok_or_else(|| UndoError::NoSuchRevision {
                    revision: wanted,
                    known: known(&revisions),
                })
        }
        // The latest revision may not be that of the template now, and the one before it would be one too many.
        None if !is_taken_up || !rollout.is_observed() || rollout.is_invalid() => {
            Err(UndoError::LatestNotTakenUp {
                name: rollout.name().to_owned(),
                known: known(&revisions),
            })
        }
        None => revisions
            .get(1)
            .map(|(_, replica_set)| *replica_set)
            .ok_or_else(|| UndoError::NoPreviousRevision {
                name: rollout.name().to_owned(),
            }),
    }
}

fn known(revisions: &[(u64, &DynamicObject)]) -> String {
    let numbers: Vec<_> = revisions
        .iter()
        .map(|(revision, _)| revision.to_string())
        .collect();
    if numbers.is_empty() {
        "none".to_owned()
    } else {
        numbers.join(", ")
    }
}

/// The way from the template `from` of the Rollout `name` back to that of `replica_set`.
///
/// # Errors
/// When one of the two is not there.
pub fn undo_to(name: &str, from: Option<&Value>, replica_set: &DynamicObject) -> Result<Undo, UndoError> {
    let from = from.ok_or_else(|| UndoError::NoTemplateNow {
        name: name.to_owned(),
    })?;
    let to = replica_set.data.pointer("/spec/template");
    let annotations = replica_set.metadata.annotations.clone().unwrap_or_default();
    let to = to
        .filter(|template| template.is_object())
        .map(|template| written_by_users(template, &annotations))
        .ok_or_else(|| UndoError::NoTemplate {
            name: replica_set.metadata.name.clone().unwrap_or_default(),
        })?;
    let digest = annotations.get(TEMPLATE_DIGEST_ANNOTATION);
    // The ReplicaSet's template has the defaults of the API server in it, the Rollout's has not.
    let is_made_of_it = digest.is_some_and(|digest| TemplateDigest::of(from).as_str() == digest);
    if is_made_of_it || *from == to {
        return Ok(Undo::Unchanged);
    }
    let from = from.clone();
    Ok(Undo::Change { from, to })
}

/// A template of a ReplicaSet with these annotations, without what the controller and the API server have put in.
fn written_by_users(template: &Value, annotations: &BTreeMap<String, String>) -> Value {
    let mut template = template.clone();
    injected::take_out(&mut template, annotations);
    let metadata = template.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.retain(|_, value| !value.is_null());
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
            labels.remove(DEPLOYMENT_HASH_LABEL);
        }
    }
    template
}

/// Goes back to an earlier revision, in the workload that the Rollout refers to, if it does.
///
/// # Errors
/// When there is none, when somebody changes the template meanwhile, and when the API server refuses.
pub async fn undo(
    cluster: &Cluster,
    name: &str,
    to_revision: Option<u64>,
    out: &mut Output<'_>,
) -> Result<(), VerbError> {
    let object = cluster.rollout(name).await?;
    let rollout = Rollout::new(&object);
    let selector = rollout.spec().and_then(kind::selector);
    let selector = selector.as_ref().and_then(selector::selector_text);
    let replica_sets = cluster
        .list(Kind::ReplicaSet, &selector.unwrap_or_default())
        .await?;
    let home = Home::of(cluster, &object).await?;
    let is_taken_up = !home.is_newer_than(rollout.workload_observed_generation());
    let target = target(rollout, &replica_sets, to_revision, is_taken_up)?;
    let number = revision(target).unwrap_or_default();
    let Undo::Change { from, to } = undo_to(name, home.template(), target)? else {
        out.line(format!(
            "skipped rollback (current template already matches revision {number})"
        ))?;
        return Ok(());
    };
    match home.replace_template(cluster, &from, &to).await {
        Ok(()) => {}
        // The API server has one answer for a failed test and for other faults.
        Err(VerbError::Refused { reason, .. }) if home.again(cluster).await?.template() != Some(&from) => {
            let name = name.to_owned();
            return Err(UndoError::TemplateChanged { name, reason }.into());
        }
        Err(error) => return Err(error),
    }
    let note = home.note();
    out.line(format!("rollout '{name}' undo to revision {number}{note}"))?;
    Ok(())
}

#[cfg(test)]
mod tests;
