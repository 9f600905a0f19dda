//! How a server is spoken to: its address, and what the operator has set up to be sent with each request.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::Address;

/// What the controller itself says of a request.
const OWN_HEADERS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

/// How a server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// A file with a token, sent as `Authorization: Bearer`.
    pub bearer_token_file: Option<PathBuf>,
    /// A user's name and password, sent as `Authorization: Basic`.
    pub basic_auth: Option<BasicAuth>,
    /// What else is sent.
    pub headers: BTreeMap<String, Header>,
    /// A file with the certificates (PEM) of the authorities that its own may be signed by; None: the system's.
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
pub struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

impl Access {
    /// Notes what is wrong with it although every field makes sense by itself.
    pub(crate) fn note_problems(&self, problems: &mut Problems) {
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
        self.header_problems(problems);
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

/// What is wrong with one entry of the configuration.
pub(crate) struct Problems {
    of: String,
    pub(crate) list: Vec<String>,
}

impl Problems {
    /// None so far with the entry at this path.
    pub(crate) fn of(path: impl Into<String>) -> Self {
        Self {
            of: path.into(),
            list: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, field: &str, message: impl fmt::Display) {
        self.list.push(format!("{}.{field}: {message}", self.of));
    }

    /// A path that begins somewhere else in each process is a mistake.
    pub(crate) fn paths<const N: usize>(&mut self, fields: [(&str, &Option<PathBuf>); N]) {
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
