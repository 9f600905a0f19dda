//! What the operator says of one provider: where it is, for whom, and with which credentials.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::access::{Access, Address, BasicAuth, Header, Problems};

/// No query may take longer: a provider that is slower is as good as none.
const LONGEST_TIMEOUT_SECONDS: u64 = 5;
/// Queries at the same time where nothing is written: one that is slow must not be overrun, nor starve the others.
const QUERIES_AT_ONCE: usize = 8;
/// No provider is asked more at the same time: each query holds an answer in memory.
const MOST_QUERIES_AT_ONCE: usize = 64;

/// What one provider is asked at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderLimits {
    /// Queries at the same time, from 2 to 64; half of them for one namespace. Default: 8.
    pub queries_at_once: usize,
    /// Bytes of an answer, where the plugin that asks may have as many; at least 1 KiB. Default: what the plugin may have.
    pub answer_bytes: Option<u64>,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            queries_at_once: QUERIES_AT_ONCE,
            answer_bytes: None,
        }
    }
}

/// An answer without any series has some hundred bytes.
const FEWEST_ANSWER_BYTES: u64 = 1 << 10;

/// A Prometheus, or what answers like one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Where it is, such as `http://prometheus.monitoring:9090`; `/api/v1/query` is added.
    pub address: Address,
    /// The namespaces whose analyses may ask it; `*`: every one. None may where the list is empty.
    pub namespaces: Vec<String>,
    /// Seconds that an answer may take, at most 5. Default: 5.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// A label that every series in a query must have, with the namespace of the analysis as its value.
    #[serde(default)]
    pub scope_label: Option<String>,
    /// A file with a token, sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// A user's name and password, sent as `Authorization: Basic`.
    #[serde(default)]
    pub basic_auth: Option<BasicAuth>,
    /// What else is sent with each query, such as the tenant.
    #[serde(default)]
    pub headers: BTreeMap<String, Header>,
    /// A file with the certificates (PEM) of the authorities that its own may be signed by. Default: the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What it is asked at most.
    #[serde(default)]
    pub limits: ProviderLimits,
}

impl Provider {
    /// A provider of `address` for every namespace, without credentials.
    #[must_use]
    pub fn plain(address: Address) -> Self {
        Self {
            address,
            namespaces: vec![super::EVERY_NAMESPACE.to_owned()],
            timeout_seconds: LONGEST_TIMEOUT_SECONDS,
            scope_label: None,
            bearer_token_file: None,
            basic_auth: None,
            headers: BTreeMap::new(),
            ca_file: None,
            limits: ProviderLimits::default(),
        }
    }

    /// Whether analyses of `namespace` may ask it.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        super::lists(&self.namespaces, namespace)
    }

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

    /// What is wrong with it although every field makes sense by itself.
    pub(super) fn problems(&self, name: &str) -> Vec<String> {
        let mut problems = Problems::of(format!("providers.{name}"));
        if !(1..=LONGEST_TIMEOUT_SECONDS).contains(&self.timeout_seconds) {
            problems.add(
                "timeoutSeconds",
                format!("must be from 1 to {LONGEST_TIMEOUT_SECONDS}"),
            );
        }
        if self.scope_label.as_deref().is_some_and(|label| !is_label(label)) {
            problems.add(
                "scopeLabel",
                "must be the name of a label: letters, digits and _, no digit first",
            );
        }
        // Of an odd number half is rounded down: nobody would have a place with one.
        if !(2..=MOST_QUERIES_AT_ONCE).contains(&self.limits.queries_at_once) {
            let message = format!("must be from 2 to {MOST_QUERIES_AT_ONCE}");
            problems.add("limits.queriesAtOnce", message);
        }
        let bytes = self.limits.answer_bytes;
        if bytes.is_some_and(|bytes| bytes < FEWEST_ANSWER_BYTES) {
            let message = format!("must be at least {FEWEST_ANSWER_BYTES}");
            problems.add("limits.answerBytes", message);
        }
        self.access().note_problems(&mut problems);
        problems.list
    }
}

fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(plain) && name.bytes().all(|byte| plain(byte) || byte.is_ascii_digit())
}

const fn default_timeout() -> u64 {
    LONGEST_TIMEOUT_SECONDS
}
