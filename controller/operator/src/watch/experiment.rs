//! What is kept of an Experiment: how it stands, not what it runs.

use std::collections::BTreeMap;

use kube::core::ApiResource;
use kulta_api::names::{ANALYSIS_DEFINITION_ANNOTATION, HASH_LABEL, IN_ROUTES_ANNOTATION};
use kulta_api::{Group, experiment};
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::{AnalysisRunView, Judge, Routed, Sharing, SharingService};
use kulta_core::text;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::metadata::Metadata;
use super::ownership::{Ownership, ownership};
use super::projection::{Projection, Undecodable};

/// An Experiment.
#[derive(Debug, PartialEq)]
pub struct Experiment {
    /// What decisions see of it.
    pub view: AnalysisRunView,
    /// Whose it is.
    pub ownership: Ownership,
    /// It is being deleted: it counts as gone.
    pub deleting: bool,
    /// Pods or Services of it may be there.
    pub has_objects: bool,
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
    #[serde(default, deserialize_with = "readable")]
    status: WrittenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenSpec {
    terminate: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct WrittenStatus {
    phase: AnalysisPhase,
    message: String,
    template_statuses: Vec<WrittenTemplate>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct WrittenTemplate {
    name: String,
    replicas: u32,
    service_name: Option<String>,
    pod_template_hash: String,
}

impl WrittenTemplate {
    /// Its Service. The ports and endpoints are not known here.
    fn sharing(self) -> Option<SharingService> {
        Some(SharingService {
            name: self.service_name?,
            template: self.name,
            hash: self.pod_template_hash,
            ready: 0,
            ports: Vec::new(),
            named: false,
        })
    }
}

/// A status that can't be read counts as lost, as where the experiment goes on: it is found out again.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WrittenStatus, D::Error> {
    let status = Value::deserialize(deserializer)?;
    Ok(WrittenStatus::deserialize(status).unwrap_or_default())
}

/// What the annotations of an Experiment say about routes.
pub(crate) fn routed(annotations: &BTreeMap<String, String>) -> Option<Routed> {
    annotations
        .get(IN_ROUTES_ANNOTATION)
        .map(|note| Routed::read(note))
}

impl Projection for Experiment {
    fn api_resource(group: Group) -> ApiResource {
        experiment::api_resource(group)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            metadata,
            spec,
            status,
        } = Written::deserialize(object)?;
        let mut templates = status.template_statuses.iter();
        let has_objects = templates.any(|template| template.replicas > 0 || template.service_name.is_some());
        let services = status.template_statuses.into_iter();
        let sharing = Sharing {
            routed: routed(&metadata.annotations),
            services: services.filter_map(WrittenTemplate::sharing).collect(),
        };
        Ok(Self {
            deleting: metadata.is_being_deleted(),
            has_objects,
            ownership: ownership(&metadata.owner_references),
            view: AnalysisRunView {
                judge: Judge::Experiment,
                hash: metadata.labels.get(HASH_LABEL).cloned(),
                created: metadata.creation_timestamp,
                definition: metadata.annotation(ANALYSIS_DEFINITION_ANNOTATION),
                terminate: spec.terminate.unwrap_or(false),
                phase: status.phase,
                // What anybody writes there becomes part of the Rollout's status.
                message: text::message(&status.message),
                evidence: Vec::new(),
                sharing,
                name: metadata.name,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::{Cached as _, samples};

    fn with_status(status: Value) -> Experiment {
        let mut object = samples::experiment("web", "web-abc-2-1");
        object["status"] = status;
        Experiment::project(&object).unwrap()
    }

    #[test]
    fn phase_message_and_owner_are_read() {
        let experiment = with_status(json!({"phase": "Failed", "message": "5 % errors"}));

        assert_eq!(experiment.view.judge, Judge::Experiment);
        assert_eq!(experiment.view.phase, AnalysisPhase::Failed);
        assert_eq!(experiment.view.message, "5 % errors");
        assert!(matches!(experiment.ownership, Ownership::Rollout { name, .. } if name == "web"));
    }

    #[test]
    fn services_of_templates_and_the_note_for_routes_are_read() {
        let mut object = samples::experiment("web", "web-abc-2-1");
        object["metadata"]["annotations"] = json!({"kulta.io/in-routes": "web-abc-2-1-canary"});
        object["status"] = json!({"templateStatuses": [
            {"name": "baseline"},
            {"name": "canary", "serviceName": "web-abc-2-1-canary", "podTemplateHash": "xyz"},
        ]});

        let sharing = Experiment::project(&object).unwrap().view.sharing;

        let service = SharingService {
            template: "canary".to_owned(),
            name: "web-abc-2-1-canary".to_owned(),
            hash: "xyz".to_owned(),
            ready: 0,
            ports: Vec::new(),
            named: false,
        };
        assert_eq!(sharing.noted().collect::<Vec<_>>(), ["web-abc-2-1-canary"]);
        assert_eq!(sharing.services, [service]);
        assert_eq!(with_status(json!({})).view.sharing.routed, None);

        object["metadata"]["annotations"]["kulta.io/in-routes"] = json!("2026-01-01T00:00:00Z");
        let left = Experiment::project(&object).unwrap().view.sharing;
        assert!(matches!(left.routed, Some(Routed::Until(_))), "{left:?}");
    }

    #[test]
    fn a_status_that_can_t_be_read_counts_as_lost() {
        let experiment = with_status(json!({"phase": "Dreaming"}));

        assert_eq!(experiment.view.phase, AnalysisPhase::Pending);
    }

    #[test]
    fn there_is_work_until_its_pods_and_services_are_gone() {
        let with =
            |templates: Value| with_status(json!({"phase": "Successful", "templateStatuses": templates}));

        assert!(with_status(json!(null)).has_work());
        assert!(with(json!([{"replicas": 1}])).has_work());
        assert!(with(json!([{"replicas": 0, "serviceName": "web"}])).has_work());
        assert!(!with(json!([{"replicas": 0}])).has_work());
    }
}
