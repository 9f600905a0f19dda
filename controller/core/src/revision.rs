//! Identity of a revision: what makes two pod templates the same version, stable for ever by contract.
//!
//! The identity is the SHA-256 of the template's canonical JSON (object keys sorted, no white space, numbers as
//! `serde_json` writes them). The full digest is an annotation of the ReplicaSet; its first bits, written in an
//! alphabet that can't spell words, are the hash in its label and name.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Label of ReplicaSets and pods, and key of the selectors of Services: the hash of the revision.
pub const HASH_LABEL: &str = "rollouts-pod-template-hash";
/// Letters and digits without vowels and look-alikes, as Kubernetes itself uses in generated names.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters of a hash in labels and names: 27^10 is about 2^47.5 values.
const HASH_LENGTH: usize = 10;

/// The SHA-256 of a pod template's canonical JSON, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TemplateDigest(String);

impl TemplateDigest {
    /// The digest of `template`.
    #[must_use]
    pub fn of(template: &Value) -> Self {
        Self(hexadecimal(&Sha256::digest(canonical(template))))
    }

    /// A digest that was stored before (the annotation of a ReplicaSet).
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash for labels and names; `collisions` is the salt that tells apart what would share a name.
    #[must_use]
    pub fn pod_hash(&self, collisions: u32) -> String {
        let salted = if collisions == 0 {
            self.0.clone()
        } else {
            format!("{}/{collisions}", self.0)
        };
        short_hash(salted.as_bytes())
    }
}

impl TemplateDigest {
    /// The hash of a template that is the same within `places` only, which no revision of a Rollout has.
    #[must_use]
    pub fn pod_hash_within(&self, places: &[&str], collisions: u32) -> String {
        short_hash(format!("{}/{}/{collisions}", self.0, places.join("/")).as_bytes())
    }
}

impl std::fmt::Display for TemplateDigest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Identity of a list of steps, from their raw JSON (`null` when there are none).
#[must_use]
pub fn steps_hash(steps: &Value) -> String {
    short_hash(&canonical(steps))
}

/// The name of the ReplicaSet of the revision `hash`.
#[must_use]
pub fn replica_set_name(rollout: &str, hash: &str) -> String {
    format!("{rollout}-{hash}")
}

/// What tells apart names that are too long to be written out.
pub(crate) fn name_hash(name: &str) -> String {
    short_hash(name.as_bytes())
}

fn short_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(HASH_LENGTH)
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
        .map(|letter| char::from(*letter))
        .collect()
}

fn canonical(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            into.push(b'{');
            for (position, (key, entry)) in entries.into_iter().enumerate() {
                if position > 0 {
                    into.push(b',');
                }
                into.extend_from_slice(Value::String(key.clone()).to_string().as_bytes());
                into.push(b':');
                write_canonical(entry, into);
            }
            into.push(b'}');
        }
        Value::Array(items) => {
            into.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    into.push(b',');
                }
                write_canonical(item, into);
            }
            into.push(b']');
        }
        scalar => into.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Committed for ever: a change here would restart the pods of every user.
    #[test]
    fn hashes_of_known_templates_never_change() {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});

        let digest = TemplateDigest::of(&template);

        assert_eq!(
            digest.as_str(),
            "15dbc23d39618201623a26ce90dfe4df96c4eeff1f0a90a518f08b25864328c1"
        );
        assert_eq!(digest.pod_hash(0), "dblkddlclj");
        assert_eq!(digest.pod_hash(1), "rhmzlxqwjs");
        assert_eq!(steps_hash(&Value::Null), "ll7wrtzlzd");
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#).unwrap();
        assert_eq!(TemplateDigest::of(&one), TemplateDigest::of(&other));
    }

    #[test]
    fn the_order_of_lists_matters() {
        assert_ne!(
            TemplateDigest::of(&json!([1, 2])),
            TemplateDigest::of(&json!([2, 1]))
        );
    }
}
