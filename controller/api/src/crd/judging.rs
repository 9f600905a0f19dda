//! The definitions of what comes to a phase, the AnalysisRun and the Experiment: the same but for what they say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, CustomResourceSubresources,
    CustomResourceValidation,
};
use serde_json::{Value, json};

use super::{
    Column, CrdError, Definition, NAMESPACED, assembled, column, printer_columns, schema, status_subresource,
    structural,
};
use crate::VERSION;
use crate::analysis::AnalysisRunSpec;
use crate::experiment::ExperimentSpec;

const AGE: Column = column(
    "Age",
    "date",
    ".metadata.creationTimestamp",
    "Time since it was created",
);

/// Shown with `-o wide` only.
const WIDE_COLUMNS: [Column; 1] = [column(
    "Message",
    "string",
    ".status.message",
    "Why it is in its phase",
)];

/// What one of the kinds says of itself.
struct Judging {
    kind: Definition,
    short_name: &'static str,
    description: &'static str,
    phase: &'static str,
    spec: Value,
    status: Value,
}

pub(super) fn analysis_run() -> Result<CustomResourceDefinition, CrdError> {
    definition(Judging {
        kind: Definition::AnalysisRuns,
        short_name: "kar",
        description: "Measures until it is known whether something is well.",
        phase: "The worst phase of its metrics",
        spec: structural::of_spec::<AnalysisRunSpec>(),
        status: schema::run_status(),
    })
}

pub(super) fn experiment() -> Result<CustomResourceDefinition, CrdError> {
    definition(Judging {
        kind: Definition::Experiments,
        short_name: "kexp",
        description: "Runs some versions side by side for a while, and looks at them.",
        phase: "The worst phase of its parts, once it is over",
        spec: structural::of_spec::<ExperimentSpec>(),
        status: schema::experiment_status(),
    })
}

fn definition(judging: Judging) -> Result<CustomResourceDefinition, CrdError> {
    let Judging {
        kind,
        short_name,
        description,
        phase,
        spec,
        status,
    } = judging;
    let columns = [column("Status", "string", ".status.phase", phase), AGE];
    let schema = json!({
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
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
        additional_printer_columns: Some(printer_columns(&columns, &WIDE_COLUMNS)),
        ..CustomResourceDefinitionVersion::default()
    };
    Ok(assembled(kind, (short_name, &["kulta"]), NAMESPACED, version))
}
