//! Facts in queries: `$(canary-hash)`. What the bundled plugins let users write, for plugins that want the same.
//!
//! `$(` has no meaning in `PromQL`, where outside of texts there is no `$`; in the texts of regular expressions and of
//! `label_replace` it is never meant. It is none of the `{{args.x}}` of Argo Rollouts, which are replaced before a query
//! comes here, and none of the `${x}` that Flux and `envsubst` replace in manifests.
//!
//! A value can't change what a query means: in a quoted text it is escaped, and elsewhere only a word or a number may
//! stand.

use crate::{ConfigError, Subject};

/// A piece of a query.
enum Piece<'q> {
    /// To be taken as it is.
    Text(&'q str),
    /// What stands for the characters `$(`.
    Escape,
    /// The name of a fact, and where it stands.
    Fact(&'q str, Quote),
}

/// Where in a query a fact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    /// In no text.
    None,
    /// In a text between these, in which a backslash escapes.
    Escaping(char),
    /// In a text between backticks, in which nothing escapes.
    Raw,
    /// Behind a `#`, up to the end of the line.
    Comment,
}

/// What is wrong with a query, without its path.
type Fault = String;

/// Checks what can be checked of the query in the field at `path` before the facts are known.
///
/// # Errors
/// When it is empty, or a `$(` in it is not the beginning of a name.
pub fn check(path: &str, query: &str) -> Result<(), ConfigError> {
    if query.trim().is_empty() {
        return Err(ConfigError::new(path, "is empty"));
    }
    visit(query, |_| Ok(())).map_err(|fault| ConfigError::new(path, fault))
}

/// The query in the field at `path`, with its facts.
///
/// # Errors
/// When there is no such fact, or its value can't stand where it should.
pub fn fill(path: &str, query: &str, subject: &Subject) -> Result<String, ConfigError> {
    let mut filled = String::with_capacity(query.len());
    let done = visit(query, |piece| {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Escape => filled.push_str("$("),
            Piece::Fact(name, quote) => put(&mut filled, name, value(name, subject)?, quote)?,
        }
        Ok(())
    });
    done.map_err(|fault| ConfigError::new(path, fault))?;
    Ok(filled)
}

/// Whether the query has a fact about the canary.
#[must_use]
pub fn names_canary(query: &str) -> bool {
    let mut is_named = false;
    // A query that is faulty was refused before.
    let _ = visit(query, |piece| {
        is_named |= matches!(piece, Piece::Fact(name, _) if name.starts_with("canary-"));
        Ok(())
    });
    is_named
}

/// The query about the stable version that is as this one about the canary.
#[must_use]
pub fn of_stable(query: &str) -> String {
    let mut changed = String::with_capacity(query.len());
    // A query that is faulty was refused before.
    let _ = visit(query, |piece| {
        match piece {
            Piece::Text(text) => changed.push_str(text),
            Piece::Escape => changed.push_str("$$("),
            Piece::Fact(name, _) => {
                let of_canary = name.strip_prefix("canary-");
                changed.push_str(if of_canary.is_some() { "$(stable-" } else { "$(" });
                changed.push_str(of_canary.unwrap_or(name));
                changed.push(')');
            }
        }
        Ok(())
    });
    changed
}

fn value<'s>(name: &str, subject: &'s Subject) -> Result<&'s str, Fault> {
    let known = match name {
        "namespace" => Some(subject.namespace.as_str()),
        "name" => Some(subject.name.as_str()),
        _ => subject.fact(name),
    };
    known.ok_or_else(|| format!("$({name}): there is no such fact here"))
}

fn visit<'q>(query: &'q str, mut each: impl FnMut(Piece<'q>) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut rest = query;
    let mut quote = Quote::None;
    while let Some(at) = rest.find('$') {
        // Checked, because what a failure of the unchecked one says is 4 kB in a component.
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        quote = quote.behind(before);
        each(Piece::Text(before))?;
        rest = if let Some(behind) = behind.strip_prefix("$$(") {
            each(Piece::Escape)?;
            behind
        } else if let Some(behind) = behind.strip_prefix("$(") {
            let (name, behind) = behind.split_once(')').ok_or("$( without its )")?;
            each(Piece::Fact(checked(name)?, quote))?;
            behind
        } else {
            each(Piece::Text("$"))?;
            behind.get(1..).unwrap_or_default()
        };
    }
    each(Piece::Text(rest))
}

fn checked(name: &str) -> Result<&str, Fault> {
    if name.is_empty() || !name.chars().all(is_of_name) {
        return Err(format!(
            "$({name}) names no fact; $$( stands for the characters $("
        ));
    }
    Ok(name)
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

impl Quote {
    /// Where a query is behind this text.
    fn behind(self, text: &str) -> Self {
        let mut quote = self;
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            quote = match (quote, character) {
                (Self::None, '"' | '\'') => Self::Escaping(character),
                (Self::None, '`') => Self::Raw,
                (Self::None, '#') => Self::Comment,
                (Self::Escaping(_), '\\') => {
                    characters.next();
                    quote
                }
                (Self::Escaping(end), _) if character == end => Self::None,
                (Self::Raw, '`') | (Self::Comment, '\n') => Self::None,
                _ => quote,
            };
        }
        quote
    }
}

fn put(query: &mut String, name: &str, value: &str, quote: Quote) -> Result<(), Fault> {
    match quote {
        Quote::Escaping(_) => {
            for character in value.chars() {
                push_escaped(query, character);
            }
        }
        Quote::Raw if value.contains('`') => {
            return Err(format!(
                "$({name}): a value with a backtick can't stand between backticks"
            ));
        }
        Quote::None if !is_word(value) => {
            return Err(format!(
                "$({name}): outside of quotes only a word or a number can stand, and its value is neither"
            ));
        }
        Quote::Comment => {}
        Quote::None | Quote::Raw => query.push_str(value),
    }
    Ok(())
}

/// By number, because `PromQL` allows a backslash before a quotation mark only in a text that is between such marks.
fn push_escaped(query: &mut String, character: char) {
    match character {
        '\\' => query.push_str("\\\\"),
        '"' => query.push_str("\\x22"),
        '\'' => query.push_str("\\x27"),
        '\n' => query.push_str("\\n"),
        _ => query.push(character),
    }
}

fn is_word(value: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':' | '.');
    !value.is_empty() && value.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::new("shop", "web", "errors")
            .with_fact("canary-hash", "6d5f")
            .with_fact("canary-image", "reg/web:2\"} or up{x=\"")
            .with_fact("weight", "20")
            .with_fact("arg.path", r"a\b`c'd")
    }

    fn filled(query: &str) -> String {
        fill("query", query, &subject()).unwrap()
    }

    fn fault(query: &str) -> String {
        fill("query", query, &subject()).unwrap_err().to_string()
    }

    #[test]
    fn facts_are_put_in_their_places() {
        assert_eq!(
            filled(r#"up{pod=~"web-$(canary-hash)-.*", namespace="$(namespace)"} * $(weight)"#),
            r#"up{pod=~"web-6d5f-.*", namespace="shop"} * 20"#
        );
    }

    #[test]
    fn a_value_does_not_end_the_text_it_stands_in() {
        assert_eq!(
            filled(r#"up{image="$(canary-image)"}"#),
            r#"up{image="reg/web:2\x22} or up{x=\x22"}"#
        );
    }

    #[test]
    fn a_value_is_escaped_in_both_kinds_of_quotes() {
        assert_eq!(filled("up{p='$(arg.path)'}"), r"up{p='a\\b`c\x27d'}");
        assert_eq!(filled(r#"up{p="$(arg.path)"}"#), r#"up{p="a\\b`c\x27d"}"#);
    }

    #[test]
    fn between_backticks_a_value_is_as_it_is() {
        assert_eq!(filled("up{h=`$(canary-hash)`}"), "up{h=`6d5f`}");
    }

    #[test]
    fn between_backticks_a_backtick_is_refused() {
        assert!(fault("up{p=`$(arg.path)`}").contains("can't stand between backticks"));
    }

    #[test]
    fn outside_of_quotes_a_value_can_not_add_to_the_query() {
        assert!(fault("up + $(canary-image)").starts_with("query: $(canary-image): outside of quotes"));
    }

    #[test]
    fn a_quotation_mark_that_is_escaped_does_not_end_a_text() {
        assert_eq!(
            filled(r#"up{a="\"", image="$(canary-image)"}"#),
            r#"up{a="\"", image="reg/web:2\x22} or up{x=\x22"}"#
        );
    }

    #[test]
    fn a_quotation_mark_in_a_comment_begins_no_text() {
        assert_eq!(filled("up # don't\n * $(weight)"), "up # don't\n * 20");
    }

    #[test]
    fn a_fact_that_is_absent_is_an_error_that_names_it() {
        assert_eq!(
            fault("up{h=\"$(stable-hash)\"}"),
            "query: $(stable-hash): there is no such fact here"
        );
    }

    #[test]
    fn what_is_no_name_is_an_error() {
        assert!(fault("up{h=~\"$(a|b)\"}").contains("$(a|b) names no fact"));
        assert_eq!(fault("up $(weight"), "query: $( without its )");
    }

    #[test]
    fn two_dollars_stand_for_one() {
        assert_eq!(filled(r#"up{h=~"x$$(a|b)"}"#), r#"up{h=~"x$(a|b)"}"#);
    }

    #[test]
    fn what_other_tools_replace_is_left_alone() {
        let query = r#"label_replace(up, "a", "${1}-$2", "b", "(.*)$") + {{args.x}}"#;
        assert_eq!(filled(query), query);
    }

    #[test]
    fn a_dollar_before_an_escape_is_a_dollar() {
        assert_eq!(filled(r#"up{h=~"x$|y$$$(a|b)"}"#), r#"up{h=~"x$|y$$(a|b)"}"#);
    }

    #[test]
    fn only_facts_about_the_canary_name_it() {
        assert!(names_canary("up{h=\"$(canary-hash)\"}"));
        assert!(!names_canary("up{h=\"$(stable-hash) canary-\"}"));
    }

    #[test]
    fn a_query_about_the_canary_becomes_one_about_the_stable_version() {
        assert_eq!(
            of_stable(r#"up{h="$(canary-hash)", n="$(namespace)", r=~"x$|$$(a)"}"#),
            r#"up{h="$(stable-hash)", n="$(namespace)", r=~"x$|$$(a)"}"#
        );
    }
}
