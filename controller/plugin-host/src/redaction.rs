//! Texts that must not be told: what comes from Secrets, and whatever else a caller names.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::memmem;

use crate::bindings::types;
use crate::convert::InvalidAnswer;

/// What stands where such a text was.
const HIDDEN: &str = "(hidden)";
/// A shorter text is no secret, and might stand anywhere.
pub const SHORTEST_SECRET: usize = 4;
/// The bytes of a character, at most.
const LONGEST_CHARACTER: usize = 4;

/// Texts that are taken out of everything that is told. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redaction(Arc<[String]>);

impl Redaction {
    /// Takes out these texts, as far as they are long enough to be secrets.
    #[must_use]
    pub fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts
            .into_iter()
            .filter(|text| text.len() >= SHORTEST_SECRET)
            .collect();
        // One that holds another is taken out as a whole.
        texts.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        texts.dedup();
        Self(texts.into())
    }

    /// Whether there is nothing to take out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` without them.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = Cow::Borrowed(text);
        for secret in self.0.iter().filter(|secret| text.contains(secret.as_str())) {
            hidden = Cow::Owned(hidden.replace(secret.as_str(), HIDDEN));
        }
        hidden
    }

    /// As much of `text` as [`Self::hide_beginning`] looks at.
    pub(crate) fn enough_of<'t>(&self, text: &'t str, bytes: usize) -> &'t str {
        text.get(..text.floor_char_boundary(self.enough(bytes)))
            .unwrap_or_default()
    }

    /// The beginning of `text` without them: somewhat more than `bytes` bytes of it or, where several long ones are in it, what is left
    /// of these. What it costs does not grow with the rest.
    pub(crate) fn hide_beginning(&self, text: &str, bytes: usize) -> String {
        let mut hidden = self.hide(self.enough_of(text, bytes)).into_owned();
        let may_be_cut = text.len().saturating_add(LONGEST_CHARACTER) > self.enough(bytes);
        if may_be_cut {
            // The first part of one may stand at the end, and be twice as long by what was taken out of it.
            let sure = hidden.len().saturating_sub(self.longest().saturating_mul(2));
            hidden.truncate(hidden.floor_char_boundary(sure));
            if hidden.is_empty() {
                HIDDEN.clone_into(&mut hidden);
            }
        }
        hidden
    }

    /// Two of the longest may go out of the middle, and one from the end.
    fn enough(&self, bytes: usize) -> usize {
        let more = self
            .longest()
            .saturating_mul(4)
            .saturating_add(2 * LONGEST_CHARACTER);
        bytes.saturating_add(more)
    }

    /// The length of the longest, which is the first, in bytes.
    fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// Takes them out of `text`.
    pub fn hide_in(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.hide(text) {
            *text = hidden;
        }
    }

    /// Whether one of them is in `bytes`.
    fn is_in(&self, bytes: &[u8]) -> bool {
        self.0
            .iter()
            .any(|secret| memmem::find(bytes, secret.as_bytes()).is_some())
    }

    /// What a plugin answers, without them. They are taken out before anything is cut, or a part of one would be left.
    pub(crate) fn outcome(&self, mut answered: types::Outcome) -> Result<types::Outcome, InvalidAnswer> {
        if self.is_empty() {
            return Ok(answered);
        }
        // A state without a part of it is not the plugin's any more.
        if answered
            .next_state
            .as_deref()
            .is_some_and(|state| self.is_in(state))
        {
            return Err(InvalidAnswer::SecretInState);
        }
        let types::Measurement {
            value,
            summary,
            details,
        } = &mut answered.measurement;
        match value {
            types::Value::Text(text) | types::Value::Json(text) => self.hide_in(text),
            types::Value::None | types::Value::Scalar(_) | types::Value::Vector(_) => {}
        }
        self.hide_in(summary);
        for label in details {
            self.hide_in(&mut label.name);
            self.hide_in(&mut label.value);
        }
        Ok(answered)
    }

    /// What a plugin says is wrong, without them.
    pub(crate) fn error(&self, mut error: types::PluginError) -> types::PluginError {
        match &mut error {
            types::PluginError::InvalidConfig(text)
            | types::PluginError::Upstream(text)
            | types::PluginError::Internal(text)
            | types::PluginError::Other(text) => self.hide_in(text),
        }
        error
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redaction of {} texts", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        Redaction::of(["s3cret", "s3cret-word", "abc", "s3cret"].map(str::to_owned))
    }

    #[test]
    fn every_secret_is_taken_out_the_longest_first() {
        assert_eq!(
            redaction().hide("abc s3cret-word s3cret, s3cret"),
            "abc (hidden) (hidden), (hidden)"
        );
    }

    #[test]
    fn a_text_without_secrets_is_as_it_was() {
        assert!(matches!(redaction().hide("s3cre"), Cow::Borrowed("s3cre")));
        assert!(Redaction::of(["abc".to_owned()]).is_empty());
    }

    fn outcome(summary: &str, state: Option<&[u8]>) -> types::Outcome {
        let label = |text: &str| types::Label {
            name: text.to_owned(),
            value: text.to_owned(),
        };
        types::Outcome {
            measurement: types::Measurement {
                value: types::Value::Text(summary.to_owned()),
                summary: summary.to_owned(),
                details: vec![label(summary)],
            },
            next_state: state.map(<[u8]>::to_vec),
            retry_at: None,
        }
    }

    #[test]
    fn it_is_taken_out_of_all_that_a_plugin_answers() {
        let answered = redaction().outcome(outcome("a s3cret", Some(b"state"))).unwrap();

        assert!(!format!("{answered:?}").contains("s3cret"), "{answered:?}");
    }

    #[test]
    fn a_state_with_a_secret_is_refused() {
        let answered = redaction().outcome(outcome("", Some(b"\x01s3cret\x02")));

        assert!(
            matches!(answered, Err(InvalidAnswer::SecretInState)),
            "{answered:?}"
        );
    }

    #[test]
    fn no_part_of_a_secret_is_left_where_a_text_is_cut() {
        let long = "0123456789".repeat(30);
        let redaction = Redaction::of([long.clone(), "0123".to_owned()]);

        for before in 0..1_400 {
            let text = format!("{}{long}{}", "x".repeat(before), "y".repeat(3000));
            let kept = redaction.enough_of(&text, 64);
            let hidden = redaction.hide_beginning(kept, 64);
            let head: String = hidden.chars().take(64).collect();
            assert!(!head.contains("45"), "{before}: {head}");
            assert_eq!(hidden, redaction.hide_beginning(&text, 64));
        }
        let talks = format!("{}{long}{}", "x".repeat(100), "y".repeat(3000));
        let told = redaction.hide_beginning(redaction.enough_of(&talks, 512), 512);
        assert!(
            told.starts_with(&format!("{}(hidden)yyy", "x".repeat(100))) && told.len() >= 512,
            "{told}"
        );
        let nothing_else = redaction.hide_beginning(&long.repeat(100), 64);
        assert!(nothing_else.starts_with("(hidden)"), "{nothing_else}");
        let plain = "z".repeat(2000);
        assert!(redaction.hide_beginning(&plain, 64).len() > 64);
        assert_eq!(redaction.hide_beginning("short 0123", 64), "short (hidden)");
    }

    #[test]
    fn a_secret_does_not_appear_in_its_debug_text() {
        assert!(!format!("{:?}", redaction()).contains("s3cret"));
    }
}
