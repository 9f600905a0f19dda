//! The definitions of the AnalysisTemplate and the ClusterAnalysisTemplate: the same but for their scope.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceValidation,
};
use kube_core::ObjectMeta;
use serde_json::json;

use super::{Column, CrdError, column, printer_columns, structural};
use crate::analysis::template::{TemplateSpec, api_resource};
use crate::{Group, VERSION};

const COLUMNS: [Column; 1] = [column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "Time since it was created",
)];

pub(super) fn definition(cluster_scope: bool) -> Result<CustomResourceDefinition, CrdError> {
    let (scope, short_name, whose) = if cluster_scope {
        ("Cluster", "kcat", "the whole cluster")
    } else {
        ("Namespaced", "kat", "its namespace")
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
    let resource = api_resource(Group::Kulta, cluster_scope);
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{}", resource.plural, resource.group)),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: resource.group,
            names: CustomResourceDefinitionNames {
                list_kind: Some(format!("{}List", resource.kind)),
                singular: Some(resource.kind.to_lowercase()),
                kind: resource.kind,
                plural: resource.plural,
                short_names: Some(vec![short_name.to_owned()]),
                categories: Some(vec!["kulta".to_owned()]),
            },
            scope: scope.to_owned(),
            versions: vec![version],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    })
}
