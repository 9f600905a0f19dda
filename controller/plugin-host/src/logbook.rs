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

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// The lines that `write` leaves in the log.
    fn logged(write: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

        impl io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl MakeWriter<'_> for Written {
            type Writer = Self;

            fn make_writer(&self) -> Self {
                self.clone()
            }
        }

        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(written.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_names_the_plugin_and_is_one_line() {
        let log = logged(|| Logbook::new("mine".into(), 1).write(Level::Warn, "one\ntwo"));
        assert_eq!(log.lines().count(), 1);
        assert!(
            log.contains("WARN") && log.contains("one two plugin=\"mine\""),
            "{log}"
        );
    }

    #[test]
    fn the_lines_beyond_the_limit_are_one_line_with_their_number() {
        let log = logged(|| {
            let mut book = Logbook::new("mine".into(), 2);
            (0..7).for_each(|_| book.write(Level::Info, "again"));
        });
        assert_eq!(log.matches("again").count(), 2);
        assert!(log.contains("5 lines of this call were dropped"), "{log}");
    }

    #[test]
    fn the_last_words_are_kept_even_when_they_are_not_written() {
        let mut book = Logbook::new("mine".into(), 1);
        book.write(Level::Info, "chatter");
        book.write(Level::Error, "panicked at src/lib.rs");
        assert_eq!(book.take_last_error().as_deref(), Some("panicked at src/lib.rs"));
    }
}
