//! What `expr-lang` is given, as it is written.

use crate::functions::MATCHES;

/// The text between two brackets.
#[derive(Debug, Default)]
pub(super) struct Draft {
    text: String,
    /// Where the comparisons begin that are being written.
    start: usize,
    /// Where the pattern of a `matches` begins.
    pattern: Option<usize>,
}

impl Draft {
    /// Whether the next word is the first of an element.
    pub(super) fn is_at_a_beginning(&self) -> bool {
        self.text.is_empty() || self.text.ends_with(", ")
    }

    pub(super) fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.text.push(' ');
    }

    /// A word that ends comparisons.
    pub(super) fn boundary(&mut self, word: &str) {
        self.compare(word);
        self.start = self.text.len();
    }

    /// An operator that ends a pattern.
    pub(super) fn compare(&mut self, operator: &str) {
        self.close_pattern();
        self.push(operator);
    }

    /// What was written since the last boundary is matched with what comes now.
    pub(super) fn matches(&mut self) {
        self.close_pattern();
        self.pattern = Some(self.text.len());
    }

    pub(super) fn end(mut self) -> String {
        self.close_pattern();
        self.text
    }

    /// Writes a `matches` as a call.
    fn close_pattern(&mut self) {
        let Some(pattern) = self.pattern.take() else {
            return;
        };
        let right = self.text.split_off(pattern);
        let left = self.text.split_off(self.start);
        self.push(&format!("{MATCHES}({left}, {right})"));
    }
}
