//! The parts of `metadata` that projections look at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An object's metadata; all that is not named here is dropped.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) creation_timestamp: Timestamp,
    #[serde(default)]
    pub(super) generation: i64,
    #[serde(default)]
    pub(super) deletion_timestamp: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) owner_references: Vec<OwnerReference>,
    #[serde(default)]
    pub(super) managed_fields: Vec<ManagedFields>,
}

impl Metadata {
    pub(super) fn annotation<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.annotations.get(name)?.parse().ok()
    }

    pub(super) fn is_being_deleted(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// An owner of an object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerReference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    #[serde(default)]
    pub(super) controller: bool,
}

/// Who wrote which fields when; of the fields only `spec.rules` matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedFields {
    #[serde(default)]
    pub(super) manager: String,
    pub(super) time: Option<Timestamp>,
    #[serde(default, rename = "fieldsV1")]
    pub(super) fields: Fields,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Fields {
    #[serde(default, rename = "f:metadata")]
    metadata: MetadataFields,
    #[serde(default, rename = "f:spec")]
    spec: SpecFields,
}

#[derive(Debug, Default, Deserialize)]
struct MetadataFields {
    #[serde(default, rename = "f:annotations")]
    annotations: AnnotationFields,
}

#[derive(Debug, Default, Deserialize)]
struct AnnotationFields {
    #[serde(rename = "f:argo-rollouts.argoproj.io/managed-by-rollouts")]
    managed_by: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
struct SpecFields {
    #[serde(rename = "f:rules")]
    rules: Option<IgnoredAny>,
}

impl ManagedFields {
    /// Whether the entry's manager wrote the annotation that names a Service's Rollout.
    pub(super) fn holds_managed_by(&self) -> bool {
        self.fields.metadata.annotations.managed_by.is_some()
    }

    /// Whether the entry's manager wrote `spec.rules`.
    pub(super) fn holds_rules(&self) -> bool {
        self.fields.spec.rules.is_some()
    }
}
