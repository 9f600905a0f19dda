//! A receiver that others have written: the official `CloudEvents` SDK for Python, where there is one.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use kulta_e2e::limits;
use kulta_test_cluster::progress::complain;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::distinct;

/// The interpreter.
const PYTHON: &str = "python3";
/// The receiver.
const PROGRAM: &str = "receivers/cloudevents_receiver.py";
/// The part of the SDK that it needs: others are older.
const MODULE: &str = "import cloudevents.core.bindings.http";

/// The receiver; it ends when this is dropped.
pub(crate) struct Independent {
    address: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Independent {
    /// Starts it. None, with a word, where Python or its SDK are not there.
    pub(crate) async fn start() -> Result<Option<Self>> {
        let mut python = Command::new(PYTHON);
        let found = python.args(["-c", MODULE]).stderr(Stdio::null()).status().await;
        if !found.is_ok_and(|status| status.success()) {
            complain(
                "NOT CHECKED: what an independent receiver makes of the events, for python3 has no CloudEvents SDK \
                 (pip install cloudevents)",
            );
            return Ok(None);
        }
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut child = Command::new(PYTHON)
            .arg(&program)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let out = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(out).lines();
        let port = lines.next_line().await?.context("the receiver did not start")?;
        Ok(Some(Self {
            address: format!("http://127.0.0.1:{port}"),
            lines,
            _child: child,
        }))
    }

    /// Where events are posted to.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Refuses another story than these events, by their ids and bodies, each as often as at least once.
    pub(crate) async fn has_heard(&mut self, story: &[(String, Value)]) -> Result<()> {
        let (last, _) = story.last().context("an empty story")?;
        let mut heard = Vec::new();
        let listening = async {
            while let Some(line) = self.lines.next_line().await? {
                let mut event: Value = serde_json::from_str(&line)?;
                let id = event["id"].as_str().unwrap_or_default().to_owned();
                let is_last = id == *last;
                heard.push((id, event["data"].take()));
                if is_last {
                    return anyhow::Ok(());
                }
            }
            anyhow::bail!("the receiver has ended")
        };
        let listened = timeout(limits::WITHIN, listening).await;
        listened.context("the independent receiver does not hear the end of the story")??;
        let heard = distinct(heard.into_iter());
        ensure!(
            heard == story,
            "the independent receiver heard another story:\n{heard:#?}\ninstead of\n{story:#?}"
        );
        Ok(())
    }
}
