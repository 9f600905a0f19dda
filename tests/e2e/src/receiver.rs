//! A sink of events: a server that remembers what it was sent, and can be down.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::settings::limits;

/// An event as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When it came.
    pub at: Timestamp,
    /// The id of the event.
    pub id: String,
    /// The event itself, without its envelope.
    pub body: Value,
}

/// The server; gone when this is dropped.
pub struct Receiver {
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
    /// Starts one on the loopback interface.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Starts one at an address of this machine, where pods can reach it.
    ///
    /// # Errors
    /// When the address is none of this machine's.
    pub async fn start_at(host: IpAddr) -> Result<Self> {
        let memory = Arc::new(Memory::default());
        let router = Router::new()
            .route("/", post(hear))
            .with_state(Arc::clone(&memory));
        let listener = TcpListener::bind((host, 0)).await?;
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

    /// Where events are posted to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes events from now on, or answers that it can't.
    pub fn is_up(&self, is_up: bool) {
        self.memory.is_down.store(!is_up, Ordering::Relaxed);
    }

    /// Everything that it was sent while it was up, in order.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.memory.heard.borrow().clone()
    }

    /// Looks at everything that it was sent while it was up, in order. It takes nothing meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&[Heard]) -> T) -> T {
        look(&self.memory.heard.borrow())
    }

    /// Waits until what it was sent is as it should be.
    ///
    /// # Errors
    /// When that takes more than [`limits::WITHIN`].
    pub async fn until(&self, what: &str, holds: impl Fn(&[Heard]) -> bool) -> Result<()> {
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
    let at = Timestamp::now();
    Some(Heard { at, id, body })
}
