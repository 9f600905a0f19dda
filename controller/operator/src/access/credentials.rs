//! What is sent with a request beside it: credentials and other headers, read from their files each time, so that one that
//! is changed counts from the next request on.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use kulta_plugin_host::Redaction;
use thiserror::Error;
use tokio::task::spawn_blocking;

use super::settings::{Access, BasicAuth, Header, Hidden};

/// No credential is longer.
const LONGEST_BYTES: u64 = 64 << 10;

/// What is sent with one request.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) headers: HeaderMap,
    /// What must not come back in a message.
    secrets: Vec<String>,
}

/// A file of credentials can't be used. What is in it is not told.
#[derive(Debug, Error)]
pub(crate) enum CredentialError {
    #[error("{field} {}: can't be read: {source}", path.display())]
    Read {
        field: String,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{field} {}: {problem}", path.display())]
    Unusable {
        field: String,
        path: PathBuf,
        problem: &'static str,
    },
    #[error("the value of {field} has characters that no header can have")]
    Value { field: String },
    #[error("the reading was broken off")]
    BrokenOff,
}

impl Credentials {
    /// What is sent with a request, as its files are now.
    pub(crate) async fn read(access: &Access) -> Result<Self, CredentialError> {
        let has_none =
            access.bearer_token_file.is_none() && access.basic_auth.is_none() && access.headers.is_empty();
        if has_none {
            return Ok(Self::default());
        }
        let access = access.clone();
        let read = spawn_blocking(move || Self::of(&access)).await;
        read.map_err(|_| CredentialError::BrokenOff)?
    }

    fn of(access: &Access) -> Result<Self, CredentialError> {
        let mut credentials = Self::default();
        if let Some(path) = &access.bearer_token_file {
            let token = text("bearerTokenFile", path)?;
            credentials.add("bearerTokenFile", AUTHORIZATION, &format!("Bearer {token}"))?;
            credentials.secrets.push(token);
        }
        if let Some(user) = &access.basic_auth {
            credentials.add_user(user)?;
        }
        for (name, header) in &access.headers {
            let field = format!("headers.{name}");
            let Header { value, file } = header;
            let value = match (value, file) {
                (_, Some(path)) => text(&format!("{field}.file"), path)?,
                (value, None) => value.clone().map(|Hidden(text)| text).unwrap_or_default(),
            };
            let Ok(name) = name.parse::<HeaderName>() else {
                return Err(CredentialError::Value { field });
            };
            credentials.add(&field, name, &value)?;
            credentials.secrets.push(value);
        }
        Ok(credentials)
    }

    fn add_user(&mut self, user: &BasicAuth) -> Result<(), CredentialError> {
        let BasicAuth {
            username,
            username_file,
            password_file,
        } = user;
        let name = match (username, username_file) {
            (_, Some(path)) => text("basicAuth.usernameFile", path)?,
            (name, None) => name.clone().map(|Hidden(text)| text).unwrap_or_default(),
        };
        let password = text("basicAuth.passwordFile", password_file)?;
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        self.add("basicAuth", AUTHORIZATION, &format!("Basic {encoded}"))?;
        self.secrets.extend([password, encoded]);
        Ok(())
    }

    fn add(&mut self, field: &str, name: HeaderName, value: &str) -> Result<(), CredentialError> {
        let field = || field.to_owned();
        let mut value =
            HeaderValue::from_str(value).map_err(|_| CredentialError::Value { field: field() })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// What must not be told, should a server have sent it back in its own words.
    pub(crate) fn redaction(&self) -> Redaction {
        Redaction::of(self.secrets.iter().cloned())
    }
}

/// What is in a file, without the spaces and line ends around it.
fn text(field: &str, path: &Path) -> Result<String, CredentialError> {
    let unusable = |problem| CredentialError::Unusable {
        field: field.to_owned(),
        path: path.to_owned(),
        problem,
    };
    let bytes = bytes(path, LONGEST_BYTES).map_err(|source| CredentialError::Read {
        field: field.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("is no text"))?;
    match text.trim() {
        "" => Err(unusable("is empty")),
        text => Ok(text.to_owned()),
    }
}

/// What is in a file, if it is not more than `most` bytes.
pub(crate) fn bytes(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > most {
        let message = format!("it has more than {most} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
