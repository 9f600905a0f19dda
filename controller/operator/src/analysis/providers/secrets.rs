//! The texts of Secrets in one call of a plugin: put into its queries, and taken out of what comes back.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kulta_plugin_host::Redaction;
use kulta_plugin_host::http::RequestError;
use kulta_plugin_host::metrics::{Answer, Data, QueryError};
use serde_json::Value;

/// How the stand-in for a text of a Secret begins.
pub const STAND_IN_BEGINS: &str = "kulta-secret-";
/// What is said of a stand-in that a plugin has kept.
const OF_ANOTHER_CALL: &str =
    "it has what stood for a text of a Secret in another call: it counts in its own only";
/// So many digits follow.
pub const STAND_IN_DIGITS: usize = 32;

/// What stands for texts of Secrets in one call, and the texts. Cheap to clone.
#[derive(Clone, Default)]
pub struct SecretTexts {
    texts: Arc<[(String, String)]>,
    redaction: Redaction,
}

impl SecretTexts {
    /// Texts after what stands for them.
    #[must_use]
    pub fn new(texts: Vec<(String, String)>) -> Self {
        let redaction = Redaction::of(texts.iter().flat_map(|(_, text)| forms(text)));
        Self {
            texts: texts.into(),
            redaction,
        }
    }

    /// What must not be told.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// What must not be told of an answer to a request with these credentials, be they of a Secret or not.
    pub(super) fn redaction_with(&self, credentials: &[String]) -> Redaction {
        if credentials.is_empty() {
            return self.redaction.clone();
        }
        let texts = self.texts.iter().map(|(_, text)| text).chain(credentials);
        Redaction::of(texts.flat_map(|text| forms(text)))
    }

    /// `configuration` with the texts themselves.
    #[must_use]
    pub fn put_into(&self, configuration: &Value) -> Value {
        match configuration {
            Value::String(text) => Value::String(put_in(text, &self.texts)),
            Value::Array(entries) => entries.iter().map(|entry| self.put_into(entry)).collect(),
            Value::Object(fields) => {
                let filled = fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.put_into(field)));
                Value::Object(filled.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => configuration.clone(),
        }
    }

    /// The texts that an expression has to get, each after what stands for it there.
    pub(super) fn wanted_in(&self, expression: &str) -> Result<Vec<(String, String)>, QueryError> {
        let mut wanted = Vec::new();
        for (place, _) in expression.match_indices(STAND_IN_BEGINS) {
            let rest = expression.get(place..).unwrap_or_default();
            if !is_stand_in(rest) {
                continue;
            }
            let known = self.texts.iter().find(|(stand_in, _)| rest.starts_with(stand_in));
            let known = known.ok_or_else(|| QueryError::Denied(OF_ANOTHER_CALL.to_owned()))?;
            if !wanted.contains(known) {
                wanted.push(known.clone());
            }
        }
        Ok(wanted)
    }

    /// `text` with the texts that it has to get, each as `written` has it: once, so that no text is read as what stands for
    /// another one.
    pub(super) fn filled_in(
        &self,
        text: &str,
        written: impl Fn(&str) -> Cow<'_, str>,
    ) -> Result<String, RequestError> {
        replaced(text, &self.texts, written, |begun| {
            if is_stand_in(begun) {
                return Err(RequestError::Denied(OF_ANOTHER_CALL.to_owned()));
            }
            Ok(())
        })
    }

    /// An answer without the texts, should a provider have sent them back.
    pub(super) fn hidden_in(&self, answer: Result<Answer, QueryError>) -> Result<Answer, QueryError> {
        if self.redaction.is_empty() {
            return answer;
        }
        let mut answer = answer.map_err(|error| hidden_in_error(&self.redaction, error))?;
        match &mut answer.data {
            Data::Text(text) => self.redaction.hide_in(text),
            Data::Vector(list) | Data::Matrix(list) => {
                for series in list {
                    let labels = std::mem::take(&mut series.labels).into_iter();
                    let hide = |text: String| self.redaction.hide(&text).into_owned();
                    series.labels = labels.map(|(name, value)| (hide(name), hide(value))).collect();
                }
            }
            Data::Scalar(_) => {}
        }
        for warning in &mut answer.warnings {
            self.redaction.hide_in(warning);
        }
        Ok(answer)
    }
}

/// `text` with these texts, each in the place of what stands for it.
pub(super) fn put_in(text: &str, texts: &[(String, String)]) -> String {
    let known_only = |_: &str| Ok::<_, Infallible>(());
    match replaced(text, texts, |secret| Cow::Borrowed(secret), known_only) {
        Ok(filled) => filled,
        Err(never) => match never {},
    }
}

/// `text` with these texts, each as `written` has it, in the place of what stands for it; `unknown` judges what only begins like
/// that. In one pass: no text is read as what stands for another one, which could make gigabytes of a few.
fn replaced<E>(
    text: &str,
    texts: &[(String, String)],
    written: impl Fn(&str) -> Cow<'_, str>,
    unknown: impl Fn(&str) -> Result<(), E>,
) -> Result<String, E> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, begun)) = rest
        .find(STAND_IN_BEGINS)
        .and_then(|at| rest.split_at_checked(at))
    {
        filled.push_str(before);
        let known = texts.iter().find(|(stand_in, _)| begun.starts_with(stand_in));
        let taken = if let Some((stand_in, secret)) = known {
            filled.push_str(&written(secret));
            stand_in.len()
        } else {
            unknown(begun)?;
            filled.push_str(STAND_IN_BEGINS);
            STAND_IN_BEGINS.len()
        };
        rest = begun.get(taken..).unwrap_or_default();
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Whether a text begins with what could stand for a text of a Secret.
fn is_stand_in(text: &str) -> bool {
    let digits = text
        .strip_prefix(STAND_IN_BEGINS)
        .and_then(|rest| rest.get(..STAND_IN_DIGITS));
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The same error without what must not be told, should a server have sent it back in its own words.
pub(super) fn hidden_in_error(redaction: &Redaction, error: QueryError) -> QueryError {
    let hide = |message: String| redaction.hide(&message).into_owned();
    match error {
        QueryError::Denied(message) => QueryError::Denied(hide(message)),
        QueryError::BadQuery(message) => QueryError::BadQuery(hide(message)),
        QueryError::Unavailable(message) => QueryError::Unavailable(hide(message)),
        QueryError::Other(message) => QueryError::Other(hide(message)),
        error @ (QueryError::TooLarge { .. } | QueryError::Timeout | QueryError::NoPlace) => error,
    }
}

/// A text as it is, and as others write it: without the line end, in quotes (some servers write a slash with a backslash
/// there), in a form, in base64.
fn forms(text: &str) -> [String; 6] {
    let quoted = Value::from(text).to_string();
    let quoted = quoted.trim_matches('"').to_owned();
    [
        text.to_owned(),
        text.trim().to_owned(),
        quoted.replace('/', "\\/"),
        quoted,
        form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        STANDARD.encode(text),
    ]
}

impl fmt::Debug for SecretTexts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} texts of Secrets", self.texts.len())
    }
}
