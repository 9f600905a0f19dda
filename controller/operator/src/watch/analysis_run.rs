//! What is kept of an AnalysisRun: how it stands, not what it measures.

use kube::core::ApiResource;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::AnalysisRunView;
use serde::Deserialize;
use serde_json::Value;

use super::metadata::Metadata;
use super::ownership::{Ownership, ownership};
use super::projection::{Projection, Undecodable};

/// An AnalysisRun.
#[derive(Debug, PartialEq)]
pub struct AnalysisRun {
    /// What decisions see of it.
    pub view: AnalysisRunView,
    /// Whose it is.
    pub ownership: Ownership,
    /// It is being deleted: it counts as gone.
    pub deleting: bool,
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
    #[serde(default)]
    status: WrittenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenSpec {
    terminate: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenStatus {
    phase: AnalysisPhase,
    message: String,
}

impl Projection for AnalysisRun {
    fn api_resource() -> ApiResource {
        kulta_api::analysis::api_resource()
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            metadata,
            spec,
            status,
        } = Written::deserialize(object)?;
        Ok(Self {
            deleting: metadata.is_being_deleted(),
            ownership: ownership(&metadata.owner_references),
            view: AnalysisRunView {
                created: metadata.creation_timestamp,
                terminate: spec.terminate.unwrap_or(false),
                phase: status.phase,
                message: status.message,
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
    use crate::watch::samples;

    #[test]
    fn phase_message_and_owner_are_read() {
        let mut object = samples::analysis_run("web", "web-abc-2");
        object["status"] = json!({"phase": "Failed", "message": "5 % errors"});
        object["spec"]["terminate"] = json!(true);

        let run = AnalysisRun::project(&object).unwrap();

        assert_eq!(run.view.phase, AnalysisPhase::Failed);
        assert_eq!(run.view.message, "5 % errors");
        assert!(run.view.terminate);
        assert!(matches!(run.ownership, Ownership::Rollout { name, .. } if name == "web"));
    }

    #[test]
    fn one_without_a_status_is_pending() {
        let run = AnalysisRun::project(&samples::analysis_run("web", "web-abc-2")).unwrap();

        assert_eq!(run.view.phase, AnalysisPhase::Pending);
    }
}
