//! What the operator says of events: where they go, and who they are from.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use kulta_events::envelope::Mode;
use serde::Deserialize;

use crate::access::{Access, Address, BasicAuth, Header, Problems};
use crate::analysis::configuration::lists;

/// The longest time that an operator can give a sink.
const LONGEST_TIMEOUT_SECONDS: u64 = 60;
/// A sink on a network answers in well under a second.
const DEFAULT_TIMEOUT_SECONDS: u64 = 10;
/// Events of different Rollouts that are sent to one sink at the same time.
const HTTP_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
/// Lines of a file are written one after the other.
const FILE_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN;

/// Where events go, and who they are from. Without sinks nothing is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EventSettings {
    /// The id of the environment that the cluster is, such as `production`. Needed where there are sinks.
    pub environment: String,
    /// A URI reference that tells this controller from others. Default: `/kulta/` and the environment.
    pub source: Option<String>,
    /// Where events go, by names of the operator's choice.
    pub sinks: BTreeMap<String, SinkSettings>,
}

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct SinkSettings {
    /// Where it is.
    pub target: Target,
    /// Which events it gets. Default: all.
    pub filter: Filter,
}

/// A sink as it is written: with exactly one of `http` and `file`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    http: Option<HttpTarget>,
    file: Option<FileTarget>,
    #[serde(default)]
    filter: Filter,
}

impl TryFrom<Written> for SinkSettings {
    type Error = &'static str;

    fn try_from(Written { http, file, filter }: Written) -> Result<Self, Self::Error> {
        let target = match (http, file) {
            (Some(http), None) => Target::Http(http),
            (None, Some(file)) => Target::File(file),
            _ => return Err("a sink must have exactly one of http and file"),
        };
        Ok(Self { target, filter })
    }
}

/// Where a sink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server that takes `CloudEvents` messages.
    Http(HttpTarget),
    /// A file that gets a line for each event.
    File(FileTarget),
}

/// A server that takes `CloudEvents` messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpTarget {
    /// Where events are posted to.
    pub address: Address,
    /// `structured` or `binary`. Default: structured.
    #[serde(default)]
    pub mode: Mode,
    /// Seconds that an answer may take, from 1 to 60. Default: 10.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// A file with a token, sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// A user's name and password, sent as `Authorization: Basic`.
    #[serde(default)]
    pub basic_auth: Option<BasicAuth>,
    /// What else is sent with each event.
    #[serde(default)]
    pub headers: BTreeMap<String, Header>,
    /// A file with the certificates (PEM) of the authorities that its own may be signed by. Default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A file that gets a line for each event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileTarget {
    /// The file. It may be moved away at any time: the next line begins another one.
    pub path: PathBuf,
}

/// Which events a sink gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filter {
    /// The namespaces whose Rollouts are told of; `*`: every one. Default: every one.
    pub namespaces: Option<Vec<String>>,
    /// What the types of events begin with, such as `dev.cdevents.` for the standard ones. Default: every one.
    pub types: Option<Vec<String>>,
}

impl Filter {
    /// Whether an event of this type about a Rollout of this namespace is wanted.
    #[must_use]
    pub fn wants(&self, namespace: &str, kind: &str) -> bool {
        let of = |beginnings: &Vec<String>| {
            beginnings
                .iter()
                .any(|beginning| kind.starts_with(beginning.as_str()))
        };
        self.wants_of(namespace) && self.types.as_ref().is_none_or(of)
    }

    /// Whether any event about a Rollout of this namespace is wanted.
    #[must_use]
    pub fn wants_of(&self, namespace: &str) -> bool {
        let from = |names: &Vec<String>| lists(names, namespace);
        self.namespaces.as_ref().is_none_or(from)
    }
}

impl EventSettings {
    /// Who the events are from.
    #[must_use]
    pub fn source(&self) -> String {
        let default = || format!("/kulta/{}", self.environment);
        self.source.clone().unwrap_or_else(default)
    }

    /// All that concerns one sink: when that is as before, so is what it gets.
    pub(super) fn only(&self, name: &str) -> Self {
        let mut only = self.clone();
        only.sinks.retain(|other, _| other == name);
        only
    }

    /// What is wrong although every field makes sense by itself.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Problems::of("events");
        if !self.sinks.is_empty() && self.environment.is_empty() {
            problems.add(
                "environment",
                "is missing: write the name of the environment that this cluster is",
            );
        }
        if !is_reference(&self.source()) {
            let (field, message) = match self.source {
                Some(_) => (
                    "source",
                    "must be a URI reference, such as https://clusters.example/production",
                ),
                None => (
                    "environment",
                    "can't be part of a URI: leave out spaces and special letters, or write events.source, too",
                ),
            };
            problems.add(field, message);
        }
        let sinks = self.sinks.iter();
        problems
            .list
            .into_iter()
            .chain(sinks.flat_map(|(name, sink)| sink.problems(name)))
            .collect()
    }
}

/// Whether a text can stand for a URI reference: it is sent in headers, too.
fn is_reference(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

impl SinkSettings {
    /// How many events are sent at the same time.
    pub(super) fn concurrency(&self) -> NonZeroUsize {
        match self.target {
            Target::Http(_) => HTTP_CONCURRENCY,
            Target::File(_) => FILE_CONCURRENCY,
        }
    }

    fn problems(&self, name: &str) -> Vec<String> {
        match &self.target {
            Target::Http(target) => {
                let mut problems = Problems::of(format!("events.sinks.{name}.http"));
                if !(1..=LONGEST_TIMEOUT_SECONDS).contains(&target.timeout_seconds) {
                    problems.add(
                        "timeoutSeconds",
                        format!("must be from 1 to {LONGEST_TIMEOUT_SECONDS}"),
                    );
                }
                target.access().note_problems(&mut problems);
                problems.list
            }
            Target::File(FileTarget { path }) => {
                let mut problems = Problems::of(format!("events.sinks.{name}.file"));
                problems.paths([("path", &Some(path.clone()))]);
                problems.list
            }
        }
    }
}

impl HttpTarget {
    /// How it is spoken to.
    #[must_use]
    pub fn access(&self) -> Access {
        Access {
            address: self.address.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            basic_auth: self.basic_auth.clone(),
            headers: self.headers.clone(),
            ca_file: self.ca_file.clone(),
        }
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

const fn default_timeout() -> u64 {
    DEFAULT_TIMEOUT_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EventSettings, serde_saphyr::Error> {
        serde_saphyr::from_str(text)
    }

    /// What is wrong with settings that can be read.
    fn problems(text: &str) -> String {
        parse(text).unwrap().problems().join("\n")
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let text = "{environment: production, sinks: {dashboard: {http: {address: 'http://events:80'}}}}";
        let settings = parse(text).unwrap();

        assert_eq!(settings.problems(), Vec::<String>::new());
        assert_eq!(settings.source(), "/kulta/production");
        let Target::Http(target) = &settings.sinks["dashboard"].target else {
            panic!("no server");
        };
        assert_eq!((target.mode, target.timeout_seconds), (Mode::Structured, 10));
        assert!(settings.sinks["dashboard"].filter.wants("shop", "dev.cdevents.x"));
    }

    #[test]
    fn a_filter_wants_what_it_lists() {
        let filter = Filter {
            namespaces: Some(vec!["shop".to_owned()]),
            types: Some(vec!["dev.cdevents.".to_owned()]),
        };

        let wants = [
            filter.wants("shop", "dev.cdevents.service.upgraded.0.3.0"),
            filter.wants("cart", "dev.cdevents.service.upgraded.0.3.0"),
            filter.wants("shop", "dev.cdeventsx.kulta-deployment.started.0.1.0"),
        ];

        assert_eq!(wants, [true, false, false]);
    }

    #[test]
    fn what_no_sink_can_be_is_refused_with_the_reason() {
        let refused = [
            ("{sinks: {a: {}}}", "exactly one of http and file"),
            (
                "{sinks: {a: {http: {address: 'http://x'}, file: {path: /x}}}}",
                "exactly one of http and file",
            ),
            ("{sinks: {a: {htpp: {}}}}", "htpp"),
            (
                "{sinks: {a: {http: {address: 'http://x', mode: batched}}}}",
                "batched",
            ),
            ("{sinks: {a: {file: {path: /x}, filter: {type: []}}}}", "type"),
        ];
        for (text, words) in refused {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn what_makes_no_sense_together_is_told_with_its_path() {
        let told = [
            ("{sinks: {a: {file: {path: /x}}}}", "events.environment"),
            ("{environment: e, source: 'a b'}", "events.source"),
            ("{environment: my prod}", "events.environment"),
            ("{environment: süd}", "events.environment"),
            (
                "{environment: e, sinks: {a: {http: {address: 'http://x', timeoutSeconds: 0}}}}",
                "events.sinks.a.http.timeoutSeconds",
            ),
            (
                "{environment: e, sinks: {a: {file: {path: events.jsonl}}}}",
                "events.sinks.a.file.path",
            ),
        ];
        for (text, path) in told {
            let told = problems(text);
            assert!(told.contains(path), "{text}: {told}");
        }
    }

    #[test]
    fn a_sink_whose_own_settings_stay_is_not_set_up_anew() {
        let with = |mode: &str| {
            let text = format!(
                "{{environment: e, sinks: {{a: {{file: {{path: /x}}}}, \
                 b: {{http: {{address: 'http://x', mode: {mode}}}}}}}}}"
            );
            parse(&text).unwrap()
        };
        let (before, after) = (with("structured"), with("binary"));

        assert_eq!(before.only("a"), after.only("a"));
        assert_ne!(before.only("b"), after.only("b"));
    }
}
