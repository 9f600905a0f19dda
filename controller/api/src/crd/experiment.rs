//! The definition of the Experiment.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceSubresources, CustomResourceValidation,
};
use kube_core::ObjectMeta;
use serde_json::json;

use super::{Column, CrdError, column, printer_columns, schema, status_subresource, structural};
use crate::experiment::{ExperimentSpec, KIND, PLURAL};
use crate::{Group, VERSION};

const COLUMNS: [Column; 2] = [
    column(
        "Status",
        "string",
        ".status.phase",
        "The worst phase of its parts, once it is over",
    ),
    column(
        "Age",
        "date",
        ".metadata.creationTimestamp",
        "Time since it was created",
    ),
];

/// Shown with `-o wide` only.
const WIDE_COLUMNS: [Column; 1] = [column(
    "Message",
    "string",
    ".status.message",
    "Why it is in its phase",
)];

pub(super) fn definition() -> Result<CustomResourceDefinition, CrdError> {
    let schema = json!({
        "type": "object",
        "description": "Runs some versions side by side for a while, and looks at them.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural::of_spec::<ExperimentSpec>(),
            "status": schema::experiment_status(),
        },
    });
    let version = CustomResourceDefinitionVersion {
        name: VERSION.to_owned(),
        served: true,
        storage: true,
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(serde_json::from_value(schema).map_err(CrdError::Schema)?),
        }),
        subresources: Some(CustomResourceSubresources {
            status: Some(status_subresource()),
            ..CustomResourceSubresources::default()
        }),
        additional_printer_columns: Some(printer_columns(&COLUMNS, &WIDE_COLUMNS)),
        ..CustomResourceDefinitionVersion::default()
    };
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{PLURAL}.{}", Group::Kulta)),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: Group::Kulta.as_str().to_owned(),
            names: CustomResourceDefinitionNames {
                kind: KIND.to_owned(),
                list_kind: Some(format!("{KIND}List")),
                plural: PLURAL.to_owned(),
                singular: Some(KIND.to_lowercase()),
                short_names: Some(vec!["kexp".to_owned()]),
                categories: Some(vec!["kulta".to_owned()]),
            },
            scope: "Namespaced".to_owned(),
            versions: vec![version],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    })
}
