//! From the schemas that `schemars` generates to the structural schemas that Kubernetes takes.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Number, Value};

/// The schema of what users write. Null is refused in it: a template that renders nothing should be seen.
pub(super) fn of_spec<T: JsonSchema>() -> Value {
    generate::<T>(Structural { role: Role::Spec })
}

/// The schema of what the controller writes. Users edit it by hand, so null is "not set"; defaults would be put into
/// every new status, where they would look like the controller's word.
pub(super) fn of_status<T: JsonSchema>() -> Value {
    generate::<T>(Structural { role: Role::Status })
}

fn generate<T: JsonSchema>(structural: Structural) -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings
        .with_transform(structural)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Whose part of the object it is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Spec,
    Status,
}

/// Makes every schema one that Kubernetes takes.
#[derive(Debug, Clone)]
struct Structural {
    role: Role,
}

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(keywords) = schema.as_object_mut() else {
            return;
        };
        keywords.remove("title");
        // `deny_unknown_fields` is the parser's: the API server keeps unknown fields so that the parser can name them.
        if keywords.get("additionalProperties") == Some(&Value::Bool(false)) {
            keywords.remove("additionalProperties");
        }
        known_format(keywords);
        match self.role {
            Role::Spec => {
                keywords.remove("nullable");
                keywords.retain(|keyword, value| keyword != "default" || !value.is_null());
            }
            Role::Status => {
                keywords.remove("default");
                optional_is_nullable(keywords);
            }
        }
    }
}

/// Takes away what is told of the parts of `schema`; what is told of itself stays.
pub(super) fn take_inner_descriptions(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    let properties = keywords.get_mut("properties").and_then(Value::as_object_mut);
    let mut parts: Vec<_> = properties.into_iter().flat_map(Map::values_mut).collect();
    for part in &mut parts {
        take_descriptions(part);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(part) = keywords.get_mut(keyword) {
            take_descriptions(part);
        }
    }
}

fn take_descriptions(schema: &mut Value) {
    if let Some(keywords) = schema.as_object_mut() {
        keywords.remove("description");
    }
    take_inner_descriptions(schema);
}

/// Lets every property that is not required be null.
fn optional_is_nullable(keywords: &mut Map<String, Value>) {
    let required = keywords
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let properties = keywords.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(property) = property
            .as_object_mut()
            .filter(|_| !required.contains(&Value::from(name.as_str())))
        {
            property.insert("nullable".to_owned(), Value::Bool(true));
        }
    }
}

/// Kubernetes knows signed integers only, and warns of every other format.
fn known_format(keywords: &mut Map<String, Value>) {
    let unsigned = keywords
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"));
    if unsigned {
        keywords.insert("format".to_owned(), Value::from("int64"));
    }
}

/// Writes 100.0 as 100: the Rust type of a definition has a float where every number of ours is whole.
pub(super) fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole_number(&number).unwrap_or(number)),
        Value::Array(entries) => Value::Array(entries.into_iter().map(whole_numbers).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| (name, whole_numbers(field)))
                .collect(),
        ),
        scalar => scalar,
    }
}

fn whole_number(number: &Number) -> Option<Number> {
    let text = number.to_string();
    text.strip_suffix(".0")?.parse::<i64>().ok().map(Number::from)
}
