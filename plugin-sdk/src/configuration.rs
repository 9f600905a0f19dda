//! Reading a configuration, with errors that name the field.

mod document;
mod number;
mod reader;

use serde::de::DeserializeOwned;
use thiserror::Error;

use self::reader::Reader;

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}{}{message}", if path.is_empty() { "" } else { ": " })]
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

/// Reads a JSON document, such as what a server answers: with less code than `serde_json` takes in a component, and errors
/// that name the field.
///
/// # Errors
/// When it is none, or not one of this type.
pub fn read_json<C: DeserializeOwned>(json: &str) -> Result<C, ConfigError> {
    let mut reader = Reader::new(json);
    let read = C::deserialize(&mut reader).and_then(|config| {
        reader.end()?;
        Ok(config)
    });
    read.map_err(|fault| ConfigError {
        path: reader.path(),
        message: fault.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Config {
        name: Option<String>,
        inner: Option<Inner>,
        steps: Vec<Inner>,
        labels: BTreeMap<String, String>,
        mode: Option<Mode>,
        pair: Option<(u8, i64)>,
        on: bool,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        limit: f64,
        label: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Mode {
        Strict,
        AtMost(u32),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(f64),
        Text(String),
    }

    fn config(json: &str) -> Config {
        read_json(json).unwrap()
    }

    fn fault(json: &str) -> String {
        read_json::<Config>(json).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let read = config(
            r#" {"name": "a", "on": true, "pair": [1, -2], "inner": {"limit": 5e-1, "label": null},
                 "steps": [{"limit": 1}, {"limit": 2.5}], "labels": {"team": "shop"}} "#,
        );
        assert_eq!(read.name.as_deref(), Some("a"));
        assert!(read.on);
        assert_eq!(read.pair, Some((1, -2)));
        assert_eq!(
            read.inner,
            Some(Inner {
                limit: 0.5,
                label: None
            })
        );
        assert_eq!(read.steps.len(), 2);
        assert_eq!(read.labels["team"], "shop");
    }

    #[test]
    fn a_variant_without_content_is_a_text() {
        assert_eq!(config(r#"{"mode": "strict"}"#).mode, Some(Mode::Strict));
    }

    #[test]
    fn a_variant_with_content_is_an_object_of_one_field() {
        assert_eq!(config(r#"{"mode": {"atMost": 3}}"#).mode, Some(Mode::AtMost(3)));
    }

    #[test]
    fn what_may_be_of_two_kinds_is_told_by_the_document() {
        let read: Vec<NumberOrText> = read_json(r#"[1.5, "x"]"#).unwrap();
        assert_eq!(
            read,
            [NumberOrText::Number(1.5), NumberOrText::Text("x".to_owned())]
        );
    }

    #[test]
    fn a_wrong_kind_names_the_field() {
        assert_eq!(
            fault(r#"{"name":"a","inner":{"limit":"much"}}"#),
            "inner.limit: expected f64, found the text \"much\""
        );
    }

    #[test]
    fn an_object_in_the_place_of_a_text_names_the_field() {
        assert_eq!(
            fault(r#"{"name":{}}"#),
            "name: expected a string, found an object"
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
            fault(r#"{"inner":{"label":"x"}}"#),
            "inner: missing field `limit`"
        );
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        assert_eq!(fault(r#"{"on":true,"on":false}"#), "on: duplicate field `on`");
    }

    #[test]
    fn a_place_in_a_list_is_counted_from_0() {
        assert_eq!(
            fault(r#"{"steps":[{"limit":1},{"limit":true}]}"#),
            "steps[1].limit: expected f64, found true"
        );
    }

    #[test]
    fn a_key_of_a_map_is_part_of_the_path() {
        assert_eq!(
            fault(r#"{"labels":{"team":7}}"#),
            "labels.team: expected a string, found a number"
        );
    }

    #[test]
    fn a_number_that_does_not_fit_names_the_field() {
        assert_eq!(
            fault(r#"{"pair":[256,1]}"#),
            "pair[0]: expected u8, found a number that does not fit"
        );
    }

    #[test]
    fn a_list_with_too_many_items_is_refused() {
        assert_eq!(fault(r#"{"pair":[1,2,3]}"#), "pair: more items than expected");
    }

    #[test]
    fn an_unknown_variant_names_the_field() {
        assert_eq!(
            fault(r#"{"mode":"lax"}"#),
            "mode: unknown variant `lax`, expected `strict` or `atMost`"
        );
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        assert_eq!(fault("7"), "expected struct Config, found a number");
        assert_eq!(
            fault(r#"{"inner":[1]}"#),
            "inner: expected struct Inner, found a list"
        );
    }
}
