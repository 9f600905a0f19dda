//! The identity of steps as Argo Rollouts computes it, byte by byte, so that a rollout that it began goes on.
//!
//! It is the FNV-1a sum (32 bits) of the steps as Go's `encoding/json` writes its types: fields in the order of the types,
//! without those that are empty (but for a few that are always there), and `<`, `>` and `&` escaped. The decimal digits of the
//! sum are then written in an alphabet that can't spell words.

use serde_json::{Map, Value};

/// Letters and digits without vowels and look-alikes, as Kubernetes itself uses in generated names.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// The constants of FNV-1a with 32 bits.
const OFFSET_BASIS: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// How a value is written.
enum Shape {
    /// As it is, the keys of objects sorted.
    Plain,
    /// The fields of a type, in its order.
    Fields(&'static [Field]),
    /// A list.
    List(&'static Self),
    /// An object whose keys are sorted.
    Map(&'static Self),
}

/// When a field is written.
#[derive(Clone, Copy)]
enum Presence {
    /// When it is there, also if it is empty: Go has a pointer there.
    WhenSet,
    /// When it is there and neither false, nor zero, nor empty.
    WhenNotEmpty,
    /// Always; an object without fields where it is not there.
    AlwaysObject,
}

struct Field {
    name: &'static str,
    presence: Presence,
    shape: Shape,
}

const fn field(name: &'static str, presence: Presence, shape: Shape) -> Field {
    Field {
        name,
        presence,
        shape,
    }
}

/// A text, a number or a truth value, or none of it.
const fn plain(name: &'static str) -> Field {
    field(name, Presence::WhenNotEmpty, Shape::Plain)
}

/// The same where Go has a pointer.
const fn pointer(name: &'static str) -> Field {
    field(name, Presence::WhenSet, Shape::Plain)
}

const fn object(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Presence::WhenSet, Shape::Fields(fields))
}

const fn list(name: &'static str, entries: &'static Shape) -> Field {
    field(name, Presence::WhenNotEmpty, Shape::List(entries))
}

const STRING_MATCH: &[Field] = &[plain("exact"), plain("prefix"), plain("regex")];
const METADATA: &[Field] = &[plain("labels"), plain("annotations")];
const VALUE_FROM: &[Field] = &[
    pointer("podTemplateHashValue"),
    object("fieldRef", &[plain("fieldPath")]),
];
const ARGUMENT: Shape = Shape::Fields(&[plain("name"), plain("value"), object("valueFrom", VALUE_FROM)]);
const DRY_RUN: Shape = Shape::Fields(&[plain("metricName")]);
const RETENTION: Shape = Shape::Fields(&[plain("metricName"), plain("limit")]);
const TEMPLATE: Shape = Shape::Fields(&[plain("templateName"), plain("clusterScope")]);
const ANALYSIS: &[Field] = &[
    list("templates", &TEMPLATE),
    list("args", &ARGUMENT),
    list("dryRun", &DRY_RUN),
    list("measurementRetention", &RETENTION),
    object("analysisRunMetadata", METADATA),
];
const REQUIREMENT: Shape = Shape::Fields(&[plain("key"), plain("operator"), plain("values")]);
const SELECTOR: &[Field] = &[plain("matchLabels"), list("matchExpressions", &REQUIREMENT)];
const EXPERIMENT_TEMPLATE: Shape = Shape::Fields(&[
    plain("name"),
    plain("specRef"),
    pointer("replicas"),
    field("metadata", Presence::AlwaysObject, Shape::Fields(METADATA)),
    object("selector", SELECTOR),
    pointer("weight"),
    object("service", &[plain("name")]),
]);
const EXPERIMENT_ANALYSIS: Shape = Shape::Fields(&[
    plain("name"),
    plain("templateName"),
    plain("clusterScope"),
    list("args", &ARGUMENT),
    plain("requiredForCompletion"),
]);
const EXPERIMENT: &[Field] = &[
    list("templates", &EXPERIMENT_TEMPLATE),
    plain("duration"),
    list("analyses", &EXPERIMENT_ANALYSIS),
    list("dryRun", &DRY_RUN),
    field(
        "analysisRunMetadata",
        Presence::AlwaysObject,
        Shape::Fields(METADATA),
    ),
    pointer("scaleDownDelaySeconds"),
];
const CANARY_SCALE: &[Field] = &[
    pointer("weight"),
    pointer("replicas"),
    plain("matchTrafficWeight"),
];
const HEADER_MATCH: Shape = Shape::Fields(&[plain("headerName"), object("headerValue", STRING_MATCH)]);
const HEADER_ROUTE: &[Field] = &[plain("name"), list("match", &HEADER_MATCH)];
const ROUTE_MATCH: Shape = Shape::Fields(&[
    object("method", STRING_MATCH),
    object("path", STRING_MATCH),
    field(
        "headers",
        Presence::WhenNotEmpty,
        Shape::Map(&Shape::Fields(STRING_MATCH)),
    ),
]);
const MIRROR_ROUTE: &[Field] = &[plain("name"), list("match", &ROUTE_MATCH), pointer("percentage")];
const STEP: Shape = Shape::Fields(&[
    pointer("setWeight"),
    object("pause", &[pointer("duration")]),
    object("experiment", EXPERIMENT),
    object("analysis", ANALYSIS),
    object("setCanaryScale", CANARY_SCALE),
    object("setHeaderRoute", HEADER_ROUTE),
    object("setMirrorRoute", MIRROR_ROUTE),
    object("plugin", &[plain("name"), pointer("config")]),
]);

/// The identity of `steps` (null where there are none).
pub(super) fn step_hash(steps: &Value) -> String {
    let mut text = String::new();
    write(&Shape::List(&STEP), steps, &mut text);
    let sum = text.bytes().fold(OFFSET_BASIS, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(PRIME)
    });
    let letter = |digit: u8| ALPHABET.get(usize::from(digit) % ALPHABET.len()).copied();
    let digits = sum.to_string();
    digits.bytes().filter_map(letter).map(char::from).collect()
}

fn write(shape: &Shape, value: &Value, into: &mut String) {
    match (shape, value) {
        (Shape::List(entry), Value::Array(entries)) => {
            into.push('[');
            for (position, value) in entries.iter().enumerate() {
                separate(position, into);
                write(entry, value, into);
            }
            into.push(']');
        }
        (Shape::Fields(fields), Value::Object(object)) => write_object(fields, object, into),
        (Shape::Map(entry), Value::Object(object)) => {
            into.push('{');
            for (position, (key, value)) in object.iter().enumerate() {
                separate(position, into);
                write_key(key, into);
                write(entry, value, into);
            }
            into.push('}');
        }
        _ => into.push_str(&escaped(&value.to_string())),
    }
}

/// The fields that Argo Rollouts has, in its order, and then those that it has not.
fn write_object(fields: &[Field], object: &Map<String, Value>, into: &mut String) {
    let nothing = Value::Object(Map::new());
    let known = fields.iter().filter_map(|field| {
        let value = object.get(field.name).filter(|value| !value.is_null());
        let value = match field.presence {
            Presence::WhenSet => value,
            Presence::WhenNotEmpty => value.filter(|value| !is_empty(value)),
            Presence::AlwaysObject => value.or(Some(&nothing)),
        };
        Some((field.name, &field.shape, value?))
    });
    let own = object
        .iter()
        .filter(|(name, _)| fields.iter().all(|field| field.name != *name));
    let own = own.map(|(name, value)| (name.as_str(), &Shape::Plain, value));
    into.push('{');
    for (position, (name, shape, value)) in known.chain(own).enumerate() {
        separate(position, into);
        write_key(name, into);
        write(shape, value, into);
    }
    into.push('}');
}

fn separate(position: usize, into: &mut String) {
    if position > 0 {
        into.push(',');
    }
}

fn write_key(key: &str, into: &mut String) {
    into.push_str(&escaped(&Value::from(key).to_string()));
    into.push(':');
}

/// What Go escapes in texts, and `serde_json` does not.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::*;

    /// The Rollouts that Argo Rollouts' controller has written.
    fn written() -> Vec<(String, Value)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("argo-objects");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        yaml.map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let rollout = text.split("\n---\n").next().unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_saphyr::from_str(rollout).unwrap())
        })
        .collect()
    }

    #[test]
    fn every_hash_that_argo_rollouts_has_written_is_computed_again() {
        let mut compared = 0;
        for (name, rollout) in written() {
            let Some(expected) = rollout.pointer("/status/currentStepHash").and_then(Value::as_str) else {
                continue;
            };
            let steps = rollout.pointer("/spec/strategy/canary/steps");
            assert_eq!(step_hash(steps.unwrap_or(&Value::Null)), expected, "{name}");
            compared += 1;
        }
        assert!(compared >= 17, "only {compared} were compared");
    }

    #[test]
    fn what_argo_rollouts_does_not_have_makes_other_steps() {
        let gate = |name: &str| step_hash(&json!([{"gate": {"name": name, "plugin": "schedule"}}]));

        assert_ne!(gate("a"), gate("b"));
    }

    #[test]
    fn what_is_not_set_and_what_is_empty_are_the_same_where_go_leaves_it_out() {
        let steps = |scale: Value| step_hash(&json!([{"setCanaryScale": scale, "setWeight": null}]));

        assert_eq!(
            steps(json!({"replicas": 0, "matchTrafficWeight": false})),
            steps(json!({"replicas": 0}))
        );
        assert_ne!(steps(json!({"replicas": 0})), steps(json!({})));
    }
}
