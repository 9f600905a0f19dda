//! Identities that follow from what they are of, so that an event which is told twice has one.

use uuid::Uuid;

/// The id of the event of a fact: `UUIDv5` of the Rollout's UID and the fact's number.
#[must_use]
pub fn event_id(rollout: &str, sequence: u64) -> Uuid {
    of(rollout, &sequence.to_string())
}

/// The id of the chain of events of an attempt, which is known by the number of its first fact.
#[must_use]
pub fn chain_id(rollout: &str, first: u64) -> Uuid {
    of(rollout, &format!("chain {first}"))
}

/// The id of the event that tells of the Rollout's end: whoever finds out that it is gone comes to the same one.
pub(crate) fn removal_id(rollout: &str) -> Uuid {
    of(rollout, "removed")
}

/// A UID that is no UUID, as no API server gives one, stands for itself.
fn of(rollout: &str, name: &str) -> Uuid {
    let space =
        Uuid::parse_str(rollout).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, rollout.as_bytes()));
    Uuid::new_v5(&space, name.as_bytes())
}
