//! Texts for people: of bounded length, since what others wrote ends up in objects of bounded size; errors with their
//! causes; numbers with their thousands apart.

use std::borrow::Cow;
use std::error::Error;

/// A message of a status, an event or a fact is at most so long: a paragraph for people, not a document.
pub const MESSAGE_BYTES: usize = 1 << 10;

/// What stands for the rest of a text that was cut.
const MARK: char = '…';

/// `text`, at most `most` bytes of it; one that is longer is cut between two characters and ends in `…`.
#[must_use]
pub fn cut<'text>(text: impl Into<Cow<'text, str>>, most: usize) -> Cow<'text, str> {
    let text = text.into();
    if text.len() <= most {
        return text;
    }
    let head = head(&text, most.saturating_sub(MARK.len_utf8()));
    Cow::Owned(format!("{head}{MARK}"))
}

/// A message as it may be written: see [`MESSAGE_BYTES`].
#[must_use]
pub fn message(text: &str) -> String {
    cut(text, MESSAGE_BYTES).into_owned()
}

/// The beginning of `text`, at most `most` bytes of it, in whole characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// `text` with spaces for what is not seen and yet changes what is: control characters, which break lines and steer terminals, and
/// those that turn the direction of the text around them.
#[must_use]
pub fn shown(text: &str) -> String {
    let seen = |character| if is_unseen(character) { ' ' } else { character };
    text.chars().map(seen).collect()
}

fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The error and its causes, from the outermost to the first, separated by colons.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A whole number with its thousands apart, as `1,234`.
#[must_use]
pub fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        grouped.push(digit);
        if left > 0 && left % 3 == 0 {
            grouped.push(',');
        }
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn what_steers_a_terminal_or_turns_a_text_becomes_a_space() {
        assert_eq!(
            shown("a\nb\u{1b}[31mc\u{9b}d\u{202e}e\u{61c}f ü"),
            "a b [31mc d e f ü"
        );
    }

    #[test]
    fn every_cause_is_told() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(with_causes(&error), "outer: inner");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(999_usize), "999");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
    }

    #[test]
    fn a_short_text_stays_as_it_is() {
        assert_eq!(cut("four", 4), "four");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(cut("ééééé", 8), "éé…");
        assert!(message(&"é".repeat(MESSAGE_BYTES)).len() <= MESSAGE_BYTES);
    }
}
