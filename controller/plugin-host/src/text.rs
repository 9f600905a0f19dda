//! Texts of plugins: cut at their limit and free of control characters.

/// Ends a text that was cut.
const ELLIPSIS: char = '…';

/// `text` in at most `bytes` bytes: cut at a whole character and ended by "…" where it is longer.
pub(crate) fn cut(text: String, bytes: usize) -> String {
    kulta_core::text::cut(text, bytes).into_owned()
}

/// `text` as one line of at most `bytes` bytes: control characters become spaces, so that it can neither break a line
/// of a log nor steer a terminal.
pub(crate) fn line(text: &str, bytes: usize) -> String {
    // Only as much is looked at as can be kept: every character is written in as many bytes as it is read, or fewer.
    let seen = text
        .get(..text.floor_char_boundary(bytes.saturating_add(1).saturating_add(ELLIPSIS.len_utf8())))
        .unwrap_or(text);
    cut(kulta_core::text::shown(seen), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_its_limit_is_kept() {
        assert_eq!(cut("abcd".to_owned(), 4), "abcd");
    }

    #[test]
    fn a_longer_text_is_cut_and_says_so() {
        assert_eq!(cut("abcdefgh".to_owned(), 6), "abc…");
    }

    #[test]
    fn a_text_is_cut_at_a_whole_character() {
        assert_eq!(cut("äöüäöü".to_owned(), 8), "äö…");
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(line("a\nb\u{1b}[31mc\u{202e}d", 64), "a b [31mc d");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(line(&"x".repeat(1000), 10), "xxxxxxx…");
    }

    #[test]
    fn shrinking_characters_do_not_hide_that_a_line_was_cut() {
        assert_eq!(line(&"\u{202e}".repeat(8), 12), " ".repeat(5));
    }
}
