//! What users write.

use std::time::Duration;

#[cfg(test)]
use schemars::JsonSchema;

use kulta_plugin_sdk::{ConfigError, Header as SentHeader, Method as SentMethod};
use serde::Deserialize;

use crate::path::Path;

/// As in Argo Rollouts.
const DEFAULT_TIMEOUT: u64 = 10;
/// A call of a plugin takes a minute at most, and has to have time left after the answer.
const LONGEST_TIMEOUT: u64 = 55;
/// The whole answer.
const ROOT: &str = "{$}";

/// A request, and where in its answer the value is. Fields that Argo Rollouts has (`provider.web`) mean what they mean there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// What the server is asked to do. Default: GET.
    #[serde(default)]
    pub method: Method,
    /// The server and what is wanted of it, such as `http://shop.web:8080/health`: one that the operator lets the plugin ask.
    /// Texts of Secrets have no place in it.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub url: String,
    /// What is sent with the request. Of several with one name, the last counts.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// What is sent by POST or PUT; its type is in the header `Content-Type`.
    #[cfg_attr(test, schemars(with = "String"))]
    #[serde(default)]
    pub body: Option<String>,
    /// How long the answer may take, in seconds: 1 to 55. Default: 10.
    #[cfg_attr(test, schemars(with = "u64", range(min = 1, max = 55)))]
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// Where in the answer the value is, as kubectl writes it, such as `{$.data.errors[0]}`; of several values the first
    /// counts. Default: `{$}`, the whole answer, which need not be JSON then.
    #[cfg_attr(test, schemars(with = "String"))]
    #[serde(default)]
    pub json_path: Option<String>,
    /// Who asks.
    #[cfg_attr(test, schemars(with = "Authentication"))]
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// Nothing is looked for in the answer: any status 2xx is well. There is nothing for conditions to judge then.
    #[serde(default)]
    pub status_only: bool,
}

/// What a server is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// To tell.
    #[default]
    Get,
    /// To take in.
    Post,
    /// To put in place.
    Put,
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authentication {
    /// A token is asked for first, and sent as `Authorization: Bearer`.
    pub oauth2: OAuth2,
}

/// The client credentials of `OAuth` 2. They are sent in the body of the request for the token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2 {
    /// Who gives tokens: a server that the operator lets the plugin ask.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// An argument that comes from a Secret.
    pub client_secret: String,
    /// What the token is to be good for.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl From<Method> for SentMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
        }
    }
}

impl Config {
    /// What is wrong with it although every field makes sense by itself.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_url("url", &self.url)?;
        if let Some(OAuth2 { token_url, .. }) = self.oauth2() {
            check_url("authentication.oauth2.tokenUrl", token_url)?;
        }
        if self.payload().is_some() && self.method == Method::Get {
            return Err(ConfigError::new(
                "body",
                "can only be used with the methods POST and PUT",
            ));
        }
        let fits = |seconds: u64| (1..=LONGEST_TIMEOUT).contains(&seconds);
        if !self.timeout_seconds.is_none_or(fits) {
            let message = format!("has to be from 1 to {LONGEST_TIMEOUT}");
            return Err(ConfigError::new("timeoutSeconds", message));
        }
        for (index, header) in self.headers.iter().enumerate() {
            if header.key.is_empty() {
                return Err(ConfigError::new(&format!("headers[{index}].key"), "is empty"));
            }
        }
        self.path().map(drop)
    }

    /// Where the value is.
    pub(crate) fn path(&self) -> Result<Path, ConfigError> {
        let written = self.json_path.as_deref().filter(|path| !path.is_empty());
        Path::parse(written.unwrap_or(ROOT)).map_err(|problem| ConfigError::new("jsonPath", problem))
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT))
    }

    pub(crate) fn oauth2(&self) -> Option<&OAuth2> {
        self.authentication
            .as_ref()
            .map(|authentication| &authentication.oauth2)
    }

    pub(crate) fn headers(&self) -> Vec<SentHeader> {
        let written = self.headers.iter();
        written
            .map(|header| SentHeader::new(&header.key, &header.value))
            .collect()
    }

    /// An empty body is none, as in Argo Rollouts.
    pub(crate) fn payload(&self) -> Option<String> {
        self.body.clone().filter(|body| !body.is_empty())
    }
}

fn check_url(path: &str, url: &str) -> Result<(), ConfigError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(ConfigError::new(path, "has to begin with http:// or https://"))
}
