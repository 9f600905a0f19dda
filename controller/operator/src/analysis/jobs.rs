//! `provider.job`: a Job is created for each measurement, and how it ends is what was measured, as in Argo Rollouts.
//!
//! The Job is the state. Its name follows from the AnalysisRun, the metric and the number of the measurement, so that a
//! controller that died between creating it and writing that down finds it again, and never starts a second one.
//!
//! Jobs and their pods are read while a measurement goes on, at growing intervals, and never watched: most clusters have
//! many Jobs and few of these, and a right to watch all would be wider than what is needed.

mod manifest;
mod observed;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, GetParams, ListParams, PostParams, Preconditions};
use kube::core::Request;
use kube::{Client, Error, Resource as _};
use kulta_api::Group;
use kulta_api::analysis::{Measured, Written};
use kulta_api::names::FIELD_MANAGER;
use kulta_core::analysis::finding::Finding;
use kulta_core::analysis::run::{AnalysisPhase, MetricResult, RunStatus};
use kulta_core::analysis::verdict::{Outcome, Reading};
use kulta_core::spec::Problem;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use self::manifest::Owner;
use self::observed::{PodList, Running, Seen, State};
use super::rights;
use crate::apply::write::WRITE_TIMEOUT;
use crate::key::ObjectKey;
use crate::observe::ReadError;
use crate::observe::read::within_limit;
use crate::permission::Writer;

/// What the API server answers where a right is missing, where there is no such object, and where there is one already.
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
/// What it answers where an object makes no sense.
const REFUSED: [u16; 2] = [400, 422];
/// A misspelt field of a Job would be lost otherwise. Not asked for of `argoproj.io`, whose definitions have always pruned
/// what nobody knows.
const STRICT: &str = "&fieldValidation=Strict";
/// The cluster role that is installed without being bound to anybody: whoever binds it lets KULTA run Jobs there.
const ROLE: &str = "kulta-jobs";
/// So many pods of a Job are looked at: one that does not start is enough, and anybody in its namespace may have others that look
/// like them.
const MOST_PODS: u32 = 10;
/// The detail of a measurement that names its Job, as in Argo Rollouts.
const NAME_DETAIL: &str = "job-name";

/// Runs the Jobs of one AnalysisRun.
pub(super) struct Jobs<'run> {
    writer: Writer<'run>,
    owner: Owner<'run>,
}

/// Why there is no answer about a Job.
enum Failure {
    /// There is none.
    Gone,
    /// There is one already.
    Exists,
    /// What has to be mended, and how.
    Refused(String),
    /// The API server has no time now: to be asked again.
    Passing(ReadError),
}

/// Whether a Job is run for a metric.
pub(super) fn is_job(measured: &Measured) -> bool {
    measured.written == Written::Job
}

/// The names of the metrics that Jobs are run for.
pub(super) fn names(measured: &[Measured]) -> BTreeSet<String> {
    let jobs = measured.iter().filter(|measured| is_job(measured));
    jobs.map(|measured| measured.metric.name.clone()).collect()
}

/// The same of an AnalysisRun that can't be read any more: those that say so, and those that had Jobs.
pub(super) fn names_left(spec: &Value, status: &RunStatus) -> BTreeSet<String> {
    let metrics = spec.get("metrics").and_then(Value::as_array);
    let written = metrics.into_iter().flatten().filter_map(|metric| {
        metric.pointer("/provider/job")?;
        metric.get("name")?.as_str().map(str::to_owned)
    });
    let had_jobs = |result: &&MetricResult| {
        let mut measurements = result.measurements.iter();
        measurements.any(|measurement| measurement.metadata.contains_key(NAME_DETAIL))
    };
    let measured = status.metric_results.iter().filter(had_jobs);
    written
        .chain(measured.map(|result| result.name.clone()))
        .collect()
}

impl<'run> Jobs<'run> {
    /// Those of the AnalysisRun `key` with this UID.
    pub(super) fn of(writer: Writer<'run>, key: &'run ObjectKey, uid: &'run str) -> Self {
        let owner = Owner { key, uid };
        Self { writer, owner }
    }

    /// What keeps the Job of a metric from being created: found out by a dry run, before anything begins.
    pub(super) async fn check(&self, measured: &Measured) -> Option<Problem> {
        match self.create(measured, 1, true).await {
            Err(Failure::Refused(message)) => Some(Problem::new(measured.provider_path(), message)),
            // What passes is found out when it is measured.
            Ok(()) | Err(Failure::Gone | Failure::Exists | Failure::Passing(_)) => None,
        }
    }

    /// How the Job of a metric does, of which `result` was measured so far; it is created where there is none yet, unless
    /// the analysis `is_decided` by then. None: there is none, or the API server has no time now, and the metric is no worse
    /// for it.
    ///
    /// To be awaited to its end: of a Job whose creation is under way nobody knows whether it has to be ended.
    pub(super) async fn measure(
        &self,
        measured: &Measured,
        result: Option<&MetricResult>,
        now: Timestamp,
        is_decided: &AtomicBool,
    ) -> Option<Finding> {
        let number = number(result);
        let name = self.owner.job(&measured.metric.name, number);
        let begun = result.and_then(|result| result.measurements.last());
        let begun = begun.filter(|last| last.finished_at.is_none());
        let found = match self.read(&name).await {
            Ok(seen) => {
                self.finding(&seen, &name, begun.map_or(now, |begun| begun.started_at), now)
                    .await
            }
            Err(Failure::Gone) if begun.is_some() => Err(Failure::Refused(format!(
                "the Job {name} is gone before it has ended: who deletes it?"
            ))),
            Err(Failure::Gone) if is_decided.load(Ordering::Relaxed) => return None,
            Err(Failure::Gone) => self.begin(measured, number, &name, now).await,
            Err(failure) => Err(failure),
        };
        match found {
            Ok(finding) => Some(finding),
            Err(Failure::Refused(message)) => Some(Finding::Error(message)),
            Err(Failure::Passing(error)) => {
                tracing::debug!(
                    job = name,
                    error = kulta_core::text::with_causes(&error),
                    "not asked"
                );
                None
            }
            // Somebody else was at it at the same time.
            Err(Failure::Gone | Failure::Exists) => None,
        }
    }

    async fn begin(
        &self,
        measured: &Measured,
        number: u32,
        name: &str,
        now: Timestamp,
    ) -> Result<Finding, Failure> {
        self.create(measured, number, false).await?;
        tracing::info!(job = name, metric = measured.metric.name, "a Job was created");
        let kept = u32::try_from(measured.metric.retention.max(1)).unwrap_or(u32::MAX);
        if let Some(surplus) = number.checked_sub(kept).filter(|surplus| *surplus > 0) {
            self.remove(&self.owner.job(&measured.metric.name, surplus)).await;
        }
        let outcome = outcome(name, format!("the Job {name} was created"));
        Ok(Finding::Running(asked_again(outcome, now, now)))
    }

    async fn finding(
        &self,
        seen: &Seen,
        name: &str,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<Finding, Failure> {
        if !seen.belongs_to(self.owner.uid) {
            let message = format!("there is a Job {name} that is not of this analysis: delete it");
            return Err(Failure::Refused(message));
        }
        let told = |words: &str, message: &str| {
            let separator = if message.is_empty() { "" } else { ": " };
            outcome(name, format!("the Job {name} {words}{separator}{message}"))
        };
        Ok(match seen.state() {
            State::Complete => Finding::Successful(told("is complete", "")),
            State::Failed(message) => Finding::Failed(told("has failed", message)),
            State::Unfinished => match self.running(name).await? {
                Running::CannotStart(message) => Finding::Inconclusive(told("can't start", &message)),
                Running::Unknown(message) => {
                    Finding::Running(asked_again(told("is running", &message), began, now))
                }
                Running::Fine => Finding::Running(asked_again(told("is running", ""), began, now)),
            },
        })
    }

    /// Ends what is of no use once `status` is written down: Jobs whose measurement has ended without them, and, when the
    /// analysis has ended, those that a measurement was begun with that will never be written down. `metrics` are the names
    /// of those that are measured by Jobs.
    ///
    /// To be called only after the status is written: a Job that is gone before says no more how it ended. It can be called
    /// again for the same status, and asks for nothing but to know that they are gone.
    ///
    /// # Errors
    /// When the API server has no time now: some may be left.
    pub(super) async fn end_left(
        &self,
        metrics: &BTreeSet<String>,
        status: &RunStatus,
    ) -> Result<(), ReadError> {
        for name in metrics {
            let result = result(status, name);
            let next = number(result);
            let latest = next.checked_sub(1).filter(|latest| *latest > 0);
            if let Some(latest) = latest.filter(|_| was_given_up(result)) {
                self.delete(&self.owner.job(name, latest)).await?;
            }
            if status.phase.completed() {
                self.delete(&self.owner.job(name, next)).await?;
            }
        }
        Ok(())
    }

    async fn create(&self, measured: &Measured, number: u32, is_dry_run: bool) -> Result<(), Failure> {
        let manifest = self.owner.manifest(measured, number);
        let parameters = PostParams {
            dry_run: is_dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        };
        let built = self
            .collection()
            .create(&parameters, manifest.to_string().into_bytes());
        let mut built = built.map_err(|error| passing(Error::BuildRequest(error)))?;
        if self.owner.key.group == Group::Kulta {
            let uri = format!("{}{STRICT}", built.uri()).parse();
            let uri = uri.map_err(|error| passing(Error::HttpError(http::Error::from(error))));
            *built.uri_mut() = uri?;
        }
        self.exchange::<IgnoredAny>(built).await.map(drop)
    }

    async fn read(&self, name: &str) -> Result<Seen, Failure> {
        let built = self.collection().get(name, &GetParams::default());
        self.exchange(built.map_err(|error| passing(Error::BuildRequest(error)))?)
            .await
    }

    /// What the pods of a Job say. Where they can't be seen the Job is waited for all the same.
    async fn running(&self, name: &str) -> Result<Running, Failure> {
        let parameters = ListParams::default()
            .labels(&format!("job-name={name}"))
            .limit(MOST_PODS);
        let built = Request::new(Pod::url_path(&(), Some(&self.owner.key.namespace))).list(&parameters);
        match self
            .exchange::<PodList>(built.map_err(|error| passing(Error::BuildRequest(error)))?)
            .await
        {
            Ok(pods) => Ok(pods.running()),
            Err(Failure::Refused(message)) => Ok(Running::Unknown(message)),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes a Job that is of no use any more. One that can't be deleted goes with its AnalysisRun.
    async fn remove(&self, name: &str) {
        if let Err(error) = self.delete(name).await {
            tracing::debug!(
                job = name,
                error = kulta_core::text::with_causes(&error),
                "not deleted"
            );
        }
    }

    /// Deletes a Job, and its pods with it, if it is of this AnalysisRun.
    async fn delete(&self, name: &str) -> Result<(), ReadError> {
        let seen = match self.read(name).await {
            Ok(seen) if seen.belongs_to(self.owner.uid) => seen,
            Ok(_) | Err(Failure::Gone | Failure::Exists | Failure::Refused(_)) => return Ok(()),
            Err(Failure::Passing(error)) => return Err(error),
        };
        let preconditions = Preconditions {
            uid: seen.metadata.uid,
            resource_version: None,
        };
        let parameters = DeleteParams::background().preconditions(preconditions);
        let built = self
            .collection()
            .delete(name, &parameters)
            .map_err(Error::BuildRequest)?;
        match self.exchange::<IgnoredAny>(built).await {
            Err(Failure::Passing(error)) => Err(error),
            Err(Failure::Refused(message)) => {
                tracing::warn!(
                    job = name,
                    message,
                    "a Job that is of no use any more can't be deleted"
                );
                Ok(())
            }
            Ok(_) | Err(Failure::Gone | Failure::Exists) => Ok(()),
        }
    }

    fn collection(&self) -> Request {
        Request::new(Job::url_path(&(), Some(&self.owner.key.namespace)))
    }

    async fn exchange<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, Failure> {
        let client: &Client = self.writer.client;
        let is_write = request.method() != http::Method::GET;
        let under_way = if is_write { self.writer.begin() } else { None };
        if is_write && under_way.is_none() {
            return Err(Failure::Passing(ReadError::Timeout));
        }
        let verb = request.method().clone();
        let asked = within_limit(client.request(request));
        let answer = if is_write {
            // Before others may take the lease.
            tokio::time::timeout(WRITE_TIMEOUT, asked)
                .await
                .unwrap_or(Err(ReadError::Timeout))
        } else {
            asked.await
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(ReadError::Request(Error::Api(status))) => Err(match status.code {
                NOT_FOUND => Failure::Gone,
                CONFLICT => Failure::Exists,
                FORBIDDEN => Failure::Refused(forbidden(&self.owner.key.namespace, &verb, &status.message)),
                code if REFUSED.contains(&code) => Failure::Refused(status.message.clone()),
                _ => passing(Error::Api(status)),
            }),
            Err(error) => Err(Failure::Passing(error)),
        }
    }
}

fn passing(error: Error) -> Failure {
    Failure::Passing(ReadError::Request(error))
}

fn result<'status>(status: &'status RunStatus, metric: &str) -> Option<&'status MetricResult> {
    status.metric_results.iter().find(|result| result.name == metric)
}

/// The number of the measurement that comes next, or goes on: as in Argo Rollouts, so that its Jobs are found.
fn number(result: Option<&MetricResult>) -> u32 {
    result
        .map_or(0, |result| result.count.saturating_add(result.error))
        .saturating_add(1)
}

/// Whether the latest measurement has ended, and not with its Job.
fn was_given_up(result: Option<&MetricResult>) -> bool {
    let last = result.and_then(|result| result.measurements.last());
    last.is_some_and(|last| matches!(last.phase, AnalysisPhase::Inconclusive | AnalysisPhase::Error))
}

fn outcome(name: &str, summary: String) -> Outcome {
    Outcome {
        reading: Reading {
            summary,
            details: vec![(NAME_DETAIL.to_owned(), name.to_owned())],
            ..Reading::default()
        },
        next_state: None,
        retry_at: None,
    }
}

/// The longer a Job takes, the less often it is looked at: after the root of twice the time, as in Argo Rollouts.
fn asked_again(outcome: Outcome, began: Timestamp, now: Timestamp) -> Outcome {
    let elapsed = Duration::try_from(now.duration_since(began)).unwrap_or_default();
    let wait = Duration::from_secs_f64((2.0 * elapsed.as_secs_f64()).sqrt());
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
    Outcome {
        retry_at: now.checked_add(wait).ok(),
        ..outcome
    }
}

/// What to do about a refusal: one that the missing right is the reason of, or the API server's own words, where a policy
/// or a quota is.
fn forbidden(namespace: &str, verb: &http::Method, said: &str) -> String {
    let Some(who) = rights::Subject::of(said) else {
        return said.to_owned();
    };
    let what = match *verb {
        http::Method::POST => "created",
        http::Method::DELETE => "deleted",
        _ => "read",
    };
    format!(
        "Jobs and their pods may not be {what} in namespace {namespace:?}: give {who} the ClusterRole {ROLE} by a \
         RoleBinding: kubectl -n {namespace} create rolebinding {ROLE} --clusterrole={ROLE} {flag}",
        flag = who.flag()
    )
}

#[cfg(test)]
mod tests;
