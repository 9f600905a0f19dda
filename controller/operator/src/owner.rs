//! The reference to its owner that every object made here has.

use kulta_api::Group;
use serde_json::{Value, json};

/// A reference to the owner that controls an object, and whose deletion waits for it where somebody asks for that.
pub(crate) fn reference(group: Group, kind: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": group.api_version(),
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}
