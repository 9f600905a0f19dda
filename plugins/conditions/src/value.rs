//! What was measured, as conditions see it.

use expr::Value;

use crate::Refusal;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// Nothing: `result` is nil.
    None,
    /// One number.
    Scalar(f64),
    /// Several numbers.
    Vector(Vec<f64>),
    /// A text.
    Text(String),
    /// A JSON document.
    Json(String),
}

impl Measured {
    /// As the evaluation takes it.
    pub(crate) fn value(&self) -> Result<Value, Refusal> {
        Ok(match self {
            Self::None => Value::Nil,
            Self::Scalar(number) => Value::Float(*number),
            Self::Vector(numbers) => Value::Array(numbers.iter().copied().map(Value::Float).collect()),
            Self::Text(text) => Value::String(text.clone()),
            Self::Json(text) => from_json(text)?,
        })
    }
}

/// Reads a JSON document. All numbers are floating, as where Argo Rollouts reads them.
pub(crate) fn from_json(text: &str) -> Result<Value, Refusal> {
    let json = serde_json::from_str(text);
    let json = json.map_err(|error| Refusal::new(format!("not a JSON document: {error}")))?;
    Ok(of_json(json))
}

fn of_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(yes) => Value::Bool(yes),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(list) => Value::Array(list.into_iter().map(of_json).collect()),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| (name, of_json(field)));
            Value::Map(fields.collect())
        }
    }
}

/// What a value is, in Go's words.
pub(crate) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "int",
        Value::Bool(_) => "bool",
        Value::Float(_) => "float64",
        Value::Nil => "nil",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Bytes(_) => "bytes",
        Value::Map(_) | Value::KeyedMap(_) => "map",
    }
}
