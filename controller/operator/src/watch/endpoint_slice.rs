//! What is kept of an `EndpointSlice`: how many ready pods of which ReplicaSet.

use std::collections::BTreeMap;

use kube::core::ApiResource;
use kulta_api::Group;
use serde::Deserialize;
use serde_json::Value;

use super::projection::{Projection, Undecodable};

/// Label of `EndpointSlice`s: the Service they belong to.
pub(super) const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// Random characters that end a generated name of a pod (apimachinery `names.SimpleNameGenerator`).
const RANDOM_LENGTH: usize = 5;
/// Generated names are cut to this length before the random characters are added: together 63 characters.
const PREFIX_LENGTH: usize = 58;

/// The ready pods of one `EndpointSlice`.
#[derive(Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The Service it belongs to; in the same namespace.
    pub service: String,
    /// IPv4, IPv6 or FQDN: a pod with two addresses is in a slice of either.
    pub address_type: String,
    /// Number of ready pods by the prefix of their names, see [`pod_prefix`].
    pub ready: BTreeMap<String, u32>,
}

/// What the names of a ReplicaSet's pods begin with, the random characters aside.
///
/// Names above 57 characters are cut: the prefixes of two ReplicaSets may then be the same.
#[must_use]
pub fn pod_prefix(replica_set: &str) -> String {
    replica_set.chars().chain(['-']).take(PREFIX_LENGTH).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    metadata: WrittenMetadata,
    #[serde(default)]
    address_type: String,
    #[serde(default)]
    endpoints: Option<Vec<WrittenEndpoint>>,
}

#[derive(Deserialize)]
struct WrittenMetadata {
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEndpoint {
    #[serde(default)]
    conditions: WrittenConditions,
    target_ref: Option<WrittenTarget>,
}

#[derive(Default, Deserialize)]
struct WrittenConditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct WrittenTarget {
    kind: Option<String>,
    name: Option<String>,
}

impl WrittenEndpoint {
    /// The prefix of the name of the pod, when it is a ready one.
    fn ready_pod(self) -> Option<String> {
        // Not reported means ready: as the API says.
        let ready = self.conditions.ready != Some(false) && self.conditions.terminating != Some(true);
        let target = self
            .target_ref
            .filter(|target| ready && target.kind.as_deref() == Some("Pod"))?;
        let name = target.name?;
        let prefix_length = name.chars().count().checked_sub(RANDOM_LENGTH)?;
        Some(name.chars().take(prefix_length).collect())
    }
}

impl Projection for EndpointSlice {
    fn api_resource(_: Group) -> ApiResource {
        ApiResource::erase::<k8s_openapi::api::discovery::v1::EndpointSlice>(&())
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let mut written = Written::deserialize(object)?;
        let mut ready = BTreeMap::new();
        for prefix in written
            .endpoints
            .into_iter()
            .flatten()
            .filter_map(WrittenEndpoint::ready_pod)
        {
            *ready.entry(prefix).or_default() += 1;
        }
        let service = written
            .metadata
            .labels
            .remove(SERVICE_NAME_LABEL)
            .unwrap_or_default();
        Ok(Self {
            service,
            address_type: written.address_type,
            ready,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::samples;
    use serde_json::json;

    fn endpoint(pod: &str, conditions: &Value) -> Value {
        json!({"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": pod}})
    }

    fn ready(endpoints: &Value) -> BTreeMap<String, u32> {
        EndpointSlice::project(&samples::endpoint_slice("web-stable", endpoints))
            .unwrap()
            .ready
    }

    #[test]
    fn ready_pods_are_counted_by_replica_set() {
        let endpoints = json!([
            endpoint("web-abc-fghij", &json!({"ready": true})),
            endpoint("web-abc-klmno", &json!({"ready": true})),
            endpoint("web-def-pqrst", &json!({"ready": true})),
        ]);

        assert_eq!(
            ready(&endpoints),
            BTreeMap::from([(pod_prefix("web-abc"), 2), (pod_prefix("web-def"), 1)])
        );
    }

    #[test]
    fn pods_that_are_not_ready_or_terminate_do_not_count() {
        let endpoints = json!([
            endpoint("web-abc-fghij", &json!({"ready": false})),
            endpoint("web-abc-klmno", &json!({"ready": true, "terminating": true})),
        ]);
        assert!(ready(&endpoints).is_empty());
    }

    #[test]
    fn unknown_readiness_means_ready() {
        assert_eq!(ready(&json!([endpoint("web-abc-fghij", &json!({}))])).len(), 1);
    }

    #[test]
    fn endpoints_that_are_no_pods_do_not_count() {
        let endpoints = json!([{"addresses": ["10.0.0.1"]}, {"addresses": [], "targetRef": {"kind": "Node", "name": "node-12345"}}]);
        assert!(ready(&endpoints).is_empty());
    }

    #[test]
    fn a_slice_without_endpoints_is_read() {
        assert!(ready(&Value::Null).is_empty());
    }

    #[test]
    fn the_prefix_of_a_long_name_is_cut_as_kubernetes_does() {
        let replica_set = "a".repeat(70);
        let pod = format!("{}xyz12", "a".repeat(58));

        assert_eq!(
            ready(&json!([endpoint(&pod, &json!({"ready": true}))])),
            BTreeMap::from([(pod_prefix(&replica_set), 1)])
        );
    }
}
