//! An error with all its causes, as one line of text.

use std::error::Error;

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

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn every_cause_is_told() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(with_causes(&error), "outer: inner");
    }
}
