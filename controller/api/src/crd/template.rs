//! The schema of the pod template: a skeleton.
//!
//! A pod field that the schema does not know must not be lost, whatever the cluster's version, so unknown fields are
//! preserved everywhere. What is spelt out are the lists that server-side apply and kustomize must merge by key instead
//! of replacing them. Whether a template is valid is asked of the API server itself, by a dry run of its ReplicaSet.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The pod template.
pub(crate) fn pod_template(_: &mut SchemaGenerator) -> Schema {
    let containers = keyed(&["name"], &container());
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "metadata": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
                "properties": {
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "spec": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
                "properties": {
                    "containers": containers,
                    "initContainers": containers,
                    "volumes": keyed(&["name"], &named("name")),
                },
            },
        },
    })
}

fn container() -> Value {
    let port = json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "required": ["containerPort"],
        "properties": {
            "containerPort": {"type": "integer", "format": "int32"},
            // A key of a list must always be there: the default is the API server's own.
            "protocol": {"type": "string", "default": "TCP"},
        },
    });
    json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "env": keyed(&["name"], &named("name")),
            "ports": keyed(&["containerPort", "protocol"], &port),
            "volumeMounts": keyed(&["mountPath"], &named("mountPath")),
        },
    })
}

/// An object of which only the key is spelt out.
fn named(key: &str) -> Value {
    json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "required": [key],
        "properties": {key: {"type": "string"}},
    })
}

/// A list whose entries are told apart by `keys`.
fn keyed(keys: &[&str], items: &Value) -> Value {
    json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": items})
}
