//! What the operator says of one provider: where it is, for whom, and with which credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::analysis::providers::address::Address;

/// No query may take longer: a provider that is slower is as good as none.
const LONGEST_TIMEOUT_SECONDS: u64 = 5;
/// What the controller itself says of a request.
const OWN_HEADERS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

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
}

/// A user's name and password. The name is in one of two fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// The name.
    #[serde(default)]
    pub username: Option<Hidden>,
    /// A file with the name.
    #[serde(default)]
    pub username_file: Option<PathBuf>,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// The value of a header: in one of two fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The value.
    #[serde(default)]
    pub value: Option<Hidden>,
    /// A file with the value.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub(in crate::analysis) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
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
        }
    }

    /// Whether analyses of `namespace` may ask it.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        super::lists(&self.namespaces, namespace)
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// What is wrong with it although every field makes sense by itself.
    pub(super) fn problems(&self, name: &str) -> Vec<String> {
        let mut problems = Problems {
            of: format!("providers.{name}"),
            list: Vec::new(),
        };
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
        if self.ca_file.is_some() && !self.address.is_https() {
            problems.add(
                "caFile",
                "has no effect on an address with http://: write https://, or take it out",
            );
        }
        if self.bearer_token_file.is_some() && self.basic_auth.is_some() {
            problems.add("basicAuth", "must not stand beside bearerTokenFile: take one out");
        }
        problems.paths([
            ("bearerTokenFile", &self.bearer_token_file),
            ("caFile", &self.ca_file),
        ]);
        if let Some(user) = &self.basic_auth {
            if user.username.is_some() == user.username_file.is_some() {
                problems.add("basicAuth", "must have exactly one of username and usernameFile");
            }
            if user
                .username
                .as_ref()
                .is_some_and(|Hidden(name)| name.contains(':'))
            {
                problems.add("basicAuth.username", "must not have a colon in it");
            }
            let password = Some(user.password_file.clone());
            problems.paths([
                ("basicAuth.usernameFile", &user.username_file),
                ("basicAuth.passwordFile", &password),
            ]);
        }
        self.header_problems(&mut problems);
        problems.list
    }

    fn header_problems(&self, problems: &mut Problems) {
        let has_credentials = self.bearer_token_file.is_some() || self.basic_auth.is_some();
        for (name, header) in &self.headers {
            let field = format!("headers.{name}");
            match name.parse::<HeaderName>() {
                Err(_) => problems.add(&field, "is no name of a header"),
                Ok(name) if OWN_HEADERS.contains(&name) => {
                    problems.add(&field, "is set by the controller: take it out");
                }
                Ok(name) if name == AUTHORIZATION && has_credentials => {
                    problems.add(
                        &field,
                        "must not stand beside bearerTokenFile or basicAuth: take one out",
                    );
                }
                Ok(_) => {}
            }
            if header.value.is_some() == header.file.is_some() {
                problems.add(&field, "must have exactly one of value and file");
            }
            let fits = |Hidden(value): &Hidden| HeaderValue::from_str(value).is_ok();
            if !header.value.as_ref().is_none_or(fits) {
                problems.add(&field, "has a value with characters that no header can have");
            }
            problems.paths([(format!("{field}.file").as_str(), &header.file)]);
        }
    }
}

/// What is wrong with one provider.
struct Problems {
    of: String,
    list: Vec<String>,
}

impl Problems {
    fn add(&mut self, field: &str, message: impl fmt::Display) {
        self.list.push(format!("{}.{field}: {message}", self.of));
    }

    /// A path that begins somewhere else in each process is a mistake.
    fn paths<const N: usize>(&mut self, fields: [(&str, &Option<PathBuf>); N]) {
        for (field, path) in fields {
            if path.as_deref().is_some_and(Path::is_relative) {
                self.add(
                    field,
                    "must be a path from the root: write it with a slash at its beginning",
                );
            }
        }
    }
}

fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(plain) && name.bytes().all(|byte| plain(byte) || byte.is_ascii_digit())
}

const fn default_timeout() -> u64 {
    LONGEST_TIMEOUT_SECONDS
}
