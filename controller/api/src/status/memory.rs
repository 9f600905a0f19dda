//! What KULTA remembers of a Rollout of `argoproj.io` besides the fields of its status.
//!
//! Argo Rollouts' own definitions have no place for what is KULTA's alone: they prune it. So it is kept as a text in a condition:
//! conditions are the one place there that bears anything, is written with the rest of the status at once, and is left alone by
//! everybody who does not know their type. With KULTA's definitions it is there as well, but for the history, since somebody may put
//! the others in their place at any moment: nothing that moves traffic is forgotten then, and no gate is passed because it was
//! pruned from the spec.

use jiff::Timestamp;
use kulta_core::revision::TemplateDigest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::foreign::entry;
use crate::Group;

/// The type of the condition that keeps what the definitions have no field for.
pub const MEMORY: &str = "KultaMemory";
/// The type of the condition that tells which fields of the spec are off.
pub const FIELDS_OFF: &str = "KultaFieldsOff";
/// Why the fields of the spec are off.
const REASON: &str = "Definitions";

/// Fields of a spec that are KULTA's alone, those first that more hangs on.
const OF_SPEC: [&str; 14] = [
    "strategy.canary.promotionGates",
    "strategy.canary.steps[].gate",
    "strategy.canary.trafficRouting.gatewayAPI",
    "strategy.canary.analysis.metrics",
    "strategy.canary.steps[].analysis.metrics",
    "strategy.blueGreen.promotionGates",
    "strategy.blueGreen.trafficRouting",
    "strategy.blueGreen.prePromotionAnalysis.metrics",
    "strategy.blueGreen.postPromotionAnalysis.metrics",
    "strategy.canary.analysis.args[].valueFrom.secretKeyRef",
    "strategy.canary.steps[].analysis.args[].valueFrom.secretKeyRef",
    "strategy.canary.steps[].experiment.analyses[].args[].valueFrom.secretKeyRef",
    "strategy.blueGreen.prePromotionAnalysis.args[].valueFrom.secretKeyRef",
    "strategy.blueGreen.postPromotionAnalysis.args[].valueFrom.secretKeyRef",
];
/// Fields of a status that are KULTA's alone and short: they are remembered with any definitions.
const OF_STATUS: [&str; 20] = [
    "blueGreen.analysisAttempt",
    "blueGreen.currentPromotionGatesRunStatus",
    "blueGreen.fastRollback",
    "blueGreen.formerlyStable",
    "blueGreen.postPromotionAnalysisRunStatus.paused",
    "blueGreen.prePromotionAnalysisRunStatus.paused",
    "canary.analysisAttempt",
    "canary.consentedWeight",
    "canary.contest",
    "canary.currentBackgroundAnalysisRunStatus.paused",
    "canary.currentExperimentStatus",
    "canary.currentPromotionGatesRunStatus",
    "canary.currentStepAnalysisRunStatus.paused",
    "canary.inForce",
    "canary.managedRoutes",
    "canary.maxTrafficWeight",
    "canary.requestedAt",
    "duration",
    "furthest",
    "lastProgressTime",
];
/// Those that are true whatever another controller has done meanwhile.
const TRUE_FOR_EVER: [&str; 3] = ["history", "delivered", "canary.maxTrafficWeight"];

/// What a status of `argoproj.io` is written with.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'all> {
    /// The fields of a Rollout that the definitions in the cluster do not have, from the object's root.
    pub off: &'all [String],
    /// The generation of the spec.
    pub generation: i64,
    /// Fields of the spec that are KULTA's alone, as [`own_fields`] names them.
    pub own_fields: &'all [String],
    /// Those that were written once and that definitions have lost.
    pub lost: &'all [String],
}

/// What is remembered, besides fields of the status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Which definitions the status was written for, as [`definitions`] calls them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub definitions: String,
    /// The generation of the spec at that time.
    pub generation: i64,
    /// Fields of the spec that are KULTA's alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_fields: Vec<String>,
    /// Those that were written once and that definitions have lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

/// All that the condition keeps.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(flatten)]
    memory: Memory,
    /// The current and the stable revision and the weight at that time: with others another controller has worked since.
    stamp: [Value; 3],
    /// Fields of the status, by their paths.
    #[serde(skip_serializing_if = "Map::is_empty")]
    status: Map<String, Value>,
}

/// A name for definitions that do not have the fields `off`; empty: they are KULTA's.
#[must_use]
pub fn definitions(off: &[String]) -> String {
    if off.is_empty() {
        return String::new();
    }
    TemplateDigest::of(&json!(off)).pod_hash(0)
}

/// The fields of `spec` that are KULTA's alone.
#[must_use]
pub fn own_fields(spec: &Value) -> Vec<String> {
    let written = OF_SPEC.into_iter().filter(|field| is_written(spec, field));
    written.map(str::to_owned).collect()
}

fn is_written(value: &Value, path: &str) -> bool {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let found = value.get(key.trim_end_matches("[]"));
    match found {
        None | Some(Value::Null) => false,
        Some(_) if rest.is_empty() => true,
        Some(Value::Array(entries)) => entries.iter().any(|entry| is_written(entry, rest)),
        Some(found) => is_written(found, rest),
    }
}

/// `written`, a status of a Rollout of `group`, with what is remembered of it, as the definitions in the cluster keep it.
#[must_use]
pub fn with_memory(group: Group, mut written: Value, keeping: Keeping<'_>) -> Value {
    if group == Group::Kulta {
        return written;
    }
    let mut kept = Kept {
        memory: Memory {
            definitions: definitions(keeping.off),
            generation: keeping.generation,
            own_fields: keeping.own_fields.to_vec(),
            lost: keeping.lost.to_vec(),
        },
        stamp: stamp(&written),
        status: Map::new(),
    };
    for field in OF_STATUS {
        if let Some(value) = found(&written, field) {
            kept.status.insert(field.to_owned(), value.clone());
        }
    }
    for field in keeping
        .off
        .iter()
        .filter_map(|field| field.strip_prefix("status."))
    {
        if let Some(value) = taken(&mut written, field) {
            kept.status.insert(field.to_owned(), value);
        }
    }
    let off: Vec<_> = OF_SPEC
        .into_iter()
        .filter(|field| {
            keeping
                .off
                .iter()
                .any(|off| off.strip_prefix("spec.") == Some(field))
        })
        .collect();
    let time = time_of(&written);
    let mut conditions = Vec::new();
    if !off.is_empty() {
        conditions.push(condition(FIELDS_OFF, &told(&off), &time));
    }
    // Texts, numbers, and lists and maps of them: nothing in it can fail to be written.
    let text = serde_json::to_string(&kept).unwrap_or_default();
    conditions.push(condition(MEMORY, &text, &time));
    match entry(&mut written, &[String::from("conditions")]) {
        Value::Array(shown) => shown.extend(conditions),
        other => *other = conditions.into(),
    }
    written
}

/// What [`with_memory`] has written into `status`; None: it has not, or somebody has spoilt it.
#[must_use]
pub fn memory_of(status: &Value) -> Option<Memory> {
    Some(kept_in(status)?.memory)
}

fn kept_in(status: &Value) -> Option<Kept> {
    let conditions = status.get("conditions")?.as_array()?;
    let kept = conditions
        .iter()
        .find(|condition| condition.get("type").is_some_and(|kind| kind == MEMORY))?;
    serde_json::from_str(kept.get("message")?.as_str()?).ok()
}

/// A field of `status`, or what is remembered of it.
#[must_use]
pub fn field(status: &Value, path: &str) -> Option<Value> {
    let written = found(status, path).cloned();
    written.or_else(|| kept_in(status)?.still_true(status).remove(path))
}

/// `status` with what its memory has, where the status itself says nothing. What stood below something that somebody has taken
/// away since stays away.
pub(super) fn with_remembered(mut status: Value) -> Value {
    let Some(kept) = kept_in(&status) else {
        return status;
    };
    for (field, value) in kept.still_true(&status) {
        let (parent, name) = field.rsplit_once('.').unwrap_or(("", &field));
        if let Some(Value::Object(parent)) = below(&mut status, parent) {
            parent.entry(name).or_insert(value);
        }
    }
    status
}

impl Kept {
    /// What of it still holds for `status`.
    fn still_true(mut self, status: &Value) -> Map<String, Value> {
        // With definitions that have its fields, which one of them shows, what is missing was taken away by somebody.
        let has_fields = self.memory.definitions.is_empty()
            && self.status.keys().any(|field| found(status, field).is_some());
        if has_fields {
            return Map::new();
        }
        if self.stamp != stamp(status) {
            self.status
                .retain(|field, _| TRUE_FOR_EVER.contains(&field.as_str()));
        }
        self.status
    }
}

fn stamp(status: &Value) -> [Value; 3] {
    ["currentPodHash", "stableRS", "canary.weights.canary.weight"]
        .map(|field| found(status, field).cloned().unwrap_or_default())
}

fn keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|key| !key.is_empty())
}

fn found<'status>(status: &'status Value, path: &str) -> Option<&'status Value> {
    keys(path).try_fold(status, |value, key| value.get(key))
}

fn below<'status>(status: &'status mut Value, path: &str) -> Option<&'status mut Value> {
    keys(path).try_fold(status, |value, key| value.get_mut(key))
}

fn taken(written: &mut Value, field: &str) -> Option<Value> {
    let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
    below(written, parent)?.as_object_mut()?.remove(name)
}

/// When anything of a status last changed, as its other conditions tell.
fn time_of(status: &Value) -> Value {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let times = conditions.into_iter().flatten().filter_map(|condition| {
        let time = condition.get("lastUpdateTime").and_then(Value::as_str)?;
        time.parse::<Timestamp>().ok()
    });
    json!(times.max().unwrap_or(Timestamp::UNIX_EPOCH))
}

fn condition(kind: &str, message: &str, time: &Value) -> Value {
    json!({
        "type": kind, "status": "True", "reason": REASON, "message": message,
        "lastTransitionTime": time, "lastUpdateTime": time,
    })
}

fn told(off: &[&str]) -> String {
    format!(
        "the definitions in this cluster have no place for fields that are KULTA's own: {}. They are lost when they are \
         applied; to use them: kubectl replace -k deploy/crds/argo",
        off.join(", ")
    )
}

#[cfg(test)]
mod tests;
