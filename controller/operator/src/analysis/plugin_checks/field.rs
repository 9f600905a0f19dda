//! The field that a plugin's refusal begins with, as the interface asks of it: `errorRate.limit: must be below 1`.

use serde_json::Value;

/// A field of a configuration, and what is said of it.
#[derive(Debug, PartialEq)]
pub(super) struct Named<'t> {
    /// Such as `errorRate.limit` or `allowed[0].days`.
    pub(super) path: &'t str,
    /// What is written there.
    pub(super) value: &'t Value,
    /// The rest.
    pub(super) message: &'t str,
}

/// The field that `said` begins with. None where it does not begin with one that is there: the words are the plugin's own,
/// and may be any.
pub(super) fn named<'t>(said: &'t str, configuration: &'t Value) -> Option<Named<'t>> {
    let (path, message) = said.split_once(": ")?;
    let mut value = configuration;
    for segment in path.split('.') {
        let (name, places) = segment.find('[').map_or((segment, ""), |at| segment.split_at(at));
        value = value.as_object()?.get(name)?;
        for place in places.split_inclusive(']') {
            let place: usize = place.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
            value = value.as_array()?.get(place)?;
        }
    }
    Some(Named { path, value, message })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration() -> Value {
        json!({"errorRate": {"limit": 2, "steps": [{"at": 1}]}, "kind": "strict"})
    }

    #[test]
    fn a_field_is_found_however_deep() {
        let configuration = configuration();
        for (path, value) in [
            ("kind", json!("strict")),
            ("errorRate.limit", json!(2)),
            ("errorRate.steps[0].at", json!(1)),
        ] {
            let said = format!("{path}: no: never");
            let named = named(&said, &configuration).unwrap();
            assert_eq!(
                (named.path, named.value, named.message),
                (path, &value, "no: never")
            );
        }
    }

    #[test]
    fn words_that_are_no_field_are_left_as_they_are() {
        let configuration = configuration();
        for said in [
            "no",
            "",
            ": no",
            "something is wrong: no",
            "errorRate.total: no",
            "errorRate.limit.deeper: no",
            "errorRate.steps[3]: no",
            "errorRate.steps[x]: no",
            "errorRate.steps[0: no]",
            "errorRate.steps0]: no",
            "kind[0]: no",
        ] {
            assert_eq!(named(said, &configuration), None, "{said}");
        }
    }
}
