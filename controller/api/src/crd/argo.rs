//! The definitions for `argoproj.io`: KULTA's own, with the names, subresources and columns that Argo Rollouts has, and no
//! stricter than there.
//!
//! What Argo Rollouts' controller would refuse (or bear) is refused by the parser, where it can be told in the Rollout's
//! condition. Fields that KULTA does not have are kept: those of a spec are refused by name, and those of a status are there
//! when somebody goes back to Argo Rollouts.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps,
};
use serde_json::{Map, Value, json};

use super::{Column, CrdError, Definition, column, printer_columns};
use crate::Group;
use crate::analysis::{METADATA, metadata_schema, own_fields};

/// What makes a schema stricter than Argo Rollouts' own.
const STRICTER: [&str; 11] = [
    "x-kubernetes-validations",
    "required",
    "enum",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];

/// Fields of a spec whose schema is that of Argo Rollouts already: a selector that can't be changed, and lists in a pod
/// template, whose keys must be there.
const AS_THEY_ARE: [&str; 2] = ["selector", "template"];

/// Where in a status Argo Rollouts has fields that KULTA does not have.
const WITH_FIELDS_OF_OTHERS: [&str; 4] = [
    "/properties/status",
    "/properties/status/properties/canary",
    "/properties/status/properties/canary/properties/weights",
    "/properties/status/properties/blueGreen",
];

/// Argo Rollouts' columns: what it names so is there, and nothing else.
const ROLLOUT_COLUMNS: [&str; 5] = ["Desired", "Current", "Up-to-date", "Available", "Age"];

const AGE: Column = column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "Time since it was created",
);

/// `own` as it is in `argoproj.io`.
pub(super) fn definition(
    kind: Definition,
    own: CustomResourceDefinition,
) -> Result<CustomResourceDefinition, CrdError> {
    let mut definition = own;
    definition.metadata.name = Some(format!("{}.{}", kind.plural(), Group::Argo));
    Group::Argo.as_str().clone_into(&mut definition.spec.group);
    definition.spec.names.short_names = Some(vec![short_name(kind).to_owned()]);
    definition.spec.names.categories = None;
    for version in &mut definition.spec.versions {
        let columns = version.additional_printer_columns.take().unwrap_or_default();
        version.additional_printer_columns = Some(shown(kind, columns));
        let is_analysis = matches!(kind, Definition::AnalysisRuns | Definition::Experiments);
        if is_analysis && !Group::Argo.has_analysis_status_subresource() {
            version.subresources = None;
        }
        let schema = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut());
        if let Some(schema) = schema {
            *schema = relaxed(schema)?;
        }
    }
    Ok(definition)
}

const fn short_name(kind: Definition) -> &'static str {
    match kind {
        Definition::Rollouts => "ro",
        Definition::AnalysisRuns => "ar",
        Definition::AnalysisTemplates => "at",
        Definition::ClusterAnalysisTemplates => "cat",
        Definition::Experiments => "exp",
    }
}

fn shown(
    kind: Definition,
    columns: Vec<CustomResourceColumnDefinition>,
) -> Vec<CustomResourceColumnDefinition> {
    match kind {
        Definition::Rollouts => columns
            .into_iter()
            .filter(|column| ROLLOUT_COLUMNS.contains(&column.name.as_str()))
            .collect(),
        Definition::AnalysisRuns | Definition::Experiments => columns
            .into_iter()
            .filter(|column| column.priority == Some(0))
            .collect(),
        Definition::AnalysisTemplates | Definition::ClusterAnalysisTemplates => printer_columns(&[AGE], &[]),
    }
}

fn relaxed(schema: &JSONSchemaProps) -> Result<JSONSchemaProps, CrdError> {
    let mut schema = serde_json::to_value(schema).map_err(CrdError::Schema)?;
    if let Some(spec) = schema.pointer_mut("/properties/spec") {
        relax(spec);
        keep_unknown_fields(spec);
    }
    if let Some(status) = schema.pointer_mut("/properties/status") {
        relax(status);
        argo_status(status);
    }
    for fields in WITH_FIELDS_OF_OTHERS {
        if let Some(status) = schema.pointer_mut(fields) {
            keep_unknown_fields(status);
        }
    }
    serde_json::from_value(schema).map_err(CrdError::Schema)
}

fn relax(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    let keys = map_keys(keywords);
    keywords.retain(|keyword, _| !STRICTER.contains(&keyword.as_str()));
    let properties = keywords.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if !AS_THEY_ARE.contains(&name.as_str()) {
            relax(property);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = keywords.get_mut(keyword) {
            relax(inner);
        }
    }
    // The keys of a list that is told apart by them must be there.
    if let (Some(keys), Some(items)) = (keys, keywords.get_mut("items").and_then(Value::as_object_mut)) {
        items.insert("required".to_owned(), keys);
    }
}

fn map_keys(keywords: &Map<String, Value>) -> Option<Value> {
    keywords.get("x-kubernetes-list-map-keys").cloned()
}

fn keep_unknown_fields(schema: &mut Value) {
    if let Some(keywords) = schema.as_object_mut() {
        keywords.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
}

/// What a status has otherwise there.
fn argo_status(status: &mut Value) {
    for field in ["observedGeneration", "workloadObservedGeneration"] {
        if let Some(generation) = status.pointer_mut(&format!("/properties/{field}")) {
            let description = generation.get("description").cloned();
            *generation = json!({"type": "string", "nullable": true, "description": description});
        }
    }
    let condition = "/properties/conditions/items/properties";
    if let Some(fields) = status.pointer_mut(condition).and_then(Value::as_object_mut) {
        fields.remove("observedGeneration");
        fields.insert(
            "lastUpdateTime".to_owned(),
            json!({"type": "string", "format": "date-time"}),
        );
    }
    let result = "/properties/metricResults/items/properties";
    if let Some(fields) = status.pointer_mut(result).and_then(Value::as_object_mut) {
        for field in own_fields() {
            fields.remove(field);
        }
        fields.insert(METADATA.to_owned(), metadata_schema());
    }
}
