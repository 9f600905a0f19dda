//! What plugins ask of servers by HTTP. The host counts and bounds what is asked; who may be asked, and who asks, is the
//! caller's choice.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;

/// An answer that is still to come.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Response, RequestError>> + Send + 'a>>;

/// Sends the requests of plugins, to servers that they may ask and to no other. It is asked only as often as a plugin may
/// ask; the answer is dropped when it does not come in time.
pub trait HttpClient: Send + Sync {
    /// Sends one request, and follows no redirect.
    fn send<'a>(&'a self, request: &'a Request) -> Pending<'a>;
}

/// What a server is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To tell.
    Get,
    /// To take in.
    Post,
    /// To put in place.
    Put,
}

/// A request. Written by the plugin: nothing in it is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What the server is asked to do.
    pub method: Method,
    /// The server, and what is wanted of it: at most 8 KiB.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<String>,
    /// An answer with more bytes need not be read to its end: it is refused. 1 to 1 MiB.
    pub answer_bytes: u64,
    /// No answer counts after so much time: at most a minute.
    pub time: Duration,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is in it, as text.
    pub body: String,
}

/// Why there is no answer: the plugin is told, and may go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The plugin, or the namespace it works for, may not ask this server, or not in this way.
    #[error("denied: {0}")]
    Denied(String),
    /// The answer has more bytes than allowed.
    #[error("the answer was given up after {bytes} bytes")]
    TooLarge {
        /// So many were read.
        bytes: u64,
    },
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Nobody was asked: as many requests as the server is sent at once are under way. The plugin is not told, its call
    /// ends, to be made again when there is a place.
    #[error("the server is being asked as much as it may be at once")]
    NoPlace,
    /// There is something wrong with the request itself.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The server can't be reached, or breaks off.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl Response {
    /// About the bytes that it takes in the plugin.
    pub(crate) fn bytes(&self) -> u64 {
        // In the plugin a header is two texts of a pointer and a length each.
        const HEADER: usize = 16;
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| HEADER + name.len() + value.len())
            .sum();
        u64::try_from(headers.saturating_add(self.body.len())).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for dyn HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpClient")
    }
}
