//! Texts of bounded length: what others wrote ends up in objects of bounded size.

use std::borrow::Cow;

/// A message of a status, an event or a fact is at most so long: a paragraph for people, not a document.
pub const MESSAGE_BYTES: usize = 1 << 10;

/// What stands for the rest of a text that was cut.
const MARK: char = '…';

/// `text`, at most `most` bytes of it; one that is longer is cut between two characters and ends in `…`.
#[must_use]
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let head = head(text, most.saturating_sub(MARK.len_utf8()));
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

#[cfg(test)]
mod tests {
    use super::*;

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
