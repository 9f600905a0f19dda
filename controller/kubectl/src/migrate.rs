//! The verb migrate: a Rollout of Argo Rollouts, or a Deployment, becomes one of `kulta.io`, and no pod notices.
//!
//! The old object is deleted without what it owns; the ReplicaSet with the pods has no owner then, goes on as it is, and is
//! adopted by the new Rollout. Everything that could keep that from working is asked before anything is deleted: the rules of
//! KULTA, a dry run of the API server, and whether the old object is at rest.

use std::path::Path;
use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Preconditions, PropagationPolicy};
use kube::runtime::conditions::is_deleted;
use kube::runtime::wait::await_condition;
use kulta_api::Group;
use kulta_api::analysis::references;
use kulta_api::rollout::parse_with;
use kulta_api::rollout::workload::TakenFrom;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::Problem;
use serde_json::Value;
use thiserror::Error;

use crate::cluster::{Cluster, Kind};
use crate::error::Error as VerbError;
use crate::output::Output;
use crate::rollout::Rollout;
use crate::run::Outcome;
use crate::status::{self, Patience};

mod deployment;
mod manifest;

/// Kubernetes takes a moment to let go of what an object owns. After this time its garbage collector does not work.
const GONE_WITHIN: Duration = Duration::from_mins(1);

/// What is migrated, and how.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The name of the object.
    pub name: String,
    /// Only print the new Rollout.
    pub dry_run: bool,
    /// Waits at most so long for the new Rollout to be healthy; None: for ever.
    pub timeout: Option<Duration>,
}

/// It can't be migrated.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// It is on its way to another version.
    #[error("{kind} '{name}' is not at rest ({reason}): let it come to its end first, then say it again")]
    NotAtRest {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What it does instead.
        reason: String,
    },
    /// There is one already.
    #[error("there is a Rollout '{name}' of {group} already: nothing was changed")]
    AlreadyThere {
        /// Its name.
        name: String,
        /// Where.
        group: Group,
    },
    /// KULTA would refuse it.
    #[error(
        "the new Rollout would be refused, so nothing was changed:\n{}",
        listed(problems)
    )]
    Refused {
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// Its analyses have no templates there.
    #[error(
        "the Rollout's analyses name templates that {group} does not have: {missing}; apply them with apiVersion \
         {group}/v1alpha1 first"
    )]
    NoTemplates {
        /// Where.
        group: Group,
        /// Those that are missing.
        missing: String,
    },
    /// The file has no Rollout to become.
    #[error("{file}: {reason}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Which pods are meant is not known.
    #[error("Deployment '{name}' has {number} ReplicaSets with pods: it must have one, with all of them")]
    NoReplicaSet {
        /// Its name.
        name: String,
        /// How many.
        number: usize,
    },
    /// It is still there.
    #[error(
        "{kind} '{name}' is being deleted, but still there after {} s: see its finalizers; its pods go on. Once it is gone, \
         apply what was printed",
        GONE_WITHIN.as_secs()
    )]
    StillThere {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("  {problem}")).collect();
    lines.join("\n")
}

/// Moves a Rollout of `argoproj.io` to `kulta.io`.
///
/// # Errors
/// Before anything is changed, when it can't be moved; afterwards when the API server refuses: what was to be made is
/// printed then.
pub async fn rollout(
    cluster: &Cluster,
    migration: &Migration,
    out: &mut Output<'_>,
) -> Result<Outcome, VerbError> {
    let name = migration.name.as_str();
    let from = cluster.in_group(Group::Argo);
    let old = from.rollout(name).await?;
    at_rest(Rollout::new(&old))?;
    let new = manifest::of_rollout(&old);
    let to = cluster.in_group(Group::Kulta);
    accepted(&to, name, &new).await?;
    if migration.dry_run {
        return printed(&new, out);
    }
    let_go(&to, &from.objects(Kind::Rollout), ("Rollout", &old), &new, out).await?;
    created(&to, &new, out).await?;
    healthy(&to, migration, out).await
}

/// Makes a Deployment a Rollout of `kulta.io`; `file` has what a Deployment does not say: the strategy.
///
/// # Errors
/// As [`rollout`].
pub async fn deployment(
    cluster: &Cluster,
    migration: &Migration,
    file: &Path,
    out: &mut Output<'_>,
) -> Result<Outcome, VerbError> {
    let name = migration.name.as_str();
    let to = cluster.in_group(Group::Kulta);
    let deployments = to.deployments();
    let old = deployments
        .get(name)
        .await
        .map_err(to.error(format!("read Deployment '{name}'")))?;
    let written = manifest::read(file)?;
    let new = manifest::of_deployment(&old, &written)?;
    let pods = deployment::find(&to, &old).await?;
    let stored = accepted(&to, name, &new).await?;
    if migration.dry_run {
        return printed(&new, out);
    }
    let digest = TemplateDigest::of(stored.data.pointer("/spec/template").unwrap_or(&Value::Null));
    // As long as the Deployment is there, marks on pods and on the ReplicaSet harm nobody: whoever may not set them finds that
    // out before anything is deleted.
    pods.are_marked(&to, &digest).await?;
    pods.recipe_is_told(&digest, out)?;
    let_go(&to, &deployments, ("Deployment", &old), &new, out).await?;
    pods.template_is_marked(&to, &digest).await?;
    created(&to, &new, out).await?;
    pods.leftovers_are_told(out)?;
    healthy(&to, migration, out).await
}

fn at_rest(rollout: Rollout<'_>) -> Result<(), MigrateError> {
    let is_at_rest = rollout.is_observed()
        && rollout.is_fully_promoted()
        && !rollout.is_paused_by_hand()
        && rollout.phase() == Some("Healthy");
    if is_at_rest {
        return Ok(());
    }
    let phase = rollout.phase().unwrap_or("no status");
    Err(MigrateError::NotAtRest {
        kind: "Rollout",
        name: rollout.name().to_owned(),
        reason: format!("{phase} {}", rollout.message()).trim().to_owned(),
    })
}

/// Whether the new Rollout would be taken: by KULTA and by the API server, which answers how it would be stored.
async fn accepted(to: &Cluster, name: &str, new: &Value) -> Result<DynamicObject, VerbError> {
    let spec = new.get("spec").unwrap_or(&Value::Null);
    if let Err(invalid) = parse_with(Group::Kulta, to.namespace(), spec, TakenFrom::Unknown) {
        let problems = invalid.problems;
        return Err(MigrateError::Refused { problems }.into());
    }
    let mut missing = Vec::new();
    for reference in references(new) {
        for template in reference.templates() {
            if !to.has_template(template).await? {
                missing.push(template.to_string());
            }
        }
    }
    if !missing.is_empty() {
        let (group, missing) = (Group::Kulta, missing.join(", "));
        return Err(MigrateError::NoTemplates { group, missing }.into());
    }
    let rollouts = to.objects(Kind::Rollout);
    let found = rollouts.get_opt(name).await;
    if found
        .map_err(to.error(format!("read rollout '{name}'")))?
        .is_some()
    {
        let (name, group) = (name.to_owned(), Group::Kulta);
        return Err(MigrateError::AlreadyThere { name, group }.into());
    }
    to.create(Kind::Rollout, new, true).await
}

/// Deletes the old object and leaves all that it owns. What is to come is printed before: whatever happens then, it can be
/// applied by hand.
async fn let_go(
    to: &Cluster,
    objects: &Api<DynamicObject>,
    (kind, old): (&'static str, &DynamicObject),
    new: &Value,
    out: &mut Output<'_>,
) -> Result<(), VerbError> {
    let name = old.metadata.name.clone().unwrap_or_default();
    printed(new, out)?;
    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        preconditions: Some(Preconditions {
            uid: old.metadata.uid.clone(),
            resource_version: old.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    let deleted = objects.delete(&name, &parameters).await;
    deleted.map_err(to.error(format!("delete {kind} '{name}'")))?;
    let uid = old.metadata.uid.clone().unwrap_or_default();
    let gone = await_condition(objects.clone(), &name, is_deleted(&uid));
    match tokio::time::timeout(GONE_WITHIN, gone).await {
        Ok(Ok(_)) => {}
        // Nobody can say that it is gone.
        Ok(Err(_)) | Err(_) => return Err(MigrateError::StillThere { kind, name }.into()),
    }
    out.line(format!("{kind} '{name}' deleted, its pods left as they are"))?;
    Ok(())
}

async fn created(to: &Cluster, new: &Value, out: &mut Output<'_>) -> Result<(), VerbError> {
    let created = to.create(Kind::Rollout, new, false).await?;
    let name = created.metadata.name.unwrap_or_default();
    out.line(format!("rollout '{name}' of {} created", Group::Kulta))?;
    Ok(())
}

fn printed(new: &Value, out: &mut Output<'_>) -> Result<Outcome, VerbError> {
    out.line("---")?;
    out.line(manifest::yaml(new))?;
    Ok(Outcome::Done)
}

async fn healthy(to: &Cluster, migration: &Migration, out: &mut Output<'_>) -> Result<Outcome, VerbError> {
    let patience = Patience {
        timeout: migration.timeout,
        until_paused: true,
    };
    status::wait(to, &migration.name, patience, out).await
}
