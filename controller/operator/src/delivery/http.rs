//! A server that takes events: `CloudEvents` messages over HTTP, one request each.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use kulta_core::text::{self, with_causes};
use kulta_events::{Event, envelope};
use tokio::time::{Instant, timeout_at};

use super::configuration::HttpTarget;
use super::sink::Outcome;
use crate::access::{Access, Connection, Credentials, Reach};

/// So much of an answer is read, to use the connection again and to tell what a server has against an event.
const MOST_ANSWER_BYTES: usize = 16 << 10;
/// So much of it is told.
const TOLD_BYTES: usize = 256;
/// A server that asks to be left alone for longer is asked again after this time all the same.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The 4xx that are about the sink (credentials, address, connection) or about the moment: what is tried again may be taken,
/// and an event must not be lost by a slip of the operator. Every other 4xx says that this event will never be taken.
const ABOUT_THE_SINK: [StatusCode; 12] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::PAYMENT_REQUIRED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::LOCKED,
    StatusCode::TOO_EARLY,
    StatusCode::UPGRADE_REQUIRED,
    StatusCode::TOO_MANY_REQUESTS,
];

/// A server.
pub(super) struct HttpSink {
    target: HttpTarget,
    access: Access,
    connection: Connection,
}

impl HttpSink {
    pub(super) fn new(target: HttpTarget) -> Self {
        let access = target.access();
        let connection = Connection::new(&access, Reach::Named);
        Self {
            target,
            access,
            connection,
        }
    }

    /// Posts the event.
    pub(super) async fn deliver(&self, event: &Event) -> Outcome {
        let credentials = match Credentials::read(&self.access).await {
            Ok(credentials) => credentials,
            Err(error) => return Outcome::unavailable(with_causes(&error)),
        };
        let outcome = self.post(event, credentials.headers.clone()).await;
        let hidden = |message: String| credentials.redaction().hide(&message).into_owned();
        match outcome {
            Outcome::Delivered => Outcome::Delivered,
            Outcome::Refused { message } => Outcome::Refused {
                message: hidden(message),
            },
            Outcome::Unavailable { message, wait } => Outcome::Unavailable {
                message: hidden(message),
                wait,
            },
        }
    }

    async fn post(&self, event: &Event, headers: HeaderMap) -> Outcome {
        let request = match self.request(event, headers) {
            Ok(request) => request,
            Err(message) => return Outcome::Refused { message },
        };
        let client = match self.connection.client().await {
            Ok(client) => client,
            Err(error) => return Outcome::unavailable(with_causes(&error)),
        };
        let deadline = Instant::now() + self.target.timeout();
        match timeout_at(deadline, client.request(request)).await {
            Err(_) => Outcome::unavailable(format!("no answer within {} s", self.target.timeout_seconds)),
            Ok(Err(error)) => Outcome::unavailable(with_causes(&error)),
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                // The status alone decides: an answer that drips for ever takes nothing back.
                let said = timeout_at(deadline, said(body)).await.unwrap_or_default();
                judge(head.status, &head.headers, &said)
            }
        }
    }

    fn request(&self, event: &Event, headers: HeaderMap) -> Result<Request<Full<Bytes>>, String> {
        let message = envelope::message(event, self.target.mode).map_err(|error| with_causes(&error))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.target.address.to_string())
            .body(Full::from(message.body))
            .map_err(|error| error.to_string())?;
        for (name, value) in message.headers {
            let name: HeaderName = name
                .parse()
                .map_err(|_| format!("{name} is no name of a header"))?;
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("no header can have the value of {name}"))?;
            request.headers_mut().insert(name, value);
        }
        request.headers_mut().extend(headers);
        Ok(request)
    }
}

/// What a server said, as far as it is of use.
async fn said(body: Incoming) -> String {
    let body = Limited::new(body, MOST_ANSWER_BYTES).collect().await;
    let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text::cut(text.trim(), TOLD_BYTES).into_owned()
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, said: &str) -> Outcome {
    if status.is_success() {
        return Outcome::Delivered;
    }
    let mut message = format!("HTTP status {status}");
    if !said.is_empty() {
        message = format!("{message}: {said}");
    }
    if status.is_client_error() && !ABOUT_THE_SINK.contains(&status) {
        return Outcome::Refused { message };
    }
    if status.is_redirection() {
        message.push_str("; redirects are not followed: write the address that it leads to");
    }
    Outcome::Unavailable {
        message,
        wait: headers.get(RETRY_AFTER).and_then(wait),
    }
}

/// How long a server asks to be left alone: a number of seconds, or a date.
fn wait(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    let until = || {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(SystemTime::now()).ok()
    };
    seconds.or_else(until).map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
