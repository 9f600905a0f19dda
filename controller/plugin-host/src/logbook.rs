//! The lines that a call writes to the log.

use std::sync::Arc;

use crate::bindings::log::Level;
use crate::{limits, text};

/// Writes a plugin's lines, as many as it may write, and counts the rest.
#[derive(Debug)]
pub(crate) struct Logbook {
    plugin: Arc<str>,
    left: u64,
    dropped: u64,
    /// The latest line at level error: a panic is told there, because all that is left of it otherwise is a trap.
    last_error: Option<String>,
}

impl Logbook {
    pub(crate) fn new(plugin: Arc<str>, lines: u64) -> Self {
        Self {
            plugin,
            left: lines,
            dropped: 0,
            last_error: None,
        }
    }

    /// Writes one line.
    pub(crate) fn write(&mut self, level: Level, message: &str) {
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            if level == Level::Error {
                self.last_error = Some(text::line(message, limits::LOG_LINE_BYTES));
            }
            return;
        };
        self.left = left;
        let line = text::line(message, limits::LOG_LINE_BYTES);
        let plugin = &*self.plugin;
        match level {
            Level::Debug => tracing::debug!(plugin, "{line}"),
            Level::Info => tracing::info!(plugin, "{line}"),
            Level::Warn => tracing::warn!(plugin, "{line}"),
            Level::Error => {
                tracing::error!(plugin, "{line}");
                self.last_error = Some(line);
            }
        }
    }

    /// So many lines were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The latest line at level error.
    pub(crate) fn take_last_error(&mut self) -> Option<String> {
        self.last_error.take()
    }
}

impl Drop for Logbook {
    fn drop(&mut self) {
        if self.dropped > 0 {
            tracing::warn!(
                plugin = &*self.plugin,
                "{} lines of this call were dropped",
                self.dropped
            );
        }
    }
}
