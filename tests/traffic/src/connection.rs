//! Connections: how they are opened, kept, found closed, and left.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::config::{MAX_IDLE, Plan};
use crate::failure::Failure;

/// How long the server may take to close first. The side that closes first keeps the port pair for a minute; a client
/// with a thousand fresh connections a second would run out of ports.
const SERVER_CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// An open connection and a second view of its socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Empty<Bytes>>,
    socket: std::net::TcpStream,
}

impl Connection {
    pub(crate) async fn open(plan: &Plan) -> Result<Self, Failure> {
        let stream = TcpStream::connect(plan.address)
            .await
            .map_err(|error| Failure::connect(&error))?;
        let socket = second_view(&stream).map_err(|error| Failure::connect(&error))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| Failure::before_head(&error))?;
        tokio::spawn(drive(connection));
        Ok(Self { sender, socket })
    }

    /// Whether a request may be written. Asks the kernel and not only the runtime, which learns of a close a little
    /// later: an idle connection holds nothing to read, neither data nor its end.
    fn is_open(&self) -> bool {
        let peeked = self.socket.peek(&mut [0]);
        self.sender.is_ready() && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The kept-alive connections that carry no request at the moment.
#[derive(Debug, Default)]
pub(crate) struct IdleConnections {
    waiting: Mutex<VecDeque<Connection>>,
}

impl IdleConnections {
    /// The connection idle for longest, so that all of them stay in use. `on_closed` is called for each one that was
    /// found closed.
    pub(crate) fn take(&self, mut on_closed: impl FnMut()) -> Option<Connection> {
        loop {
            let connection = self.lock().pop_front()?;
            if connection.is_open() {
                return Some(connection);
            }
            on_closed();
        }
    }

    /// Keeps a connection; above [`MAX_IDLE`] the one idle for longest is closed.
    pub(crate) fn put(&self, connection: Connection) {
        let mut waiting = self.lock();
        waiting.push_back(connection);
        if waiting.len() > MAX_IDLE {
            waiting.pop_front();
        }
    }

    /// The queue is whole between any two statements, so a panic elsewhere does not make it unusable.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Connection>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn second_view(stream: &TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    Ok(std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?))
}

/// Moves a connection's bytes until it has ended, then lets the server close first.
async fn drive(connection: http1::Connection<TokioIo<TcpStream>, Empty<Bytes>>) {
    match connection.without_shutdown().await {
        Ok(parts) => {
            let mut stream = parts.io.into_inner();
            let closed = tokio::time::timeout(SERVER_CLOSES_WITHIN, stream.read(&mut [0])).await;
            tracing::trace!(?closed, "connection left");
        }
        // The request it carried, if any, was told the same.
        Err(error) => tracing::debug!(%error, "connection failed"),
    }
}
