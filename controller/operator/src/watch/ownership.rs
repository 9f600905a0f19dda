//! Whose an object is.

use kulta_api::{Group, rollout};

use super::metadata::OwnerReference;

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
    /// Another controller's.
    Other,
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
        _ => Ownership::Other,
    }
}
