//! The words of a condition.

use crate::Refusal;
use crate::kind::Kind;

/// One word, and what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'text> {
    pub(crate) what: What,
    pub(crate) text: &'text str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A number, a text or a list of bytes, as it is written.
    Literal(Kind),
    /// A name or a word of the language.
    Name,
    /// An operator, a bracket or another sign.
    Sign,
    /// There are no more.
    End,
}

/// Signs of more than one character. The longest that fits is taken.
const LONG_SIGNS: [&str; 10] = ["==", "!=", "<=", ">=", "&&", "||", "**", "..", "??", "?."];
/// Signs of one character.
const SIGNS: &str = "+-*/%^<>!?:.,;|=()[]{}";

/// Takes a condition apart.
pub(crate) fn tokens(condition: &str) -> Result<Vec<Token<'_>>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = condition.get(at..).unwrap_or_default();
        if let Some(length) = skipped(rest) {
            at += length;
            continue;
        }
        let (what, length) = first(rest).ok_or_else(|| unreadable(rest, at))?;
        let text = rest.get(..length).unwrap_or_default();
        tokens.push(Token { what, text, at });
        at += length;
        if what == What::End {
            return Ok(tokens);
        }
    }
}

fn unreadable(rest: &str, at: usize) -> Refusal {
    let character = rest.chars().next().unwrap_or_default();
    if matches!(character, '"' | '\'' | '`' | 'b' | 'B') {
        return Refusal::new(format!("the string at character {at} does not end"));
    }
    Refusal::new(format!("unexpected {character:?} at character {at}"))
}

/// The length of white space or of a comment.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        return comment.find("*/").map(|end| end + 4);
    }
    let length = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    (length > 0).then_some(length)
}

/// The first word, and its length.
fn first(rest: &str) -> Option<(What, usize)> {
    let Some(character) = rest.chars().next() else {
        return Some((What::End, 0));
    };
    let second = rest.chars().nth(1).unwrap_or_default();
    if matches!(character, '"' | '\'' | '`') {
        return Some((What::Literal(Kind::Text), quoted(rest)?));
    }
    if matches!(character, 'b' | 'B') && matches!(second, '"' | '\'') {
        let length = quoted(rest.get(1..)?)?;
        return Some((What::Literal(Kind::List), length + 1));
    }
    if character.is_ascii_digit() || (character == '.' && second.is_ascii_digit()) {
        return Some((What::Literal(Kind::Number), number(rest)));
    }
    if character.is_ascii_alphabetic() || matches!(character, '_' | '$' | '#') {
        let end = rest.char_indices().skip(1).find(|(_, next)| !is_of_name(*next));
        return Some((What::Name, end.map_or(rest.len(), |(end, _)| end)));
    }
    // Before a digit, `?` is a choice and not an access.
    let is_long = |sign: &&&str| rest.starts_with(**sign) && !(**sign == "?." && third_is_digit(rest));
    if let Some(sign) = LONG_SIGNS.iter().find(is_long) {
        return Some((What::Sign, sign.len()));
    }
    SIGNS.contains(character).then_some((What::Sign, 1))
}

fn third_is_digit(rest: &str) -> bool {
    rest.chars().nth(2).is_some_and(|third| third.is_ascii_digit())
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The length of a string with its quotes.
fn quoted(rest: &str) -> Option<usize> {
    let quote = rest.chars().next()?;
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' && quote != '`' {
            escaped = true;
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The length of a number: `1..3` are two of them.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is = |at: usize, wanted: fn(&u8) -> bool| bytes.get(at).is_some_and(wanted);
    let mut end = 0;
    loop {
        let sign_of_exponent = end > 0
            && is(end, |byte| matches!(byte, b'+' | b'-'))
            && is(end - 1, |byte| matches!(byte, b'e' | b'E'))
            && !rest.starts_with("0x");
        let point = is(end, |byte| *byte == b'.') && !is(end + 1, |byte| *byte == b'.');
        let digit = is(end, |byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !(digit || point || sign_of_exponent) {
            return end;
        }
        end += 1;
    }
}
