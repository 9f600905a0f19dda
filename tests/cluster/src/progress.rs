//! What the user sees while something takes time, and the one way this crate and the commands print.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);

/// A moving line on a terminal, plain lines elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Moves only where standard error is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            started: Instant::now(),
        }
    }

    /// This many more steps are known of.
    pub fn expect(&self, steps: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(steps as u64);
        }
    }

    /// What is being done now.
    pub fn begin(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => self.note(what),
        }
    }

    /// A detail of what is being done now: shown only where it can be replaced.
    pub fn detail(&self, what: &str, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{what}: {detail}"));
        }
    }

    /// One step is over.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        let line = format!("[{:>4}s] {line}", self.started.elapsed().as_secs());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => write_line(&mut std::io::stderr().lock(), &line),
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A line of the answer, on standard output.
pub fn answer(line: &str) {
    write_line(&mut std::io::stdout().lock(), line);
}

/// A complaint, on standard error.
pub fn complain(line: &str) {
    write_line(&mut std::io::stderr().lock(), line);
}

fn write_line(to: &mut impl Write, line: &str) {
    // A closed pipe is the reader's wish not to be told more.
    let _ = writeln!(to, "{line}");
}
