//! Schemas of what the Rust types can't say by themselves.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::experiment::{ConditionKind, TemplateState};
use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::experiment::SPEC_REFS;
use crate::rollout::TrafficRouting;

pub(crate) use super::template::pod_template;

/// A rule that the API server checks, and what it tells when it does not hold.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!([{"rule": rule, "message": message}])
}

/// A number or a text.
pub(crate) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true})
}

/// One plugin with its configuration, whose fields are the plugin's own.
pub(crate) fn plugin(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// The configuration of a plugin, whose fields are its own.
pub(crate) fn configuration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The pods of which version, in an experiment.
pub(crate) fn spec_ref(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": SPEC_REFS})
}

/// The pods of which version.
pub(crate) fn pod_template_hash(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["Stable", "Latest"]})
}

/// How many metrics came to which end.
fn summary() -> Value {
    let count = json!({"type": "integer", "format": "int64", "minimum": 0});
    json!({
        "type": "object",
        "properties": {"count": count, "successful": count, "failed": count, "inconclusive": count, "error": count},
    })
}

/// The status of an analysis. Written by the controller alone.
pub(crate) fn run_status() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let number = json!({"type": "integer", "format": "int64", "minimum": 0});
    let phase = json!({"type": "string", "enum": AnalysisPhase::ALL.map(AnalysisPhase::as_str)});
    let measurement = json!({
        "type": "object",
        "required": ["phase", "startedAt"],
        "properties": {
            "phase": phase, "message": text, "startedAt": time, "finishedAt": time, "value": text,
            "metadata": {"type": "object", "additionalProperties": text}, "resumeAt": time,
        },
    });
    let result = json!({
        "type": "object",
        "required": ["name", "phase"],
        "properties": {
            "name": text, "phase": phase, "message": text, "count": number, "successful": number, "failed": number,
            "inconclusive": number, "error": number, "consecutiveError": number, "consecutiveSuccess": number,
            "dryRun": {"type": "boolean"}, "pluginDigest": text, "state": text,
            "measurements": {"type": "array", "x-kubernetes-list-type": "atomic", "items": measurement},
        },
    });
    json!({
        "type": "object",
        "properties": {
            "phase": phase, "message": text, "startedAt": time, "completedAt": time, "runSummary": summary(),
            "dryRunSummary": summary(),
            "metricResults": {"type": "array", "x-kubernetes-list-type": "atomic", "items": result},
        },
    })
}

/// The status of an experiment. Written by the controller alone.
pub(crate) fn experiment_status() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let number = json!({"type": "integer", "format": "int64", "minimum": 0});
    let phase = json!({"type": "string", "enum": AnalysisPhase::ALL.map(AnalysisPhase::as_str)});
    let template = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": text, "replicas": number, "updatedReplicas": number, "readyReplicas": number,
            "availableReplicas": number, "collisionCount": number, "message": text, "lastTransitionTime": time,
            "serviceName": text, "podTemplateHash": text,
            "status": {"type": "string", "enum": TemplateState::ALL.map(TemplateState::as_str)},
        },
    });
    let condition = json!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string", "enum": ConditionKind::ALL.map(ConditionKind::as_str)},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": text, "message": text, "lastTransitionTime": time, "lastUpdateTime": time,
        },
    });
    let run = json!({
        "type": "object",
        "required": ["name", "analysisRun", "phase"],
        "properties": {"name": text, "analysisRun": text, "phase": phase, "message": text},
    });
    let keyed = |key: &str, items: Value| {
        json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], "items": items,
        })
    };
    json!({
        "type": "object",
        "properties": {
            "phase": phase, "message": text, "availableAt": time, "conditions": keyed("type", condition),
            "templateStatuses": keyed("name", template), "analysisRuns": keyed("name", run),
        },
    })
}

/// A label selector that can't be changed: the ReplicaSets that exist were made with it.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let mut schema = selector(&json!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": {"type": "string"},
            "operator": {"type": "string"},
            "values": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
        },
    }));
    schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    let message = "selector can't be changed; delete the Rollout with --cascade=orphan and create it again";
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        rule("self == oldSelf", message),
    );
    schema
}

/// A label selector of routes. There are many, and a definition has a limit: the parser tells what is wrong with an expression.
pub(crate) fn route_selector(_: &mut SchemaGenerator) -> Schema {
    selector(&json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}))
}

/// Labels and annotations: checked by the controller alone, for it stands in every analysis of a Rollout, whose definition has
/// a bound.
pub(crate) fn run_metadata(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A label selector, with expressions of this schema.
fn selector(expression: &Value) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
            "matchExpressions": {
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "items": expression,
            },
        },
    })
}

/// The traffic routing of a blue-green Rollout: of what a canary can have, the routes alone.
pub(crate) fn blue_green_routing(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = TrafficRouting::json_schema(generator);
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.retain(|name, _| name == "gatewayAPI");
    }
    schema
}

/// A time.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// How long a rollout has been under way.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    let time = json!({"type": "string", "format": "date-time"});
    json_schema!({
        "type": "object",
        "properties": {
            "rolloutStartedAt": time,
            "manualPauseStartedAt": time,
            "totalManualPauseDurationSeconds": {"type": "integer", "format": "int64", "minimum": 0},
            "finishedAt": time,
            "completionStatus": {"type": "string"},
        },
    })
}

/// Conditions, as Kubernetes' own kinds have them.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string"},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"type": "string"},
                "message": {"type": "string"},
                "observedGeneration": {"type": "integer", "format": "int64"},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
            },
        },
    })
}

/// The facts of the history.
pub(crate) fn history(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["sequence", "time", "kind", "cause"],
            "properties": {
                "sequence": {"type": "integer", "format": "int64", "minimum": 0},
                "time": {"type": "string", "format": "date-time"},
                "kind": {"type": "string"},
                "chain": {"type": "integer", "format": "int64", "minimum": 0},
                "revision": {"type": "string"},
                "from": {"type": "string"},
                "stable": {"type": "string"},
                "step": {"type": "integer", "format": "int64", "minimum": 0},
                "weight": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
                "inForce": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
                "phase": {"type": "string"},
                "cause": {"type": "string"},
                "image": {"type": "string"},
                "origin": {
                    "type": "object",
                    "properties": {
                        "commit": {"type": "string"},
                        "committedAt": {"type": "string", "format": "date-time"},
                        "repository": {"type": "string"},
                        "actor": {"type": "string"},
                        "triggeredBy": {"type": "string"},
                    },
                },
                "evidence": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["metric", "phase"],
                        "properties": {
                            "metric": {"type": "string"},
                            "phase": {"type": "string"},
                            "value": {"type": "string"},
                        },
                    },
                },
                "message": {"type": "string"},
            },
        },
    })
}

/// The furthest that a step has come.
pub(crate) fn furthest(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "readyReplicas": {"type": "integer", "format": "int64", "minimum": 0},
            "availableReplicas": {"type": "integer", "format": "int64", "minimum": 0},
            "weight": {"type": "integer", "minimum": 0, "maximum": 100},
        },
    })
}

/// An analysis, as it was last seen.
pub(crate) fn analysis_reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["name", "status"],
        "properties": {
            "name": {"type": "string"},
            "status": {"type": "string"},
            "message": {"type": "string"},
            "paused": {"type": "boolean"},
        },
    })
}

/// The shares of experiments.
pub(crate) fn additional_weights(_: &mut SchemaGenerator) -> Schema {
    let text = json!({"type": "string"});
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"weight": {"type": "integer"}, "serviceName": text, "podTemplateHash": text},
        },
    })
}

/// Somebody else who keeps writing a route's weights.
pub(crate) fn contest(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["route", "manager", "corrections", "correctedAt"],
        "properties": {
            "route": {"type": "string"},
            "manager": {"type": "string"},
            "corrections": {"type": "integer", "format": "int64", "minimum": 0},
            "correctedAt": {"type": "string", "format": "date-time"},
        },
    })
}
