//! The definitions of the AnalysisTemplate and the ClusterAnalysisTemplate: the same but for their scope.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, CustomResourceValidation,
};
use serde_json::json;

use super::{Column, CrdError, Definition, NAMESPACED, assembled, column, printer_columns, structural};
use crate::VERSION;
use crate::analysis::template::TemplateSpec;

const COLUMNS: [Column; 1] = [column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "Time since it was created",
)];

pub(super) fn definition(cluster_scope: bool) -> Result<CustomResourceDefinition, CrdError> {
    let (kind, scope, short_name, whose) = if cluster_scope {
        let kind = Definition::ClusterAnalysisTemplates;
        (kind, "Cluster", "kcat", "the whole cluster")
    } else {
        (Definition::AnalysisTemplates, NAMESPACED, "kat", "its namespace")
    };
    let schema = json!({
        "type": "object",
        "description": format!("Metrics, with arguments, for analyses of Rollouts in {whose}."),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural::of_spec::<TemplateSpec>(),
        },
    });
    let version = CustomResourceDefinitionVersion {
        name: VERSION.to_owned(),
        served: true,
        storage: true,
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(serde_json::from_value(schema).map_err(CrdError::Schema)?),
        }),
        additional_printer_columns: Some(printer_columns(&COLUMNS, &[])),
        ..CustomResourceDefinitionVersion::default()
    };
    Ok(assembled(kind, (short_name, &["kulta"]), scope, version))
}
