//! Requests to servers, where the operator lets the plugin ask them.

use std::time::Duration;

use thiserror::Error;

use crate::PluginError;

/// What a server is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To tell.
    Get,
    /// To take in.
    Post,
    /// To put in place.
    Put,
}

/// A name and a value that go with a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Letters do not differ by case; in answers they are small.
    pub name: String,
    /// Visible characters and spaces.
    pub value: String,
}

impl Header {
    /// A header of both.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// What is sent. What stands for a text of a Secret may be in values of headers and in the body, where KULTA puts the text
/// in; not in the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the server is asked to do.
    pub method: Method,
    /// `http://` or `https://`, without credentials, at most 8 KiB.
    pub url: String,
    /// Of several with one name, the last counts.
    pub headers: Vec<Header>,
    /// Its type is in the header `content-type`.
    pub body: Option<String>,
    /// How long the answer may take, to its last byte (whole milliseconds); never longer than what is left of the call's
    /// time.
    pub timeout: Duration,
}

/// What a server answers, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 200. Redirects are not followed: they are answers as any other.
    pub status: u16,
    /// As they came.
    pub headers: Vec<Header>,
    /// What is no UTF-8 in it is replaced.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The plugin, or the namespace it works for, may not ask this server, or not in this way.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The call has asked as often as it may: queries and requests together, 8 unless the operator allows more.
    #[error("asked more often than one call may ask")]
    BudgetExhausted,
    /// The answer has more bytes than allowed (256 KiB); so many were read before it was given up.
    #[error("the answer is too large: given up after {0} bytes")]
    TooLarge(u64),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// There is something wrong with the request itself.
    #[error("the request can't be sent: {0}")]
    BadRequest(String),
    /// The server can't be reached, or breaks off.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A request without an answer is tried again, whatever the reason: what an operator denies today may be allowed tomorrow.
impl From<RequestError> for PluginError {
    fn from(error: RequestError) -> Self {
        Self::Upstream(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_answer_is_tried_again() {
        let error = PluginError::from(RequestError::Timeout);
        assert_eq!(error, PluginError::Upstream("no answer in time".to_owned()));
    }
}
