//! A server for the tests that does exactly what a script says, byte by byte, and counts what reached it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::{Config, Target};

/// A complete answer of version v1.
pub(crate) const ANSWER: &str = "HTTP/1.1 200 OK\r\nx-version: v1\r\ncontent-length: 2\r\n\r\nok";

/// Marks the end of a request's head: the requests of the load have no body.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// What to do with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Write this and read on.
    Keep(&'static str),
    /// Write this and close.
    Close(&'static str),
    /// Write this and reset.
    Reset(&'static str),
    /// Wait to be released, then answer and read on.
    Hold,
}

/// A running server; ends with the test's runtime.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    left: AtomicU64,
    released: Semaphore,
}

impl Scripted {
    /// `script` is asked with the number of each request, from 0, over all connections.
    pub(crate) async fn start(script: impl Fn(u64) -> Act + Send + Sync + 'static) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts {
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            left: AtomicU64::new(0),
            released: Semaphore::new(0),
        });
        let script = Arc::new(script);
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (counts, script) = (Arc::clone(&shared), Arc::clone(&script));
                tokio::spawn(async move {
                    let _client_left = follow(stream, &counts, script.as_ref()).await;
                    counts.left.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { address, counts })
    }

    /// A load on this server, fast enough that no test waits for its pace.
    pub(crate) fn config(&self) -> Config {
        let target = Target {
            address: self.address,
            host: "shop.test".to_owned(),
            path: "/".to_owned(),
        };
        Config::new(target, 1_000)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Connections that are over, on this side.
    pub(crate) fn left(&self) -> u64 {
        self.counts.left.load(Ordering::SeqCst)
    }

    /// Lets every held request be answered, those to come as well.
    pub(crate) fn release(&self) {
        self.counts.released.close();
    }
}

async fn follow(mut stream: TcpStream, counts: &Counts, script: &impl Fn(u64) -> Act) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if !head.ends_with(HEAD_END) {
            continue;
        }
        head.clear();
        match script(counts.requests.fetch_add(1, Ordering::SeqCst)) {
            Act::Keep(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Act::Close(bytes) => return stream.write_all(bytes.as_bytes()).await,
            Act::Reset(bytes) => {
                stream.write_all(bytes.as_bytes()).await?;
                return stream.set_zero_linger();
            }
            Act::Hold => {
                // The semaphore never has a permit: it is closed to release everybody.
                let _closed = counts.released.acquire().await;
                stream.write_all(ANSWER.as_bytes()).await?;
            }
        }
    }
}

/// Gives other tasks their turn until `condition` holds. A test that hangs here names the condition it waits for.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
