//! The controller's own metrics. Every label comes from a closed set, or from what the operator has set up: no names of
//! objects, so that their number does not grow with the cluster ([`argo`] has them, and is served apart).

pub mod argo;
pub mod delivery;
mod labels;
pub mod plugins;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use kube::core::ApiResource;
use kulta_api::Group;
use kulta_core::status::Phase;
use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::argo::ArgoCounts;
use self::delivery::DeliveryMetrics;
pub use self::labels::{
    ActionKind, ConfigurationResult, EventResult, ReconcileResult, ReconcileStep, WriteResult,
};
use self::labels::{KindLabels, PhaseLabel, ResultLabel, StepLabel, WriteLabels};
use self::plugins::PluginMetrics;

/// What every metric's name begins with.
const PREFIX: &str = "kulta";
/// Upper bounds in seconds. A reconcile without writes takes microseconds and one with a few writes some 10 ms; the
/// last bound is what two writes that time out take.
const DURATION_BUCKETS: [f64; 10] = [0.000_1, 0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 10.0];
/// Every phase, so that a phase no Rollout is in reads 0 instead of missing.
const PHASES: [Phase; 4] = [Phase::Progressing, Phase::Paused, Phase::Healthy, Phase::Degraded];

/// All metrics and the registry that renders them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Those of plugins.
    pub plugins: PluginMetrics,
    /// Those of the delivery of events.
    pub delivery: DeliveryMetrics,
    /// What is counted for dashboards of Argo Rollouts, by Rollout; None: nobody reads it.
    pub argo: Option<ArgoCounts>,
    reconcile_duration: Family<ResultLabel, Histogram, fn() -> Histogram>,
    reconcile_errors: Family<StepLabel, Counter<u64, AtomicU64>>,
    writes: Family<WriteLabels, Counter<u64, AtomicU64>>,
    status_writes: Family<ResultLabel, Counter<u64, AtomicU64>>,
    events: Family<ResultLabel, Counter<u64, AtomicU64>>,
    configurations: Family<ResultLabel, Counter<u64, AtomicU64>>,
    configuration_refused: Gauge<i64, AtomicI64>,
    watches_interrupted: Family<KindLabels, Gauge<i64, AtomicI64>>,
    rollouts: Family<PhaseLabel, Gauge<i64, AtomicI64>>,
    argo_lease: Gauge<i64, AtomicI64>,
    leads: Gauge<i64, AtomicI64>,
    /// The phase in which each Rollout was last counted, by its UID.
    counted: Mutex<HashMap<String, (Group, Phase)>>,
}

impl Metrics {
    /// Metrics that begin at 0; `version` is the version of this build.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            plugins: PluginMetrics::registered(&mut registry),
            delivery: DeliveryMetrics::registered(&mut registry),
            argo: None,
            registry,
            reconcile_duration: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            reconcile_errors: Family::default(),
            writes: Family::default(),
            status_writes: Family::default(),
            events: Family::default(),
            configurations: Family::default(),
            configuration_refused: Gauge::default(),
            watches_interrupted: Family::default(),
            rollouts: Family::default(),
            argo_lease: Gauge::default(),
            leads: Gauge::default(),
            counted: Mutex::default(),
        };
        for phase in PHASES {
            metrics.phase(phase);
        }
        for result in [ConfigurationResult::InForce, ConfigurationResult::Refused] {
            metrics.configurations(result);
        }
        metrics.registered(version)
    }

    /// The same, which also tells whether `argoproj.io` is worked on. Where it is not to be, there is nothing to tell.
    #[must_use]
    pub fn serving_argo(mut self) -> Self {
        self.registry.register(
            "argo_lease_held",
            "Whether argoproj.io is worked on: 1 while the lease of Argo Rollouts is held",
            self.argo_lease.clone(),
        );
        self
    }

    /// The same, which also counts for dashboards of Argo Rollouts.
    #[must_use]
    pub fn counting_by_rollout(self) -> Self {
        Self {
            argo: Some(ArgoCounts::default()),
            ..self
        }
    }

    fn registered(mut self, version: &'static str) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "The version of this build",
            Info::new(vec![("version", version)]),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long a reconcile took",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by the step that failed",
            self.reconcile_errors.clone(),
        );
        registry.register(
            "writes",
            "Writes of plans, by kind and result",
            self.writes.clone(),
        );
        registry.register(
            "status_writes",
            "Writes of Rollout statuses, by result",
            self.status_writes.clone(),
        );
        registry.register(
            "events",
            "Kubernetes Events, by what became of them",
            self.events.clone(),
        );
        registry.register(
            "configuration_loads",
            "Changes of the operator's configuration, by what became of them",
            self.configurations.clone(),
        );
        registry.register("rollouts", "Rollouts, by phase", self.rollouts.clone());
        self.with_states()
    }

    /// What is so now, or is not.
    fn with_states(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "configuration_refused",
            "Whether the operator's configuration as it is now makes no sense, and the one before is in force",
            self.configuration_refused.clone(),
        );
        registry.register(
            "watches_interrupted",
            "Whether a kind can't be watched now: what happens to its objects is not seen",
            self.watches_interrupted.clone(),
        );
        registry.register(
            "leader",
            "Whether this replica is the one that works: 1 while it holds KULTA's own lease",
            self.leads.clone(),
        );
        self
    }

    /// This replica is the one that works, or is not: then what it knew of Rollouts is another one's to tell.
    pub fn leads(&self, leads: bool) {
        self.leads.set(leads.into());
        if !leads {
            self.forget_all_of(&Group::ALL);
        }
    }

    fn forget_all_of(&self, groups: &[Group]) {
        self.counted.lock().retain(|_, (group, phase)| {
            let goes = groups.contains(group);
            if goes {
                self.phase(*phase).dec();
            }
            !goes
        });
    }

    /// Whether this replica is the one that works.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.leads.get() > 0
    }

    /// The lease of Argo Rollouts is held, or is not.
    pub fn argo_lease(&self, is_held: bool) {
        self.argo_lease.set(is_held.into());
        if !is_held {
            self.forget_all_of(&[Group::Argo]);
        }
    }

    /// A kind of objects can be watched, or can't.
    pub fn watches(&self, resource: &ApiResource, is_interrupted: bool) {
        let labels = KindLabels {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
        };
        self.watches_interrupted
            .get_or_create(&labels)
            .set(is_interrupted.into());
    }

    /// The configuration as it is now is refused, or is in force.
    pub fn refuses_configuration(&self, is_refused: bool) {
        self.configuration_refused.set(is_refused.into());
    }

    /// Counts a reconcile that took `duration`.
    pub fn reconciled(&self, result: ReconcileResult, duration: Duration) {
        self.reconcile_duration
            .get_or_create(&ResultLabel {
                result: result.label(),
            })
            .observe(duration.as_secs_f64());
    }

    /// Counts an error of `step`.
    pub fn failed(&self, step: ReconcileStep) {
        self.reconcile_errors
            .get_or_create(&StepLabel { step: step.label() })
            .inc();
    }

    /// Counts a write of a plan.
    pub fn wrote(&self, action: ActionKind, result: WriteResult) {
        self.writes
            .get_or_create(&WriteLabels {
                action: action.as_str(),
                result: result.label(),
            })
            .inc();
    }

    /// Counts a write of a status.
    pub fn wrote_status(&self, result: WriteResult) {
        self.status_writes
            .get_or_create(&ResultLabel {
                result: result.label(),
            })
            .inc();
    }

    /// Counts `number` Kubernetes Events.
    pub fn events(&self, result: EventResult, number: u64) {
        self.events
            .get_or_create(&ResultLabel {
                result: result.label(),
            })
            .inc_by(number);
    }

    /// Counts a change of the operator's configuration.
    pub fn configured(&self, result: ConfigurationResult) {
        self.configurations(result).inc();
    }

    /// The Rollout with this UID, of this group, is in `phase` now.
    pub fn rollout_is(&self, uid: &str, group: Group, phase: Phase) {
        let mut counted = self.counted.lock();
        let before = match counted.get_mut(uid) {
            Some((_, known)) => Some(std::mem::replace(known, phase)),
            None => counted
                .insert(uid.to_owned(), (group, phase))
                .map(|(_, phase)| phase),
        };
        if let Some(before) = before {
            self.phase(before).dec();
        }
        self.phase(phase).inc();
    }

    /// The Rollout with this UID is gone.
    pub fn rollout_gone(&self, uid: &str) {
        if let Some((_, phase)) = self.counted.lock().remove(uid) {
            self.phase(phase).dec();
        }
    }

    /// All metrics in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut rendered = String::new();
        text::encode(&mut rendered, &self.registry)?;
        Ok(rendered)
    }

    fn configurations(&self, result: ConfigurationResult) -> Counter<u64, AtomicU64> {
        self.configurations.get_or_create_owned(&ResultLabel {
            result: result.label(),
        })
    }

    fn phase(&self, phase: Phase) -> Gauge<i64, AtomicI64> {
        self.rollouts.get_or_create_owned(&PhaseLabel {
            phase: phase.as_str(),
        })
    }
}

#[cfg(test)]
mod tests;
