//! What the user sees while something takes time, and the one way this crate and the commands print.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);
/// Where nothing moves, what takes long says so this often: a build takes minutes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// A moving line on a terminal, plain lines elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// Tells what is being done, or that nothing is.
    doing: Sender<Option<String>>,
    steps: AtomicUsize,
    done: AtomicUsize,
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
        let (doing, told) = mpsc::channel();
        let started = Instant::now();
        if bar.is_none() {
            std::thread::spawn(move || {
                say_what_lasts(&told, SIGN_OF_LIFE, |line| complain(&timed(started, line)));
            });
        }
        Self {
            bar,
            doing,
            steps: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            started,
        }
    }

    /// This many more steps are known of.
    pub fn expect(&self, steps: usize) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc_length(steps as u64);
        }
    }

    /// What is being done now.
    pub fn begin(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            return;
        }
        let (done, steps) = (&self.done, &self.steps);
        self.note(&counted(
            done.load(Ordering::Relaxed),
            steps.load(Ordering::Relaxed),
            what,
        ));
        self.tell(Some(what));
    }

    /// Nothing is being done now.
    pub fn rest(&self) {
        match &self.bar {
            Some(bar) => bar.set_message(""),
            None => self.tell(None),
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
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        let line = timed(self.started, line);
        match &self.bar {
            Some(bar) => bar.println(line),
            None => complain(&line),
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.tell(None);
    }

    fn tell(&self, what: Option<&str>) {
        // On a terminal nobody listens.
        let _ = self.doing.send(what.map(str::to_owned));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn timed(started: Instant, line: &str) -> String {
    format!("[{:>4}s] {line}", started.elapsed().as_secs())
}

fn counted(done: usize, steps: usize, what: &str) -> String {
    if steps == 0 {
        return what.to_owned();
    }
    format!("({done}/{steps}) {what}")
}

/// A line in every interval in which the same thing goes on, until nobody tells any more.
fn say_what_lasts(told: &Receiver<Option<String>>, interval: Duration, mut say: impl FnMut(&str)) {
    let mut doing = None;
    let mut since = Instant::now();
    loop {
        match told.recv_timeout(interval) {
            Ok(what) => {
                doing = what;
                since = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(what) = &doing {
                    say(&format!("... still {what}, {} s", since.elapsed().as_secs()));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_says_how_far_it_is() {
        assert_eq!(counted(3, 9, "building etcd"), "(3/9) building etcd");
        assert_eq!(counted(0, 0, "waiting"), "waiting");
    }

    #[test]
    fn what_lasts_is_said_again() {
        let (doing, told) = mpsc::channel();
        doing.send(Some(String::from("building etcd"))).unwrap();
        let mut doing = Some(doing);
        let mut said = Vec::new();
        say_what_lasts(&told, Duration::from_millis(1), |line| {
            said.push(line.to_owned());
            doing = None;
        });
        assert_eq!(said, ["... still building etcd, 0 s"]);
    }

    #[test]
    fn what_is_over_is_not_said_again() {
        let (doing, told) = mpsc::channel();
        for what in [Some(String::from("building etcd")), None] {
            doing.send(what).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(move || say_what_lasts(&told, Duration::from_millis(1), |line| panic!("{line}")));
            // Two of those intervals.
            let (_kept, nothing) = mpsc::channel::<()>();
            nothing.recv_timeout(Duration::from_millis(3)).unwrap_err();
            drop(doing);
        });
    }
}
