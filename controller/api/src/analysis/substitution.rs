//! `{{args.<name>}}` in the texts of a metric: replaced by the values of arguments, once, as in Argo Rollouts.
//!
//! A value is put in as it is and never read again: braces and quotes in it mean nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use kulta_core::spec::Problem;
use serde_json::Value;

use super::SecretReference;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// All texts of the metrics of an analysis together, with their arguments, their paths and what is wrong with them, in bytes: some
/// times what an object of the API server can hold. An argument may stand in many places, and each makes the object longer.
const MOST_BYTES: usize = 8 << 20;

/// Where in a metric a text of a Secret may stand: nowhere else is it kept from being shown.
const FIELDS_FOR_SECRETS: [&str; 6] = [
    ".provider.plugin.",
    ".provider.prometheus.query",
    ".provider.web.headers[",
    ".provider.web.body",
    ".provider.web.jsonBody",
    ".provider.web.authentication.oauth2.client",
];

/// The values of arguments by their names.
pub type Arguments = BTreeMap<String, String>;

/// Makes what stands for a text of a Secret in the metric at a path, for an argument of this name.
pub type StandIn<'a> = &'a dyn Fn(&str, &str) -> String;

/// An argument of a metric that comes from a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArgument {
    /// Where the Secret is named, such as `spec.args[0].valueFrom.secretKeyRef`.
    pub path: String,
    /// What is named there.
    pub reference: SecretReference,
    /// What stands for its text in the metric.
    pub stand_in: String,
}

/// What stands for the arguments of an analysis.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) texts: Arguments,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// The names of those whose text is not the one to come.
    pub(super) open: BTreeSet<String>,
    /// The bytes of what was made with them.
    pub(super) made: Made,
}

/// Bytes that were made of a spec.
#[derive(Debug, Default)]
pub(super) struct Made(Cell<usize>);

impl Made {
    /// Whether `bytes` more may be made.
    fn admits(&self, bytes: usize) -> bool {
        let made = self.0.get().saturating_add(bytes);
        self.0.set(made);
        made <= MOST_BYTES
    }

    /// Whether that was refused before.
    fn is_over(&self) -> bool {
        self.0.get() > MOST_BYTES
    }
}

/// A Secret, and where it is named.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) path: String,
    pub(super) reference: SecretReference,
}

impl Values {
    /// Whether `text` has an argument whose value is to come.
    pub(super) fn is_open(&self, text: &str) -> bool {
        let tags = text.split(OPEN).skip(1);
        let mut names = tags.filter_map(|rest| rest.split_once(CLOSE)?.0.trim().strip_prefix("args."));
        names.any(|name| self.open.contains(name))
    }
}

/// `text` with the values of what stands in braces, once; what is wrong with it otherwise. `usual` is an example of a tag.
pub(crate) fn replace_tags(
    text: &str,
    usual: &str,
    mut value_of: impl FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        let Some((tag, after)) = behind.split_once(CLOSE) else {
            return Err(format!("{OPEN} without {CLOSE}: write {usual}"));
        };
        filled.push_str(before);
        filled.push_str(&value_of(tag)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The filling of one metric.
pub(super) struct Filling<'a> {
    pub(super) values: &'a Values,
    /// Where the metric is written.
    pub(super) metric: &'a str,
    pub(super) stand_in: StandIn<'a>,
    /// The Secrets of which it has taken a text.
    pub(super) secrets: Vec<SecretArgument>,
}

impl Filling<'_> {
    /// Replaces the arguments in all texts of `value`, however deep, but not in the names of fields. What can't be
    /// replaced stays, and `problems` tells why, with a path that begins with `path`.
    pub(super) fn fill(&mut self, value: &mut Value, path: &str, problems: &mut Vec<Problem>) {
        let values = self.values;
        let made = &values.made;
        if made.is_over() {
            return;
        }
        if !made.admits(path.len()) {
            return problems.push(self.too_much());
        }
        match value {
            Value::String(text) => match self.replaced(text, path) {
                Ok(filled) => *text = filled,
                Err(message) if !made.is_over() && made.admits(message.len()) => {
                    problems.push(Problem::new(path, message));
                }
                Err(_) => problems.push(self.too_much()),
            },
            Value::Array(entries) => {
                // What follows is not looked at any more: to say where it is can be more work than to read it.
                let entries = entries.iter_mut().enumerate();
                for (index, entry) in entries.take_while(|_| !made.is_over()) {
                    self.fill(entry, &format!("{path}[{index}]"), problems);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut().take_while(|_| !made.is_over()) {
                    self.fill(field, &format!("{path}.{name}"), problems);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn too_much(&self) -> Problem {
        let message = format!(
            "with its arguments the analysis is longer than {} MiB: shorten the arguments, or use them less often",
            MOST_BYTES >> 20
        );
        Problem::new(self.metric, message)
    }

    /// `text` with the values of its arguments; what is wrong with it otherwise.
    fn replaced(&mut self, text: &str, path: &str) -> Result<String, String> {
        replace_tags(text, "{{args.<name>}}", |tag| self.value_of(tag, path))
    }

    fn value_of(&mut self, tag: &str, path: &str) -> Result<String, String> {
        let Some(name) = tag.trim().strip_prefix("args.") else {
            return Err(format!(
                "failed to resolve {{{{{tag}}}}}: nothing but arguments can stand here; write {{{{args.<name>}}}}"
            ));
        };
        if let Some(secret) = self.values.secrets.get(name) {
            return self.text_of(name, secret, path);
        }
        let Some(text) = self.values.texts.get(name) else {
            return Err(self.unknown(tag, name));
        };
        if self.values.made.admits(text.len()) {
            Ok(text.clone())
        } else {
            // What is told then is the same wherever it is found.
            Err(String::new())
        }
    }

    fn unknown(&self, tag: &str, name: &str) -> String {
        let Values { texts, secrets, .. } = self.values;
        let known: Vec<_> = texts.keys().chain(secrets.keys()).map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        format!(
            "failed to resolve {{{{{tag}}}}}: there is no argument \"{name}\"; add it to args, where there are: {known}"
        )
    }

    /// What stands for a text of a Secret, where one may stand.
    fn text_of(&mut self, name: &str, secret: &Secret, path: &str) -> Result<String, String> {
        let field = path.strip_prefix(self.metric).unwrap_or_default();
        if !FIELDS_FOR_SECRETS
            .iter()
            .any(|allowed| field.starts_with(allowed))
        {
            return Err(format!(
                "the argument \"{name}\" comes from a Secret, and what it is could be read off here; use it in the \
                 configuration of a plugin, in a query, or in headers and bodies only"
            ));
        }
        let stand_in = (self.stand_in)(self.metric, name);
        if !self.secrets.iter().any(|known| known.stand_in == stand_in) {
            self.secrets.push(SecretArgument {
                path: secret.path.clone(),
                reference: secret.reference.clone(),
                stand_in: stand_in.clone(),
            });
        }
        Ok(stand_in)
    }
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

    fn values() -> Values {
        let reference = SecretReference {
            name: "access".to_owned(),
            key: "token".to_owned(),
        };
        let path = "spec.args[2].valueFrom.secretKeyRef".to_owned();
        Values {
            texts: arguments(),
            secrets: [("token".to_owned(), Secret { path, reference })].into(),
            open: ["service".to_owned()].into(),
            ..Values::default()
        }
    }

    /// The value with its arguments, the Secrets that it takes, and what is wrong.
    fn outcome(mut value: Value, values: &Values) -> (Value, Vec<SecretArgument>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut filling = Filling {
            values,
            metric: "spec.metrics[0]",
            stand_in: &|metric, name| format!("<{metric} {name}>"),
            secrets: Vec::new(),
        };
        filling.fill(&mut value, "spec.metrics[0]", &mut problems);
        (value, filling.secrets, problems)
    }

    fn filled(value: Value) -> Value {
        let (value, _, problems) = outcome(value, &values());
        assert_eq!(problems, []);
        value
    }

    fn replaced(text: &str, texts: &Arguments) -> Result<String, String> {
        let values = Values {
            texts: texts.clone(),
            ..Values::default()
        };
        let (value, _, problems) = outcome(json!(text), &values);
        match problems.first() {
            Some(problem) => Err(problem.message.clone()),
            None => Ok(value.as_str().unwrap().to_owned()),
        }
    }

    #[track_caller]
    fn assert_refused(value: Value, path: &str, words: &str) {
        let (_, _, problems) = outcome(value, &values());
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

    #[test]
    fn a_secret_is_stood_for_in_the_configuration_of_a_plugin_and_in_a_query() {
        let provider =
            |query| json!({"provider": {"plugin": {"p": {"query": query}}, "prometheus": {"query": query}}});
        let twice = "{{args.token}}{{ args.token }}";

        let (value, secrets, problems) = outcome(provider(twice), &values());

        let stands = "<spec.metrics[0] token><spec.metrics[0] token>";
        assert_eq!((value, problems), (provider(stands), Vec::new()));
        let [secret] = &secrets[..] else {
            panic!("{secrets:?}")
        };
        assert_eq!(secret.stand_in, "<spec.metrics[0] token>");
        assert_eq!(
            (secret.reference.name.as_str(), secret.reference.key.as_str()),
            ("access", "token")
        );
    }

    #[test]
    fn a_secret_is_refused_where_it_could_be_read_off() {
        let cases = [
            (json!({"name": "{{args.token}}"}), "name"),
            (
                json!({"successCondition": "result < {{args.token}}"}),
                "successCondition",
            ),
            (json!({"failureCondition": "{{args.token}}"}), "failureCondition"),
            (json!({"interval": "{{args.token}}"}), "interval"),
            (
                json!({"provider": {"prometheus": {"address": "http://{{args.token}}"}}}),
                "provider.prometheus.address",
            ),
        ];
        for (value, path) in cases {
            assert_refused(value, &format!("spec.metrics[0].{path}"), "comes from a Secret");
        }
    }

    /// Everybody else's rollouts are worked on by the same process.
    #[test]
    fn what_arguments_make_of_an_analysis_has_an_end() {
        let of = |text: &str| Values {
            texts: [("a".to_owned(), text.to_owned())].into(),
            ..Values::default()
        };
        let long = of(&"x".repeat(1 << 20));
        let text = json!("{{args.a}}".repeat(100_000));
        let misspelt: Vec<_> = (0..100_000).map(|_| "{{args.b}}").collect();
        let deep = json!({"k".repeat(1 << 20): vec![0; 100_000]});

        for (value, values) in [
            (text.clone(), long),
            (json!([text, "{{args.a}}"]), of(&"x".repeat(1000))),
            (json!(misspelt), of("")),
            (deep, of("")),
        ] {
            let (_, _, problems) = outcome(value, &values);
            let told: usize = problems.iter().map(|problem| problem.message.len()).sum();
            assert!(told <= MOST_BYTES, "{told}");
            assert!(problems.last().unwrap().message.contains("is longer than 8 MiB"));
        }
    }

    #[test]
    fn a_text_is_open_where_one_of_its_arguments_is() {
        let values = values();

        assert!(values.is_open("a {{args.quoted}} b {{ args.service }}"));
        assert!(!values.is_open("args.service {{args.quoted}} {{args.services}}"));
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
