//! `cargo xtask test`: everything that is checked, in the order in which it fails soonest.
//!
//! The slow part, a Kubernetes built from source, is begun first and goes on beside the checks that need none.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use kulta_test_cluster::progress::complain;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cargo;
use crate::interrupt::Interrupt;

/// The tests' own cluster: a developer's is left alone.
const CLUSTER: &str = "test";
/// Scenarios wait for pods most of the time, so more of them than processors play side by side.
const SIDE_BY_SIDE: &str = "3";
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
        let done = done.and_then(|()| check_sources(&mut report));
        report.print();
        return done.map(|()| ExitCode::SUCCESS);
    }
    let done = check(&mut report);
    // Whatever has happened, nothing of the cluster stays behind.
    let down = succeed("taking the cluster down", &["cluster", "down", "--name", CLUSTER]);
    let done = done.and(down).and_then(|()| check_cluster(&mut report));
    report.print();
    done.map(|()| ExitCode::SUCCESS)
}

fn check(report: &mut Report) -> Result<()> {
    report.run("format", &mut cargo::command(cargo::FORMAT)?)?;
    let preparation = Background::start(&["cluster", "up", "--name", CLUSTER])?;
    check_sources(report)?;
    report.time("waiting for the cluster", || preparation.finish())?;
    let play = ["e2e", "--name", CLUSTER, "--", "--test-threads", SIDE_BY_SIDE];
    report.run("end-to-end tests", &mut itself(&play)?)?;
    let demo = ["demo", "--name", CLUSTER, "--requests", REQUESTS];
    report.run("demo: not one request is lost", &mut itself(&demo)?)
}

/// What the tests stand on: the local cluster itself, on two of its own.
fn check_cluster(report: &mut Report) -> Result<()> {
    report.run("the local cluster", &mut itself(&["cluster", "selfcheck"])?)
}

/// What needs no cluster.
fn check_sources(report: &mut Report) -> Result<()> {
    report.run("lints", &mut cargo::command(cargo::LINT)?)?;
    report.run(
        "unit tests, simulations, generated files",
        &mut cargo::command(cargo::UNIT_TESTS)?,
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

/// Runs a command of this program to its end, interrupted or not.
fn succeed(name: &str, arguments: &[&str]) -> Result<()> {
    let status = itself(arguments)?.status()?;
    succeeded(name, status)
}

/// A command of this program.
fn itself(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(env::current_exe().context("this program has no path")?);
    command.args(arguments);
    Ok(command)
}

/// A command of this program that goes on beside others; ended when it is dropped.
struct Background(Child);

impl Background {
    fn start(arguments: &[&str]) -> Result<Self> {
        // A group of its own: what it started itself is ended with it.
        Ok(Self(itself(arguments)?.process_group(0).spawn()?))
    }

    fn finish(mut self) -> Result<()> {
        let status = self.0.wait()?;
        if !status.success() {
            bail!("bringing the cluster up: failed ({status})");
        }
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let (Ok(None), Ok(id)) = (self.0.try_wait(), i32::try_from(self.0.id())) {
            // Both can only say that it has ended, which is what was wanted.
            let _ = killpg(Pid::from_raw(id), Signal::SIGTERM);
            let _ = self.0.wait();
        }
    }
}
