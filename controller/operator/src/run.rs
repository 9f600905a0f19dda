//! The controller process: its parts, how they start and how they stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::arguments::ControllerArguments;
use crate::context::Context;
use crate::controller::{Controller, STUCK_AFTER};
use crate::error_chain::with_causes;
use crate::events::publish::Publisher;
use crate::metrics::Metrics;
use crate::queue::{Requests, queue};
use crate::reconcile::Reconciler;
use crate::server::{self, Endpoints, Liveness};
use crate::watch::feed::{Feeds, Synced};

/// How long events that are told already may take to be sent when the process stops.
const SEND_EVENTS_WITHIN: Duration = Duration::from_secs(3);

/// Why the controller can't run.
#[derive(Debug, Error)]
pub enum RunError {
    /// Neither in a pod nor a kubeconfig.
    #[error("no cluster is configured: run in a pod with a service account, or set KUBECONFIG")]
    Configuration(#[source] kube::config::InferConfigError),
    /// The configuration makes no client.
    #[error("no client can be made for the cluster")]
    Client(#[source] kube::Error),
    /// The address is taken, or not of this machine.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part that runs for ever has ended: better to be started anew than to go on half.
    #[error("a part of the controller has ended")]
    PartEnded,
}

/// Runs the controller until `stop` is cancelled.
///
/// # Errors
/// When it can't start, or when a part of it ends unasked.
pub async fn run(arguments: ControllerArguments, stop: CancellationToken) -> Result<(), RunError> {
    let configuration = kube::Config::infer().await.map_err(RunError::Configuration)?;
    let client = Client::try_from(configuration).map_err(RunError::Client)?;
    let address = arguments.http_address;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, namespace = arguments.namespace, "starting");
    run_with(client, listener, arguments, stop).await
}

async fn run_with(
    client: Client,
    listener: TcpListener,
    arguments: ControllerArguments,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let (events, send_events) = Publisher::new(client.clone(), Arc::clone(&metrics), &arguments.pod_name);
    let send_events = tokio::spawn(send_events);
    let context = Context {
        client,
        caches: Arc::default(),
        expectations: Arc::default(),
        template_checks: Arc::default(),
        events,
        metrics: Arc::clone(&metrics),
        settings: arguments.settings(),
    };
    let (requests, asked) = queue();
    let synced = Synced::default();
    let mut parts = feeds(&context, arguments.namespace.clone(), &requests, &synced).start();
    let liveness = Liveness::new(STUCK_AFTER);
    let endpoints = Endpoints {
        metrics,
        liveness: liveness.clone(),
        ready: synced.subscribe(),
    };
    serve(&mut parts, listener, endpoints, stop.clone());
    let controller = Controller {
        reconciler: Arc::new(Reconciler::new(context)),
        requests,
        ready: synced.subscribe(),
        concurrency: arguments.concurrency,
        liveness,
    };
    // A part that ends, stops the main loop, which then finishes what is under way.
    let part_ended = async {
        parts.join_next().await;
        let unasked = !stop.is_cancelled();
        stop.cancel();
        unasked
    };
    let ((), unasked) = tokio::join!(controller.run(asked, stop.clone()), part_ended);
    parts.shutdown().await;
    if tokio::time::timeout(SEND_EVENTS_WITHIN, send_events)
        .await
        .is_err()
    {
        tracing::warn!("some events were not sent before the end");
    }
    if unasked { Err(RunError::PartEnded) } else { Ok(()) }
}

fn feeds(context: &Context, namespace: Option<String>, requests: &Requests, synced: &Synced) -> Feeds {
    Feeds {
        client: context.client.clone(),
        namespace,
        caches: Arc::clone(&context.caches),
        requests: requests.clone(),
        synced: synced.clone(),
    }
}

/// Serves the endpoints until the process is asked to stop.
fn serve(parts: &mut JoinSet<()>, listener: TcpListener, endpoints: Endpoints, stop: CancellationToken) {
    parts.spawn(async move {
        if let Err(error) = server::serve(listener, endpoints, stop.cancelled_owned()).await {
            tracing::error!(error = with_causes(&error), "the HTTP endpoints are gone");
        }
    });
}
