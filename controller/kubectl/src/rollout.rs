//! A Rollout as its user sees it, read kindly: whatever is missing or of another type is not there.
//!
//! The types of `kulta-api` are not enough here: this reads what older and newer controllers have written, and a status
//! that somebody has spoilt by hand is no reason to show nothing.

use jiff::Timestamp;
use kube::api::DynamicObject;
use kulta_api::names::{REVISION_ANNOTATION, WORKLOAD_GENERATION_ANNOTATION};
use kulta_api::status::field;
use serde_json::Value;

/// Pods of a Rollout that does not say how many.
const DEFAULT_REPLICAS: u64 = 1;

/// A Rollout.
#[derive(Debug, Clone, Copy)]
pub struct Rollout<'o> {
    object: &'o DynamicObject,
}

/// How a Rollout replaces a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Step by step.
    Canary,
    /// At once.
    BlueGreen,
    /// It does not say.
    Unknown,
}

impl Strategy {
    /// The strategy in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "Canary",
            Self::BlueGreen => "BlueGreen",
            Self::Unknown => "unknown",
        }
    }
}

/// A pause that the controller has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Since when, as written.
    pub start_time: String,
}

impl<'o> Rollout<'o> {
    /// The Rollout that `object` is.
    #[must_use]
    pub const fn new(object: &'o DynamicObject) -> Self {
        Self { object }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'o str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(self) -> &'o str {
        self.object.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Its UID.
    #[must_use]
    pub fn uid(self) -> &'o str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The version of the object that this is.
    #[must_use]
    pub fn resource_version(self) -> Option<&'o str> {
        self.object.metadata.resource_version.as_deref()
    }

    /// When it was made.
    #[must_use]
    pub fn created(self) -> Option<Timestamp> {
        self.object
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_terminating(self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    fn at(self, pointer: &str) -> Option<&'o Value> {
        self.object.data.pointer(pointer).filter(|value| !value.is_null())
    }

    fn text(self, pointer: &str) -> Option<&'o str> {
        self.at(pointer)?.as_str().filter(|text| !text.is_empty())
    }

    fn number(self, pointer: &str) -> Option<u64> {
        self.at(pointer)?.as_u64()
    }

    fn flag(self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The pod template.
    #[must_use]
    pub fn template(self) -> Option<&'o Value> {
        self.at("/spec/template")
    }

    /// The spec, as written.
    #[must_use]
    pub fn spec(self) -> Option<&'o Value> {
        self.at("/spec")
    }

    /// Whether somebody holds it where it is.
    #[must_use]
    pub fn is_paused_by_hand(self) -> bool {
        self.flag("/spec/paused")
    }

    /// Wanted number of pods.
    #[must_use]
    pub fn desired(self) -> u64 {
        self.number("/spec/replicas").unwrap_or(DEFAULT_REPLICAS)
    }

    /// How it replaces a version.
    #[must_use]
    pub fn strategy(self) -> Strategy {
        if self.at("/spec/strategy/canary").is_some() {
            Strategy::Canary
        } else if self.at("/spec/strategy/blueGreen").is_some() {
            Strategy::BlueGreen
        } else {
            Strategy::Unknown
        }
    }

    /// Whether traffic is split by routes instead of by numbers of pods or by a Service.
    #[must_use]
    pub fn is_routed(self) -> bool {
        let routing = ["canary", "blueGreen"].map(|name| format!("/spec/strategy/{name}/trafficRouting"));
        routing.iter().any(|pointer| self.at(pointer).is_some())
    }

    /// The steps of a canary.
    #[must_use]
    pub fn steps(self) -> &'o [Value] {
        let steps = self.at("/spec/strategy/canary/steps").and_then(Value::as_array);
        steps.map(Vec::as_slice).unwrap_or_default()
    }

    /// The number of steps.
    #[must_use]
    pub fn step_count(self) -> u64 {
        self.steps().len().try_into().unwrap_or(u64::MAX)
    }

    /// The step at `index`.
    #[must_use]
    pub fn step(self, index: u64) -> Option<&'o Value> {
        self.steps().get(usize::try_from(index).ok()?)
    }

    /// The step under way, the number of steps when all are done.
    #[must_use]
    pub fn step_index(self) -> Option<u64> {
        self.number("/status/currentStepIndex")
    }

    /// Whether the controller has seen the spec as it is now, and the workload that it refers to.
    #[must_use]
    pub fn is_observed(self) -> bool {
        let observed = self.generation("/status/observedGeneration");
        let is_current =
            observed.is_some_and(|observed| observed >= self.object.metadata.generation.unwrap_or(0));
        is_current && (self.at("/spec/workloadRef").is_none() || self.is_workload_observed())
    }

    /// Whether the status tells about the generation of the workload that the controller has noted.
    fn is_workload_observed(self) -> bool {
        let annotations = self.object.metadata.annotations.as_ref();
        let noted = annotations.and_then(|annotations| annotations.get(WORKLOAD_GENERATION_ANNOTATION));
        let noted = noted.and_then(|noted| noted.parse().ok());
        self.workload_observed_generation() == noted
    }

    /// The generation of the workload that the status tells about.
    #[must_use]
    pub fn workload_observed_generation(self) -> Option<i64> {
        self.generation("/status/workloadObservedGeneration")
    }

    /// A number on `kulta.io`, a text on `argoproj.io`.
    fn generation(self, pointer: &str) -> Option<i64> {
        match self.at(pointer) {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        }
    }

    /// The phase as written.
    #[must_use]
    pub fn phase(self) -> Option<&'o str> {
        self.text("/status/phase")
    }

    /// Why it is in its phase.
    #[must_use]
    pub fn message(self) -> &'o str {
        self.text("/status/message").unwrap_or_default()
    }

    /// Whether an abort was asked for.
    #[must_use]
    pub fn abort(self) -> bool {
        self.flag("/status/abort")
    }

    /// Whether the controller has seen an abort.
    #[must_use]
    pub fn is_aborted(self) -> bool {
        self.at("/status/abortedAt").is_some()
    }

    /// Whether a full promotion was asked for.
    #[must_use]
    pub fn promote_full(self) -> bool {
        self.flag("/status/promoteFull")
    }

    /// The pauses that the controller has written.
    #[must_use]
    pub fn pauses(self) -> Vec<Pause> {
        let conditions = self.at("/status/pauseConditions").and_then(Value::as_array);
        let text = |pause: &Value, field: &str| {
            let text = pause.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        conditions
            .into_iter()
            .flatten()
            .map(|pause| Pause {
                reason: text(pause, "reason"),
                start_time: text(pause, "startTime"),
            })
            .collect()
    }

    /// Whether the controller has made a pause: with no pause left, the user has ended it.
    #[must_use]
    pub fn controller_pause(self) -> bool {
        self.flag("/status/controllerPause")
    }

    /// The hash of the revision that the spec asks for.
    #[must_use]
    pub fn current_hash(self) -> Option<&'o str> {
        self.text("/status/currentPodHash")
    }

    /// The hash of the revision that is trusted with all traffic.
    #[must_use]
    pub fn stable_hash(self) -> Option<&'o str> {
        self.text("/status/stableRS")
    }

    /// The hash of the revision that all users of a blue-green Rollout meet.
    #[must_use]
    pub fn active_hash(self) -> Option<&'o str> {
        self.text("/status/blueGreen/activeSelector")
    }

    /// Whether a blue-green pause ends by itself.
    #[must_use]
    pub fn is_auto_promoted(self) -> bool {
        let enabled = self.at("/spec/strategy/blueGreen/autoPromotionEnabled");
        let seconds = self.number("/spec/strategy/blueGreen/autoPromotionSeconds");
        enabled.and_then(Value::as_bool) != Some(false) && seconds.is_some_and(|seconds| seconds > 0)
    }

    /// Whether no new version is on its way.
    #[must_use]
    pub fn is_fully_promoted(self) -> bool {
        self.stable_hash().is_some() && self.stable_hash() == self.current_hash()
    }

    /// The phase of the analysis that the step under way waits for.
    #[must_use]
    pub fn step_analysis(self) -> Option<&'o str> {
        self.text("/status/canary/currentStepAnalysisRunStatus/status")
    }

    /// A count of pods of the status.
    #[must_use]
    pub fn count(self, field: Count) -> u64 {
        self.number(field.pointer()).unwrap_or(0)
    }

    /// What weights are parts of, if it is written.
    #[must_use]
    pub fn max_traffic_weight(self) -> Option<u64> {
        self.number("/spec/strategy/canary/trafficRouting/maxTrafficWeight")
    }

    /// The weight of the new version that the gateways work by: what is in force, else what was asked for last.
    #[must_use]
    pub fn routed_weight(self) -> Option<u64> {
        let in_force = self
            .at("/status")
            .and_then(|status| field(status, "canary.inForce"));
        in_force
            .and_then(|weight| weight.as_u64())
            .or_else(|| self.number("/status/canary/weights/canary/weight"))
    }

    /// Whether the spec can't be worked with.
    #[must_use]
    pub fn is_invalid(self) -> bool {
        let conditions = self.at("/status/conditions").and_then(Value::as_array);
        let is = |condition: &Value, field: &str, value: &str| {
            condition.get(field).and_then(Value::as_str) == Some(value)
        };
        conditions
            .into_iter()
            .flatten()
            .any(|condition| is(condition, "type", "InvalidSpec") && is(condition, "status", "True"))
    }
}

/// The counts of pods in a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Of all revisions.
    Current,
    /// Of the revision that the spec asks for.
    Updated,
    /// Ready ones of all revisions.
    Ready,
    /// Available ones of all revisions.
    Available,
}

impl Count {
    const fn pointer(self) -> &'static str {
        match self {
            Self::Current => "/status/replicas",
            Self::Updated => "/status/updatedReplicas",
            Self::Ready => "/status/readyReplicas",
            Self::Available => "/status/availableReplicas",
        }
    }
}

/// The number of the revision that an object is of, by its annotation.
#[must_use]
pub fn revision(object: &DynamicObject) -> Option<u64> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(REVISION_ANNOTATION)?.parse().ok()
}

/// Whether `object` is controlled by the object with this UID.
#[must_use]
pub fn is_controlled_by(object: &DynamicObject, uid: &str) -> bool {
    let owners = object.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    !uid.is_empty() && controllers.any(|owner| owner.uid == uid)
}
