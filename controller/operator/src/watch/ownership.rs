//! Whose an object is.

use kulta_api::{Group, experiment, rollout};

use super::metadata::OwnerReference;
use crate::key::ObjectKey;

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody's: it may be adopted.
    Orphan,
    /// A Rollout's.
    Rollout {
        /// Its group.
        group: Group,
        /// Its name; in the same namespace.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// An Experiment's.
    Experiment {
        /// Its group.
        group: Group,
        /// Its name; in the same namespace.
        name: String,
    },
    /// Another controller's.
    Other,
}

impl Ownership {
    /// The Rollout of `namespace` whose it is.
    pub(super) fn rollout(&self, namespace: &str) -> Option<ObjectKey> {
        match self {
            Self::Rollout { group, name, .. } => Some(ObjectKey::in_group(*group, namespace, name)),
            Self::Orphan | Self::Experiment { .. } | Self::Other => None,
        }
    }
}

pub(super) fn ownership(owners: &[OwnerReference]) -> Ownership {
    let Some(owner) = owners.iter().find(|owner| owner.controller) else {
        return Ownership::Orphan;
    };
    match Group::of(&owner.api_version) {
        Some(group) if owner.kind == rollout::KIND => Ownership::Rollout {
            group,
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        },
        Some(group) if owner.kind == experiment::KIND => Ownership::Experiment {
            group,
            name: owner.name.clone(),
        },
        _ => Ownership::Other,
    }
}
