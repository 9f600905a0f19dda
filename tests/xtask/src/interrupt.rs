//! Ctrl-C, SIGTERM and a terminal that goes away: whatever is under way is ended, and what was put up is taken down.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Told of every signal from its making on; this process is not ended by them any more.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    told: AtomicBool,
    child: Mutex<Option<Pid>>,
}

impl Interrupt {
    /// Catches the signals.
    pub(crate) fn catch() -> Result<Self> {
        let state = Arc::new(State::default());
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if ends_with_its_terminal() {
            signals.add_signal(SIGHUP)?;
        }
        let telling = Arc::clone(&state);
        thread::spawn(move || {
            for _ in &mut signals {
                // The first asks, and whoever is asked cleans up; the second insists.
                let insist = telling.told.swap(true, Ordering::SeqCst);
                telling.signal(if insist { Signal::SIGKILL } else { Signal::SIGTERM });
            }
        });
        Ok(Self { state })
    }

    /// Ends a sequence of steps that was interrupted.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(!self.state.told.load(Ordering::SeqCst), "interrupted");
        Ok(())
    }

    /// Runs a command to its end. It is told of an interruption by one SIGTERM, wherever the signal came from: in a
    /// process group of its own it does not get the terminal's.
    pub(crate) fn run(&self, command: &mut Command) -> Result<ExitStatus> {
        self.check()?;
        self.wait(&mut command.process_group(0).spawn()?)
    }

    /// Runs a command to its end as [`run`](Self::run) does, and answers what it has written to its standard output.
    pub(crate) fn output(&self, command: &mut Command) -> Result<Output> {
        self.check()?;
        let child = command.process_group(0).stdout(Stdio::piped()).spawn()?;
        self.state.begin(&child);
        let output = child.wait_with_output();
        self.state.set(None);
        self.check()?;
        Ok(output?)
    }

    /// Waits for the end of a child that has a process group of its own. It is told of an interruption, of one from
    /// before as well.
    pub(crate) fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        self.state.begin(child);
        let status = child.wait();
        self.state.set(None);
        Ok(status?)
    }

    /// Ends a child that has a process group of its own by one SIGTERM, and waits for it. A further interruption
    /// insists.
    pub(crate) fn end(&self, child: &mut Child) -> Result<ExitStatus> {
        self.state.set(Some(child));
        self.state.signal(Signal::SIGTERM);
        let status = child.wait();
        self.state.set(None);
        Ok(status?)
    }
}

/// Whether SIGHUP, which comes when the terminal goes away, would end this process: not where it was started by `nohup`.
pub(crate) fn ends_with_its_terminal() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    !ignores(&status, SIGHUP)
}

/// Whether a process with this `/proc/PID/status` ignores the signal.
fn ignores(status: &str, signal: i32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.unwrap_or_default() >> (signal - 1) & 1 == 1
}

impl State {
    /// From now on it is told of interruptions, of one from before as well.
    fn begin(&self, child: &Child) {
        self.set(Some(child));
        if self.told.load(Ordering::SeqCst) {
            self.signal(Signal::SIGTERM);
        }
    }

    fn set(&self, child: Option<&Child>) {
        let pid = child
            .and_then(|child| i32::try_from(child.id()).ok())
            .map(Pid::from_raw);
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = *self.child.lock().unwrap_or_else(PoisonError::into_inner) {
            // The whole group: what it started itself is to end, too. It may have ended in between, which is what was
            // wanted.
            let _ = killpg(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    /// Would go on for longer than any test.
    fn child() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap()
    }

    fn interrupt(told: bool) -> Interrupt {
        let state = State::default();
        state.told.store(told, Ordering::SeqCst);
        Interrupt {
            state: Arc::new(state),
        }
    }

    #[test]
    fn a_child_that_is_waited_for_after_an_interruption_is_ended() {
        let status = interrupt(true).wait(&mut child()).unwrap();
        assert_eq!(status.signal(), Some(SIGTERM));
    }

    #[test]
    fn who_was_started_to_outlive_its_terminal_is_known_by_what_it_ignores() {
        let ignores = |mask: &str| ignores(&format!("Name:\tx\nSigIgn:\t{mask}\n"), SIGHUP);

        assert!(ignores("0000000000001001"));
        assert!(!ignores("0000000000001000"));
    }

    #[test]
    fn a_child_is_ended_where_nothing_was_interrupted() {
        let status = interrupt(false).end(&mut child()).unwrap();
        assert_eq!(status.signal(), Some(SIGTERM));
    }
}
