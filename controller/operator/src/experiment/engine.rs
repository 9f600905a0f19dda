//! One Experiment at a time: what is missing of it is made, and the status says how it is doing.
//!
//! All objects are read as they are now, by the names that the Experiment gives them, so a plan that was cut off finds what it
//! has made; what was written is read back before the next decision.

use std::time::Duration;

use jiff::Timestamp;
use kulta_api::analysis::TemplateReference;
use kulta_api::analysis::template::Template;
use kulta_api::experiment::Task;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::experiment::{Action, ExperimentStatus, Observed, Plan, Seen, TemplateSeen, decide};
use kulta_core::text::with_causes;
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::observed::{Found, Invalid, Work, told};
use crate::apply::WriteError;
use crate::apply::request::{Operation, Request, Target, delete, replace_status, scale, terminate};
use crate::apply::write;
use crate::backoff::{Backoffs, Retry};
use crate::context::Context;
use crate::controller::Reconcile;
use crate::events::publish::Regarding;
use crate::events::{Notice, Reason};
use crate::expectations::Kind;
use crate::key::ObjectKey;
use crate::metrics::ReconcileStep;
use crate::observe::{ObserveError, ReadError, analysis_templates, read};
use crate::permission::Writer;
use crate::reconcile::until;
use crate::watch::analysis_template;

/// How soon an Experiment that people have to make possible looks again: nothing tells it when a template comes.
const HELD_RETRY: Duration = Duration::from_secs(10);
/// How soon it looks again whatever is seen: a Service of it that somebody deletes is not watched.
const RESYNC: Duration = Duration::from_mins(5);

/// The answers of an API server that will not have an object, however often it is asked: a bad request, a policy, an invalid object.
const REFUSALS: [u16; 3] = [400, 403, 422];

/// Works on Experiments.
pub struct ExperimentEngine {
    context: Context,
    backoffs: Backoffs,
}

#[derive(Debug, Error)]
pub(super) enum EngineError {
    #[error("not read")]
    Read(#[from] ReadError),
    #[error("its templates are not read")]
    Templates(#[from] ObserveError),
    #[error("an object of it was not written")]
    Write(#[from] WriteError),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl EngineError {
    fn retry(&self) -> Retry {
        match self {
            Self::Write(WriteError::AlreadyExists { .. }) => Retry::Conflict,
            Self::Write(error) if error.is_conflict() => Retry::Conflict,
            Self::Templates(error) => error.retry(),
            Self::Read(_) | Self::Write(_) | Self::Invalid(_) => Retry::Error,
        }
    }
}

impl Reconcile for ExperimentEngine {
    async fn reconcile(&self, key: &ObjectKey) -> Option<Instant> {
        let span = tracing::info_span!("experiment", experiment = %key);
        async {
            match self.steps(key).await {
                Ok(wake) => {
                    self.backoffs.reset(key);
                    wake.map(|wake| Instant::now() + wake)
                }
                Err(error) => {
                    let delay = self.backoffs.next(key, error.retry());
                    if error.retry() == Retry::Error {
                        self.context.metrics.failed(ReconcileStep::Experiment);
                        tracing::warn!(error = with_causes(&error), ?delay, "experiment held up");
                    }
                    Some(Instant::now() + delay)
                }
            }
        }
        .instrument(span)
        .await
    }
}

impl ExperimentEngine {
    /// Works on Experiments with what the reconciles of Rollouts work with.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            context,
            backoffs: Backoffs::default(),
        }
    }

    pub(super) const fn context(&self) -> &Context {
        &self.context
    }

    async fn steps(&self, key: &ObjectKey) -> Result<Option<Duration>, EngineError> {
        // Whoever gains the right asks for all of them.
        if !self.context.permission.may_write(key.group) {
            return Ok(None);
        }
        let live = read::object::<crate::watch::Experiment>(&self.context.client, key).await?;
        let Some(found) = live.and_then(|live| Found::of(live, key, &self.context.instance)) else {
            return Ok(None);
        };
        let work = found.work();
        let now = Timestamp::now();
        if let Err(problems) = &work.task
            && !found.status.phase.completed()
        {
            let status = found
                .status
                .invalid(&format!("Experiment spec invalid: {}", told(problems)), now);
            self.report(&found, &status).await?;
            return Ok(Some(Duration::ZERO));
        }
        let observed = self.observe(&found, &work).await?;
        let plan = decide(&observed, now);
        let waits = waits(&observed);
        if let Some((action, error)) = self.carry_out(&found, &work, &plan).await {
            if error.retry() == Retry::Error {
                // What is known counts all the same: its deadline goes on.
                let status = match error.refusal() {
                    Some(message) => plan.status.refused(action, &message, now),
                    None => plan.status,
                };
                self.report(&found, &status).await?;
            }
            return Err(error);
        }
        self.report(&found, &plan.status).await?;
        Ok(wake(&plan, waits))
    }

    /// Carries out a plan; answers the action that could not be, and why.
    async fn carry_out<'plan>(
        &self,
        found: &Found,
        work: &Work,
        plan: &'plan Plan,
    ) -> Option<(&'plan Action, EngineError)> {
        for action in &plan.actions {
            let sent = async {
                let request = self.request(found, work, action).await?;
                write::send(self.writer(&found.key), request).await?;
                Ok(())
            };
            if let Err(error) = sent.await {
                return Some((action, error));
            }
            tracing::info!(?action, reason = plan.status.message, "carried out");
        }
        None
    }

    async fn request(&self, found: &Found, work: &Work, action: &Action) -> Result<Request, EngineError> {
        let owner = found.owner();
        let beside = |kind, name: &str| found.object(kind, name);
        let create = |kind, name: &str, manifest| Request {
            target: beside(kind, name),
            operation: Operation::Create(manifest),
        };
        Ok(match action {
            Action::CreateReplicaSet {
                template,
                name,
                hash,
                replicas,
            } => {
                let manifest = owner.replica_set(name, work.template(*template)?, hash, *replicas);
                create(Kind::ReplicaSet, name, manifest)
            }
            Action::ScaleReplicaSet {
                name,
                resource_version,
                to,
            } => scale(beside(Kind::ReplicaSet, name), resource_version, *to),
            Action::CreateService { template, name, hash } => create(
                Kind::Service,
                name,
                owner.service(name, work.template(*template)?, hash),
            ),
            Action::DeleteService { name, version } => delete(
                beside(Kind::Service, name),
                &version.uid,
                &version.resource_version,
            ),
            Action::DeleteRun { name, version } => delete(
                beside(Kind::AnalysisRun, name),
                &version.uid,
                &version.resource_version,
            ),
            Action::CreateRun { analysis, name } => {
                let spec = self.run(found, work, *analysis).await?;
                let manifest = owner.run(name, work.run_metadata()?, &self.context.instance, &spec);
                create(Kind::AnalysisRun, name, manifest)
            }
            Action::TerminateRun {
                name,
                resource_version,
            } => terminate(beside(Kind::AnalysisRun, name), resource_version),
        })
    }

    /// The spec of the AnalysisRun of an analysis.
    async fn run(&self, found: &Found, work: &Work, analysis: usize) -> Result<Value, EngineError> {
        let task = work.task()?;
        let templates = self.templates(found, work).await?;
        let find = |named: &TemplateReference| templates.get(&template_key(found, named)).map(AsRef::as_ref);
        let run = task.run(analysis, &found.key.namespace, &found.facts(work), &find);
        Ok(run.map_err(Invalid)?)
    }

    /// Why its analyses can't be put together; None: they can, or nothing begins any more.
    pub(super) async fn problem(&self, found: &Found, work: &Work) -> Result<Option<String>, EngineError> {
        let Ok(task) = &work.task else { return Ok(None) };
        let has_begun = !found.status.template_statuses.is_empty();
        if has_begun || found.status.phase.completed() || task.experiment.analyses.is_empty() {
            return Ok(None);
        }
        let templates = self.templates(found, work).await?;
        let find = |named: &TemplateReference| -> Option<&Template> {
            templates.get(&template_key(found, named)).map(AsRef::as_ref)
        };
        let facts = found.facts(work);
        let each = 0..task.experiment.analyses.len();
        let problems: Vec<_> = each
            .filter_map(|index| task.run(index, &found.key.namespace, &facts, &find).err())
            .flatten()
            .collect();
        Ok((!problems.is_empty()).then(|| told(&problems)))
    }

    async fn templates(
        &self,
        found: &Found,
        work: &Work,
    ) -> Result<analysis_templates::Templates, EngineError> {
        let ObjectKey { namespace, group, .. } = &found.key;
        let references: Vec<_> = work.task.iter().flat_map(Task::references).collect();
        let caches = &self.context.caches;
        let seen = caches.read(|tables| tables.templates(*group, namespace, &references));
        Ok(analysis_templates::read(&self.context, &seen).await?)
    }

    fn writer(&self, key: &ObjectKey) -> Writer<'_> {
        self.context.writer(key)
    }

    async fn report(&self, found: &Found, status: &ExperimentStatus) -> Result<(), EngineError> {
        if *status == found.status {
            return Ok(());
        }
        let target = Target {
            kind: Kind::Experiment,
            key: found.key.clone(),
            version: None,
        };
        // Texts, numbers, and lists and maps of them: nothing in it can fail to be written.
        let written = serde_json::to_value(status).unwrap_or_default();
        let request = replace_status(target, &found.resource_version, written);
        write::send(self.writer(&found.key), request).await?;
        if status.phase != found.status.phase {
            let (phase, message) = (status.phase.as_str(), &status.message);
            tracing::info!(phase, message, "the experiment has come to another phase");
            let regarding = Regarding::of_experiment(&found.key, &found.uid, &found.resource_version);
            self.context
                .events
                .tell_about(&regarding, [notice(&found.key.name, status)]);
        }
        Ok(())
    }
}

impl EngineError {
    /// What the API server says of what it will never have, however often it is asked.
    fn refusal(&self) -> Option<String> {
        match self {
            Self::Invalid(invalid) => Some(invalid.to_string()),
            Self::Write(WriteError::Refused {
                source: kube::Error::Api(status),
                ..
            }) if REFUSALS.contains(&status.code) => Some(status.message.clone()),
            Self::Read(_) | Self::Templates(_) | Self::Write(_) => None,
        }
    }
}

fn template_key(found: &Found, named: &TemplateReference) -> ObjectKey {
    analysis_template::key(found.key.group, &found.key.namespace, named)
}

/// Whether it waits for something that nothing tells of: a template of an analysis, or a Service that is about to go.
fn waits(observed: &Observed<'_>) -> bool {
    let is_leaving = |seen: &TemplateSeen| matches!(seen.service, Seen::Leaving);
    observed.problem.is_some() || observed.templates.iter().any(is_leaving)
}

/// When to look again.
fn wake(plan: &Plan, waits: bool) -> Option<Duration> {
    let planned = plan.wake_at.map(until);
    if plan.status.phase.completed() {
        return planned;
    }
    let latest = if waits { HELD_RETRY } else { RESYNC };
    Some(planned.map_or(latest, |planned| planned.min(latest)))
}

fn notice(name: &str, status: &ExperimentStatus) -> Notice {
    let reason = match status.phase {
        AnalysisPhase::Pending => Reason::ExperimentPending,
        AnalysisPhase::Running => Reason::ExperimentRunning,
        AnalysisPhase::Successful => Reason::ExperimentSuccessful,
        AnalysisPhase::Failed => Reason::ExperimentFailed,
        AnalysisPhase::Error => Reason::ExperimentError,
        AnalysisPhase::Inconclusive => Reason::ExperimentInconclusive,
    };
    let told = format!("Experiment '{name}' is {}", status.phase.as_str());
    reason.note(match status.message.as_str() {
        "" => told,
        message => format!("{told}: {message}"),
    })
}
