//! One request and its answer.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use tokio::time::{Instant, timeout};

use crate::config::Plan;
use crate::connection::{Connection, IdleConnections};
use crate::counters::{Counters, Outcome};
use crate::failure::{Failure, FailureKind};

/// The header by which the target names its version.
const VERSION_HEADER: &str = "x-version";

/// What a request travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Travel {
    /// A connection of its own, which it asks the server to close.
    Fresh,
    /// A kept-alive connection, opened when none is idle.
    KeptAlive,
}

/// Makes requests and counts how each of them ends.
#[derive(Debug)]
pub(crate) struct Exchanges {
    pub(crate) plan: Plan,
    pub(crate) counters: Counters,
    pub(crate) idle: IdleConnections,
}

impl Exchanges {
    /// Makes one request, exactly once, and counts how it ended, with its latency from `due`.
    pub(crate) async fn exchange(&self, travel: Travel, due: Instant) {
        let mut version = None;
        let answered = timeout(self.plan.timeout, self.answer(travel, &mut version)).await;
        let (result, connection) = match answered {
            Ok(Ok(connection)) => (Ok(()), Some(connection)),
            Ok(Err(Failed { failure, connection })) => (Err(failure), connection),
            Err(_) => {
                let detail = format!("no complete answer within {:?}", self.plan.timeout);
                (Err(Failure::new(FailureKind::Timeout, detail)), None)
            }
        };
        self.counters.ended(Outcome { version, result }, due.elapsed());
        if let (Travel::KeptAlive, Some(connection)) = (travel, connection) {
            self.keep(connection).await;
        }
    }

    /// Counts a request that was due and not sent.
    pub(crate) fn overload(&self, due: Instant) {
        let failure = Failure::new(FailureKind::Overload, "too many requests in flight, not sent");
        self.counters.ended(
            Outcome {
                version: None,
                result: Err(failure),
            },
            due.elapsed(),
        );
    }

    /// Sends, reads to the end, and gives the connection back when it may be used again.
    async fn answer(&self, travel: Travel, version: &mut Option<String>) -> Result<Connection, Failed> {
        let (connection, response) = self.send(travel).await?;
        *version = version_in(response.headers());
        let code = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Err(error) = frame {
                // The status code says more than the body that is missing from it.
                let cut = if code.is_success() {
                    Failure::in_body(&error)
                } else {
                    status(code)
                };
                return Err(cut.into());
            }
        }
        if code.is_success() {
            Ok(connection)
        } else {
            Err(Failed {
                failure: status(code),
                connection: Some(connection),
            })
        }
    }

    /// Writes the request to one connection. Another one is tried only when nothing of the request was written and
    /// the connection was an idle one: that is a choice of connection and not a retry.
    async fn send(&self, travel: Travel) -> Result<(Connection, Response<Incoming>), Failure> {
        let mut request = self.request(travel);
        while travel == Travel::KeptAlive
            && let Some(mut connection) = self.idle.take(|| self.counters.closed_while_idle())
        {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(mut refused) => match refused.take_message() {
                    Some(unwritten) => request = unwritten,
                    None => return Err(Failure::before_head(refused.error())),
                },
            }
            self.counters.closed_while_idle();
        }
        let mut connection = Connection::open(&self.plan).await?;
        self.counters.connection_opened();
        match connection.sender.send_request(request).await {
            Ok(response) => Ok((connection, response)),
            Err(error) => Err(Failure::before_head(&error)),
        }
    }

    fn request(&self, travel: Travel) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.plan.uri.clone();
        request.headers_mut().insert(HOST, self.plan.host.clone());
        if travel == Travel::Fresh {
            request
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }

    /// Keeps a connection once it is idle, unless the answer closed it.
    async fn keep(&self, mut connection: Connection) {
        if let Ok(Ok(())) = timeout(self.plan.timeout, connection.sender.ready()).await {
            self.idle.put(connection);
        }
    }
}

/// A failure, with the connection when it is still good.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    connection: Option<Connection>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            connection: None,
        }
    }
}

fn status(code: hyper::StatusCode) -> Failure {
    Failure::new(FailureKind::Status(code.as_u16()), code.to_string())
}

fn version_in(headers: &HeaderMap) -> Option<String> {
    headers
        .get(VERSION_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
