//! Looking at processes, and signalling only the one that was meant.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    /// Clock ticks from the machine's start to the process's.
    pub(crate) started: u64,
}

impl Identity {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let started = started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self { pid, started })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Does nothing where the process is gone, even if its number is in use again.
    pub(crate) fn signal(self, signal: Signal) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn arguments(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        bytes
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    pub(crate) fn parent(self) -> Option<i32> {
        parent(&fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?)
    }

    /// How many process namespaces it is in, from the outermost that can be seen from here.
    pub(crate) fn depth(self) -> usize {
        fs::read_to_string(format!("/proc/{}/status", self.pid)).map_or(0, |status| numbers(&status).len())
    }

    pub(crate) fn runs(self, program: &Path) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|executable| executable == program)
    }

    /// The kernel's name of one of its namespaces.
    pub(crate) fn namespace(self, kind: &str) -> Option<PathBuf> {
        fs::read_link(self.namespace_file(kind)).ok()
    }

    pub(crate) fn namespace_file(self, kind: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/{kind}", self.pid))
    }

    /// Whether it is the first process of a process namespace below this one.
    pub(crate) fn is_first_of_namespace(self) -> bool {
        fs::read_to_string(format!("/proc/{}/status", self.pid))
            .is_ok_and(|status| first_of_namespace(&status))
    }
}

/// All processes that can be seen from here.
pub(crate) fn all() -> Vec<Identity> {
    pids().into_iter().filter_map(Identity::of).collect()
}

/// The numbers of all processes that can be seen from here. Each may belong to another one by the time it is used.
#[must_use]
pub fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The start time in the text of `/proc/PID/stat`; nothing for a process that only waits to be buried.
fn started(stat: &str) -> Option<u64> {
    // The name is in parentheses and may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // Field 22 of the whole line; the state was field 3.
    fields.nth(18)?.parse().ok()
}

/// The number of the parent in the text of `/proc/PID/stat`.
fn parent(stat: &str) -> Option<i32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

fn first_of_namespace(status: &str) -> bool {
    let numbers = numbers(status);
    numbers.len() > 1 && numbers.last() == Some(&"1")
}

/// Reads `NSpid` in the text of `/proc/PID/status`: one number for each namespace, the innermost last.
fn numbers(status: &str) -> Vec<&str> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.unwrap_or_default().split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a ) name) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1 1";

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        assert_eq!(started(STAT), Some(987_654));
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent(STAT), Some(1));
    }

    #[test]
    fn a_zombie_is_not_alive() {
        assert_eq!(started(&STAT.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn a_recycled_number_is_another_process() {
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        let earlier = Identity {
            started: own.started - 1,
            ..own
        };
        assert!(!earlier.is_alive());
        // It would end this test.
        earlier.signal(Signal::SIGKILL).unwrap();
    }

    #[test]
    fn the_first_process_of_a_namespace_is_known_by_its_inner_number() {
        assert!(first_of_namespace("Name:\tx\nNSpid:\t4711\t1\n"));
        assert!(!first_of_namespace("Name:\tx\nNSpid:\t1\n"));
        assert!(!first_of_namespace("Name:\tx\nNSpid:\t4711\t12\n"));
    }
}
