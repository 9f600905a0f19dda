//! The answer to each request.

use bytes::{Buf as _, Bytes};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::behaviour::{Behaviour, Control};
use crate::metrics::{self, Metrics};

/// The header by which a client tells versions apart without reading the body.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-version");

/// A [`Control`] is a few dozen bytes; this bounds what a client can make the application keep.
const CONTROL_BODY_LIMIT: usize = 4 * 1024;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Everything an answer depends on.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) behaviour: Behaviour,
    pub(crate) metrics: Metrics,
    pub(crate) version: HeaderValue,
    /// The body of `/`, the same for every request.
    pub(crate) greeting: Bytes,
    pub(crate) draining: watch::Receiver<bool>,
}

impl Application {
    /// Answers one request. While draining, every answer closes its connection, so that no kept-alive connection is
    /// left for the end, where closing it could cross a request on its way.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data: Send> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut response = match request.uri().path() {
            "/livez" => plain(StatusCode::OK, "alive"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics_text(),
            "/control" => self.control(request).await,
            _ => self.greet().await,
        };
        response
            .headers_mut()
            .insert(VERSION_HEADER, self.version.clone());
        if *self.draining.borrow() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn greet(&self) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let _in_flight = self.metrics.request_begins();
        let treatment = self.behaviour.treat_next();
        // Even a sleep of zero waits for the next tick of the timer.
        if !treatment.delay.is_zero() {
            tokio::time::sleep(treatment.delay).await;
        }
        let code = if treatment.fails {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        self.metrics.answered(code, begun.elapsed());
        respond(code, JSON, self.greeting.clone())
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        if *self.draining.borrow() {
            plain(StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else if self.behaviour.is_ready() {
            plain(StatusCode::OK, "ready")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
    }

    fn metrics_text(&self) -> Response<Full<Bytes>> {
        match self.metrics.text() {
            Ok(text) => respond(StatusCode::OK, metrics::CONTENT_TYPE, text.into()),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    async fn control<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data: Send> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "POST a JSON object");
        }
        let body = match Limited::new(request.into_body(), CONTROL_BODY_LIMIT)
            .collect()
            .await
        {
            Ok(body) => body.aggregate(),
            Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let changed = serde_json::from_reader::<_, Control>(body.reader())
            .and_then(|control| serde_json::to_vec(&self.behaviour.change(&control)));
        match changed {
            Ok(state) => respond(StatusCode::OK, JSON, state.into()),
            Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

fn plain(code: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    respond(code, TEXT, text.into())
}

fn respond(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
