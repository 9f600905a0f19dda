//! The trial: a plugin is compiled in another process first, whose memory and time are limited and whose output is
//! thrown away. What a compiler makes of a stranger's file can't be foretold from the file's shape alone.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use wasmtime::component::Component;

use crate::inspect::{self, Delivery};
use crate::{engine, limits, text};

/// How a process that refuses a plugin ends.
const REFUSED: u8 = 65;

/// How plugins are compiled on trial.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The program that is started. It has to call [`run`] and end with what that returns.
    pub program: PathBuf,
    /// With these arguments.
    pub arguments: Vec<OsString>,
    /// It is killed after so much time.
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
    /// The compiler took too long.
    #[error("its compilation was stopped after {time:?}: split up its largest functions")]
    TooSlow {
        /// What it may take.
        time: Duration,
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
        match output.status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(REFUSED) => {
                let reason = String::from_utf8_lossy(&output.stderr);
                Err(TrialError::Refused {
                    reason: text::line(&reason, limits::ERROR_BYTES),
                })
            }
            _ => Err(TrialError::Crashed {
                status: output.status,
            }),
        }
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
    match confine()
        .map_err(|reason| reason.to_string())
        .and_then(|()| compile_input())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Without anybody to read it, the code alone has to do.
            let _unread = io::stderr().write_all(reason.as_bytes());
            ExitCode::from(REFUSED)
        }
    }
}

/// Limits what this process may use. What the parent does after five seconds, the kernel does, too, should the parent
/// be gone by then.
fn confine() -> rustix::io::Result<()> {
    let at_most = |amount| Rlimit {
        current: Some(amount),
        maximum: Some(amount),
    };
    setrlimit(Resource::As, at_most(limits::TRIAL_MEMORY_BYTES))?;
    setrlimit(Resource::Core, at_most(0))?;
    setrlimit(
        Resource::Cpu,
        at_most(limits::TRIAL_TIME.as_secs().saturating_mul(2)),
    )
}

fn compile_input() -> Result<(), String> {
    let most = u64::try_from(limits::RAW_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|reason| reason.to_string())?;
    let compiler = thread::Builder::new()
        .stack_size(limits::TRIAL_STACK_BYTES)
        .spawn(move || compile(&bytes))
        .map_err(|reason| reason.to_string())?;
    compiler
        .join()
        .unwrap_or_else(|_panic| Err("the compiler has a fault".to_owned()))
}

fn compile(bytes: &[u8]) -> Result<(), String> {
    let delivery = Delivery::read(bytes).map_err(|reason| reason.to_string())?;
    let inspected =
        inspect::inspect(&delivery, limits::MEMORY_MAXIMUM).map_err(|reason| reason.to_string())?;
    let engine = engine::engine().map_err(|reason| format!("{reason:#}"))?;
    Component::new(&engine, &inspected.component).map_err(|reason| format!("{reason:#}"))?;
    Ok(())
}
