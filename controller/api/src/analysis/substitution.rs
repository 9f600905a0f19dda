//! `{{args.<name>}}` in the texts of a metric: replaced by the values of arguments, once, as in Argo Rollouts.
//!
//! A value is put in as it is and never read again: braces and quotes in it mean nothing.

use std::collections::BTreeMap;

use kulta_core::spec::Problem;
use serde_json::Value;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// The values of arguments by their names.
pub type Arguments = BTreeMap<String, String>;

/// Replaces the arguments in all texts of `value`, however deep, but not in the names of fields. What can't be replaced
/// stays, and `problems` tells why, with a path that begins with `path`.
pub(super) fn fill(value: &mut Value, path: &str, arguments: &Arguments, problems: &mut Vec<Problem>) {
    match value {
        Value::String(text) => match replaced(text, arguments) {
            Ok(filled) => *text = filled,
            Err(message) => problems.push(Problem::new(path, message)),
        },
        Value::Array(entries) => {
            for (index, entry) in entries.iter_mut().enumerate() {
                fill(entry, &format!("{path}[{index}]"), arguments, problems);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                fill(field, &format!("{path}.{name}"), arguments, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` with the values of its arguments; what is wrong with it otherwise.
fn replaced(text: &str, arguments: &Arguments) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        let Some((tag, after)) = behind.split_once(CLOSE) else {
            return Err("{{ without }}: write {{args.<name>}}".to_owned());
        };
        filled.push_str(before);
        filled.push_str(value_of(tag, arguments)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn value_of<'a>(tag: &str, arguments: &'a Arguments) -> Result<&'a str, String> {
    let Some(name) = tag.trim().strip_prefix("args.") else {
        return Err(format!(
            "failed to resolve {{{{{tag}}}}}: nothing but arguments can stand here; write {{{{args.<name>}}}}"
        ));
    };
    arguments.get(name).map(String::as_str).ok_or_else(|| {
        let known: Vec<_> = arguments.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        format!(
            "failed to resolve {{{{{tag}}}}}: there is no argument \"{name}\"; add it to args, where there are: {known}"
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn arguments() -> Arguments {
        [("service", "web"), ("quoted", "\"{{args.service}}\"\n")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn filled(mut value: Value) -> Value {
        let mut problems = Vec::new();
        fill(&mut value, "spec.metrics[0]", &arguments(), &mut problems);
        assert_eq!(problems, []);
        value
    }

    #[track_caller]
    fn assert_refused(mut value: Value, path: &str, words: &str) {
        let mut problems = Vec::new();
        fill(&mut value, "spec.metrics[0]", &arguments(), &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path);
        assert!(problems[0].message.contains(words), "{problems:?}");
    }

    #[test]
    fn an_argument_is_replaced_wherever_it_stands_in_a_text() {
        let value = json!({"query": "rate({{args.service}})/sum({{args.service}})", "list": [["{{args.service}}"]], "n": 1});

        assert_eq!(
            filled(value),
            json!({"query": "rate(web)/sum(web)", "list": [["web"]], "n": 1})
        );
    }

    #[test]
    fn spaces_around_its_name_do_not_matter() {
        assert_eq!(filled(json!("{{ args.service }}")), json!("web"));
    }

    #[test]
    fn a_value_is_put_in_as_it_is_and_not_read_again() {
        assert_eq!(
            filled(json!("<{{args.quoted}}>")),
            json!("<\"{{args.service}}\"\n>")
        );
    }

    #[test]
    fn an_argument_that_is_not_there_is_named_with_those_that_are() {
        assert_refused(
            json!({"query": ["up", "{{args.servise}}"]}),
            "spec.metrics[0].query[1]",
            "failed to resolve {{args.servise}}: there is no argument \"servise\"; add it to args, where there are: \
             quoted, service",
        );
    }

    #[test]
    fn an_argument_in_the_name_of_an_argument_is_refused() {
        assert_refused(
            json!("{{args.{{args.service}}}}"),
            "spec.metrics[0]",
            "failed to resolve {{args.{{args.service}}",
        );
    }

    #[test]
    fn anything_but_an_argument_is_refused() {
        assert_refused(
            json!("{{service}}"),
            "spec.metrics[0]",
            "nothing but arguments can stand here",
        );
        assert_refused(json!("{{args.service"), "spec.metrics[0]", "{{ without }}");
    }

    proptest! {
        #[test]
        fn a_text_without_braces_stays_as_it_is(text in "[^{]*") {
            prop_assert_eq!(replaced(&text, &arguments()), Ok(text));
        }

        #[test]
        fn any_value_stands_where_its_argument_stood(before in "[^{]*", value in ".*", after in "[^{}]*") {
            let arguments = Arguments::from([("x".to_owned(), value.clone())]);
            let text = format!("{before}{{{{args.x}}}}{after}");
            prop_assert_eq!(replaced(&text, &arguments), Ok(format!("{before}{value}{after}")));
        }

        #[test]
        fn any_text_is_either_filled_or_refused(text in ".{0,20}[{} args.service]{0,30}") {
            if let Ok(filled) = replaced(&text, &arguments()) {
                prop_assert!(!text.contains(OPEN) || filled != text);
            }
        }
    }
}
