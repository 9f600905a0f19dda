//! The server's life: accept, answer, drain, close.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::behaviour::Behaviour;
use crate::metrics::Metrics;
use crate::routes::Application;
use crate::settings::Settings;

/// How long requests in flight may still take once the drain is over. With the default drain this stays inside the
/// 30 seconds that Kubernetes gives a pod to leave.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The pause after a failed accept: what fails it (no file descriptor left) does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the server did not start or did not end by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address and port cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address and port asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The version label cannot be sent in a header.
    #[error("the version label {label:?} cannot be a header value")]
    VersionLabel {
        /// The label asked for.
        label: String,
        /// What is wrong with it.
        source: InvalidHeaderValue,
    },
    /// The version label and the pod's name cannot be written as JSON.
    #[error("the body of an answer cannot be written")]
    Greeting(#[from] serde_json::Error),
    /// The server's task ended early.
    #[error("the server ended early")]
    Ended(#[from] JoinError),
}

/// A running server. Dropping it starts its drain.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    draining: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens and starts to answer, on the runtime of the caller. `crash_after` is the caller's to honour.
    ///
    /// # Errors
    /// When the address cannot be listened on or the version label cannot be a header value.
    pub async fn start(settings: &Settings) -> Result<Self, ServerError> {
        let (draining, drain_seen) = watch::channel(false);
        let label = settings.version_label.as_str();
        let greeting = serde_json::to_vec(&serde_json::json!({ "version": label, "pod": settings.pod }))?;
        let application = Application {
            behaviour: Behaviour::new(settings),
            metrics: Metrics::new(label),
            version: HeaderValue::from_str(label).map_err(|source| ServerError::VersionLabel {
                label: label.to_owned(),
                source,
            })?,
            greeting: Bytes::from(greeting),
            draining: drain_seen,
        };
        let wanted = settings.listen_on();
        let listen_error = |source| ServerError::Listen {
            address: wanted,
            source,
        };
        let listener = TcpListener::bind(wanted).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        tracing::info!(%address, version = label, pod = settings.pod, "listening");
        let task = tokio::spawn(serve(listener, Arc::new(application), settings.drain));
        Ok(Self {
            address,
            draining,
            task,
        })
    }

    /// The address and port it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the drain: not ready from now on, answering for the drain's duration, then closed.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until a drain has ended and every connection is closed.
    ///
    /// # Errors
    /// When the server's task panicked or was cancelled.
    pub async fn closed(self) -> Result<(), ServerError> {
        let Self { draining, task, .. } = self;
        task.await?;
        drop(draining);
        Ok(())
    }
}

async fn serve(listener: TcpListener, application: Arc<Application>, drain: Duration) {
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = drain_over(application.draining.clone(), drain) => {}
        () = accept_forever(&listener, &application, &connections) => {}
    }
    // Connections that the kernel has completed but nobody has accepted would be reset with the listener.
    while let Some(stream) = accept_waiting(&listener).await {
        answer_on(stream, &application, &connections);
    }
    drop(listener);
    if tokio::time::timeout(CLOSE_LIMIT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(limit = ?CLOSE_LIMIT, "connections still busy, closing anyway");
    }
    tracing::info!("closed");
}

/// Ends when a drain was started (or the [`Server`] dropped) and its duration is over.
async fn drain_over(mut draining: watch::Receiver<bool>, drain: Duration) {
    if draining.wait_for(|started| *started).await.is_ok() {
        tracing::info!(?drain, "draining");
        tokio::time::sleep(drain).await;
    }
}

async fn accept_forever(listener: &TcpListener, application: &Arc<Application>, open: &GracefulShutdown) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => answer_on(stream, application, open),
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that waits to be accepted, if there is one right now.
async fn accept_waiting(listener: &TcpListener) -> Option<TcpStream> {
    poll_fn(|context| match listener.poll_accept(context) {
        Poll::Ready(Ok((stream, _))) => Poll::Ready(Some(stream)),
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn answer_on(stream: TcpStream, application: &Arc<Application>, open: &GracefulShutdown) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot send small answers at once");
    }
    let application = Arc::clone(application);
    let service = service_fn(move |request| {
        let application = Arc::clone(&application);
        async move { Ok::<_, Infallible>(application.answer(request).await) }
    });
    // No limit on idle connections: the one that ends an idle connection is the one that would have used it,
    // otherwise the close can cross a request.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let connection = open.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

#[cfg(test)]
mod tests;
