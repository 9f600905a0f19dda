//! The fields of both strategies that are about pods.

use std::collections::BTreeMap;

use kulta_core::spec::PodMetadata;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::schema;

/// Labels and annotations that are put into pods without a new revision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Metadata {
    /// Labels that neither the template nor the selector has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations that the template has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Metadata {
    /// What is written, as it is.
    pub(crate) fn meaning(&self) -> PodMetadata {
        PodMetadata {
            labels: self.labels.clone().unwrap_or_default(),
            annotations: self.annotations.clone().unwrap_or_default(),
        }
    }
}

/// How versions are kept apart on nodes: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.preferredDuringSchedulingIgnoredDuringExecution) != \
     has(self.requiredDuringSchedulingIgnoredDuringExecution)",
    "exactly one of preferredDuringSchedulingIgnoredDuringExecution and requiredDuringSchedulingIgnoredDuringExecution",
)))]
pub struct AntiAffinity {
    /// Where there is room elsewhere.
    #[serde(
        rename = "preferredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Option::is_none"
    )]
    pub preferred: Option<PreferredAntiAffinity>,
    /// Always: a pod waits until there is room elsewhere.
    #[serde(
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Option::is_none"
    )]
    pub required: Option<RequiredAntiAffinity>,
}

/// Versions are kept apart where there is room elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PreferredAntiAffinity {
    /// How much it counts among what else is preferred.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
}

/// Versions are always kept apart. There is nothing more to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RequiredAntiAffinity {}
