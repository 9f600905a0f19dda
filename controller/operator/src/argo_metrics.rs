//! The metrics that dashboards for Argo Rollouts read, by its names and labels, at an address of their own.
//!
//! Almost all of them are written from the caches when they are asked for: nothing is kept for them, and what is gone has no
//! series. Sources: `controller/metrics` of Argo Rollouts and its `docs/features/controller-metrics.md`.

mod analyses;
mod rollouts;
mod series;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::series::{Labels, write};
use crate::metrics::Metrics;
use crate::server::{self, ServeError};
use crate::watch::Caches;

/// What is served.
#[derive(Debug, Clone)]
pub struct ArgoMetrics(Arc<Registry>);

impl ArgoMetrics {
    /// All that `caches` and `metrics` know; `version` is that of this build.
    #[must_use]
    pub fn new(caches: Arc<Caches>, metrics: Arc<Metrics>, version: &'static str) -> Self {
        let mut registry = Registry::default();
        if let Some(counts) = &metrics.argo {
            counts.register(&mut registry);
        }
        registry.register_collector(Box::new(Seen {
            caches,
            metrics,
            version,
        }));
        Self(Arc::new(registry))
    }

    /// All of it in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut rendered = String::new();
        text::encode(&mut rendered, &self.0)?;
        Ok(rendered)
    }
}

/// What the endpoint tells, and when.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What is told.
    pub metrics: ArgoMetrics,
    /// True once all caches are filled: before that, series would seem to be gone.
    pub ready: watch::Receiver<bool>,
}

/// Answers `/metrics` on `listener` until `stop` completes.
///
/// # Errors
/// When the listener can accept no more connections.
pub async fn serve(
    listener: TcpListener,
    endpoint: Endpoint,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let router = Router::new().route("/metrics", get(scrape)).with_state(endpoint);
    server::answer(listener, router, stop).await
}

async fn scrape(State(endpoint): State<Endpoint>) -> Response {
    if *endpoint.ready.borrow() {
        server::open_metrics(endpoint.metrics.render())
    } else {
        server::not_ready()
    }
}

/// What is seen of the cluster when somebody asks.
#[derive(Debug)]
struct Seen {
    caches: Arc<Caches>,
    metrics: Arc<Metrics>,
    version: &'static str,
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let running = Labels::from([("version", self.version)]);
        write(
            &mut encoder,
            ("argo_rollouts_controller_info", "The version of this controller"),
            MetricType::Gauge,
            [(running, 1)],
        )?;
        // One that follows sees the same objects: they would count twice.
        if !self.metrics.is_leading() {
            return Ok(());
        }
        rollouts::encode(&mut encoder, &self.caches, self.metrics.argo.as_ref())?;
        analyses::encode(&mut encoder, &self.caches)
    }
}
