//! A receiver of events that others have written: the official `CloudEvents` SDK for Python.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use kulta_events::Event;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::settings::limits;

/// The interpreter.
const PYTHON: &str = "python3";
/// The receiver.
const PROGRAM: &str = "receivers/cloudevents_receiver.py";

/// The receiver; it ends when this is dropped.
pub struct Independent {
    address: String,
    heard: watch::Receiver<Vec<Taken>>,
    _reading: AbortOnDropHandle<()>,
    _child: Child,
}

/// An event as the SDK has taken it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Taken {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    subject: String,
    time: Timestamp,
    data: Value,
}

impl Taken {
    /// What is to be made of an event. The SDK knows microseconds.
    fn of(event: &Event) -> Result<Self> {
        Ok(Self {
            id: event.id.to_string(),
            kind: event.kind.clone(),
            source: event.source.clone(),
            subject: event.subject.clone(),
            time: Timestamp::from_microsecond(event.time.as_microsecond())?,
            data: event.body.clone(),
        })
    }
}

impl Independent {
    /// Starts it at an address of this machine, with the SDK in the folder `sdk`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_at(host: IpAddr, sdk: &Path) -> Result<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut child = Command::new(PYTHON)
            .arg(&program)
            .arg(host.to_string())
            .env("PYTHONPATH", sdk)
            // It would write into the cache.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let out = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(out).lines();
        let port = lines.next_line().await?.context("the receiver did not start")?;
        let (told, heard) = watch::channel(Vec::new());
        // Read all the time: a pipe that is full would keep the receiver from answering.
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(taken) = serde_json::from_str(&line) {
                    told.send_modify(|all: &mut Vec<Taken>| all.push(taken));
                }
            }
        });
        Ok(Self {
            address: format!("http://{host}:{port}"),
            heard,
            _reading: AbortOnDropHandle::new(reading),
            _child: child,
        })
    }

    /// Where events are posted to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Refuses another story of its subject than these events, each as often as at least once.
    ///
    /// # Errors
    /// When it does not hear the last of them in time, or has heard other events, or otherwise.
    pub async fn has_heard(&self, story: &[Event]) -> Result<()> {
        let last = story.last().context("an empty story")?;
        let id = last.id.to_string();
        let mut heard = self.heard.clone();
        let end = heard.wait_for(|heard| heard.iter().any(|taken| taken.id == id));
        let ended = timeout(limits::WITHIN, end).await;
        ended.context("the independent receiver does not hear the end of the story")??;
        let heard = heard.borrow().clone();
        let mut seen = BTreeSet::new();
        let heard = heard.into_iter().filter(|taken| taken.subject == last.subject);
        let heard: Vec<_> = heard.filter(|taken| seen.insert(taken.id.clone())).collect();
        let told: Vec<_> = story.iter().map(Taken::of).collect::<Result<_>>()?;
        ensure!(
            heard == told,
            "the independent receiver heard another story:\n{heard:#?}\ninstead of\n{told:#?}"
        );
        Ok(())
    }
}
