//! Objects as an API server has them, for tests; all in the namespace `shop`.

use std::sync::Arc;

use kulta_api::Group;
use kulta_api::names::{FIELD_MANAGER, HASH_LABEL, MANAGED_BY_ANNOTATION};
use serde_json::{Value, json};

use super::{Cached, Caches};
use crate::key::ObjectKey;

/// The object `name` of the namespace.
pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("shop", name)
}

/// Puts an object into the caches, as a feed does.
pub(crate) fn put<P: Cached>(caches: &Caches, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let key = ObjectKey {
        group: object["apiVersion"]
            .as_str()
            .and_then(Group::of)
            .unwrap_or_default(),
        ..key(name)
    };
    caches.apply(&key, &Arc::new(P::project(object).unwrap()));
}

/// The object `name` of the namespace, of `argoproj.io`.
pub(crate) fn argo_key(name: &str) -> ObjectKey {
    ObjectKey::in_group(Group::Argo, "shop", name)
}

/// A Rollout, AnalysisRun, template or ReplicaSet as it is where the group is `argoproj.io`: with another UID than one of
/// the same name, if it is a Rollout, and else belonging to such a Rollout.
pub(crate) fn argo(mut object: Value) -> Value {
    let api_version = json!(Group::Argo.api_version());
    if object["apiVersion"].is_string() {
        object["apiVersion"] = api_version.clone();
    }
    if object["kind"] == "Rollout" {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        object["metadata"]["uid"] = json!(format!("uid-argo-{name}"));
    }
    if let Some(owner) = object.pointer_mut("/metadata/ownerReferences/0") {
        let name = owner["name"].as_str().unwrap_or_default();
        owner["uid"] = json!(format!("uid-argo-{name}"));
        owner["apiVersion"] = api_version;
    }
    object
}

/// An AnalysisRun of a Rollout, without a status.
pub(crate) fn analysis_run(rollout: &str, name: &str) -> Value {
    let mut metadata = metadata(name);
    metadata["ownerReferences"] = json!([{
        "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": rollout, "uid": format!("uid-{rollout}"),
        "controller": true,
    }]);
    metadata["labels"] = json!({HASH_LABEL: "abc"});
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": metadata,
        "spec": {"metrics": [{"name": "errors", "provider": {"plugin": {"prometheus": {"query": "up"}}}}]},
    })
}

/// An Experiment of a Rollout, with pods of one version, without a status.
pub(crate) fn experiment(rollout: &str, name: &str) -> Value {
    let mut metadata = analysis_run(rollout, name)["metadata"].clone();
    metadata["labels"] = json!({HASH_LABEL: "abc"});
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "Experiment",
        "metadata": metadata,
        "spec": {"templates": [{
            "name": "canary",
            "selector": {"matchLabels": {"app": rollout}},
            "template": {
                "metadata": {"labels": {"app": rollout}},
                "spec": {"containers": [{"name": "main", "image": "registry.example/web:2", "ports": [{"containerPort": 8080}]}]},
            },
        }]},
    })
}

/// A template with the metric `errors`.
pub(crate) fn analysis_template(name: &str) -> Value {
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": metadata(name),
        "spec": {"metrics": [{"name": "errors", "provider": {"plugin": {"prometheus": {"query": "up"}}}}]},
    })
}

/// Metadata of a complete object.
pub(crate) fn metadata(name: &str) -> Value {
    json!({
        "namespace": "shop",
        "name": name,
        "uid": format!("uid-{name}"),
        "resourceVersion": "100",
        "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": [{
            "manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {}}},
        }],
    })
}

/// A canary Rollout with the Services `<name>-stable` and `<name>-canary` and the route `<name>`.
pub(crate) fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata(name),
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": format!("registry.example/{name}:1")}]},
            },
            "strategy": {"canary": {
                "stableService": format!("{name}-stable"),
                "canaryService": format!("{name}-canary"),
                "trafficRouting": {"gatewayAPI": {"httpRoutes": [{"name": name}]}},
                "steps": [{"setWeight": 10}, {"pause": {}}],
            }},
        },
    })
}

/// A ReplicaSet of the Rollout, with 3 pods wanted, 2 ready, 1 available.
pub(crate) fn replica_set(rollout: &str, hash: &str) -> Value {
    let mut metadata = metadata(&format!("{rollout}-{hash}"));
    metadata["labels"] = json!({"app": rollout, HASH_LABEL: hash});
    metadata["ownerReferences"] = json!([{
        "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": rollout, "uid": format!("uid-{rollout}"),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    json!({
        "metadata": metadata,
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": rollout, HASH_LABEL: hash}},
            "template": {"metadata": {"labels": {"app": rollout, HASH_LABEL: hash}}, "spec": {"containers": []}},
        },
        "status": {"replicas": 3, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": 2},
    })
}

/// A Service that selects by the label `app`.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "metadata": metadata(name),
        "spec": {
            "type": "ClusterIP", "clusterIP": "10.0.0.1",
            "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// A Service that this controller has pointed at the revision `hash` of `rollout`.
pub(crate) fn directed_service(name: &str, rollout: &str, hash: &str) -> Value {
    let mut object = service(name);
    object["metadata"]["annotations"] = json!({MANAGED_BY_ANNOTATION: rollout});
    object["metadata"]["managedFields"] = json!([{
        "manager": FIELD_MANAGER, "operation": "Update", "apiVersion": "v1",
        "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{MANAGED_BY_ANNOTATION}"): {}}}},
    }]);
    object["spec"]["selector"][HASH_LABEL] = json!(hash);
    object
}

/// The `EndpointSlice` `<service>-1`.
pub(crate) fn endpoint_slice(service: &str, endpoints: &Value) -> Value {
    let mut metadata = metadata(&format!("{service}-1"));
    metadata["labels"] = json!({"kubernetes.io/service-name": service});
    json!({"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": []})
}

/// A route that splits between `<name>-stable` and `<name>-canary`.
pub(crate) fn route(name: &str) -> Value {
    json!({
        "metadata": metadata(name),
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"backendRefs": [
                {"name": format!("{name}-stable"), "port": 80, "weight": 100},
                {"name": format!("{name}-canary"), "port": 80, "weight": 0},
            ]}],
        },
    })
}
