//! The HTTP endpoints `/livez`, `/readyz` and `/metrics`, and the history of Rollouts where it is asked for.
//!
//! Leadership is no part of readiness: a follower with full caches is as ready as it gets.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::history_api::HistoryApi;
use crate::metrics::Metrics;

/// The content type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why nothing can be told yet.
const NOT_FILLED: &str = "the caches are not filled yet";

/// When a main loop last came round; cloned into it and into the server.
#[derive(Debug, Clone)]
pub struct Liveness {
    last: Arc<Mutex<Instant>>,
    limit: Duration,
}

impl Liveness {
    /// Alive from now on, for as long as [`Liveness::progressed`] is called at least once per `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self {
            last: Arc::new(Mutex::new(Instant::now())),
            limit,
        }
    }

    /// The main loop came round.
    pub fn progressed(&self) {
        *self.last.lock() = Instant::now();
    }

    /// Whether the main loop came round within the limit.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.last.lock().elapsed() <= self.limit
    }
}

/// What the endpoints tell about.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What `/livez` asks: every loop must come round.
    pub liveness: Vec<Liveness>,
    /// What `/readyz` asks: true once all caches are filled.
    pub ready: watch::Receiver<bool>,
}

/// The server ended before it was asked to.
#[derive(Debug, Error)]
#[error("the HTTP endpoints stopped")]
pub struct ServeError(#[source] std::io::Error);

/// Answers on `listener` until `stop` completes, and then only what is under way. `history` is where the history of
/// Rollouts is told, if it is.
///
/// # Errors
/// When the listener can accept no more connections.
pub async fn serve(
    listener: TcpListener,
    endpoints: Endpoints,
    history: Option<HistoryApi>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let router = router(endpoints).merge(history.map(HistoryApi::router).unwrap_or_default());
    answer(listener, router, stop).await
}

/// Answers by `router` until `stop` completes.
pub(crate) async fn answer(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
        .map_err(ServeError)
}

fn router(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(endpoints)
}

async fn livez(State(endpoints): State<Endpoints>) -> Response {
    let alive = endpoints.liveness.iter().all(Liveness::is_alive);
    health(alive, "a main loop does not come round")
}

async fn readyz(State(endpoints): State<Endpoints>) -> Response {
    health(*endpoints.ready.borrow(), NOT_FILLED)
}

/// The answer while the caches are not filled.
pub(crate) fn not_ready() -> Response {
    health(false, NOT_FILLED)
}

fn health(well: bool, otherwise: &'static str) -> Response {
    if well {
        "ok".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, otherwise).into_response()
    }
}

async fn metrics(State(endpoints): State<Endpoints>) -> Response {
    open_metrics(endpoints.metrics.render())
}

/// Metrics as an answer.
pub(crate) fn open_metrics(rendered: Result<String, std::fmt::Error>) -> Response {
    match rendered {
        Ok(rendered) => ([(header::CONTENT_TYPE, OPEN_METRICS)], rendered).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    struct Running {
        address: std::net::SocketAddr,
        ready: watch::Sender<bool>,
        stop: oneshot::Sender<()>,
        server: tokio::task::JoinHandle<Result<(), ServeError>>,
    }

    async fn running(liveness: Liveness) -> Running {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, receiver) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let endpoints = Endpoints {
            metrics: Arc::new(Metrics::new("1.2.3")),
            liveness: vec![liveness],
            ready: receiver,
        };
        let server = tokio::spawn(serve(listener, endpoints, None, async {
            let _ = stopped.await;
        }));
        Running {
            address,
            ready,
            stop,
            server,
        }
    }

    async fn answer(running: &Running, path: &str) -> String {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_caches() {
        let running = running(Liveness::new(LIMIT)).await;
        assert!(answer(&running, "/readyz").await.starts_with("HTTP/1.1 503"));

        running.ready.send_replace(true);

        assert!(answer(&running, "/readyz").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn liveness_is_served() {
        let running = running(Liveness::new(LIMIT)).await;
        assert!(answer(&running, "/livez").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_come_round_is_not_alive_until_it_does() {
        let liveness = Liveness::new(LIMIT);
        tokio::time::advance(LIMIT + Duration::from_secs(1)).await;
        assert!(!liveness.is_alive());

        liveness.progressed();

        assert!(liveness.is_alive());
    }

    #[tokio::test]
    async fn metrics_are_served_as_open_metrics() {
        let running = running(Liveness::new(LIMIT)).await;

        let answer = answer(&running, "/metrics").await;

        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(OPEN_METRICS), "{answer}");
        assert!(answer.trim_end().ends_with("# EOF"), "{answer}");
    }

    #[tokio::test]
    async fn the_history_is_served_only_where_it_is_asked_for() {
        let running = running(Liveness::new(LIMIT)).await;

        let answer = answer(&running, "/api/v1/rollouts/shop/web/history").await;

        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }

    #[tokio::test]
    async fn the_server_ends_when_it_is_stopped() {
        let running = running(Liveness::new(LIMIT)).await;

        running.stop.send(()).unwrap();

        running.server.await.unwrap().unwrap();
    }
}
