//! Whose an object is.

use super::metadata::OwnerReference;

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody's: it may be adopted.
    Orphan,
    /// A Rollout's.
    Rollout {
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
    let rollout = kulta_api::rollout::api_resource();
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    if group == rollout.group && owner.kind == rollout.kind {
        Ownership::Rollout {
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }
    } else {
        Ownership::Other
    }
}
