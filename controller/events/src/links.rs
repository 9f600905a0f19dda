//! How the events of an attempt hang together: embedded links of `CDEvents`, and the one that can't be embedded.

use kulta_core::history::{Fact, FactKind};
use serde_json::{Value, json};

use crate::identity::{chain_id, event_id};

/// The links of the event of `fact`: to the one before it in the attempt, to what led to it, and whether it is the last.
pub(crate) fn of(rollout: &str, fact: &Fact) -> Vec<Value> {
    let before = || json!({"contextId": event_id(rollout, fact.sequence.saturating_sub(1)).to_string()});
    let mut links = Vec::new();
    let inside = fact.chain.is_some_and(|first| fact.sequence > first);
    if inside && !fact.kind.ends_chain() {
        links.push(json!({"linkType": "PATH", "from": before()}));
    }
    if inside && fact.kind.ends_chain() {
        links.push(json!({"linkType": "END", "from": before()}));
    }
    let origin = fact.origin.as_ref().filter(|_| fact.kind.begins_chain());
    if let Some(trigger) = origin.and_then(|origin| origin.triggered_by.as_ref()) {
        links.push(relation("TRIGGER", &json!({"contextId": trigger})));
    }
    if fact.kind == FactKind::Retried {
        links.push(relation("RETRY", &before()));
    }
    links
}

fn relation(kind: &str, target: &Value) -> Value {
    json!({"linkType": "RELATION", "linkKind": kind, "target": target})
}

/// The link that begins a chain. The specification has it stand alone, so the first event carries it in its own data.
pub(crate) fn start(rollout: &str, fact: &Fact) -> Option<Value> {
    let first = fact.chain.filter(|first| *first == fact.sequence)?;
    Some(json!({
        "linkType": "START",
        "chainId": chain_id(rollout, first).to_string(),
        "timestamp": fact.time.to_string(),
        "start": {"contextId": event_id(rollout, fact.sequence).to_string()},
    }))
}
