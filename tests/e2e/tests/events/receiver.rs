//! A sink of events: a server that remembers what it was sent, and can be down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use kulta_e2e::limits;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// An event as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) id: String,
    /// The event itself, without its envelope.
    pub(crate) body: Value,
}

/// A server on the loopback interface; gone when this is dropped.
pub(crate) struct Receiver {
    address: String,
    memory: Arc<Memory>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Memory {
    is_down: AtomicBool,
    heard: watch::Sender<Vec<Heard>>,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let memory = Arc::new(Memory::default());
        let router = Router::new()
            .route("/", post(hear))
            .with_state(Arc::clone(&memory));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // It ends with the scenario only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            memory,
            _server: AbortOnDropHandle::new(server),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Takes events from now on, or answers that it can't.
    pub(crate) fn is_up(&self, is_up: bool) {
        self.memory.is_down.store(!is_up, Ordering::Relaxed);
    }

    /// Everything that it was sent while it was up, in order.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.memory.heard.borrow().clone()
    }

    /// Waits until what it was sent is as it should be.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Heard]) -> bool) -> Result<()> {
        let mut heard = self.memory.heard.subscribe();
        let waited = timeout(limits::WITHIN, heard.wait_for(|heard| holds(heard))).await;
        ensure!(waited.is_ok(), "waited {} s for {what}", limits::WITHIN.as_secs());
        Ok(())
    }
}

async fn hear(State(memory): State<Arc<Memory>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if memory.is_down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match read(&headers, &body) {
        Some(heard) => {
            memory.heard.send_modify(|all| all.push(heard));
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}

/// A message of either mode.
fn read(headers: &HeaderMap, body: &[u8]) -> Option<Heard> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let (id, body) = match headers.get("ce-id") {
        Some(id) => (id.to_str().ok()?.to_owned(), body),
        None => (body.get("id")?.as_str()?.to_owned(), body.get("data")?.clone()),
    };
    Some(Heard { id, body })
}
