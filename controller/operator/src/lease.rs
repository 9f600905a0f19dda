//! A lease: of several processes that could write the same objects, one does.
//!
//! The object and its fields are those of `coordination.k8s.io` as every controller uses them, so that it also keeps apart
//! KULTA and controllers that know nothing of it. Each write of it is made over the version that was read, so two can't take
//! it at the same time. Clocks of machines are not compared: whoever waits counts from when it saw the last renewal, and
//! whoever holds it counts from before it asked for one, both on the machine's own monotonic clock; who holds it also on the one
//! that goes on while the machine sleeps.
//!
//! [`Lease::hold`] is the loop, [`Claim`] what everything else is handed; [`record`] says what follows from what is read.

mod record;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use kube::Api;
use kube::api::PostParams;
use kulta_core::text::with_causes;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::record::holder;
use self::record::{Sighted, Turn};

/// Others may take the lease when nobody has renewed it for so long.
pub const DURATION: Duration = Duration::from_secs(15);
/// Who holds it writes nothing any more when it has not been renewed for so long.
pub const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// How often it is renewed.
pub const RETRY_EVERY: Duration = Duration::from_secs(2);
/// How often whoever waits for it looks at it: what is given back is taken within this time, and of a holder that is gone the
/// last renewal is seen within it.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A request that takes longer is made again: several fit into [`RENEW_WITHIN`].
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What a request that was begun with the lease has left for its answer when others may take it.
pub const MARGIN: Duration = DURATION.saturating_sub(RENEW_WITHIN);

/// Whether this process holds a lease. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<Mutex<Option<Moment>>>);

/// A moment, by both clocks of the machine.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// By the one that timers go by. It stands still while the machine is suspended.
    awake: Instant,
    /// Since the machine was started.
    in_all: Duration,
}

impl Moment {
    fn now() -> Self {
        let since_start = clock_gettime(ClockId::Boottime);
        Self {
            awake: Instant::now(),
            in_all: Duration::try_from(since_start).unwrap_or_default(),
        }
    }

    /// How long it is since then, by the clock that says more.
    fn elapsed(self) -> Duration {
        let now = Self::now();
        let in_all = now.in_all.saturating_sub(self.in_all);
        now.awake.duration_since(self.awake).max(in_all)
    }
}

impl Claim {
    /// Whether the lease is held now, and for [`MARGIN`] longer by nobody else.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.left().is_some()
    }

    /// It was renewed, or taken, by a request that was begun then.
    fn renewed(&self, begun: Moment) {
        *self.0.lock() = Some(begun);
    }

    /// For how long it is held; None: it is not.
    fn left(&self) -> Option<Duration> {
        let begun = (*self.0.lock())?;
        let left = RENEW_WITHIN.saturating_sub(begun.elapsed());
        (!left.is_zero()).then_some(left)
    }

    /// Waits until it is not held any more. What the machine has slept is seen when it is awake.
    async fn ends(&self) {
        while let Some(left) = self.left() {
            sleep(left.min(LOOK_EVERY)).await;
        }
    }

    fn lost(&self) {
        *self.0.lock() = None;
    }

    /// A claim that holds for ever, for tests.
    #[cfg(test)]
    pub(crate) fn held() -> Self {
        let claim = Self::default();
        let mut begun = Moment::now();
        begun.awake += Duration::from_hours(1);
        begun.in_all += Duration::from_hours(1);
        claim.renewed(begun);
        claim
    }
}

/// A lease that this process wants to hold.
#[derive(Debug, Clone)]
pub struct Lease {
    api: Api<LeaseObject>,
    name: String,
    identity: String,
    claim: Claim,
    /// What was seen of it last, whoever looked.
    sighted: Arc<Mutex<Sighted>>,
    /// It was asked for, and not given back since.
    is_wanted: Arc<AtomicBool>,
}

#[derive(Debug, Error)]
enum LeaseError {
    #[error("no answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silence,
    #[error("refused, or out of reach")]
    Request(#[from] Box<kube::Error>),
}

impl From<kube::Error> for LeaseError {
    fn from(error: kube::Error) -> Self {
        Self::Request(Box::new(error))
    }
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// By this process, `anew`: somebody else may have had it before.
    Held { anew: bool },
    /// Somebody else holds it, or was faster; it may be taken in so much time, if it is not renewed.
    Other(String, Duration),
}

impl Lease {
    /// The lease `name`, for a process that nobody else is called like (`identity`).
    #[must_use]
    pub fn new(api: Api<LeaseObject>, name: &str, identity: &str) -> Self {
        Self {
            api,
            name: name.to_owned(),
            identity: identity.to_owned(),
            claim: Claim::default(),
            sighted: Arc::default(),
            is_wanted: Arc::default(),
        }
    }

    /// What says whether it is held.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Holds it, or waits for it, for ever; `changed` is told whenever it is gained (true) or gone, and that it is gone as soon as
    /// that is so, whether the API server answers or not.
    pub async fn hold(&self, changed: impl Fn(bool)) -> Infallible {
        let mut was_held = false;
        let mut told = None;
        loop {
            let begun = Moment::now();
            let outcome = self.attempt_or_lapse(&mut was_held, &changed).await;
            let mut pause = LOOK_EVERY;
            let problem = match outcome {
                Ok(Outcome::Held { anew }) => {
                    // Somebody else may have had it meanwhile, or for a moment nobody: what was to be done then was left undone.
                    if was_held && (anew || !self.claim.is_held()) {
                        self.lapsed(&mut was_held, &changed);
                    }
                    self.claim.renewed(begun);
                    None
                }
                Ok(Outcome::Other(holder, left)) => {
                    self.claim.lost();
                    // No longer than it lasts.
                    pause = pause.min(left);
                    Some(format!("{holder} holds it"))
                }
                // Nothing is known: it is held for as long as it was asked for.
                Err(error) => Some(with_causes(&error)),
            };
            let is_held = self.claim.is_held();
            self.tell(was_held, is_held, problem.as_deref().filter(|_| told != problem));
            told = problem;
            if was_held != is_held {
                changed(is_held);
            }
            was_held = is_held;
            tokio::select! {
                biased;
                () = self.claim.ends(), if is_held => {}
                () = sleep(if is_held { RETRY_EVERY } else { pause }) => {}
            }
        }
    }

    /// One attempt; if the claim ends before its answer, that is told at once.
    async fn attempt_or_lapse(
        &self,
        was_held: &mut bool,
        changed: &impl Fn(bool),
    ) -> Result<Outcome, LeaseError> {
        let attempt = self.attempt();
        tokio::pin!(attempt);
        if *was_held {
            tokio::select! {
                biased;
                () = self.claim.ends() => self.lapsed(was_held, changed),
                outcome = &mut attempt => return outcome,
            }
        }
        attempt.await
    }

    fn lapsed(&self, was_held: &mut bool, changed: &impl Fn(bool)) {
        self.tell(true, false, Some("it was not renewed in time"));
        *was_held = false;
        changed(false);
    }

    /// Looks at who holds it, for ever, without wanting it: one whose holder is gone can then be taken as soon as it is wanted.
    pub async fn sight(&self) -> Infallible {
        loop {
            if let Ok(Some(found)) = self.in_time(self.api.get_opt(&self.name)).await {
                self.sighted.lock().turn(&found, &self.identity, Instant::now());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn tell(&self, was_held: bool, is_held: bool, problem: Option<&str>) {
        let lease = self.name.as_str();
        match (was_held, is_held) {
            (false, true) => tracing::info!(lease, identity = self.identity, "the lease is held"),
            (true, false) => tracing::warn!(lease, problem, "the lease is lost: nothing is written"),
            (true, true) => {
                if let Some(problem) = problem {
                    tracing::warn!(lease, problem, "the lease is not renewed yet");
                }
            }
            (false, false) => {
                if let Some(problem) = problem {
                    tracing::info!(
                        lease,
                        problem,
                        "the lease is waited for: nothing is written until then"
                    );
                }
            }
        }
    }

    /// Who it is held as. A process of a pod, whose UID no other pod ever has, takes up at once what the one before it in that pod
    /// has held: that one is gone. Without a pod nobody else is called so, for it is told apart by when it began.
    #[must_use]
    pub fn identity(pod_name: &str, pod_uid: Option<&str>) -> String {
        match pod_uid {
            Some(uid) => format!("{pod_name}_{uid}"),
            None => format!("{pod_name}_{}", Timestamp::now().as_nanosecond()),
        }
    }

    /// From now on it is not held, though nobody else may have it yet.
    pub fn give_up(&self) {
        self.claim.lost();
    }

    /// Gives it back, so that others need not wait; from now on it is not held.
    pub async fn release(&self) {
        self.give_up();
        // Also where the claim has ended: the API server may still know this process as the holder.
        if !self.is_wanted.swap(false, Ordering::Relaxed) {
            return;
        }
        match self.in_time(self.give_back()).await {
            Ok(()) => tracing::info!(lease = self.name, "the lease is given back"),
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(
                    lease = self.name,
                    error,
                    "the lease is not given back: it runs out"
                );
            }
        }
    }

    async fn give_back(&self) -> Result<(), kube::Error> {
        loop {
            let found = self.api.get_opt(&self.name).await?;
            let Some(own) = found.filter(|found| holder(found) == self.identity) else {
                return Ok(());
            };
            match self.replace(&record::released(own)).await {
                // A renewal that was under way has come to its end meanwhile.
                Err(error) if is_conflict(&error) => {}
                written => return written.map(drop),
            }
        }
    }

    async fn attempt(&self) -> Result<Outcome, LeaseError> {
        let found = self.in_time(self.api.get_opt(&self.name)).await?;
        let Some(found) = found else {
            let turn = self.sighted.lock().turn_without(Instant::now());
            if let Turn::Wait { holder, left } = turn {
                return Ok(Outcome::Other(holder, left));
            }
            self.is_wanted.store(true, Ordering::Relaxed);
            let new = record::new(&self.name, &self.identity, Timestamp::now());
            let made = self.in_time(self.api.create(&PostParams::default(), &new)).await;
            return Self::unless_faster(made);
        };
        let turn = self.sighted.lock().turn(&found, &self.identity, Instant::now());
        // Before it is written: the answer may never be heard.
        self.is_wanted
            .fetch_or(!matches!(turn, Turn::Wait { .. }), Ordering::Relaxed);
        match turn {
            Turn::Wait { holder, left } => Ok(Outcome::Other(holder, left)),
            Turn::Renew => {
                let renewed = record::renewed(found, Timestamp::now());
                // Somebody has written it: if another one holds it now, that shows the next time. Until then it is held for as
                // long as it was asked for, and for so long nobody takes it.
                self.in_time(self.replace(&renewed)).await?;
                Ok(Outcome::Held { anew: false })
            }
            Turn::Take => {
                let taken = record::taken(found, &self.identity, Timestamp::now());
                Self::unless_faster(self.in_time(self.replace(&taken)).await)
            }
        }
    }

    async fn replace(&self, lease: &LeaseObject) -> Result<LeaseObject, kube::Error> {
        self.api.replace(&self.name, &PostParams::default(), lease).await
    }

    /// Where somebody was faster, it may be theirs: who it is shows the next time.
    fn unless_faster(written: Result<LeaseObject, LeaseError>) -> Result<Outcome, LeaseError> {
        match written {
            Ok(_) => Ok(Outcome::Held { anew: true }),
            Err(LeaseError::Request(error)) if is_conflict(&error) => {
                Ok(Outcome::Other("somebody who was faster".to_owned(), LOOK_EVERY))
            }
            Err(error) => Err(error),
        }
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, LeaseError> {
        match timeout(ANSWERS_WITHIN, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_elapsed) => Err(LeaseError::Silence),
        }
    }
}

/// Another version, or another object of that name, is there already.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists())
}
