//! The lines that a call writes to the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bindings::log::Level;
use crate::redaction::Redaction;
use crate::{limits, text};

/// Over this time the lines of all calls of a plugin are counted.
const PERIOD: Duration = Duration::from_mins(1);

/// What all calls of one plugin write, over time.
#[derive(Debug)]
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    period: Mutex<Period>,
}

#[derive(Debug)]
struct Period {
    began: Instant,
    left: u32,
    dropped: u64,
}

impl Period {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            left: limits::LOG_LINES_PER_MINUTE,
            dropped: 0,
        }
    }
}

impl PluginLog {
    pub(crate) fn new(plugin: Arc<str>) -> Self {
        let period = Mutex::new(Period::new(Instant::now()));
        Self { plugin, period }
    }

    /// Whether one more line may be written now. The first line after a minute in which some were not is told how many.
    fn admits(&self) -> bool {
        let now = Instant::now();
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(period.began) >= PERIOD {
            let dropped = period.dropped;
            *period = Period::new(now);
            if dropped > 0 {
                tracing::warn!(
                    plugin = &*self.plugin,
                    "{dropped} lines of this plugin were dropped"
                );
            }
        }
        if let Some(left) = period.left.checked_sub(1) {
            period.left = left;
            return true;
        }
        period.dropped = period.dropped.saturating_add(1);
        false
    }
}

/// Writes a plugin's lines, as many as it may write, and counts the rest.
#[derive(Debug)]
pub(crate) struct Logbook {
    log: Arc<PluginLog>,
    left: u64,
    /// Lines beyond those that the plugin may write over time: they are told by the minute.
    held_back: u64,
    dropped: u64,
    /// The latest line at level error, as the plugin wrote it: a panic is told there, because all that is left of it otherwise is a
    /// trap.
    last_error: Option<String>,
    redaction: Redaction,
}

impl Logbook {
    pub(crate) fn new(log: Arc<PluginLog>, lines: u64, redaction: Redaction) -> Self {
        Self {
            log,
            left: lines,
            held_back: 0,
            dropped: 0,
            last_error: None,
            redaction,
        }
    }

    /// Writes one line.
    pub(crate) fn write(&mut self, level: Level, message: &str) {
        // A plugin may write thousands of lines without a pause: what is done for each that is not written is next to nothing.
        if level == Level::Error {
            self.last_error = Some(
                self.redaction
                    .enough_of(message, limits::LOG_LINE_BYTES)
                    .to_owned(),
            );
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.left = left;
        if self.log.admits() {
            write(&self.log.plugin, level, &self.line(message));
        } else {
            self.held_back = self.held_back.saturating_add(1);
        }
    }

    fn line(&self, message: &str) -> String {
        let most = limits::LOG_LINE_BYTES;
        text::line(&self.redaction.hide_beginning(message, most), most)
    }

    /// So many lines were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.saturating_add(self.held_back)
    }

    /// The latest line at level error.
    pub(crate) fn take_last_error(&mut self) -> Option<String> {
        self.last_error.take().map(|message| self.line(&message))
    }
}

impl Drop for Logbook {
    fn drop(&mut self) {
        if self.dropped > 0 && self.log.admits() {
            tracing::warn!(
                plugin = &*self.log.plugin,
                "{} lines of this call were dropped",
                self.dropped
            );
        }
    }
}

fn write(plugin: &str, level: Level, line: &str) {
    match level {
        Level::Debug => tracing::debug!(plugin, "{line}"),
        Level::Info => tracing::info!(plugin, "{line}"),
        Level::Warn => tracing::warn!(plugin, "{line}"),
        Level::Error => tracing::error!(plugin, "{line}"),
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

    fn book(lines: u64) -> Logbook {
        Logbook::new(
            Arc::new(PluginLog::new("mine".into())),
            lines,
            Redaction::default(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_plugin_writes_too_much_over_time_is_dropped_and_counted() {
        let log = Arc::new(PluginLog::new("mine".into()));
        let call = || {
            let mut book = Logbook::new(Arc::clone(&log), 100, Redaction::default());
            (0..100).for_each(|_| book.write(Level::Info, "again"));
            book.dropped()
        };
        let mut dropped = 0;
        let first_minute = logged(|| dropped = (0..7).map(|_| call()).sum());
        tokio::time::advance(PERIOD).await;
        let second_minute = logged(|| {
            call();
        });

        assert_eq!(first_minute.matches("again").count(), 600);
        assert_eq!(dropped, 100);
        assert!(
            second_minute.contains("100 lines of this plugin were dropped"),
            "{second_minute}"
        );
        assert_eq!(second_minute.matches("again").count(), 100);
    }

    #[test]
    fn a_line_names_the_plugin_and_is_one_line() {
        let log = logged(|| book(1).write(Level::Warn, "one\ntwo"));
        assert_eq!(log.lines().count(), 1);
        assert!(
            log.contains("WARN") && log.contains("one two plugin=\"mine\""),
            "{log}"
        );
    }

    #[test]
    fn a_secret_is_in_no_line_and_in_no_last_words() {
        let redaction = Redaction::of(["s3cret".to_owned()]);
        let mut last = None;
        let log = logged(|| {
            let mut book = Logbook::new(Arc::new(PluginLog::new("mine".into())), 1, redaction);
            book.write(Level::Info, "the token is s3cret");
            book.write(Level::Error, "panicked: s3cret");
            last = book.take_last_error();
        });
        assert!(
            log.contains("the token is (hidden)") && !log.contains("s3cret"),
            "{log}"
        );
        assert_eq!(last.as_deref(), Some("panicked: (hidden)"));
    }

    #[test]
    fn the_lines_beyond_the_limit_are_one_line_with_their_number() {
        let log = logged(|| {
            let mut book = book(2);
            (0..7).for_each(|_| book.write(Level::Info, "again"));
        });
        assert_eq!(log.matches("again").count(), 2);
        assert!(log.contains("5 lines of this call were dropped"), "{log}");
    }

    #[test]
    fn the_last_words_are_kept_even_when_they_are_not_written() {
        let mut book = book(1);
        book.write(Level::Info, "chatter");
        book.write(Level::Error, "panicked at src/lib.rs");
        assert_eq!(book.take_last_error().as_deref(), Some("panicked at src/lib.rs"));
    }
}
