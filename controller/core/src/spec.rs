//! The validated form of a Rollout's spec: what every decision reads.
//!
//! A value of these types has passed validation ("parse, don't validate"): weights are within range, every step has
//! exactly one meaning, durations are not negative. The raw form, as users write it, lives in `kulta-api`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

pub use self::analysis::{
    Analysis, Argument, ArgumentValue, BackgroundAnalysis, Gates, PromotionAnalysis, RunHistory,
};
pub use self::pods::{AntiAffinity, PodKeys, PodMetadata, PodRules, Restart};
pub use self::problem::{InvalidSpec, Problem};
pub use self::route::{
    HeaderMatch, HeaderRoute, MirrorRoute, RequestMatch, Route, RouteKind, RouteLabel, RouteReference,
    TextMatch,
};
pub use self::step::{CanaryScale, Step, StepExperiment};
pub use self::weight::{Weight, WeightOutOfRange, Whole};
pub use self::workload::{Workload, WorkloadKind, WorkloadScaleDown};

mod analysis;
mod pods;
mod problem;
mod route;
mod step;
mod weight;
mod workload;

/// A number of pods, absolute or relative to `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many pods.
    Pods(u32),
    /// So many percent of `spec.replicas` (may exceed 100 for a surge).
    Percent(u32),
}

impl Amount {
    /// The number of pods for `replicas`, rounded up.
    #[must_use]
    pub fn ceil(self, replicas: u32) -> u32 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => {
                u32::try_from((u64::from(percent) * u64::from(replicas)).div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }

    /// The number of pods for `replicas`, rounded down.
    #[must_use]
    pub fn floor(self, replicas: u32) -> u32 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => {
                u32::try_from(u64::from(percent) * u64::from(replicas) / 100).unwrap_or(u32::MAX)
            }
        }
    }
}

/// Traffic routing: two Services and the routes between them. All three are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRouting {
    /// The routes by name: at least one, if no selector looks for others.
    pub routes: Vec<Route>,
    /// Where selectors of routes are written, which whoever observes looks with: field paths, by the kind of the routes.
    pub selectors: Vec<(RouteKind, String)>,
    /// The label that routes have while the new version is sent anything.
    pub in_progress_label: Option<RouteLabel>,
    /// The names that rules of the controller's own may have in routes, those that come first in a route first.
    pub managed_routes: Vec<String>,
    /// All traffic: what weights are parts of, in the steps, the routes and the status.
    pub whole: Whole,
    /// The Service of the stable version: the active one, if it is blue-green.
    pub stable_service: String,
    /// The Service of the new version: the canary's, or the preview Service.
    pub canary_service: String,
}

/// A canary that gets its share of the traffic by the weights of routes, apart from the number of its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedCanary {
    /// Where the traffic is split.
    pub routing: TrafficRouting,
    /// How long old pods stay up after traffic has left them.
    pub scale_down_delay: SignedDuration,
    /// No more old versions than these stay up for that time; None: any number.
    pub scale_down_delay_revision_limit: Option<u32>,
    /// How long canary pods stay up after an abort; None: for ever.
    pub abort_scale_down_delay: Option<SignedDuration>,
    /// Whether the stable version shrinks as traffic leaves it.
    pub dynamic_stable_scale: bool,
    /// The least number of pods of a version that has any, at most `spec.replicas`. 0: no such floor.
    pub min_pods_per_replica_set: u32,
}

impl TrafficRouting {
    /// The route of this reference, if the spec names it.
    #[must_use]
    pub fn route(&self, reference: &RouteReference) -> Option<&Route> {
        self.routes.iter().find(|route| route.reference == *reference)
    }
}

/// Blue-green: the new version comes up whole beside the old one, and one Service sends all users to either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlueGreen {
    /// The Service that all users ask.
    pub active_service: String,
    /// The Service of the new version, if there is one.
    pub preview_service: Option<String>,
    /// The routes that send all users to either Service; None: users ask the active Service, which selects either version.
    pub routing: Option<Box<TrafficRouting>>,
    /// So many pods are enough for the new version until it is to take over; None: all.
    pub preview_replicas: Option<u32>,
    /// What the switch waits for once the new version is ready.
    pub promotion: Promotion,
    /// What it has to pass before the switch.
    pub pre_promotion: Option<PromotionAnalysis>,
    /// What it has to pass after the switch, before it is trusted.
    pub post_promotion: Option<PromotionAnalysis>,
    /// How long old pods stay up after the switch.
    pub scale_down_delay: SignedDuration,
    /// No more old versions than these, the newest, stay up for the delay; None: any number.
    pub scale_down_delay_revision_limit: Option<u32>,
    /// How long pods of the new version stay up after an abort; None: for ever.
    pub abort_scale_down_delay: Option<SignedDuration>,
}

/// What the switch of a blue-green Rollout waits for, besides evidence and gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotion {
    /// Nothing.
    AtOnce,
    /// So much time.
    After(SignedDuration),
    /// Somebody says go on.
    ByHand,
}

/// How a new version takes the place of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Traffic is split by route weights, apart from the number of pods.
    Routed(RoutedCanary),
    /// The number of pods is the split (basic canary, a rolling update with steps).
    Basic {
        /// The Service that follows the stable version, if there is one.
        stable_service: Option<String>,
        /// The Service that follows the canary, if there is one.
        canary_service: Option<String>,
        /// Pods above `spec.replicas`, rounded up.
        max_surge: Amount,
        /// Pods that may be unavailable, rounded down. Not 0 together with `max_surge`.
        max_unavailable: Amount,
    },
    /// All users are switched at once.
    BlueGreen(BlueGreen),
}

/// A validated Rollout spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Wanted number of pods.
    pub replicas: u32,
    /// The label selector as text (`status.selector`, read by the horizontal autoscaler).
    pub selector: String,
    /// The labels of the pod template: what a Service's selector must match.
    pub template_labels: BTreeMap<String, String>,
    /// How long a pod must be ready before it counts as available.
    pub min_ready_seconds: u32,
    /// Number of old, empty ReplicaSets to keep.
    pub revision_history_limit: u32,
    /// Number of complete analyses to keep.
    pub run_history: RunHistory,
    /// The user holds the rollout where it is.
    pub paused: bool,
    /// Without progress for so long the rollout is reported as Degraded.
    pub progress_deadline: SignedDuration,
    /// A rollout whose progress deadline passes goes back to the stable version.
    pub progress_deadline_abort: bool,
    /// Going back over fewer revisions than these asks nobody; 0: going back is a rollout like any other.
    pub rollback_window: u32,
    /// The steps; empty: straight to the new version.
    pub steps: Vec<Step>,
    /// Identity of the steps (`revision::steps_hash`); empty if it is blue-green, which has none.
    pub steps_hash: String,
    /// A canary, routed or basic, or blue-green.
    pub method: Method,
    /// So many available pods of those wanted are enough for a canary to go on; None: all of them.
    pub progress_threshold: Option<Amount>,
    /// The analysis that goes on beside the steps.
    pub background: Option<BackgroundAnalysis>,
    /// The gates that are asked before every rise of the weight and before the promotion, or before the switch.
    pub promotion_gates: Option<Gates>,
    /// The workload that the pod template is taken from; None: it is the Rollout's own.
    pub workload: Option<Workload>,
    /// Restarts, labels and annotations of pods, and where they are kept apart.
    pub pods: PodRules,
}

impl Spec {
    /// The traffic routing, if there is one.
    #[must_use]
    pub fn routing(&self) -> Option<&TrafficRouting> {
        match &self.method {
            Method::Routed(canary) => Some(&canary.routing),
            Method::BlueGreen(blue_green) => blue_green.routing.as_deref(),
            Method::Basic { .. } => None,
        }
    }

    /// What is special about a canary with traffic routing, if it is one.
    #[must_use]
    pub fn routed_canary(&self) -> Option<&RoutedCanary> {
        match &self.method {
            Method::Routed(canary) => Some(canary),
            Method::Basic { .. } | Method::BlueGreen(_) => None,
        }
    }

    /// What is special about it, if it is blue-green.
    #[must_use]
    pub fn blue_green(&self) -> Option<&BlueGreen> {
        match &self.method {
            Method::BlueGreen(blue_green) => Some(blue_green),
            Method::Routed(_) | Method::Basic { .. } => None,
        }
    }

    /// The names of the stable and the canary Service, where there are any: of the active and the preview Service, if
    /// it is blue-green.
    #[must_use]
    pub fn services(&self) -> (Option<&str>, Option<&str>) {
        match &self.method {
            Method::Routed(RoutedCanary { routing, .. }) => {
                (Some(&routing.stable_service), Some(&routing.canary_service))
            }
            Method::Basic {
                stable_service,
                canary_service,
                ..
            } => (stable_service.as_deref(), canary_service.as_deref()),
            Method::BlueGreen(blue_green) => (
                Some(&blue_green.active_service),
                blue_green.preview_service.as_deref(),
            ),
        }
    }

    /// The number of available pods that are enough where `wanted` are wanted.
    #[must_use]
    pub fn enough(&self, wanted: u32) -> u32 {
        let threshold = self.progress_threshold;
        threshold.map_or(wanted, |threshold| threshold.ceil(wanted).min(wanted))
    }

    /// The most wanted pods, at most `replicas`, for which `available` are enough.
    #[must_use]
    pub fn most_for(&self, available: u32) -> u32 {
        let most = match self.progress_threshold {
            Some(Amount::Pods(pods)) if available >= pods => u64::from(self.replicas),
            None | Some(Amount::Pods(_)) => u64::from(available),
            Some(Amount::Percent(percent)) => {
                let most = (u64::from(available) * 100).checked_div(u64::from(percent));
                most.unwrap_or(u64::MAX).max(u64::from(available))
            }
        };
        u32::try_from(most).map_or(self.replicas, |most| most.min(self.replicas))
    }

    /// The number of steps, as an index.
    #[must_use]
    pub fn step_count(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// The step at `index`, None past the end.
    #[must_use]
    pub fn step(&self, index: u32) -> Option<&Step> {
        self.steps.get(usize::try_from(index).ok()?)
    }
}
