//! The `CustomResourceDefinition`s, generated from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceScale,
    CustomResourceSubresourceStatus, CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use kube_core::ObjectMeta;
use serde_json::{Value, json};
use thiserror::Error;

use crate::analysis::{self, template as template_kinds};
use crate::experiment as experiment_kind;
use crate::rollout::{KIND, PLURAL, RolloutSpec};
use crate::status::RolloutStatus;
use crate::{Group, VERSION};

mod analysis_template;
mod argo;
mod judging;
pub(crate) mod schema;
mod served;
mod structural;
mod template;
#[cfg(test)]
mod tests;

pub use served::pruned;

/// The kinds that are defined here, each in both groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// `rollouts`
    Rollouts,
    /// `analysisruns`
    AnalysisRuns,
    /// `analysistemplates`
    AnalysisTemplates,
    /// `clusteranalysistemplates`
    ClusterAnalysisTemplates,
    /// `experiments`
    Experiments,
}

impl Definition {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Rollouts,
        Self::AnalysisRuns,
        Self::AnalysisTemplates,
        Self::ClusterAnalysisTemplates,
        Self::Experiments,
    ];

    /// The name of the resource in URLs.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Rollouts => PLURAL,
            Self::AnalysisRuns => analysis::PLURAL,
            Self::AnalysisTemplates => template_kinds::PLURAL,
            Self::ClusterAnalysisTemplates => template_kinds::CLUSTER_PLURAL,
            Self::Experiments => experiment_kind::PLURAL,
        }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Rollouts => KIND,
            Self::AnalysisRuns => analysis::KIND,
            Self::AnalysisTemplates => template_kinds::KIND,
            Self::ClusterAnalysisTemplates => template_kinds::CLUSTER_KIND,
            Self::Experiments => experiment_kind::KIND,
        }
    }

    /// Where the committed file is, from the root of the repository.
    #[must_use]
    pub fn file(self, group: Group) -> String {
        let plural = self.plural();
        match group {
            Group::Kulta => format!("deploy/crds/{plural}.{group}.yaml"),
            Group::Argo => format!("deploy/crds/argo/{plural}.{group}.yaml"),
        }
    }

    /// How the committed file is made; its first line says so.
    #[must_use]
    pub fn regenerate(self, group: Group) -> String {
        let flag = match group {
            Group::Kulta => String::new(),
            Group::Argo => format!(" --group {group}"),
        };
        let (plural, file) = (self.plural(), self.file(group));
        format!("cargo run -p kulta-operator -- crd {plural}{flag} > {file}")
    }

    /// The definition.
    ///
    /// # Errors
    /// When the generated schema is none that a definition can hold.
    pub fn generate(self, group: Group) -> Result<CustomResourceDefinition, CrdError> {
        let own = match self {
            Self::Rollouts => rollout(),
            Self::AnalysisRuns => judging::analysis_run(),
            Self::AnalysisTemplates => analysis_template::definition(false),
            Self::ClusterAnalysisTemplates => analysis_template::definition(true),
            Self::Experiments => judging::experiment(),
        };
        match group {
            Group::Kulta => own,
            Group::Argo => argo::definition(self, own?),
        }
    }

    /// The definition as YAML, as it is committed.
    ///
    /// # Errors
    /// As [`generate`](Self::generate), and when it can't be written as YAML.
    pub fn yaml(self, group: Group) -> Result<String, CrdError> {
        let definition = serde_json::to_value(self.generate(group)?).map_err(CrdError::Schema)?;
        let definition =
            serde_saphyr::to_string(&structural::whole_numbers(definition)).map_err(CrdError::Yaml)?;
        Ok(format!(
            "# Generated, do not edit: {}\n{definition}",
            self.regenerate(group)
        ))
    }
}

/// A definition that can't be made: a mistake in the Rust types, found by the tests of this crate.
#[derive(Debug, Error)]
pub enum CrdError {
    /// The generated schema is none that a definition can hold.
    #[error("the schema generated from the Rust types is not an OpenAPI schema")]
    Schema(#[source] serde_json::Error),
    /// The definition can't be written as YAML.
    #[error("the definition can't be written as YAML")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

fn rollout() -> Result<CustomResourceDefinition, CrdError> {
    let version = CustomResourceDefinitionVersion {
        name: VERSION.to_owned(),
        served: true,
        storage: true,
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(open_api_schema()?),
        }),
        subresources: Some(subresources()),
        additional_printer_columns: Some(printer_columns(&COLUMNS, &WIDE_COLUMNS)),
        ..CustomResourceDefinitionVersion::default()
    };
    let names = ("kr", ["all", "kulta"].as_slice());
    Ok(assembled(Definition::Rollouts, names, NAMESPACED, version))
}

/// The scope of a kind whose objects are in namespaces.
const NAMESPACED: &str = "Namespaced";

/// The definition of a kind of KULTA's own group, with its short name and its categories.
fn assembled(
    definition: Definition,
    (short_name, categories): (&str, &[&str]),
    scope: &str,
    version: CustomResourceDefinitionVersion,
) -> CustomResourceDefinition {
    let (kind, plural) = (definition.kind(), definition.plural());
    CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{plural}.{}", Group::Kulta)),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: Group::Kulta.as_str().to_owned(),
            names: CustomResourceDefinitionNames {
                kind: kind.to_owned(),
                list_kind: Some(format!("{kind}List")),
                plural: plural.to_owned(),
                singular: Some(kind.to_lowercase()),
                short_names: Some(vec![short_name.to_owned()]),
                categories: Some(categories.iter().map(|&category| category.to_owned()).collect()),
            },
            scope: scope.to_owned(),
            versions: vec![version],
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    }
}

/// Where analyses are written that are told of at `strategy.canary.analysis`: once is enough, and a definition has a bound.
const TOLD_ELSEWHERE: [&str; 3] = [
    "/properties/strategy/properties/canary/properties/steps/items/properties/analysis/properties",
    "/properties/strategy/properties/blueGreen/properties/prePromotionAnalysis/properties",
    "/properties/strategy/properties/blueGreen/properties/postPromotionAnalysis/properties",
];

/// The schema of the spec, nothing of it told twice.
fn spec_schema() -> Value {
    let mut spec = structural::of_spec::<RolloutSpec>();
    for fields in TOLD_ELSEWHERE {
        let fields = spec.pointer_mut(fields).and_then(Value::as_object_mut);
        for (_, field) in fields.into_iter().flatten() {
            structural::take_inner_descriptions(field);
        }
    }
    spec
}

fn open_api_schema() -> Result<JSONSchemaProps, CrdError> {
    let schema = json!({
        "type": "object",
        "description": "Replaces a Deployment: a new version of its pods comes up beside the old one and gets a \
                        growing share of the traffic.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(),
            "status": structural::of_status::<RolloutStatus>(),
        },
    });
    serde_json::from_value::<JSONSchemaProps>(schema).map_err(CrdError::Schema)
}

fn status_subresource() -> CustomResourceSubresourceStatus {
    CustomResourceSubresourceStatus(Value::Object(serde_json::Map::new()))
}

fn subresources() -> CustomResourceSubresources {
    CustomResourceSubresources {
        status: Some(status_subresource()),
        scale: Some(CustomResourceSubresourceScale {
            spec_replicas_path: ".spec.replicas".to_owned(),
            status_replicas_path: ".status.HPAReplicas".to_owned(),
            label_selector_path: Some(".status.selector".to_owned()),
        }),
    }
}

/// The columns of `kubectl get`, and those that it shows with `-o wide` only.
fn printer_columns(columns: &[Column], wide: &[Column]) -> Vec<CustomResourceColumnDefinition> {
    let shown = columns.iter().map(|column| (column, 0));
    let shown_wide = wide.iter().map(|column| (column, 1));
    shown
        .chain(shown_wide)
        .map(|(column, priority)| CustomResourceColumnDefinition {
            name: column.name.to_owned(),
            type_: column.type_.to_owned(),
            json_path: column.path.to_owned(),
            description: Some(column.description.to_owned()),
            priority: Some(priority),
            ..CustomResourceColumnDefinition::default()
        })
        .collect()
}

/// A column of `kubectl get`.
struct Column {
    name: &'static str,
    type_: &'static str,
    path: &'static str,
    description: &'static str,
}

const fn column(
    name: &'static str,
    type_: &'static str,
    path: &'static str,
    description: &'static str,
) -> Column {
    Column {
        name,
        type_,
        path,
        description,
    }
}

const COLUMNS: [Column; 7] = [
    column("Desired", "integer", ".spec.replicas", "Wanted number of pods"),
    column("Current", "integer", ".status.replicas", "Pods of all revisions"),
    column(
        "Up-to-date",
        "integer",
        ".status.updatedReplicas",
        "Pods of the current revision",
    ),
    column(
        "Available",
        "integer",
        ".status.availableReplicas",
        "Available pods of all revisions",
    ),
    column(
        "Phase",
        "string",
        ".status.phase",
        "Progressing, Paused, Healthy or Degraded",
    ),
    column(
        "Weight",
        "integer",
        ".status.canary.weights.canary.weight",
        "Percent of traffic for the canary",
    ),
    column(
        "Age",
        "date",
        ".metadata.creationTimestamp",
        "Time since it was created",
    ),
];

/// Shown with `-o wide` only.
const WIDE_COLUMNS: [Column; 2] = [
    column(
        "Step",
        "integer",
        ".status.currentStepIndex",
        "The step under way, from 0",
    ),
    column("Message", "string", ".status.message", "Why it is in its phase"),
];
