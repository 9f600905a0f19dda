//! `cargo xtask test`: everything that is checked, in the order in which it fails soonest.
//!
//! The slow part, a Kubernetes built from source, is begun first and goes on beside the lints. The check of the local cluster
//! itself waits for programs that come up most of the time, and goes on beside the unit tests; what counts failed requests
//! has the machine for itself.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use kulta_test_cluster::progress::{Progress, complain};
use kulta_test_cluster::wait::until;
use kulta_test_cluster::{Cluster, ClusterOptions};

use crate::build::itself;
use crate::interrupt::Interrupt;
use crate::local::SELFCHECK_CLUSTERS;
use crate::{cargo, plugins};

/// The tests' own cluster: a developer's is left alone.
const CLUSTER: &str = "test";
/// Scenarios wait for pods most of the time, so more of them than processors play side by side.
const SIDE_BY_SIDE: &str = "3";
/// So many lines of what has failed beside the rest are told again: an error with its causes, and what came before it.
const LAST_WORDS: usize = 40;
/// What a child has told before its end is passed on by then.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// Of so many requests, over a promotion and an abort, none may fail.
const REQUESTS: &str = "100000";

/// What to check.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only what needs neither root nor a cluster: format, lints, unit tests, simulations, generated files
    #[arg(long)]
    without_cluster: bool,
}

/// One part of the whole, and how long it took.
struct Report {
    lines: Vec<(&'static str, Duration)>,
    interrupt: Interrupt,
}

/// Checks everything.
///
/// # Errors
/// At the first part that fails.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut report = Report {
        lines: Vec::new(),
        interrupt: Interrupt::catch()?,
    };
    if arguments.without_cluster {
        let done = report.run("format", &mut cargo::command(cargo::FORMAT)?);
        let done = done.and_then(|()| lint(&mut report));
        let done = done.and_then(|()| check_sources(&mut report));
        report.print();
        return done.map(|()| ExitCode::SUCCESS);
    }
    begin()?;
    let done = check(&mut report);
    // Whatever has happened, nothing of the clusters stays behind. Failed or interrupted, the self-check leaves its own for a
    // look, which nobody has here.
    let clusters = SELFCHECK_CLUSTERS.into_iter().chain([CLUSTER]);
    // One that can't be taken down keeps no other one up.
    let down = clusters.map(take_down).fold(Ok(()), Result::and);
    report.print();
    done.and(down).map(|()| ExitCode::SUCCESS)
}

/// Refuses a machine that may not have a cluster (another system, another user than root) before minutes are spent on
/// what needs none, by the first thing that there is to do: what a killed run has left of the self-check's clusters goes.
fn begin() -> Result<()> {
    let progress = Progress::new();
    SELFCHECK_CLUSTERS
        .iter()
        .try_for_each(|name| Cluster::down(&ClusterOptions::named(name)?, &progress))
}

fn check(report: &mut Report) -> Result<()> {
    report.run("format", &mut cargo::command(cargo::FORMAT)?)?;
    let preparation = Background::start(
        "bringing the cluster up",
        &["cluster", "up", "--name", CLUSTER],
        &report.interrupt,
    )?;
    lint(report)?;
    report.time("waiting for the cluster", || preparation.finish())?;
    // What the tests stand on: the local cluster itself, on some of its own.
    let selfcheck = Background::start("the local cluster", &["cluster", "selfcheck"], &report.interrupt)?;
    check_sources(report)?;
    report.time("waiting for the check of the local cluster", || {
        selfcheck.finish()
    })?;
    let play = ["e2e", "--name", CLUSTER, "--", "--test-threads", SIDE_BY_SIDE];
    report.run("end-to-end tests", &mut itself(&play))?;
    let demo = ["demo", "--name", CLUSTER, "--requests", REQUESTS];
    report.run("demo: not one request is lost", &mut itself(&demo))
}

fn lint(report: &mut Report) -> Result<()> {
    report.run("lints", &mut cargo::command(cargo::LINT)?)?;
    let end_to_end = &mut cargo::command(cargo::LINT_END_TO_END)?;
    report.run("lints of the end-to-end tests", end_to_end)
}

/// What needs no cluster, after the lints.
fn check_sources(report: &mut Report) -> Result<()> {
    // Without it, what plugin authors do from nothing to a plugin would be left out.
    report.time("a compiler for plugins", plugins::prepare)?;
    report.run(
        "unit tests, simulations, generated files",
        &mut cargo::command(cargo::UNIT_TESTS)?,
    )?;
    check_dependencies(report)
}

/// Only where cargo-deny is installed: what this command needs of the machine is kept small.
fn check_dependencies(report: &mut Report) -> Result<()> {
    let mut version = cargo::command(cargo::DENY_VERSION)?;
    version
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !version.status()?.success() {
        complain("== licences and sources of dependencies: left out, because cargo-deny is not installed");
        return Ok(());
    }
    report.run(
        "licences and sources of dependencies",
        &mut cargo::command(cargo::DENY)?,
    )
}

impl Report {
    fn run(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        complain(&format!("== {name}"));
        let interrupt = self.interrupt.clone();
        let status = self.time(name, || interrupt.run(command))?;
        self.interrupt.check()?;
        succeeded(name, status)
    }

    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = work();
        self.lines.push((name, start.elapsed()));
        done
    }

    fn print(&self) {
        for (name, duration) in &self.lines {
            complain(&format!("{:>6} s  {name}", duration.as_secs()));
        }
    }
}

fn succeeded(name: &str, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{name}: failed ({status})");
    Ok(())
}

/// Takes a cluster down, whatever is there of it. In a process group of its own: a second Ctrl-C does not reach it.
fn take_down(cluster: &str) -> Result<()> {
    let mut down = itself(&["cluster", "down", "--name", cluster]);
    let status = down.process_group(0).status()?;
    succeeded(&format!("taking the cluster {cluster} down"), status)
}

/// A command of this program that goes on beside others; ended when it is dropped. What it tells is passed on as it comes, and
/// its last words once more if it fails: by then they are far up.
struct Background {
    name: &'static str,
    child: Child,
    interrupt: Interrupt,
    last: Arc<Mutex<VecDeque<String>>>,
    passing_on: Option<JoinHandle<()>>,
}

impl Background {
    fn start(name: &'static str, arguments: &[&str], interrupt: &Interrupt) -> Result<Self> {
        // A group of its own: what it started itself is ended with it.
        let mut command = itself(arguments);
        let mut child = command.process_group(0).stderr(Stdio::piped()).spawn()?;
        let last = Arc::<Mutex<_>>::default();
        let passing_on = child.stderr.take().map(|told| {
            let last = Arc::clone(&last);
            thread::spawn(move || pass_on(told, &last))
        });
        Ok(Self {
            passing_on,
            name,
            child,
            interrupt: interrupt.clone(),
            last,
        })
    }

    fn finish(mut self) -> Result<()> {
        let status = self.interrupt.wait(&mut self.child)?;
        self.interrupt.check()?;
        if !status.success() {
            self.hear_out();
            complain(&format!("== {} has failed; its last words:", self.name));
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.iter().for_each(|line| complain(line));
        }
        succeeded(self.name, status)
    }

    /// Waits until all was passed on that it has told; not for long, since what it has left running may hold the pipe.
    fn hear_out(&self) {
        let is_told = || self.passing_on.as_ref().is_none_or(JoinHandle::is_finished);
        // What is not told by then is missing, and that is all.
        let _ = until("its last words", TOLD_WITHIN, || Ok(is_told().then_some(())));
    }
}

/// Passes on what a child tells, line by line, and keeps the last of them.
fn pass_on(told: ChildStderr, last: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        complain(&line);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_WORDS {
            last.pop_front();
        }
        last.push_back(line);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // How it ends says nothing: it was asked to.
            let _ = self.interrupt.end(&mut self.child);
        }
    }
}
