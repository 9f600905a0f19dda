//! Whether a template is new, known, the same in other words, or invalid: asked of the API server by a dry run.
//!
//! Only the API server knows what it makes of a template: which fields it fills in, which it refuses. A ReplicaSet is
//! created in a dry run under a throw-away name; the answer is the template as it would be stored, and is compared
//! with those that are.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::DynamicObject;
use kulta_api::rollout::workload::inline;
use kulta_core::observed::{ReplicaSetView, TemplateCheck};
use kulta_core::revision::{TemplateDigest, replica_set_name};
use kulta_core::spec::{PodMetadata, Spec, Workload};
use kulta_core::text;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::ObserveError;
use super::dry_run::{self, Defaulted, DryRunError};
use super::read::{self, ReadError};
use crate::context::Context;
use crate::events::Reason;
use crate::events::publish::Regarding;
use crate::key::ObjectKey;
use crate::replica_set::{self, ManifestError, NewReplicaSet};
use crate::watch::{ReplicaSet, Rollout};

/// An invalid template stays invalid until it is changed, or until the cluster is: an upgrade, a new policy.
const ASK_INVALID_AGAIN: Duration = Duration::from_mins(5);
/// The first wait after an answer that says nothing of the template itself.
const ASK_AGAIN_FIRST: Duration = Duration::from_secs(1);
/// A quota that was raised is noticed within so much time.
const ASK_AGAIN_LATEST: Duration = Duration::from_mins(1);
/// ReplicaSets read at the same time: enough to hide the latency, few enough not to crowd out other requests.
const READ_AT_ONCE: usize = 4;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) rollout: &'a Rollout,
    pub(super) spec: &'a Spec,
    /// The ReplicaSets that the Rollout owns or may adopt.
    pub(super) replica_sets: &'a [ReplicaSetView],
}

impl Question<'_> {
    fn hash(&self) -> String {
        self.rollout.digest.pod_hash(self.rollout.status.collision_count)
    }

    /// A ReplicaSet carries the template: by its digest, or, made by another controller, by its hash.
    fn is_known(&self) -> bool {
        let (digest, hash) = (&self.rollout.digest, self.hash());
        self.replica_sets
            .iter()
            .any(|replica_set| match &replica_set.digest {
                Some(carried) => carried == digest,
                None => replica_set.hash == hash,
            })
    }

    /// The ReplicaSet of which another controller, whose rollout is taken over, has said that it carries the template as it
    /// is now: nothing is compared, for what that one has made of the template may have been written otherwise since.
    fn taken_over(&self) -> Option<&ReplicaSetView> {
        let (rollout, status) = (self.rollout, &self.rollout.status);
        let is_about_this = status.observed_generation == Some(rollout.view.generation);
        let hash = status.current_pod_hash.as_ref();
        let hash = hash.filter(|_| rollout.is_foreign && is_about_this)?;
        self.replica_sets.iter().find(|replica_set| {
            replica_set.owned && replica_set.digest.is_none() && replica_set.hash == *hash
        })
    }

    fn new_replica_set(&self) -> NewReplicaSet {
        let hash = self.hash();
        NewReplicaSet {
            name: dry_run::throw_away_name(&replica_set_name(&self.key.name, &hash)),
            hash,
            digest: self.rollout.digest.clone(),
            revision: 0,
            min_ready_seconds: self.spec.min_ready_seconds,
            desired_replicas: self.spec.replicas,
            // No part of the template that is asked about.
            metadata: PodMetadata::default(),
            apart_from: None,
        }
    }
}

/// Answers that hold for a while, so that not every reconcile asks again.
#[derive(Debug, Default)]
pub struct TemplateChecks {
    by_uid: Mutex<HashMap<String, Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    digest: TemplateDigest,
    check: TemplateCheck,
    wait: Duration,
    ask_again: Instant,
}

impl TemplateChecks {
    /// When the Rollout with this UID should be reconciled so that its template is asked about again.
    pub fn ask_again_at(&self, uid: &str) -> Option<Instant> {
        self.by_uid.lock().get(uid).map(|remembered| remembered.ask_again)
    }

    /// Forgets a Rollout that is gone.
    pub fn forget(&self, uid: &str) {
        self.by_uid.lock().remove(uid);
    }

    fn remembered(&self, rollout: &Rollout) -> Option<TemplateCheck> {
        let by_uid = self.by_uid.lock();
        let remembered = by_uid.get(&rollout.uid)?;
        let holds = remembered.digest == rollout.digest && Instant::now() < remembered.ask_again;
        holds.then(|| remembered.check.clone())
    }

    /// Remembers an answer that stands in the way. The others need not be asked for again: what they allow is done.
    fn remember(&self, rollout: &Rollout, check: &TemplateCheck) {
        let mut by_uid = self.by_uid.lock();
        let before = by_uid
            .remove(&rollout.uid)
            .filter(|before| before.digest == rollout.digest);
        let wait = match check {
            TemplateCheck::Known | TemplateCheck::New { .. } | TemplateCheck::Equal { .. } => return,
            TemplateCheck::Invalid { .. } => ASK_INVALID_AGAIN,
            TemplateCheck::Refused { .. } | TemplateCheck::Unknown { .. } => {
                before.map_or(ASK_AGAIN_FIRST, |before| (before.wait * 2).min(ASK_AGAIN_LATEST))
            }
        };
        let (digest, check, ask_again) = (rollout.digest.clone(), check.clone(), Instant::now() + wait);
        by_uid.insert(
            rollout.uid.clone(),
            Remembered {
                digest,
                check,
                wait,
                ask_again,
            },
        );
    }
}

/// What is known of the Rollout's template; asks the API server when no ReplicaSet carries it.
///
/// # Errors
/// When the Rollout is not what the cache shows, or the API server can't be asked about existing ReplicaSets.
pub(super) async fn check(context: &Context, question: Question<'_>) -> Result<TemplateCheck, ObserveError> {
    let (checks, rollout) = (&context.template_checks, question.rollout);
    if question.is_known() {
        checks.forget(&rollout.uid);
        return Ok(TemplateCheck::Known);
    }
    if let Some(replica_set) = question.taken_over() {
        checks.forget(&rollout.uid);
        let replica_set = replica_set.name.clone();
        return Ok(TemplateCheck::Equal { replica_set });
    }
    if let Some(check) = checks.remembered(rollout) {
        return Ok(check);
    }
    let check = ask(context, question).await?;
    checks.remember(rollout, &check);
    Ok(check)
}

async fn ask(context: &Context, question: Question<'_>) -> Result<TemplateCheck, ObserveError> {
    let owner = owner(context, question).await?;
    let manifest =
        replica_set::manifest(&owner, &question.new_replica_set()).map_err(|error| match error {
            ManifestError::TemplateChanged { .. } => ObserveError::Changed,
            error => ObserveError::Manifest(error),
        })?;
    match dry_run::create(&context.client, question.key, &manifest).await {
        Ok(Defaulted { object, complaint }) => {
            if let Some(complaint) = complaint {
                tell(context, question, &complaint);
            }
            Ok(compare(context, question, object).await?)
        }
        Err(error) => verdict(error),
    }
}

/// Tells that a template has fields that the API server does not know: once for each template, for it is asked about once.
fn tell(context: &Context, question: Question<'_>, complaint: &str) {
    tracing::warn!(rollout = %question.key, complaint, "fields of the pod template are left out");
    let Rollout {
        uid,
        resource_version,
        ..
    } = question.rollout;
    let regarding = Regarding::of_rollout_at(question.key, uid, resource_version);
    let note =
        format!("Fields of the pod template that the API server does not know are left out: {complaint}");
    let notice = Reason::UnknownFields.note(text::message(&note));
    context.events.tell_about(&regarding, [notice]);
}

/// The Rollout as it is now, with the template of the workload that it takes it from, if it does.
async fn owner(context: &Context, question: Question<'_>) -> Result<DynamicObject, ObserveError> {
    let mut owner = read::object::<Rollout>(&context.client, question.key)
        .await?
        .ok_or(ObserveError::Changed)?;
    if owner.metadata.uid.as_ref() != Some(&question.rollout.uid) {
        return Err(ObserveError::Changed);
    }
    if let (Some(Workload { kind, name, .. }), Some(spec)) =
        (&question.spec.workload, owner.data.get_mut("spec"))
    {
        let key = ObjectKey::new(&question.key.namespace, name);
        let found = read::workload_object(&context.client, *kind, &key).await?;
        inline(spec, *kind, &found.ok_or(ObserveError::Changed)?);
    }
    Ok(owner)
}

fn verdict(error: DryRunError) -> Result<TemplateCheck, ObserveError> {
    match error {
        DryRunError::Invalid { message } => Ok(TemplateCheck::Invalid { message }),
        DryRunError::Refused { message } => Ok(TemplateCheck::Refused { message }),
        DryRunError::Terminating => Err(ObserveError::Terminating),
        DryRunError::Unanswered { .. } => Ok(TemplateCheck::Unknown {
            message: error.to_string(),
        }),
    }
}

/// Compares the template as it would be stored with those that are, newest revision first.
async fn compare(
    context: &Context,
    question: Question<'_>,
    defaulted: DynamicObject,
) -> Result<TemplateCheck, ReadError> {
    let wanted = comparable(defaulted);
    let mut newest_first: Vec<_> = question.replica_sets.iter().collect();
    newest_first.sort_by_key(|replica_set| std::cmp::Reverse(replica_set.revision));
    let keys: Vec<_> = newest_first
        .into_iter()
        .map(|replica_set| ObjectKey::new(&question.key.namespace, &replica_set.name))
        .collect();
    let stored = keys.into_iter().map(|key| async move {
        let stored = read::object::<ReplicaSet>(&context.client, &key).await?;
        Ok::<_, ReadError>((key.name, stored.and_then(comparable)))
    });
    let mut stored = futures::stream::iter(stored).buffered(READ_AT_ONCE);
    while let Some(answer) = stored.next().await {
        let (replica_set, template) = answer?;
        if template.is_some() && template == wanted {
            return Ok(TemplateCheck::Equal { replica_set });
        }
    }
    name_check(context, question).await
}

/// The template of a ReplicaSet without what is no part of a revision.
fn comparable(replica_set: DynamicObject) -> Option<Value> {
    let mut spec = replica_set.data;
    let template = spec.pointer_mut("/spec/template")?.take();
    let annotations = replica_set.metadata.annotations.as_ref();
    Some(replica_set::as_written(template, annotations))
}

/// Whether the name of the ReplicaSet to create is free.
async fn name_check(context: &Context, question: Question<'_>) -> Result<TemplateCheck, ReadError> {
    let name = replica_set_name(&question.key.name, &question.hash());
    let key = ObjectKey::new(&question.key.namespace, name);
    Ok(match read::object::<ReplicaSet>(&context.client, &key).await? {
        None => TemplateCheck::New { name_taken: false },
        Some(taken) if taken.metadata.deletion_timestamp.is_some() => TemplateCheck::Unknown {
            message: format!("the ReplicaSet {key} is still being deleted"),
        },
        Some(_) => TemplateCheck::New { name_taken: true },
    })
}

#[cfg(test)]
mod tests;
