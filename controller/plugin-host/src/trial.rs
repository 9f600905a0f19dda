//! The trial: a plugin is compiled in another process first, whose memory and time are limited and whose output is
//! thrown away. What a compiler makes of a stranger's file can't be foretold from the file's shape alone.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use wasmtime::component::Component;

use crate::inspect::{self, Delivery};
use crate::{engine, limits, text};

/// How a process that refuses a plugin ends.
const REFUSED: u8 = 65;
/// How a process ends that could not hold the trial at all.
const NOT_HELD: u8 = 75;

/// Errors of starting a process that pass by themselves: no memory, no more processes, no more files. What is missing or
/// forbidden stays so.
const PASSING: [Errno; 4] = [Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE];

/// How plugins are compiled on trial.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The program that is started. It has to call [`run`] and end with what that returns.
    pub program: PathBuf,
    /// With these arguments.
    pub arguments: Vec<OsString>,
    /// It is killed after so much time by the clock. What it may compute is its own limit.
    pub time: Duration,
}

/// A plugin did not pass its trial.
#[derive(Debug, Error)]
pub enum TrialError {
    /// The process can't be started, or its answer can't be read: a fault of the installation.
    #[error("the compiler's process can't be started as {program:?}")]
    Start {
        /// What was started.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The compiler took too long by the clock: the machine is too busy, or the file at fault.
    #[error(
        "its compilation was stopped after {time:?}: the machine is too busy, or its largest functions are to be split up"
    )]
    TooSlow {
        /// What it may take.
        time: Duration,
    },
    /// The compiler computed for too long, however busy the machine is.
    #[error(
        "its compilation was stopped after {} s of computing: split up its largest functions",
        limits::TRIAL_CPU.as_secs()
    )]
    TooMuchWork,
    /// The machine had no memory, or no thread, for the compiler.
    #[error("its compilation could not begin, or was killed by the machine: {reason}")]
    NotHeld {
        /// As far as it is known.
        reason: String,
    },
    /// The compiler needed too much memory, or found a fault of its own.
    #[error(
        "its compilation ended with {status}, most likely for want of memory ({} MiB): split up its largest functions",
        limits::TRIAL_MEMORY_BYTES >> 20
    )]
    Crashed {
        /// How the process ended.
        status: ExitStatus,
    },
    /// The compiler refused it.
    #[error("it can't be compiled: {reason}")]
    Refused {
        /// In the compiler's words.
        reason: String,
    },
}

impl TrialError {
    /// Whether it can go well the next time although the file is the same: it was the machine that had no time, no
    /// memory, or no process for it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::TooSlow { .. } | Self::NotHeld { .. } => true,
            Self::Start { source, .. } => {
                let code = source.raw_os_error();
                PASSING.iter().any(|passing| code == Some(passing.raw_os_error()))
            }
            Self::TooMuchWork | Self::Crashed { .. } | Self::Refused { .. } => false,
        }
    }

    /// How a process ended that did not pass.
    fn ended(status: ExitStatus, words: &[u8]) -> Self {
        let reason = || text::line(&String::from_utf8_lossy(words), limits::ERROR_BYTES);
        if status.code() == Some(i32::from(REFUSED)) {
            return Self::Refused { reason: reason() };
        }
        if status.code() == Some(i32::from(NOT_HELD)) {
            return Self::NotHeld { reason: reason() };
        }
        match status.signal() {
            Some(signal) if signal == Signal::XCPU.as_raw() => Self::TooMuchWork,
            // Its own limits end it in other ways: this is the kernel's when memory is short, or somebody's.
            Some(signal) if signal == Signal::KILL.as_raw() => Self::NotHeld {
                reason: status.to_string(),
            },
            _ => Self::Crashed { status },
        }
    }
}

impl Trial {
    /// A trial of the usual length, by `program` with `arguments`.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            program,
            arguments,
            time: limits::TRIAL_TIME,
        }
    }

    /// Compiles `bytes` on trial.
    pub(crate) async fn compile(&self, bytes: &[u8]) -> Result<(), TrialError> {
        let start = |source| TrialError::Start {
            program: self.program.clone(),
            source,
        };
        let mut child = self.start().map_err(start)?;
        let answered = tokio::time::timeout(self.time, async {
            if let Some(mut input) = child.stdin.take() {
                // A process that ends before it has read everything tells why by how it ends.
                let _ended_early = input.write_all(bytes).await;
            }
            child.wait_with_output().await
        });
        let Ok(output) = answered.await else {
            return Err(TrialError::TooSlow { time: self.time });
        };
        let output = output.map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        Err(TrialError::ended(output.status, &output.stderr))
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            // Credentials are often in the environment: the compiler of a stranger's file has no need of them.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// The other side: reads a plugin from standard input and compiles it, in this process, after it has limited itself.
/// To be called first in `main`, before there are other threads.
#[must_use]
pub fn run() -> ExitCode {
    let compiled = confine().map_err(io::Error::from).and_then(|()| compile_input());
    let (code, reason) = match compiled {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(reason)) => (REFUSED, reason),
        Err(error) => (NOT_HELD, error.to_string()),
    };
    // Without anybody to read it, the code alone has to do.
    let _unread = io::stderr().write_all(reason.as_bytes());
    ExitCode::from(code)
}

/// Limits what this process may use. The time of computing ends it also should the parent be gone by then.
fn confine() -> rustix::io::Result<()> {
    let at_most = |amount| Rlimit {
        current: Some(amount),
        maximum: Some(amount),
    };
    setrlimit(Resource::As, at_most(limits::TRIAL_MEMORY_BYTES))?;
    setrlimit(Resource::Core, at_most(0))?;
    // The first limit says by its signal why the process ends; the second one kills as anybody does.
    let killed = limits::TRIAL_CPU.saturating_add(limits::TRIAL_CPU_GRACE);
    setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(limits::TRIAL_CPU.as_secs()),
            maximum: Some(killed.as_secs()),
        },
    )
}

/// What the compiler says of the plugin; an error where it could not be asked.
fn compile_input() -> io::Result<Result<(), String>> {
    let most = u64::try_from(limits::RAW_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    let compiler = thread::Builder::new()
        .stack_size(limits::TRIAL_STACK_BYTES)
        .spawn(move || compile(&bytes))?;
    let ended = compiler.join();
    Ok(ended.unwrap_or_else(|_panic| Err("the compiler has a fault".to_owned())))
}

fn compile(bytes: &[u8]) -> Result<(), String> {
    let delivery = Delivery::read(bytes).map_err(|reason| reason.to_string())?;
    let inspected =
        inspect::inspect(&delivery, limits::MEMORY_MAXIMUM).map_err(|reason| reason.to_string())?;
    let engine = engine::engine().map_err(|reason| format!("{reason:#}"))?;
    Component::new(&engine, &inspected.component).map_err(|reason| format!("{reason:#}"))?;
    Ok(())
}
