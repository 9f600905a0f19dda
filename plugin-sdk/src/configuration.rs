//! Reading a configuration, with errors that name the field.
//!
//! serde's errors know a place in the text and not the path of a field. The path is found by walking the text up to that
//! place: a tenth of the code that recording it while reading takes, and nothing where there is no error.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ConfigError {
    path: String,
    message: String,
}

impl ConfigError {
    /// What is wrong with the field at `path`, such as `errorRate.limit`; with the whole, where `path` is empty.
    #[must_use]
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

impl From<ConfigError> for crate::PluginError {
    fn from(error: ConfigError) -> Self {
        Self::InvalidConfig(error.to_string())
    }
}

/// Reads a JSON document.
pub(crate) fn read<C: DeserializeOwned>(json: &str) -> Result<C, ConfigError> {
    serde_json::from_str(json).map_err(|error| located(json, &error))
}

fn located(json: &str, error: &serde_json::Error) -> ConfigError {
    let said = error.to_string();
    if !error.is_data() {
        return ConfigError::new("", said);
    }
    let message = said
        .rfind(" at line ")
        .and_then(|end| said.get(..end))
        .unwrap_or(&said);
    let mut path = Path::default();
    for character in before(json, error.line(), error.column()).chars() {
        path.read(character);
    }
    if message.starts_with("missing field") {
        // Told at the end of the object; the field that was read last has nothing to do with it.
        path.forget_last_key();
    }
    ConfigError::new(&path.to_string(), message)
}

/// The text up to a place that serde names: lines from 1, columns in bytes.
fn before(json: &str, line: usize, column: usize) -> &str {
    let lines = json.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    json.get(..start + column).unwrap_or(json)
}

/// Where in a document the reading is.
#[derive(Default)]
struct Path {
    open: Vec<Place>,
    /// The text so far, while it is in one.
    text: Option<String>,
    escaped: bool,
}

/// A place in an object or list that is not closed yet.
enum Place {
    Object { key: String, expects_key: bool },
    List { index: usize },
}

impl Path {
    fn read(&mut self, character: char) {
        if let Some(mut text) = self.text.take() {
            if character == '"' && !self.escaped {
                self.end_text(text);
                return;
            }
            self.escaped = character == '\\' && !self.escaped;
            text.push(character);
            self.text = Some(text);
            return;
        }
        match character {
            '"' => self.text = Some(String::new()),
            '{' => self.open.push(Place::Object {
                key: String::new(),
                expects_key: true,
            }),
            '[' => self.open.push(Place::List { index: 0 }),
            '}' | ']' => {
                self.open.pop();
            }
            ',' => self.next(),
            _ => {}
        }
    }

    fn end_text(&mut self, text: String) {
        if let Some(Place::Object { key, expects_key }) = self.open.last_mut()
            && *expects_key
        {
            *key = text;
            *expects_key = false;
        }
    }

    fn next(&mut self) {
        match self.open.last_mut() {
            Some(Place::Object { expects_key, .. }) => *expects_key = true,
            Some(Place::List { index }) => *index += 1,
            None => {}
        }
    }

    fn forget_last_key(&mut self) {
        if let Some(Place::Object { key, .. }) = self.open.last_mut() {
            key.clear();
        }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for place in &self.open {
            match place {
                Place::Object { key, .. } if key.is_empty() => {}
                Place::Object { key, .. } => write!(formatter, "{separator}{key}")?,
                Place::List { index } => write!(formatter, "[{index}]")?,
            }
            separator = ".";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only whether it can be read matters")]
    struct Config {
        name: String,
        inner: Option<Inner>,
        #[serde(default)]
        steps: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only whether it can be read matters")]
    struct Inner {
        limit: f64,
        label: Option<String>,
    }

    fn fault(json: &str) -> String {
        read::<Config>(json).unwrap_err().to_string()
    }

    #[test]
    fn what_fits_is_read() {
        let config: Config = read(r#"{"name": "a", "inner": {"limit": 0.5}}"#).unwrap();
        assert_eq!(config.name, "a");
    }

    #[test]
    fn a_wrong_type_names_the_field() {
        assert_eq!(
            fault(r#"{"name":"a","inner":{"limit":"much"}}"#),
            "inner.limit: invalid type: string \"much\", expected f64"
        );
    }

    #[test]
    fn a_wrong_type_after_others_names_the_field() {
        assert_eq!(
            fault(r#"{"inner": {"limit": 1, "label": [1]}, "name": "a"}"#),
            "inner.label: invalid type: sequence, expected a string"
        );
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_path() {
        assert_eq!(
            fault(r#"{"name":"a","inner":{"limt":1}}"#),
            "inner.limt: unknown field `limt`, expected `limit` or `label`"
        );
    }

    #[test]
    fn a_missing_field_names_the_object_that_lacks_it() {
        assert_eq!(
            fault(r#"{"name":"a","inner":{"label":"x"}}"#),
            "inner: missing field `limit`"
        );
    }

    #[test]
    fn a_missing_field_of_the_whole_has_no_path() {
        assert_eq!(fault(r#"{"inner":{"limit":1}}"#), "missing field `name`");
    }

    #[test]
    fn a_place_in_a_list_is_counted_from_0() {
        assert_eq!(
            fault(r#"{"name":"a","steps":[{"limit":1},{"limit":true}]}"#),
            "steps[1].limit: invalid type: boolean `true`, expected f64"
        );
    }

    #[test]
    fn the_place_is_found_over_several_lines() {
        let json = "{\n  \"name\": \"é, \\\" {\",\n  \"inner\": {\n    \"limit\": null\n  }\n}";
        assert_eq!(fault(json), "inner.limit: invalid type: null, expected f64");
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        assert_eq!(fault("{"), "EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn an_object_in_the_place_of_a_text_names_the_field() {
        assert_eq!(
            fault(r#"{"name":{}}"#),
            "name: invalid type: map, expected a string"
        );
    }
}
