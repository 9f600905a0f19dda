//! One reconcile, one direction: observe, decide, apply, report.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use kulta_core::decide;
use kulta_core::observed::ApplyFailure;
use kulta_core::text::with_causes;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::apply::{Applied, ApplyError, WriteError, apply};
use crate::backoff::{Backoffs, Retry};
use crate::context::{Context, Sighting};
use crate::controller::Reconcile;
use crate::key::ObjectKey;
use crate::metrics::{ReconcileResult, ReconcileStep};
use crate::observe::{ObserveError, observe};
use crate::release::release;
use crate::report::{ReportError, report};
use crate::telemetry;

/// Every Rollout is looked at this often, whatever the watches say: the safety net.
const RESYNC_EVERY: Duration = Duration::from_mins(15);

/// A failure that holds a rollout up is told no more often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Reconciles Rollouts.
pub struct Reconciler {
    context: Context,
    backoffs: Backoffs,
    told: Told,
    /// UIDs of the Rollouts seen, to forget what is kept of them when they are gone.
    uids: Mutex<HashMap<ObjectKey, String>>,
}

/// When failures were told last.
#[derive(Debug, Default)]
struct Told(Mutex<HashMap<ObjectKey, Instant>>);

impl Told {
    /// Whether the failure of `key` may be told now: then it counts as told.
    fn may_tell(&self, key: &ObjectKey) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock();
        if told.get(key).is_some_and(|last| now < *last + TELL_EVERY) {
            return false;
        }
        told.insert(key.clone(), now);
        true
    }

    fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }
}

/// The step that failed.
#[derive(Debug, Error)]
enum ReconcileError {
    #[error("not observed")]
    Observe(#[from] ObserveError),
    #[error("not carried out")]
    Apply(#[from] ApplyError),
    #[error("not reported")]
    Report(#[from] ReportError),
    #[error("a Service was not given back")]
    Release(#[from] WriteError),
}

impl ReconcileError {
    fn step(&self) -> ReconcileStep {
        match self {
            Self::Observe(_) => ReconcileStep::Observe,
            Self::Apply(_) | Self::Release(_) => ReconcileStep::Apply,
            Self::Report(_) => ReconcileStep::Report,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Observe(error) => error.retry(),
            Self::Apply(error) if error.is_terminating() => Retry::Terminating,
            Self::Apply(error) if error.is_conflict() => Retry::Conflict,
            Self::Report(error) if error.is_conflict() => Retry::Conflict,
            Self::Release(error) if error.is_conflict() => Retry::Conflict,
            Self::Apply(_) | Self::Report(_) | Self::Release(_) => Retry::Error,
        }
    }

    fn result(&self) -> ReconcileResult {
        match self.retry() {
            Retry::Error => ReconcileResult::Error,
            Retry::Conflict | Retry::Stale => ReconcileResult::Conflict,
            Retry::Terminating => ReconcileResult::Ok,
        }
    }
}

impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> Option<Instant> {
        let span = tracing::info_span!("reconcile", rollout = %key);
        async {
            let start = Instant::now();
            let outcome = self.steps(key).await;
            let result = outcome
                .as_ref()
                .map_or_else(ReconcileError::result, |_| ReconcileResult::Ok);
            self.count(key, result, start.elapsed());
            outcome.unwrap_or_else(|error| Some(self.retry_after(key, &error)))
        }
        .instrument(span)
        .await
    }
}

impl Reconciler {
    /// A reconciler that works with `context`.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            context,
            backoffs: Backoffs::default(),
            told: Told::default(),
            uids: Mutex::default(),
        }
    }

    fn count(&self, key: &ObjectKey, result: ReconcileResult, duration: Duration) {
        let Context { metrics, caches, .. } = &self.context;
        metrics.reconciled(result, duration);
        if let Some(counts) = metrics.argo.as_ref().filter(|_| caches.rollout(key).is_some()) {
            counts.reconciled(key, result == ReconcileResult::Error, duration);
        }
    }

    async fn steps(&self, key: &ObjectKey) -> Result<Option<Instant>, ReconcileError> {
        let context = &self.context;
        // Whoever gains the right asks for all of them.
        if !context.permission.may_write(key.group) {
            if context.caches.rollout(key).is_none() {
                self.forget(key);
            }
            return Ok(None);
        }
        // What is seen is stored, so it can be told, also of one that is being deleted or can't be decided on.
        if let Some(rollout) = context.caches.rollout(key) {
            context.outbox.offer(key, &rollout.uid, &rollout.status);
        }
        let observing = observe(context, key).instrument(tracing::info_span!("observe"));
        let Some(sighting) = observing.await? else {
            self.forget(key);
            release(context, key).await?;
            return Ok(None);
        };
        self.remember(key, &sighting.uid);
        let now = Timestamp::now();
        let plan = decide(&sighting.observed, now);
        telemetry::decided(&sighting.observed, &plan);
        let uid = sighting.uid.clone();
        let applying = apply(context, &sighting, &plan).instrument(tracing::info_span!("apply"));
        let again = match applying.await {
            Ok(applied) => {
                let reporting = report(context, &sighting, &plan, &applied);
                reporting.instrument(tracing::info_span!("report")).await?;
                None
            }
            Err(error) => {
                let failure = error.failure();
                let is_done = failure.as_ref().is_some_and(|failure| !failure.kind.holds_up());
                if let Some(failure) = failure.filter(|failure| self.tells(key, &sighting, failure)) {
                    self.report_failure(sighting, failure, now).await?;
                }
                // What could not be tidied up, or restarted, holds nothing else up.
                if !is_done {
                    return Err(error.into());
                }
                Some(self.retry_after(key, &error.into()))
            }
        };
        release(context, key).await?;
        if again.is_none() {
            self.backoffs.reset(key);
            self.told.forget(key);
        }
        let next = self.next(&uid, plan.wake_at);
        Ok(Some(again.map_or(next, |again| next.min(again))))
    }

    /// Whether a failure is to be told now. One that holds the rollout up is told so often only: its words may be others each time (a
    /// port, the number of a request), and what is written is seen, and would be tried again at once. With any other failure the rest of
    /// the status goes on.
    fn tells(&self, key: &ObjectKey, sighting: &Sighting, failure: &ApplyFailure) -> bool {
        let observed = &sighting.observed;
        let is_new = observed.status.observed_generation != Some(observed.rollout.generation);
        if is_new || !failure.kind.holds_up() {
            return true;
        }
        self.told.may_tell(key)
    }

    /// Reports a plan that could not be carried out to its end: the status alone, as decided with the failure in view, at
    /// the same time.
    async fn report_failure(
        &self,
        mut sighting: Sighting,
        failure: ApplyFailure,
        now: Timestamp,
    ) -> Result<(), ReportError> {
        sighting.observed.failure = Some(failure);
        let plan = decide(&sighting.observed, now);
        telemetry::decided_without_acting(&sighting.observed, &plan);
        report(&self.context, &sighting, &plan, &Applied::default()).await
    }

    /// When to reconcile again if nothing is seen to change.
    fn next(&self, uid: &str, wake_at: Option<Timestamp>) -> Instant {
        let now = Instant::now();
        let woken = wake_at.map(|time| now + until(time));
        let asked = self.context.template_checks.ask_again_at(uid);
        [woken, asked]
            .into_iter()
            .flatten()
            .fold(now + RESYNC_EVERY, Instant::min)
    }

    fn retry_after(&self, key: &ObjectKey, error: &ReconcileError) -> Instant {
        let delay = self.backoffs.next(key, error.retry());
        if error.retry() == Retry::Error {
            self.context.metrics.failed(error.step());
            tracing::warn!(error = with_causes(error), ?delay, "reconcile failed");
        } else {
            tracing::debug!(error = with_causes(error), ?delay, "to be observed again");
        }
        Instant::now() + delay
    }

    /// Notes which Rollout bears the name now: the one before may have gone unseen, and another have come.
    fn remember(&self, key: &ObjectKey, uid: &str) {
        let before = self.uids.lock().insert(key.clone(), uid.to_owned());
        if before.as_deref() == Some(uid) {
            return;
        }
        self.context.outbox.seen(key, uid);
        if let Some(before) = before {
            self.forget_uid(&before);
        }
    }

    fn forget(&self, key: &ObjectKey) {
        self.backoffs.reset(key);
        self.told.forget(key);
        self.context.expectations.forget(key);
        self.context.plugin_checks.forget(key);
        self.context.outbox.missed();
        if let Some(counts) = &self.context.metrics.argo {
            counts.forget(key);
        }
        let uid = self.uids.lock().remove(key);
        if let Some(uid) = uid {
            self.forget_uid(&uid);
        }
    }

    fn forget_uid(&self, uid: &str) {
        self.context.template_checks.forget(uid);
        self.context.metrics.rollout_gone(uid);
    }
}

/// How long it is until `time`; nothing when it has passed.
pub(crate) fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_at_once_and_then_so_often_only() {
        let (told, key) = (Told::default(), ObjectKey::new("shop", "web"));
        assert!(told.may_tell(&key));
        assert!(!told.may_tell(&key));
        assert!(told.may_tell(&ObjectKey::new("shop", "api")));

        tokio::time::advance(TELL_EVERY).await;

        assert!(told.may_tell(&key));
        told.forget(&key);
        assert!(told.may_tell(&key));
    }
}
