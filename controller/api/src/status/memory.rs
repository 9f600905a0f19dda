//! A status under definitions that lack fields of it, as Argo Rollouts' own lack what is KULTA's alone.
//!
//! What they would prune is kept as a text in a condition: conditions are the one place there that bears anything, is written with
//! the rest of the status at once, and is left alone by everybody who does not know their type. Nothing that moves traffic is
//! forgotten so, and neither is the history.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::foreign::entry;

/// The type of the condition that keeps what the definitions have no field for.
pub const MEMORY: &str = "KultaMemory";
/// The type of the condition that tells which fields of the spec are off.
pub const FIELDS_OFF: &str = "KultaFieldsOff";
/// Why both are there.
const REASON: &str = "ArgoDefinitions";
/// So many fields of a spec are named; the remedy is the same for all of them.
const MOST_FIELDS: usize = 5;

/// `written` as definitions keep it that would prune `fields` (from the object's root, such as `status.canary.inForce`; those of
/// the spec are told). `now` is when it is written.
#[must_use]
pub fn with_memory(mut written: Value, fields: &[String], now: Timestamp) -> Value {
    if fields.is_empty() {
        return written;
    }
    let mut conditions = Vec::new();
    let off: Vec<_> = fields
        .iter()
        .filter_map(|field| field.strip_prefix("spec."))
        .collect();
    if !off.is_empty() {
        conditions.push(condition(FIELDS_OFF, &told(&off), now));
    }
    let mut memory = Map::new();
    for field in fields.iter().filter_map(|field| field.strip_prefix("status.")) {
        if let Some(value) = taken(&mut written, field) {
            memory.insert(field.to_owned(), value);
        }
    }
    // Even one of nothing: it tells which definitions the status was written for.
    conditions.push(condition(MEMORY, &Value::Object(memory).to_string(), now));
    match entry(&mut written, &[String::from("conditions")]) {
        Value::Array(shown) => shown.extend(conditions),
        other => *other = conditions.into(),
    }
    written
}

/// Whether [`with_memory`] has written `status` for definitions that lack fields.
#[must_use]
pub fn has_memory(status: &Value) -> bool {
    found(status, MEMORY).is_some()
}

/// `status` with what its memory has, where the status itself says nothing. What stood below something that somebody has taken
/// away since stays away.
pub(super) fn with_remembered(mut status: Value) -> Value {
    let memory = found(&status, MEMORY).and_then(|memory| memory.get("message"));
    let memory = memory
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok());
    let Some(Value::Object(memory)) = memory else {
        return status;
    };
    for (field, value) in memory {
        let (parent, name) = field.rsplit_once('.').unwrap_or(("", &field));
        if let Some(Value::Object(parent)) = below(&mut status, parent) {
            parent.entry(name).or_insert(value);
        }
    }
    status
}

fn found<'status>(status: &'status Value, kind: &str) -> Option<&'status Value> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition.get("type").is_some_and(|found| found == kind))
}

fn below<'status>(status: &'status mut Value, path: &str) -> Option<&'status mut Value> {
    let mut keys = path.split('.').filter(|key| !key.is_empty());
    keys.try_fold(status, |value, key| value.get_mut(key))
}

fn taken(written: &mut Value, field: &str) -> Option<Value> {
    let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
    below(written, parent)?.as_object_mut()?.remove(name)
}

fn condition(kind: &str, message: &str, now: Timestamp) -> Value {
    json!({
        "type": kind, "status": "True", "reason": REASON, "message": message,
        "lastTransitionTime": now, "lastUpdateTime": now,
    })
}

fn told(off: &[&str]) -> String {
    let shown = off.get(..MOST_FIELDS).unwrap_or(off);
    let more = match off.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the definitions in this cluster have no place for fields that are KULTA's own: {}{more}. They are lost when they are \
         applied; to use them: kubectl replace -k deploy/crds/argo",
        shown.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<String> {
        [
            "spec.strategy.canary.promotionGates",
            "status.canary.inForce",
            "status.canary.currentStepAnalysisRunStatus.paused",
            "status.history",
            "status.delivered",
        ]
        .map(str::to_owned)
        .into()
    }

    fn status() -> Value {
        json!({
            "phase": "Paused",
            "canary": {"inForce": 10, "weights": {"canary": {"weight": 10}}},
            "history": [{"sequence": 1}],
            "conditions": [{"type": "Paused", "status": "True"}],
        })
    }

    #[test]
    fn fields_that_would_be_pruned_are_kept_in_a_condition() {
        let written = with_memory(status(), &fields(), Timestamp::UNIX_EPOCH);

        assert_eq!(written["canary"], json!({"weights": {"canary": {"weight": 10}}}));
        assert_eq!(written.get("history"), None);
        let memory = &written["conditions"][2];
        assert_eq!(memory["type"], MEMORY);
        assert_eq!(
            memory["message"],
            r#"{"canary.inForce":10,"history":[{"sequence":1}]}"#
        );
    }

    #[test]
    fn what_was_kept_comes_back_where_it_stood() {
        let written = with_memory(status(), &fields(), Timestamp::UNIX_EPOCH);
        assert!(has_memory(&written));

        let mut read = with_remembered(written);

        read["conditions"].as_array_mut().unwrap().truncate(1);
        assert_eq!(read, status());
    }

    #[test]
    fn fields_of_the_spec_that_are_off_are_told_with_the_remedy() {
        let written = with_memory(json!({}), &fields(), Timestamp::UNIX_EPOCH);

        let told = &written["conditions"][0];
        assert_eq!(told["type"], FIELDS_OFF);
        let message = told["message"].as_str().unwrap();
        assert!(
            message.contains("strategy.canary.promotionGates") && message.contains("deploy/crds/argo"),
            "{message}"
        );
    }

    #[test]
    fn what_somebody_took_away_stays_away_with_what_was_below_it() {
        let mut written = with_memory(status(), &fields(), Timestamp::UNIX_EPOCH);
        written.as_object_mut().unwrap().remove("canary");

        assert_eq!(with_remembered(written).get("canary"), None);
    }

    #[test]
    fn field_that_the_definitions_have_by_now_goes_before_what_was_kept() {
        let mut written = with_memory(status(), &fields(), Timestamp::UNIX_EPOCH);
        written["canary"]["inForce"] = 50.into();

        assert_eq!(with_remembered(written)["canary"]["inForce"], 50);
    }

    #[test]
    fn memory_that_somebody_spoilt_is_forgotten() {
        let mut written = with_memory(status(), &fields(), Timestamp::UNIX_EPOCH);
        written["conditions"][2]["message"] = "{".into();

        assert_eq!(with_remembered(written.clone()), written);
    }

    #[test]
    fn definitions_that_have_all_fields_change_nothing() {
        assert_eq!(with_memory(status(), &[], Timestamp::UNIX_EPOCH), status());
        assert!(!has_memory(&status()));
    }
}
