//! The controller process around the decision: caches that may be stale, writes that may fail, and its own death.

use std::collections::VecDeque;

use jiff::Timestamp;
use kulta_core::observed::{ApplyFailure, FailureKind, Observed};
use kulta_core::plan::{Action, Plan};

use super::apply::Refusal;
use super::cluster::Cluster;
use super::observe::Caches;
use super::user::UserAction;

/// Old states of the caches that are kept.
const KEPT_CACHES: usize = 4;
/// Reconciles within one second after which the controller counts as running in circles.
const MOST_RECONCILES_PER_TICK: u32 = 40;

/// What goes wrong around the controller, in percent of all reconciles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The controller dies somewhere between the first write and the last.
    pub(crate) death: u8,
    /// A cache is behind.
    pub(crate) stale: u8,
    /// A write is refused, by a policy or a webhook that is broken; of all writes.
    pub(crate) refusal: u8,
}

/// What looks on and judges.
pub(crate) trait Witness {
    /// A plan was made.
    fn plan(&mut self, observed: &Observed, now: Timestamp, plan: &Plan) -> Result<(), String>;
    /// A second has passed.
    fn second(&mut self, cluster: &Cluster) -> Result<(), String>;
}

/// The controller.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    pub(crate) faults: Faults,
    random: fastrand::Rng,
    /// When to look again, as the last plan said.
    pub(crate) wake_at: Option<Timestamp>,
    /// `Cluster::changes` as of the last observation.
    seen: u64,
    /// The tick of the next attempt after a plan that was not carried out.
    retry_at: Option<u64>,
    failure: Option<ApplyFailure>,
    caches: VecDeque<(u64, Caches)>,
    /// `Cluster::changes` after the last own write: no cache older than that is used.
    wrote: u64,
    /// How many plans had an effect so far.
    pub(crate) rounds: u32,
    /// Whether the last plan left everything as it was.
    pub(crate) idle: bool,
    /// What a user does while the next plan that writes anything is carried out.
    pub(crate) meanwhile: Option<UserAction>,
}

impl Controller {
    /// A controller that has just been started.
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            random: fastrand::Rng::with_seed(seed),
            wake_at: None,
            seen: 0,
            retry_at: None,
            failure: None,
            caches: VecDeque::new(),
            wrote: 0,
            rounds: 0,
            idle: false,
            meanwhile: None,
        }
    }

    /// Whether there is a reason to reconcile now.
    fn due(&self, cluster: &Cluster) -> bool {
        let woken = self.wake_at.is_some_and(|time| time <= cluster.controller_time());
        self.retry_at
            .map_or(woken || cluster.changes > self.seen, |tick| tick <= cluster.tick)
    }

    /// Reconciles as long as there is a reason to.
    pub(crate) fn work(
        &mut self,
        cluster: &mut Cluster,
        witness: &mut dyn Witness,
        trace: &mut Option<Vec<String>>,
    ) -> Result<(), String> {
        for _ in 0..MOST_RECONCILES_PER_TICK {
            if !self.due(cluster) {
                return Ok(());
            }
            self.reconcile(cluster, witness, trace)?;
        }
        Err(format!("{MOST_RECONCILES_PER_TICK} reconciles within one second"))
    }

    fn reconcile(
        &mut self,
        cluster: &mut Cluster,
        witness: &mut dyn Witness,
        trace: &mut Option<Vec<String>>,
    ) -> Result<(), String> {
        let seen = cluster.changes;
        let (caches, stale) = self.read_caches(cluster);
        let observed = cluster.observe(caches, self.failure.take());
        let now = cluster.controller_time();
        let plan = kulta_core::decide(&observed, now);
        witness.plan(&observed, now, &plan)?;
        let dies = self
            .chance(self.faults.death)
            .then(|| self.random.usize(0..=plan.actions.len()));
        let mut happens = || self.faults.refusal > 0 && self.random.u8(0..100) < self.faults.refusal;
        let refused = plan.actions.iter().map(|_| happens()).collect::<Vec<_>>();
        let outcome = carry_out(cluster, &observed, &plan, dies, &refused, &mut self.meanwhile);
        note(trace, cluster, &observed, &plan, &outcome);
        self.idle = outcome == Outcome::Nothing && !stale && observed.failure.is_none();
        // Refused writes, and telling of them, are no work of the controller's own making.
        let troubled = matches!(outcome, Outcome::Failed(_)) || observed.failure.is_some();
        self.rounds += u32::from(outcome != Outcome::Nothing && !troubled);
        self.seen = seen;
        self.wake_at = plan.wake_at;
        // A failure that was told is no end of the matter.
        let again = observed.failure.is_some() || stale && outcome == Outcome::Nothing;
        self.retry_at = again.then_some(cluster.tick + 1);
        match outcome {
            Outcome::Nothing => {}
            Outcome::Done => self.wrote = cluster.changes,
            Outcome::Conflict(_) => self.retry_later(cluster),
            Outcome::Failed(failure) => {
                self.retry_later(cluster);
                self.failure = Some(failure);
            }
            Outcome::Died(_) => {
                self.retry_later(cluster);
                self.caches.clear();
            }
        }
        Ok(())
    }

    fn retry_later(&mut self, cluster: &Cluster) {
        self.wrote = cluster.changes;
        self.wake_at = None;
        self.retry_at = Some(cluster.tick + 1);
    }

    /// Each cache comes from its own watch, and each may be behind, but not behind an own write.
    fn read_caches(&mut self, cluster: &Cluster) -> (Caches, bool) {
        let mut fresh = cluster.caches();
        if self.faults.stale == 0 {
            return (fresh, false);
        }
        let kept = fresh.clone();
        let old: Vec<Caches> = self
            .caches
            .iter()
            .filter(|(at, _)| *at >= self.wrote)
            .map(|(_, old)| old.clone())
            .collect();
        let mut stale = false;
        for cache in 0..3 {
            if !old.is_empty() && self.chance(self.faults.stale) {
                let chosen = old[self.random.usize(0..old.len())].clone();
                stale = true;
                match cache {
                    0 => fresh.replica_sets = chosen.replica_sets,
                    1 => fresh.services = chosen.services,
                    _ => fresh.routes = chosen.routes,
                }
            }
        }
        self.caches.push_back((cluster.changes, kept));
        if self.caches.len() > KEPT_CACHES {
            self.caches.pop_front();
        }
        (fresh, stale)
    }

    fn chance(&mut self, percent: u8) -> bool {
        percent > 0 && self.random.u8(0..100) < percent
    }
}

/// How the carrying out of a plan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// There was nothing to do.
    Nothing,
    /// All was done.
    Done,
    /// A precondition did not hold.
    Conflict(String),
    /// The API server refused a write.
    Failed(ApplyFailure),
    /// The controller died after so many writes.
    Died(usize),
}

fn carry_out(
    cluster: &mut Cluster,
    observed: &Observed,
    plan: &Plan,
    dies: Option<usize>,
    refused: &[bool],
    meanwhile: &mut Option<UserAction>,
) -> Outcome {
    let status_differs = plan.status != observed.status;
    if plan.actions.is_empty() && !status_differs {
        return Outcome::Nothing;
    }
    let mut known_version = cluster.rollout.resource_version;
    let mut failed = None;
    for (position, action) in plan.actions.iter().enumerate() {
        if dies == Some(position) {
            return Outcome::Died(position);
        }
        let applied = if refused[position] {
            Err(Refusal::Failure(ApplyFailure {
                kind: kind_of(action),
                message: "refused by a webhook".to_owned(),
            }))
        } else {
            cluster.apply(action)
        };
        match applied {
            Ok(()) => {}
            Err(Refusal::Conflict(what)) => return Outcome::Conflict(what),
            Err(Refusal::Failure(failure)) => {
                let essential = |failure: &ApplyFailure| failure.kind.holds_up();
                let first = failed.take();
                failed = first
                    .filter(|first| essential(first) || !essential(&failure))
                    .or(Some(failure));
            }
        }
        if matches!(action, Action::AnnotateRollout { .. }) {
            known_version = cluster.rollout.resource_version;
        }
    }
    if dies.is_some() {
        return Outcome::Died(plan.actions.len());
    }
    if let Some(failure) = failed {
        return Outcome::Failed(failure);
    }
    // Seen by nobody yet, and just before the status is written.
    if let Some(action) = meanwhile.take() {
        cluster.user(&action);
    }
    if status_differs {
        if cluster.rollout.resource_version != known_version {
            return Outcome::Conflict("a stale Rollout".to_owned());
        }
        cluster.store_status(plan);
    }
    Outcome::Done
}

fn kind_of(action: &Action) -> FailureKind {
    match action {
        Action::TerminateAnalysisRun { .. } | Action::DeleteAnalysisRun { .. } => FailureKind::Cleanup,
        Action::InjectMetadata { .. } | Action::SpreadMetadata { .. } | Action::EvictPod { .. } => {
            FailureKind::Pods
        }
        _ => FailureKind::Other,
    }
}

fn note(
    trace: &mut Option<Vec<String>>,
    cluster: &Cluster,
    observed: &Observed,
    plan: &Plan,
    outcome: &Outcome,
) {
    use std::fmt::Write as _;
    let Some(trace) = trace.as_mut().filter(|_| *outcome != Outcome::Nothing) else {
        return;
    };
    let status = &plan.status;
    let mut line = format!(
        "t={} decide: {:?} {:?} step {:?} current {:?} stable {:?} abort {} traffic {:?}",
        cluster.tick,
        status.phase,
        status.message,
        status.current_step_index,
        status.current_pod_hash,
        status.stable_hash,
        status.abort,
        status
            .traffic
            .as_ref()
            .map(|traffic| (traffic.requested.percent(), traffic.verified)),
    );
    let sizes: Vec<_> = observed
        .replica_sets
        .iter()
        .map(|seen| (&seen.hash, seen.spec_replicas, seen.replicas, seen.available))
        .collect();
    let _ = write!(line, " | saw (hash, spec, pods, available) {sizes:?}");
    for action in &plan.actions {
        let _ = write!(line, "\n      {action:?}");
    }
    if *outcome != Outcome::Done {
        let _ = write!(line, "\n      {outcome:?}");
    }
    trace.push(line);
}
