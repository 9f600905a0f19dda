//! Spans of reconciles, analyses and experiments, sent to an `OpenTelemetry` collector (OTLP over HTTP) where one is configured.
//!
//! Nothing waits for it: spans stand in a queue of bounded length, and what it has no room for, while no collector answers, is
//! dropped.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use kulta_core::text::with_causes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::access::{Address, Connection};

/// What the controller is called there.
const SERVICE: &str = "kulta";
/// Where collectors take traces, below the address that is configured (OTLP specification, "Endpoint URLs for OTLP/HTTP").
const PATH: &str = "/v1/traces";
/// A batch that is not taken by then is dropped.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// What is left at the end of the process has so long.
const ENDED_WITHIN: Duration = Duration::from_secs(2);
/// No answer of a collector is longer; it is not read any further.
const LONGEST_ANSWER: usize = 64 << 10;

/// Spans on their way.
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Traces can't be sent.
#[derive(Debug, Error)]
pub enum TracesError {
    /// The address is none.
    #[error("--otlp-endpoint {endpoint}: {problem}")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Its settings in the environment (`OTEL_EXPORTER_OTLP_...`) mean nothing.
    #[error("--otlp-endpoint: no spans can be sent")]
    Exporter(#[from] ExporterBuildError),
}

/// A batch was not sent.
#[derive(Debug, Error)]
enum SendError {
    #[error("{0}")]
    Connection(String),
    #[error("it can't be asked")]
    Request(#[from] hyper_util::client::legacy::Error),
    #[error("its answer can't be read: {0}")]
    Answer(HttpError),
    #[error("no answer within {} s", SENT_WITHIN.as_secs())]
    Timeout,
    #[error("it was broken off")]
    BrokenOff,
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, such as `http://collector:4318`, on `runtime`. Of one with `https://` the
    /// certificate is signed by an authority in `ca_file`; None: by one of the system's. `version` is that of this build.
    ///
    /// # Errors
    /// When the endpoint is no address, or what the environment says of the sending means nothing.
    pub fn to(
        endpoint: &str,
        ca_file: Option<PathBuf>,
        version: &'static str,
        runtime: &Handle,
    ) -> Result<Self, TracesError> {
        let address = Address::parse(endpoint).map_err(|problem| TracesError::Endpoint {
            endpoint: endpoint.to_owned(),
            problem,
        })?;
        let sender = Sender {
            connection: Arc::new(Connection::to_named(address.is_https(), ca_file)),
            runtime: runtime.clone(),
            is_well: AtomicBool::new(true),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(sender)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(SENT_WITHIN)
            .build()?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What takes the spans of this process.
    #[must_use]
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }

    /// Sends what is left, as far as that is done soon. Blocks, so not to be called by what runs on the runtime.
    pub fn end(self) {
        // That nobody takes it was told when it was tried.
        let _ = self.provider.shutdown_with_timeout(ENDED_WITHIN);
    }
}

/// Sends from the thread that batches are made on, which has no runtime of its own.
struct Sender {
    connection: Arc<Connection>,
    runtime: Handle,
    is_well: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let connection = Arc::clone(&self.connection);
        let sending = async move { timeout(SENT_WITHIN, send(&connection, request)).await };
        let answer = match self.runtime.spawn(sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_elapsed)) => Err(SendError::Timeout),
            Err(_cancelled) => Err(SendError::BrokenOff),
        };
        self.tell(&answer);
        Ok(answer?)
    }
}

impl Sender {
    /// Says once that the collector does not take anything, and once that it does again.
    fn tell(&self, answer: &Result<Response<Bytes>, SendError>) {
        let problem = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(with_causes(error)),
        };
        let was_well = self.is_well.swap(problem.is_none(), Ordering::Relaxed);
        match problem {
            Some(problem) if was_well => {
                tracing::warn!(
                    problem,
                    "the collector of traces does not take them: they are dropped"
                );
            }
            None if !was_well => tracing::info!("the collector of traces takes them again"),
            Some(_) | None => {}
        }
    }
}

async fn send(connection: &Connection, request: Request<Bytes>) -> Result<Response<Bytes>, SendError> {
    let client = connection.client().await;
    let client = client.map_err(|error| SendError::Connection(with_causes(&error)))?;
    let answer = client.request(request.map(Full::new)).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await;
    Ok(Response::from_parts(
        head,
        body.map_err(SendError::Answer)?.to_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Router;
    use axum::body::Bytes as Body;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::post;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::task::spawn_blocking;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    type Heard = mpsc::UnboundedSender<Body>;

    /// A collector that answers with this code, and what it has got.
    async fn collector(code: StatusCode) -> (SocketAddr, mpsc::UnboundedReceiver<Body>) {
        let (heard, got) = mpsc::unbounded_channel();
        let take = async move |State(heard): State<Heard>, body: Body| {
            let _ = heard.send(body);
            code
        };
        let router = Router::new().route(PATH, post(take)).with_state(heard);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, got)
    }

    /// One reconcile with a step in it, as spans, sent to `address`.
    async fn reconcile(address: SocketAddr) {
        let traces = Traces::to(&format!("http://{address}"), None, "0.0.0", &Handle::current()).unwrap();
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || {
            let reconcile = tracing::info_span!("reconcile", rollout = "shop/web");
            reconcile.in_scope(|| tracing::info_span!("apply").in_scope(|| tracing::info!("decided")));
        });
        spawn_blocking(move || traces.end()).await.unwrap();
    }

    fn spans(body: &Body) -> Vec<Span> {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        let resources = request.resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn steps_of_a_reconcile_reach_the_collector_below_it_with_its_rollout() {
        let (address, mut got) = collector(StatusCode::OK).await;

        reconcile(address).await;

        let spans = spans(&got.recv().await.unwrap());
        let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (whole, step) = (named("reconcile"), named("apply"));
        assert_eq!(step.parent_span_id, whole.span_id);
        assert_eq!(step.events[0].name, "decided");
        let rollout = whole
            .attributes
            .iter()
            .find(|attribute| attribute.key == "rollout");
        assert!(format!("{rollout:?}").contains("shop/web"), "{rollout:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn collector_that_refuses_or_is_not_there_ends_nothing() {
        let (refusing, mut got) = collector(StatusCode::SERVICE_UNAVAILABLE).await;
        reconcile(refusing).await;
        assert!(got.recv().await.is_some());

        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        reconcile(gone).await;
    }

    #[tokio::test]
    async fn endpoint_that_is_no_address_is_refused_with_its_text() {
        let refused = Traces::to("collector:4318", None, "0.0.0", &Handle::current());

        let told = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.starts_with("--otlp-endpoint collector:4318: "), "{told}");
    }
}
