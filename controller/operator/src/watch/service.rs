//! What is kept of a Service.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::ApiResource;
use kulta_api::names::{FIELD_MANAGER, HASH_LABEL, MANAGED_BY_ANNOTATION};
use kulta_api::{Group, experiment};
use kulta_core::observed::{PortTarget, ServicePort, ServiceView};
use serde::Deserialize;
use serde_json::Value;

use super::metadata::{ManagedFields, Metadata, OwnerReference};
use super::projection::{Projection, Undecodable};

/// A Service.
#[derive(Debug, PartialEq)]
pub struct Service {
    /// `metadata.uid`
    pub uid: String,
    /// What decisions see of it; its endpoints are not known here.
    pub view: ServiceView,
    /// The annotation that names its Rollout was written by this controller. (It is Argo Rollouts' annotation, and where
    /// that wrote it, the Rollout is one of its own.)
    pub directed_here: bool,
    /// The UID of the Experiment that it belongs to.
    pub experiment: Option<String>,
}

/// The Experiment that controls an object.
fn experiment_of(owners: &[OwnerReference]) -> Option<String> {
    let mut owners = owners.iter();
    let owner = owners.find(|owner| owner.controller)?;
    let is_one = owner.kind == experiment::KIND && Group::of(&owner.api_version).is_some();
    is_one.then(|| owner.uid.clone())
}

/// Whether this controller holds the annotation that names a Service's Rollout.
fn is_directed_here(entries: &[ManagedFields]) -> bool {
    entries
        .iter()
        .any(|entry| entry.manager == FIELD_MANAGER && entry.holds_managed_by())
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenSpec {
    selector: BTreeMap<String, String>,
    ports: Vec<WrittenPort>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPort {
    port: u16,
    name: Option<String>,
    target_port: Option<IntOrString>,
}

impl WrittenPort {
    /// Without a target, and for one that is no port, it is the same as the Service's.
    fn view(self) -> ServicePort {
        let target = match self.target_port {
            Some(IntOrString::String(name)) => PortTarget::Name(name),
            Some(IntOrString::Int(number)) => PortTarget::Number(u16::try_from(number).unwrap_or(self.port)),
            None => PortTarget::Number(self.port),
        };
        ServicePort {
            number: self.port,
            name: self.name,
            target,
        }
    }
}

impl Projection for Service {
    fn api_resource(_: Group) -> ApiResource {
        ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&())
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            mut metadata,
            mut spec,
        } = Written::deserialize(object)?;
        let selects = spec.selector.remove(HASH_LABEL);
        Ok(Self {
            directed_here: is_directed_here(&metadata.managed_fields),
            experiment: experiment_of(&metadata.owner_references),
            uid: metadata.uid,
            view: ServiceView {
                managed_by: metadata.annotations.remove(MANAGED_BY_ANNOTATION),
                name: metadata.name,
                resource_version: metadata.resource_version,
                selector: spec.selector,
                selects,
                ports: spec.ports.into_iter().map(WrittenPort::view).collect(),
                ready_endpoints: BTreeMap::new(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::samples;
    use serde_json::json;

    #[test]
    fn the_hash_is_told_apart_from_the_selector() {
        let mut object = samples::service("web-stable");
        object["spec"]["selector"] = json!({"app": "web", HASH_LABEL: "abc"});
        object["metadata"]["annotations"] = json!({MANAGED_BY_ANNOTATION: "web", "other": "x"});

        let view = Service::project(&object).unwrap().view;

        assert_eq!(
            view.selector,
            BTreeMap::from([("app".to_owned(), "web".to_owned())])
        );
        assert_eq!(view.selects.as_deref(), Some("abc"));
        assert_eq!(view.managed_by.as_deref(), Some("web"));
        let port = ServicePort {
            number: 80,
            name: Some("http".to_owned()),
            target: PortTarget::Number(8080),
        };
        assert_eq!(view.ports, [port]);
    }

    #[test]
    fn a_service_without_selector_and_ports_is_read() {
        let mut object = samples::service("external");
        object["spec"] = json!({"type": "ExternalName", "externalName": "example.com"});

        let view = Service::project(&object).unwrap().view;

        assert!(view.selector.is_empty() && view.ports.is_empty() && view.selects.is_none());
    }
}
