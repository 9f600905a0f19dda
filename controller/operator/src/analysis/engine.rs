//! One AnalysisRun at a time: what is due is measured, and the status says what came of it.
//!
//! The object is read as it is now, not from a cache: a measurement is not taken twice because a watch lags, and the
//! status is written only over the one that was read.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::core::DynamicObject;
use kulta_api::Group;
use kulta_api::analysis::{Measured, Task, parse};
use kulta_api::names::HASH_LABEL;
use kulta_core::analysis::metric::Metric;
use kulta_core::analysis::run::{AnalysisPhase, RunStatus};
use kulta_core::analysis::{Progress, Taken, advance, due, too_large};
use kulta_core::spec::Problem;
use kulta_core::text;
use kulta_core::text::with_causes;
use kulta_plugin_host::Conditions;
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::asking::{Answers, Asking, NO_ROOM};
use super::jobs::{self, Jobs};
use super::news;
use super::plugins::Plugins;
use super::providers::Providers;
use super::revisions::{self, Chosen};
use super::secrets::{self, Secrets};
use super::shares::Shares;
use crate::apply::WriteError;
use crate::apply::request::{Target, delete, replace_status};
use crate::apply::write;
use crate::backoff::{Backoffs, Retry};
use crate::controller::Reconcile;
use crate::events::publish::{Publisher, Regarding};
use crate::expectations::Kind;
use crate::key::ObjectKey;
use crate::metrics::{Metrics, ReconcileStep};
use crate::observe::ReadError;
use crate::observe::read;
use crate::permission::{Permission, Writer};
use crate::reconcile::until;
use crate::watch::{AnalysisRun, Caches};

/// How soon an analysis looks again for a plugin that is being loaded, which takes about a second.
const LOADING_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// How soon an analysis looks again for a call that found no place or no memory.
const POSTPONED_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// How soon an analysis that people have to make possible looks again: they take longer, and it costs requests.
const HELD_RETRY: SignedDuration = SignedDuration::from_secs(10);
/// How soon an analysis looks again for a place of its namespace: one takes milliseconds, or waits for a provider.
const PLACE_RETRY: Duration = Duration::from_millis(250);

/// Works on AnalysisRuns.
pub struct AnalysisEngine {
    /// The API server.
    pub client: Client,
    /// What the watches have seen: facts about the Rollouts that are judged.
    pub caches: Arc<Caches>,
    /// Who measures.
    pub plugins: Arc<Plugins>,
    /// What judges the values that plugins only measure.
    pub conditions: Arc<Conditions>,
    /// Whom plugins may ask.
    pub providers: Arc<Providers>,
    /// Kubernetes Events.
    pub events: Publisher,
    /// The controller's own metrics.
    pub metrics: Arc<Metrics>,
    /// What this process may write.
    pub permission: Permission,
    /// How soon to try again after a failure.
    pub backoffs: Backoffs,
    /// AnalysisRuns at the same time.
    pub runs: Shares,
    /// Calls of plugins at the same time.
    pub calls: Arc<Shares>,
}

#[derive(Debug, Error)]
enum EngineError {
    #[error("not read")]
    Read(#[from] ReadError),
    #[error("its status was not written")]
    Write(#[from] WriteError),
}

impl EngineError {
    fn retry(&self) -> Retry {
        match self {
            Self::Write(error) if error.is_conflict() => Retry::Conflict,
            Self::Read(_) | Self::Write(_) => Retry::Error,
        }
    }
}

/// An AnalysisRun as it is now.
pub(super) struct Run {
    uid: String,
    resource_version: String,
    spec: Value,
    status: RunStatus,
    /// The name of its Rollout.
    pub(super) owner: Option<String>,
    /// The revision that it judges.
    pub(super) hash: Option<String>,
}

impl Reconcile for AnalysisEngine {
    async fn reconcile(&self, key: &ObjectKey) -> Option<Instant> {
        let span = tracing::info_span!("analyse", analysis = %key);
        async {
            let Some(_place) = self.runs.take(&key.namespace) else {
                return Some(Instant::now() + PLACE_RETRY);
            };
            match self.steps(key).await {
                Ok(wake_at) => {
                    self.backoffs.reset(key);
                    wake_at.map(|time| Instant::now() + until(time))
                }
                Err(error) => {
                    let delay = self.backoffs.next(key, error.retry());
                    if error.retry() == Retry::Error {
                        self.metrics.failed(ReconcileStep::Analyse);
                        tracing::warn!(error = with_causes(&error), ?delay, "analysis held up");
                    }
                    Some(Instant::now() + delay)
                }
            }
        }
        .instrument(span)
        .await
    }
}

impl AnalysisEngine {
    async fn steps(&self, key: &ObjectKey) -> Result<Option<Timestamp>, EngineError> {
        // Whoever gains the right asks for all of them.
        if !self.permission.may_write(key.group) {
            return Ok(None);
        }
        let live = read::object::<AnalysisRun>(&self.client, key).await?;
        let Some(run) = live.and_then(|live| Run::of(live, key.group)) else {
            return Ok(None);
        };
        let stand_in = |metric: &str, argument: &str| secrets::stand_in(&run.uid, metric, argument);
        let task = parse(&run.spec, &stand_in);
        let jobs = match &task {
            Ok(task) => jobs::names(&task.measured),
            Err(_) => jobs::names_left(&run.spec, &run.status),
        };
        if run.status.phase.completed() {
            // Those that were left when it was written down.
            self.jobs(key, &run).end_left(&jobs, &run.status).await?;
            let ends_at = task.ok().and_then(|task| task.time_to_live.ends_at(&run.status));
            return self.delete_at(key, &run, ends_at).await;
        }
        let progress = match task {
            Ok(task) => self.advance(key, &run, &task).await?,
            Err(problems) if run.is_foreign(key.group) => {
                held(&run, &told(&problems), HELD_RETRY, Timestamp::now())
            }
            Err(problems) => invalid(&run.status, &problems),
        };
        let (status, wake_at) = self.written(key, &run, progress).await?;
        // Not before: how they ended would be lost with a status that is not written.
        self.jobs(key, &run).end_left(&jobs, &status).await?;
        Ok(wake_at)
    }

    /// Deletes one that is complete when its time is over; answers when that is.
    async fn delete_at(
        &self,
        key: &ObjectKey,
        run: &Run,
        ends_at: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, EngineError> {
        if ends_at.is_none_or(|ends_at| Timestamp::now() < ends_at) {
            return Ok(ends_at);
        }
        let target = Target {
            kind: Kind::AnalysisRun,
            version: None,
            key: key.clone(),
        };
        write::send(
            self.writer(key.group),
            delete(target, &run.uid, &run.resource_version),
        )
        .await?;
        tracing::info!("deleted: the time of its ttlStrategy is over");
        Ok(None)
    }

    /// Writes down how far it has come. What is known then, and when to look again.
    async fn written(
        &self,
        key: &ObjectKey,
        run: &Run,
        progress: Progress,
    ) -> Result<(RunStatus, Option<Timestamp>), EngineError> {
        let Progress { status, wake_at } = progress;
        if status == run.status {
            return Ok((status, wake_at));
        }
        match self.write(key, run, &status).await {
            Err(refused) if refused.is_too_large() => {
                let ended = too_large(&status, &refused.message(), Timestamp::now());
                self.write(key, run, &ended).await?;
                // With the measurements, which tell what is left.
                let phase = ended.phase;
                Ok((RunStatus { phase, ..status }, None))
            }
            written => Ok(written.map(|()| (status, wake_at))?),
        }
    }

    /// Measures what is due.
    async fn advance(&self, key: &ObjectKey, run: &Run, task: &Task) -> Result<Progress, EngineError> {
        let metrics: Vec<Metric> = task
            .measured
            .iter()
            .map(|measured| measured.metric.clone())
            .collect();
        let now = Timestamp::now();
        let mut begun = advance(&metrics, task.terminate, &run.status, Vec::new(), now);
        let chosen = Chosen::of(&self.plugins, &key.namespace, &task.measured, &mut begun.status);
        let due = due(&metrics, task.terminate, &begun.status, now);
        // Before it begins, everything that it will take of Secrets is looked for.
        let begins = task.next.is_none() && run.begins(key.group, task);
        let is_due = |measured: &&Measured| due.iter().any(|due| due.name == measured.metric.name);
        let is_read = |measured: &&Measured| begins && !task.terminate || is_due(measured);
        let taking = task.measured.iter().filter(is_read);
        let asking = Asking {
            engine: self,
            key,
            run,
            chosen: &chosen,
            secrets: &Secrets::read(&self.client, &key.namespace, taking).await?,
            arguments: &task.arguments,
            status: &begun.status,
            now,
        };
        // Gates that can't be asked hold, whatever the reason.
        if begins && let Some(progress) = asking.unable(task).await {
            return Ok(progress);
        }
        let answers = match task.next {
            None => {
                let is_decided = |taken: &[Taken]| {
                    let progress = advance(&metrics, task.terminate, &begun.status, taken.to_vec(), now);
                    progress.status.phase.completed()
                };
                asking
                    .measure(task.measured.iter().filter(is_due), is_decided)
                    .await
            }
            Some(next) if !due.is_empty() => asking.gates(&task.measured, next).await,
            Some(_) => Answers::default(),
        };
        let now = Timestamp::now();
        if begins && !task.terminate && answers.postponed && answers.taken.is_empty() {
            // Nobody is to take it for one that judges already.
            return Ok(held(run, NO_ROOM, POSTPONED_RETRY, now));
        }
        let progress = advance(&metrics, task.terminate, &begun.status, answers.taken, now);
        if answers.postponed {
            return Ok(not_before(progress, now));
        }
        Ok(progress)
    }

    /// The Jobs of an AnalysisRun.
    pub(super) fn jobs<'run>(&'run self, key: &'run ObjectKey, run: &'run Run) -> Jobs<'run> {
        Jobs::of(self.writer(key.group), key, &run.uid)
    }

    fn writer(&self, group: Group) -> Writer<'_> {
        Writer {
            client: &self.client,
            permission: &self.permission,
            group,
        }
    }

    async fn write(&self, key: &ObjectKey, run: &Run, status: &RunStatus) -> Result<(), WriteError> {
        let target = Target {
            kind: Kind::AnalysisRun,
            key: key.clone(),
            version: None,
        };
        let written = kulta_api::analysis::write_status(key.group, status);
        let request = replace_status(target, &run.resource_version, written);
        write::send(self.writer(key.group), request).await?;
        if status.phase != run.status.phase {
            tracing::info!(
                phase = status.phase.as_str(),
                message = status.message,
                "the analysis has come to another phase"
            );
        }
        news::tell(&run.status, status);
        let regarding = Regarding::of_analysis_run(key, &run.uid, &run.resource_version);
        self.events
            .tell_about(&regarding, revisions::changes(&run.status, status));
        Ok(())
    }
}

impl Run {
    /// Whether another controller has begun it, and this one has measured nothing of it: what can't be measured here holds it, as
    /// it holds one that is to begin. An error would abort a rollout that went well there.
    fn is_foreign(&self, group: Group) -> bool {
        let mut results = self.status.metric_results.iter();
        group == Group::Argo
            && self.status.started_at.is_some()
            && results.all(|result| result.plugin_digest.is_none())
    }

    /// Whether nothing of it was measured here.
    fn begins(&self, group: Group, task: &Task) -> bool {
        // What Jobs measure has no plugin that would tell.
        let is_foreign = self.is_foreign(group) && !task.measured.iter().all(jobs::is_job);
        self.status.started_at.is_none() || is_foreign
    }

    /// The run, unless it is being deleted.
    fn of(live: DynamicObject, group: Group) -> Option<Self> {
        if live.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let status = kulta_api::analysis::read_status(live.data.get("status"));
        let rollout = kulta_api::rollout::api_resource(group);
        let owners = live.metadata.owner_references.into_iter().flatten();
        let owner = owners
            .filter(|owner| owner.controller == Some(true))
            .find(|owner| owner.kind == rollout.kind && owner.api_version == rollout.api_version);
        Some(Self {
            uid: live.metadata.uid?,
            resource_version: live.metadata.resource_version?,
            spec: live.data.get("spec").cloned().unwrap_or_default(),
            status,
            owner: owner.map(|owner| owner.name),
            hash: live
                .metadata
                .labels
                .and_then(|mut labels| labels.remove(HASH_LABEL)),
        })
    }
}

impl Asking<'_> {
    /// What becomes of an analysis that can't begin; None: it can. It waits for people, or for a plugin that is being
    /// loaded: an error would abort a rollout for somebody's slip, before anything was measured.
    async fn unable(&self, task: &Task) -> Option<Progress> {
        if task.terminate {
            return None;
        }
        let in_force = || task.measured.iter().filter(|measured| !measured.metric.dry_run);
        let loading: Vec<_> = in_force()
            .filter(|measured| self.chosen.is_loading(measured))
            .filter_map(|measured| {
                let message = self.chosen.version(measured).err()?;
                Some(Problem::new(measured.provider_path(), message))
            })
            .collect();
        if !loading.is_empty() {
            return Some(held(self.run, &told(&loading), LOADING_RETRY, self.now));
        }
        let mut problems = self.check(&task.measured).await;
        problems.extend(self.check_jobs(&task.measured).await);
        problems.extend(self.check_conditions(&task.measured).await);
        problems.extend(self.secrets.problems(in_force()));
        let is_held = !problems.is_empty();
        is_held.then(|| held(self.run, &told(&problems), HELD_RETRY, self.now))
    }
}

/// An analysis that does not begin yet, and says why: its rollout does not go on.
fn held(run: &Run, message: &str, retry: SignedDuration, now: Timestamp) -> Progress {
    Progress {
        status: RunStatus {
            phase: AnalysisPhase::Pending,
            message: text::message(message),
            ..run.status.clone()
        },
        wake_at: now.checked_add(retry).ok(),
    }
}

fn told(problems: &[Problem]) -> String {
    let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
    list.join("; ")
}

/// What was postponed is due all the time: it is not asked for again at once.
fn not_before(progress: Progress, now: Timestamp) -> Progress {
    let soonest = now.checked_add(POSTPONED_RETRY).unwrap_or(now);
    Progress {
        wake_at: progress.wake_at.map(|time| time.max(soonest)),
        ..progress
    }
}

/// An analysis that can't be begun.
fn invalid(status: &RunStatus, problems: &[Problem]) -> Progress {
    let now = Timestamp::now();
    Progress {
        status: RunStatus {
            phase: AnalysisPhase::Error,
            message: text::message(&format!("Analysis spec invalid: {}", told(problems))),
            started_at: status.started_at.or(Some(now)),
            completed_at: Some(now),
            ..status.clone()
        },
        wake_at: None,
    }
}

#[cfg(test)]
mod tests;
