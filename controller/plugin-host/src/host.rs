//! The host: one for the process. It makes plugins of files.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::failure::{CallError, Identity};
use crate::guest::Guest;
use crate::inspect::{self, Delivery, InspectError, Inspected};
use crate::limits::{self, Limit, Limits};
use crate::memory::Total;
use crate::plugin::{Code, Plugin, World};
use crate::trial::{Trial, TrialError};
use crate::{Digest, engine, text};

/// Loads plugins. All plugins of one host share one bound of memory, and are compiled one after another.
pub struct Host {
    engine: Engine,
    linker: Linker<Guest>,
    total: Total,
    trial: Trial,
    compiling: Semaphore,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From a file, which may be anybody's.
    File,
    /// It is part of this program.
    Program,
}

/// A fault that the engine has found, in its own words.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct EngineFault(String);

impl From<wasmtime::Error> for EngineFault {
    fn from(error: wasmtime::Error) -> Self {
        // It may quote names of the plugin.
        Self(text::line(&format!("{error:#}"), limits::ERROR_BYTES))
    }
}

/// A plugin can't be loaded.
#[derive(Debug, Error)]
#[error("plugin {name} ({}) can't be loaded", digest.short())]
pub struct LoadFailure {
    /// The name that it was to be loaded under.
    pub name: Arc<str>,
    /// Its bytes.
    pub digest: Digest,
    /// Why not.
    #[source]
    pub cause: LoadError,
}

/// Why a plugin can't be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is not within the limits, or not made for the interface.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It did not pass its trial.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// It can't be compiled, although its trial went well.
    #[error("it can't be compiled")]
    Compile(#[source] EngineFault),
    /// The compiler has a fault.
    #[error("the compiler did not finish: tell whoever maintains KULTA")]
    CompilerFault,
    /// The compiler can't be started at the moment.
    #[error("the compiler can't be started")]
    NoThread(#[source] io::Error),
    /// It imports or exports what the interface does not have, or has in another form.
    #[error("it does not fit the interface: build it with the plugin SDK of this version or an earlier one")]
    Link(#[source] EngineFault),
    /// It can't tell who it is.
    #[error("it can't describe itself")]
    Describe(#[source] CallError),
}

impl LoadError {
    /// Whether it can go well the next time although the file is the same: the machine had no time or no room for it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Trial(error) => error.is_passing(),
            Self::NoThread(_) => true,
            // What computes for ever runs out of fuel: that there was no answer in time is for want of a processor.
            Self::Describe(error) => matches!(error, CallError::Busy | CallError::Timeout { .. }),
            Self::Inspect(_) | Self::Compile(_) | Self::CompilerFault | Self::Link(_) => false,
        }
    }
}

impl Host {
    /// A host that compiles plugins on trial by `trial` first.
    ///
    /// # Errors
    /// When the engine does not work on this machine.
    pub fn new(trial: Trial) -> Result<Self, EngineFault> {
        let engine = engine::engine()?;
        let linker = engine::linker(&engine)?;
        Ok(Self {
            engine,
            linker,
            total: Total::default(),
            trial,
            compiling: Semaphore::new(1),
        })
    }

    /// Makes a plugin of `delivery`: it is inspected, compiled on trial, compiled, checked against the interface, and
    /// asked who it is. `name` is that of its file, for texts and the log.
    ///
    /// # Errors
    /// When any of that fails. A plugin that was loaded before goes on as it is.
    pub async fn load(
        &self,
        name: &str,
        delivery: &Delivery,
        limits: &Limits,
    ) -> Result<Plugin, LoadFailure> {
        self.load_from(name, delivery, limits, Origin::File).await
    }

    /// Makes a plugin of `delivery`, which is a part of this program: as [`load`](Self::load), without the trial. A trial
    /// protects from a stranger's file; the bytes in the program itself are no stranger's, were compiled when it was
    /// tested, and a machine that is too slow for a trial must not end the program.
    ///
    /// # Errors
    /// When it can't be compiled, or describe itself, at the moment.
    pub async fn load_bundled(
        &self,
        name: &str,
        delivery: &Delivery,
        limits: &Limits,
    ) -> Result<Plugin, LoadFailure> {
        self.load_from(name, delivery, limits, Origin::Program).await
    }

    async fn load_from(
        &self,
        name: &str,
        delivery: &Delivery,
        limits: &Limits,
        origin: Origin,
    ) -> Result<Plugin, LoadFailure> {
        let name: Arc<str> = name.into();
        let digest = delivery.digest();
        self.make(&name, delivery, limits, origin)
            .await
            .map_err(|cause| LoadFailure { name, digest, cause })
    }

    /// Makes a plugin of `module`, which comes with this crate and is no stranger's: it is compiled as it is.
    pub(crate) async fn own_module(&self, name: &str, module: &'static [u8]) -> Result<Plugin, LoadError> {
        let delivery = Delivery::read(module)?;
        let engine = self.engine.clone();
        let compiled = on_a_large_stack(move || Component::new(&engine, module)).await?;
        let component = compiled.map_err(|error| LoadError::Compile(error.into()))?;
        let inspected = Inspected {
            component: Vec::new(),
            imports: BTreeSet::new(),
            worlds: [World::MetricAnalysis].into(),
        };
        self.link(&name.into(), &delivery, &Limits::default(), inspected, &component)
            .await
    }

    async fn make(
        &self,
        name: &Arc<str>,
        delivery: &Delivery,
        limits: &Limits,
        origin: Origin,
    ) -> Result<Plugin, LoadError> {
        let memory_bytes = limits.amount(Limit::MemoryBytes);
        let (inspected, component) = self.compile(delivery, memory_bytes, origin).await?;
        self.link(name, delivery, limits, inspected, &component).await
    }

    /// Checks what a component imports and exports, and asks it who it is.
    async fn link(
        &self,
        name: &Arc<str>,
        delivery: &Delivery,
        limits: &Limits,
        inspected: Inspected,
        component: &Component,
    ) -> Result<Plugin, LoadError> {
        let linked = self.linker.instantiate_pre(component).map_err(link)?;
        let code = Code::new(name.clone(), self.total.clone(), linked, &inspected.worlds).map_err(link)?;
        let description = code.describe(limits).await.map_err(LoadError::Describe)?;
        let identity = Identity {
            name: name.clone(),
            version: description.version.clone(),
            digest: delivery.digest(),
        };
        Ok(Plugin {
            identity,
            description,
            imports: inspected.imports,
            code,
        })
    }

    /// Compiles, one plugin at a time: the compiler takes a core and a hundred times a plugin's size of memory.
    async fn compile(
        &self,
        delivery: &Delivery,
        memory_bytes: u64,
        origin: Origin,
    ) -> Result<(Inspected, Component), LoadError> {
        // The semaphore is never closed; without a permit there would only be two compilers at once.
        let _permit = self.compiling.acquire().await.ok();
        inspect::before_trial(delivery, memory_bytes)?;
        if origin == Origin::File {
            self.trial.compile(delivery.bytes()).await?;
        }
        let (engine, delivery) = (self.engine.clone(), delivery.clone());
        on_a_large_stack(move || {
            let inspected = inspect::inspect(&delivery, memory_bytes)?;
            let component = Component::new(&engine, &inspected.component);
            Ok((
                inspected,
                component.map_err(|error| LoadError::Compile(error.into()))?,
            ))
        })
        .await?
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("trial", &self.trial)
            .finish_non_exhaustive()
    }
}

fn link(error: wasmtime::Error) -> LoadError {
    LoadError::Link(error.into())
}

/// Runs `work` on a thread with twice the stack of the trial: what the trial has survived, this process survives.
///
/// # Errors
/// When it panics, or there is no thread to be had.
async fn on_a_large_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    let (sender, receiver) = oneshot::channel();
    let stack = limits::TRIAL_STACK_BYTES.saturating_mul(2);
    let run = move || {
        // Nobody waits any more when the load was given up.
        let _unheard = sender.send(work());
    };
    thread::Builder::new()
        .name("plugin-compiler".to_owned())
        .stack_size(stack)
        .spawn(run)
        .map_err(LoadError::NoThread)?;
    receiver.await.map_err(|_panicked| LoadError::CompilerFault)
}
