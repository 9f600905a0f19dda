//! What a Rollout says of its pods besides their number and their template.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Amount;

/// What a Rollout says of its pods besides their number and their template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodRules {
    /// When they are to be restarted, if ever.
    pub restart: Option<Restart>,
    /// What pods of the new version bear while there is another stable one.
    pub new_metadata: PodMetadata,
    /// What pods of the stable version bear.
    pub stable_metadata: PodMetadata,
    /// How the pods of a new version are kept apart from those of the stable one.
    pub anti_affinity: Option<AntiAffinity>,
}

/// A restart: pods that were created before it are replaced by others of the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// When it begins, and which pods are old.
    pub at: Timestamp,
    /// So many pods may be missing meanwhile, rounded down; one at least.
    pub max_unavailable: Amount,
}

/// Labels and annotations that are put into pods, and taken out again, as their version's part in the rollout changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }

    /// This and `other` together; where both have a key, the value of `other`.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.labels.extend(other.labels.clone());
        self.annotations.extend(other.annotations.clone());
        self
    }
}

/// Names of labels and annotations that pods have of their template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodKeys {
    /// Of labels.
    pub labels: BTreeSet<String>,
    /// Of annotations.
    pub annotations: BTreeSet<String>,
}

impl PodMetadata {
    /// All of it but what has one of these names.
    #[must_use]
    pub fn without(mut self, keys: &PodKeys) -> Self {
        self.labels.retain(|key, _| !keys.labels.contains(key));
        self.annotations.retain(|key, _| !keys.annotations.contains(key));
        self
    }
}

/// How pods of a new version are kept off the nodes of the stable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AntiAffinity {
    /// Where there is room elsewhere; the weight is 1 to 100.
    Preferred(u8),
    /// Always: a pod waits until there is room elsewhere.
    Required,
}
