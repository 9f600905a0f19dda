//! The history of Rollouts for dashboards, read only: `/api/v1/rollouts/{namespace}/{name}/history?at=TIME`.
//!
//! Off unless it is asked for. Whoever asks shows a token of the cluster, made for this purpose only ([`AUDIENCE`]), and is
//! told what the cluster lets it see: the API server says whose token it is, and whether that one may `get` the Rollout.
//! Answers come from memory, so that a dashboard costs the API server two small requests for each of its own.

mod access;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use kube::Client;
use kulta_core::history::past::{OutOfRange, state_at};
use kulta_core::text::with_causes;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub use self::access::AUDIENCE;
use self::access::{Access, AccessError};
use crate::key::ObjectKey;
use crate::watch::Caches;

/// The only parameter: an instant (RFC 3339).
const AT: &str = "at";
/// So many are answered at the same time; others are asked to come again, before the API server is asked anything.
const PLACES: usize = 8;
/// For who may ask: a place is not kept for a request that hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// After so many seconds.
const COME_AGAIN_SECONDS: &str = "1";

/// What answers.
pub struct HistoryApi {
    access: Access,
    ready: watch::Receiver<bool>,
    caches: Arc<Caches>,
    places: Semaphore,
}

/// No answer, in words for whoever asks.
#[derive(Debug, Error)]
enum Refusal {
    #[error("more than {PLACES} requests at the same time: try again in {COME_AGAIN_SECONDS} s")]
    Busy,
    #[error("the controller has only just begun, and does not know all Rollouts yet")]
    NotReady,
    #[error("the API server does not say within {} s who may see it", ANSWERS_WITHIN.as_secs())]
    Silence,
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("there is no Rollout {0}")]
    Unknown(ObjectKey),
    #[error("{AT}={text}: an instant such as 2026-01-31T12:00:00Z is expected")]
    Instant {
        text: String,
        #[source]
        source: jiff::Error,
    },
    #[error("{0:?} is no parameter: there is only {AT}")]
    Parameter(String),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl HistoryApi {
    /// What answers from `caches`, once they are filled (`ready`), and asks the API server of `client` who may ask.
    #[must_use]
    pub fn new(client: Client, caches: Arc<Caches>, ready: watch::Receiver<bool>) -> Self {
        Self {
            access: Access::new(client),
            ready,
            caches,
            places: Semaphore::new(PLACES),
        }
    }

    /// The route to it.
    pub fn router(self) -> Router {
        Router::new()
            .route("/api/v1/rollouts/{namespace}/{name}/history", get(history))
            .with_state(Arc::new(self))
    }

    /// What is told, as JSON.
    async fn tell(&self, key: ObjectKey, headers: &HeaderMap, query: Option<&str>) -> Result<Value, Refusal> {
        let _place = self.places.try_acquire().map_err(|_| Refusal::Busy)?;
        let checked = timeout(ANSWERS_WITHIN, self.access.check(headers, &key)).await;
        checked.map_err(|_| Refusal::Silence)??;
        if !*self.ready.borrow() {
            return Err(Refusal::NotReady);
        }
        let at = instant(query.unwrap_or_default())?;
        let rollout = self.caches.read(|tables| tables.rollouts.get(&key).cloned());
        let Some(rollout) = rollout else {
            return Err(Refusal::Unknown(key));
        };
        let (history, until) = (&rollout.status.history, Timestamp::now());
        let told = match at {
            Some(at) => json!({"state": state_at(history, at, until)?}),
            None => json!({"history": history}),
        };
        let mut answer = json!({
            "rollout": {"namespace": key.namespace, "name": key.name, "uid": rollout.uid},
            "until": until,
        });
        if let (Some(answer), Value::Object(told)) = (answer.as_object_mut(), told) {
            answer.extend(told);
        }
        Ok(answer)
    }
}

async fn history(
    State(api): State<Arc<HistoryApi>>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let key = ObjectKey::new(namespace, name);
    match api.tell(key, &headers, query.as_deref()).await {
        Ok(answer) => answered(StatusCode::OK, &answer),
        Err(refusal) => refusal.into_response(),
    }
}

/// The instant that is asked for.
fn instant(query: &str) -> Result<Option<Timestamp>, Refusal> {
    let mut instant = None;
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        if name != AT {
            return Err(Refusal::Parameter(name.into_owned()));
        }
        let parsed = text.parse().map_err(|source| Refusal::Instant {
            text: text.into_owned(),
            source,
        })?;
        instant = Some(parsed);
    }
    Ok(instant)
}

fn answered(status: StatusCode, body: &impl Display) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        // It is told to this one only, and is another one soon.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

impl Refusal {
    /// As the API server tells it: its clients know what to do with that.
    fn told(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": with_causes(self),
            "reason": self.reason(),
            "code": self.status().as_u16(),
        })
    }

    const fn reason(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
            _ => "BadRequest",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReady | Self::Silence => StatusCode::SERVICE_UNAVAILABLE,
            Self::Access(error) => error.status(),
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Instant { .. } | Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::OutOfRange(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = answered(self.status(), &self.told());
        let extra = match self.status() {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, COME_AGAIN_SECONDS))
            }
            _ => None,
        };
        if let Some((name, value)) = extra {
            response
                .headers_mut()
                .insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests;
