//! The status of a Rollout, and the way between it and the status that decisions read.
//!
//! Fields that Argo Rollouts has are named as there, and on `argoproj.io` they are of the same types, too. Users edit a status by hand (abort, resume, promote); what they
//! leave out or set to null is read as "not set".

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use kulta_core::history::Fact;
use kulta_core::status::{
    Condition, ConditionType, Furthest, PauseCondition, PauseReason, Phase, RolloutDuration, Status,
};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::Group;
use crate::crd::schema;

mod blue_green;
mod canary;
mod foreign;
mod memory;
#[cfg(test)]
mod tests;

pub use blue_green::BlueGreenStatus;
pub use canary::{CanaryStatus, Destination, Weights};
pub use foreign::{foreign, with_foreign};
pub use memory::{
    FIELDS_OFF, Keeping, MEMORY, Memory, definitions, field, memory_of, own_fields, with_memory,
};

/// A status that can't be read: nobody knows how far the rollout is.
#[derive(Debug, Error)]
#[error("can't read status.{path}: {source}; mend it, or remove the status to let it be found out again")]
pub struct StatusError {
    /// The field, below `status`.
    pub path: String,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

impl StatusError {
    fn of(path: &str, message: impl Display) -> Self {
        Self {
            path: path.to_owned(),
            source: serde_json::Error::custom(message),
        }
    }
}

/// What the written status tells besides the decision's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteContext<'spec> {
    /// The API group of the Rollout.
    pub group: Group,
    /// The generation of the spec that the decision read: `observedGeneration` of the conditions.
    pub generation: i64,
    /// The name of the stable Service, if the spec names one.
    pub stable_service: Option<&'spec str>,
    /// The name of the canary Service, if the spec names one.
    pub canary_service: Option<&'spec str>,
}

/// The status as decisions read it.
///
/// # Errors
/// When a field has a value that means nothing. Missing fields, nulls, unknown fields and conditions of others are
/// no error.
pub fn read(status: &Value) -> Result<Status, StatusError> {
    remembered(status, RolloutStatus::into_core)
}

/// The fields of the status, those included that are only remembered.
///
/// # Errors
/// As of [`read`].
pub fn fields(status: &Value) -> Result<RolloutStatus, StatusError> {
    remembered(status, Ok)
}

/// What somebody has written into the memory that means nothing does not cost the status.
fn remembered<T>(
    status: &Value,
    meant: impl Fn(RolloutStatus) -> Result<T, StatusError>,
) -> Result<T, StatusError> {
    let known = without_nulls(status);
    if known.is_null() {
        return meant(RolloutStatus::default());
    }
    written(&memory::with_remembered(known))
        .and_then(&meant)
        .or_else(|_| written(&without_nulls(status)).and_then(&meant))
}

fn written(known: &Value) -> Result<RolloutStatus, StatusError> {
    serde_path_to_error::deserialize(known).map_err(|error| StatusError {
        path: error.path().to_string(),
        source: error.into_inner(),
    })
}

/// The status as written into the Rollout.
#[must_use]
pub fn write(status: &Status, context: &WriteContext<'_>) -> Value {
    // Texts, numbers, and lists and maps of them: nothing in it can fail to be written.
    let mut written = serde_json::to_value(RolloutStatus::of(status, context)).unwrap_or_default();
    for field in ["observedGeneration", "workloadObservedGeneration"] {
        if let (Group::Argo, Some(generation)) = (context.group, written.get_mut(field)) {
            // There it is a text: it was once a hash of the spec.
            *generation = generation.to_string().into();
        }
    }
    written
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// The generation that this status tells about.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "generation")]
    pub observed_generation: Option<i64>,
    /// The generation of the workload that the pods are taken from.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "generation")]
    pub workload_observed_generation: Option<i64>,
    /// Progressing, Paused, Healthy or Degraded.
    #[serde(deserialize_with = "known_or_default")]
    #[schemars(with = "String")]
    pub phase: Phase,
    /// Why it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Set it to go back to the stable version, unset it to try again.
    #[serde(skip_serializing_if = "is_false")]
    pub abort: bool,
    /// When the abort was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub aborted_at: Option<Timestamp>,
    /// Set it to skip what remains of the steps.
    #[serde(skip_serializing_if = "is_false")]
    pub promote_full: bool,
    /// Why the rollout waits; empty it to go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pause_conditions: Vec<Pause>,
    /// The controller has set a pause.
    #[serde(skip_serializing_if = "is_false")]
    pub controller_pause: bool,
    /// Hash of the revision that the spec asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_pod_hash: Option<String>,
    /// Identity of the steps that currentStepIndex counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_hash: Option<String>,
    /// The step under way; the number of steps when all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<u32>,
    /// Hash of the revision that is trusted with all traffic.
    #[serde(rename = "stableRS", skip_serializing_if = "Option::is_none")]
    pub stable_rs: Option<String>,
    /// Salt against equal hashes of different templates.
    #[serde(skip_serializing_if = "is_zero")]
    pub collision_count: u32,
    /// Pods of all revisions.
    pub replicas: u32,
    /// Pods of the current revision.
    pub updated_replicas: u32,
    /// Ready pods of all revisions; of the active one, if it is blue-green.
    pub ready_replicas: u32,
    /// Available pods of all revisions; of the active one, if it is blue-green.
    pub available_replicas: u32,
    /// Pods that the horizontal autoscaler counts.
    #[serde(rename = "HPAReplicas")]
    pub hpa_replicas: u32,
    /// The selector as text, for the horizontal autoscaler.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// The split of traffic, of blue-green as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,
    /// How far a blue-green rollout is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreenStatus>,
    /// restartAt of the last restart that has come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub restarted_at: Option<Timestamp>,
    /// When anything last moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_progress_time: Option<Timestamp>,
    /// The furthest that the step under way has come: what only comes back to it is no progress.
    #[serde(skip_serializing_if = "is_none_reached")]
    #[schemars(schema_with = "schema::furthest")]
    pub furthest: Furthest,
    /// How long the rollout has been under way, and what became of it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::duration")]
    pub duration: Option<RolloutDuration>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_conditions")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<RolloutCondition>,
    /// What happened, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::history")]
    pub history: Vec<Fact>,
    /// By sink of events: the number of the last fact that is done with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub delivered: BTreeMap<String, u64>,
}

/// A pause of the rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Why.
    #[serde(deserialize_with = "known_or_default")]
    #[schemars(with = "String")]
    pub reason: PauseReason,
    /// Since when.
    #[schemars(schema_with = "schema::time")]
    pub start_time: Timestamp,
}

/// A condition, with the generation that it tells about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutCondition {
    /// The condition.
    #[serde(flatten)]
    pub condition: Condition,
    /// The generation of the spec that it tells about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// On `argoproj.io`: when it last changed, or, of the one that is about progress, when anything last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Timestamp>,
}

impl RolloutCondition {
    fn of(condition: &Condition, status: &Status, context: &WriteContext<'_>) -> Self {
        let changed = condition.last_transition_time;
        let moved = status
            .last_progress_time
            .filter(|_| condition.kind == ConditionType::Progressing);
        let (observed_generation, last_update_time) = match context.group {
            Group::Kulta => (Some(context.generation), None),
            Group::Argo => (None, Some(moved.map_or(changed, |moved| moved.max(changed)))),
        };
        Self {
            condition: condition.clone(),
            observed_generation,
            last_update_time,
        }
    }
}

impl RolloutStatus {
    fn of(status: &Status, context: &WriteContext<'_>) -> Self {
        let conditions = status
            .conditions
            .iter()
            .filter(|condition| context.group.shows(condition.kind))
            .map(|condition| RolloutCondition::of(condition, status, context));
        Self {
            observed_generation: status.observed_generation,
            workload_observed_generation: status.workload_observed_generation,
            phase: status.phase,
            message: status.message.clone(),
            abort: status.abort,
            aborted_at: status.aborted_at,
            promote_full: status.promote_full,
            pause_conditions: status.pause_conditions.iter().map(Pause::from).collect(),
            controller_pause: status.controller_pause,
            current_pod_hash: status.current_pod_hash.clone(),
            current_step_hash: status.current_step_hash.clone(),
            current_step_index: status.current_step_index,
            stable_rs: status.stable_hash.clone(),
            collision_count: status.collision_count,
            replicas: status.replicas,
            updated_replicas: status.updated_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            hpa_replicas: status.hpa_replicas,
            selector: status.selector.clone(),
            canary: CanaryStatus::of(status, context),
            blue_green: BlueGreenStatus::of(status),
            restarted_at: status.restarted_at,
            last_progress_time: status.last_progress_time,
            furthest: status.furthest,
            duration: status.duration.clone(),
            conditions: conditions.collect(),
            history: status.history.clone(),
            delivered: status.delivered.clone(),
        }
    }

    fn into_core(mut self) -> Result<Status, StatusError> {
        let analyses = self.canary.as_mut().map(CanaryStatus::take_analyses);
        let mut analyses = analyses.transpose()?.unwrap_or_default();
        let blue_green = self.blue_green.map(|written| written.into_core(&mut analyses));
        let traffic = self.canary.map(CanaryStatus::into_core).transpose()?;
        Ok(Status {
            analyses,
            blue_green,
            observed_generation: self.observed_generation,
            workload_observed_generation: self.workload_observed_generation,
            phase: self.phase,
            message: self.message,
            abort: self.abort,
            aborted_at: self.aborted_at,
            promote_full: self.promote_full,
            pause_conditions: self
                .pause_conditions
                .into_iter()
                .map(PauseCondition::from)
                .collect(),
            controller_pause: self.controller_pause,
            current_pod_hash: self.current_pod_hash,
            current_step_hash: self.current_step_hash,
            current_step_index: self.current_step_index,
            stable_hash: self.stable_rs,
            collision_count: self.collision_count,
            replicas: self.replicas,
            updated_replicas: self.updated_replicas,
            ready_replicas: self.ready_replicas,
            available_replicas: self.available_replicas,
            hpa_replicas: self.hpa_replicas,
            selector: self.selector,
            traffic: traffic.flatten(),
            restarted_at: self.restarted_at,
            last_progress_time: self.last_progress_time,
            furthest: self.furthest,
            duration: self.duration,
            conditions: self.conditions.into_iter().map(|entry| entry.condition).collect(),
            history: self.history,
            delivered: self.delivered,
        })
    }
}

impl From<&PauseCondition> for Pause {
    fn from(PauseCondition { reason, start_time }: &PauseCondition) -> Self {
        Self {
            reason: *reason,
            start_time: *start_time,
        }
    }
}

impl From<Pause> for PauseCondition {
    fn from(Pause { reason, start_time }: Pause) -> Self {
        Self { reason, start_time }
    }
}

/// What a newer version wrote and this one does not know does not cost the rest of the status: a pause stays a pause
/// whatever its reason is, and the phase is found out again.
fn known_or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A number, or a number as a text. One that is neither is not known, and the status is written again.
fn generation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// Leaves out conditions that others wrote: they mean nothing to a decision.
fn known_conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RolloutCondition>, D::Error> {
    let entries = Vec::<Value>::deserialize(deserializer)?;
    Ok(entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect())
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(
                set.map(|(name, field)| (name.clone(), without_nulls(field)))
                    .collect(),
            )
        }
        Value::Array(entries) => Value::Array(entries.iter().map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn is_none_reached(furthest: &Furthest) -> bool {
    *furthest == Furthest::default()
}
