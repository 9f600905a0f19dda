//! What of a status KULTA does not know: another controller's memory, kept for the way back to it.

use serde_json::{Map, Value};

use super::{RolloutStatus, without_nulls};

/// The fields of `status` that KULTA does not have, where they stand; null when there are none. Fields in lists are not among
/// them: a list is always somebody's as a whole.
#[must_use]
pub fn foreign(status: &Value) -> Value {
    let status = &without_nulls(status);
    let mut unknown = Vec::new();
    // What can't be read is told where the status is read; what was found until then is found.
    let _ = serde_ignored::deserialize::<_, _, RolloutStatus>(status, |path| unknown.extend(keys(&path)));
    let mut foreign = Value::Null;
    for path in unknown {
        if let Some(value) = path.iter().try_fold(status, |value, key| value.get(key)) {
            *entry(&mut foreign, &path) = value.clone();
        }
    }
    foreign
}

/// `written` with the fields of `foreign` beside its own.
#[must_use]
pub fn with_foreign(mut written: Value, foreign: &Value) -> Value {
    graft(&mut written, foreign);
    written
}

/// The keys that lead to a field; None when a list is on the way.
fn keys(path: &serde_ignored::Path<'_>) -> Option<Vec<String>> {
    use serde_ignored::Path;
    match path {
        Path::Root => Some(Vec::new()),
        Path::Seq { .. } => None,
        Path::Map { parent, key } => {
            let mut keys = keys(parent)?;
            keys.push(key.clone());
            Some(keys)
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            keys(parent)
        }
    }
}

pub(super) fn entry<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, key| {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        match value {
            Value::Object(fields) => fields.entry(key).or_insert(Value::Null),
            // Not reached: it was made an object above.
            other => other,
        }
    })
}

fn graft(target: &mut Value, foreign: &Value) {
    let (Value::Object(own), Value::Object(fields)) = (target, foreign) else {
        return;
    };
    for (key, value) in fields {
        match own.get_mut(key) {
            Some(own) => graft(own, value),
            None => {
                own.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_kulta_does_not_have_are_found_where_they_stand() {
        let status = json!({
            "phase": "Healthy",
            "alb": {"ingress": "web"},
            "nothing": null,
            "conditions": [{"type": "Theirs", "status": "True"}],
            "canary": {
                "stablePingPong": "ping",
                "weights": {"canary": {"weight": 5}, "alb": [{"weight": 1}]},
            },
        });

        let expected = json!({
            "alb": {"ingress": "web"},
            "canary": {"stablePingPong": "ping", "weights": {"alb": [{"weight": 1}]}},
        });
        assert_eq!(foreign(&status), expected);
    }

    #[test]
    fn a_status_of_known_fields_has_nothing_foreign() {
        assert_eq!(foreign(&json!({"phase": "Healthy", "canary": {}})), Value::Null);
        assert_eq!(foreign(&Value::Null), Value::Null);
    }

    #[test]
    fn what_is_written_goes_before_what_is_kept() {
        let written = json!({"phase": "Paused", "canary": {"weights": {"verified": true}}});
        let foreign = json!({"phase": "Healthy", "alb": 1, "canary": {"weights": {"alb": []}}});

        let merged = with_foreign(written, &foreign);

        let expected = json!({
            "phase": "Paused", "alb": 1, "canary": {"weights": {"verified": true, "alb": []}},
        });
        assert_eq!(merged, expected);
    }
}
