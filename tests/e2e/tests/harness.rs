//! Plays scenarios as tests: each in a namespace of its own, with one controller for all of them.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use kulta_e2e::{NamespaceName, Stage, StageSettings, describe, rights};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::seat::Seat;

/// Namespaces of scenarios begin with it.
const NAMESPACE_PREFIX: &str = "e2e";

type Play = Box<dyn FnOnce(&House) -> Result<()> + Send>;

/// A scenario by its name.
pub(crate) struct Scenario {
    name: String,
    run: Play,
}

/// What scenarios share.
pub(crate) struct House {
    runtime: Runtime,
    settings: Arc<StageSettings>,
    /// Read by scenarios that leave the controller alone, written by those that do something to it: they play alone.
    seat: RwLock<Seat>,
    /// How long the audit log was before the controller did anything.
    audit_begins: u64,
}

/// A scenario that leaves the controller and the cluster's own parts alone; such scenarios play side by side.
#[macro_export]
macro_rules! scenario {
    ($path:path) => {
        $crate::harness::shared(stringify!($path), $path)
    };
}

/// The same, where the controller must be a process whose files and port can be reached.
#[macro_export]
macro_rules! scenario_beside_the_process {
    ($path:path) => {
        $crate::harness::beside_the_process(stringify!($path), $path)
    };
}

/// A scenario that stops the controller's process or parts of the cluster: it plays alone.
#[macro_export]
macro_rules! scenario_alone {
    ($path:path) => {
        $crate::harness::alone(stringify!($path), $path)
    };
}

/// A scenario that changes how KULTA is installed: it plays alone.
#[macro_export]
macro_rules! scenario_of_the_installed {
    ($path:path) => {
        $crate::harness::of_the_installed(stringify!($path), $path)
    };
}

pub(crate) fn shared<F>(name: impl Into<String>, run: F) -> Scenario
where
    F: AsyncFn(&Stage) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let seat = house.seat.read().await;
            house.beside(&seat, run).await
        })
    };
    scenario(name, Box::new(run))
}

pub(crate) fn beside_the_process<F>(name: &str, run: F) -> Scenario
where
    F: AsyncFn(&Stage) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let seat = house.process_seat().await?;
            house.beside(&seat, run).await
        })
    };
    scenario(name, Box::new(run))
}

pub(crate) fn alone<F>(name: &str, run: F) -> Scenario
where
    F: AsyncFn(&Stage, &mut kulta_e2e::Controller) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let mut seat = house.seat.write().await;
            let begun = Instant::now();
            let controller = seat.process(&house.settings).await?;
            let stage = house.stage().await?;
            let done = run(&stage, controller).await;
            let left = house.leave(&seat, &stage, begun, done).await;
            // The next scenario needs it, however this one has ended.
            left.and(seat.ensure_running())
        })
    };
    scenario(name, Box::new(run))
}

pub(crate) fn of_the_installed<F>(name: &str, run: F) -> Scenario
where
    F: AsyncFn(&Stage, &kulta_e2e::Installed) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let mut seat = house.seat.write().await;
            let begun = Instant::now();
            let installed = seat.installed(&house.settings).await?;
            let stage = house.stage().await?;
            let done = run(&stage, installed).await;
            let left = house.leave(&seat, &stage, begun, done).await;
            // As the next scenario expects it.
            left.and(seat.install_again().await)
        })
    };
    scenario(name, Box::new(run))
}

fn scenario(name: impl Into<String>, run: Play) -> Scenario {
    Scenario {
        name: name.into(),
        run,
    }
}

/// Only names the scenarios.
pub(crate) fn list(arguments: &Arguments, scenarios: Vec<Scenario>) -> ExitCode {
    let trials = scenarios
        .into_iter()
        .map(|scenario| Trial::test(scenario.name, || Ok(())));
    libtest_mimic::run(arguments, trials.collect()).exit_code()
}

/// Whether all scenarios are to be played, and not only some that somebody works on.
fn is_whole(arguments: &Arguments) -> bool {
    arguments.filter.is_none() && arguments.skip.is_empty()
}

impl House {
    /// Removes what an interrupted run has left, and starts the controller: installed as users install it where all is played,
    /// and otherwise as a process, which is there sooner.
    pub(crate) fn open(settings: StageSettings, arguments: &Arguments) -> Result<Self> {
        let runtime = Runtime::new()?;
        let audit_begins =
            std::fs::metadata(settings.local_cluster()?.audit_log()).map_or(0, |log| log.len());
        let seat = runtime.block_on(async {
            Stage::remove_leftovers(&settings, NAMESPACE_PREFIX).await?;
            if is_whole(arguments) {
                Seat::with_installed(&settings).await
            } else {
                Seat::with_process(&settings).await
            }
        });
        let seat = RwLock::new(seat.context("starting the controller")?);
        Ok(Self {
            runtime,
            settings: Arc::new(settings),
            seat,
            audit_begins,
        })
    }

    /// Plays the scenarios that the arguments choose, and ends the controller.
    pub(crate) fn play(self, arguments: &Arguments, scenarios: Vec<Scenario>) -> ExitCode {
        let house = Arc::new(self);
        let trials = scenarios.into_iter().map(|Scenario { name, run }| {
            let house = Arc::clone(&house);
            Trial::test(name, move || {
                run(&house).map_err(|error| Failed::from(format!("{error:#}")))
            })
        });
        let played = libtest_mimic::run(arguments, trials.collect());
        let judges_rights = is_whole(arguments) && !played.has_failed();
        let code = played.exit_code();
        let stopped = house.runtime.block_on(async {
            house.seat.write().await.stop(&house.settings).await?;
            if judges_rights {
                house.check_rights().await?;
            }
            anyhow::Ok(())
        });
        match stopped {
            Ok(()) => code,
            Err(error) => {
                kulta_test_cluster::progress::complain(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }

    /// What the controller may do, and no scenario has made it do, is one right too many.
    async fn check_rights(&self) -> Result<()> {
        let stage = self.stage().await?;
        let checked = rights::check(
            stage.client(),
            &self.settings.local_cluster()?.audit_log(),
            self.audit_begins,
        )
        .await;
        stage.close().await?;
        checked
    }

    async fn stage(&self) -> Result<Stage> {
        Stage::open(Arc::clone(&self.settings), NamespaceName::Fresh(NAMESPACE_PREFIX)).await
    }

    /// The seat with a process in it. Who comes first waits for the others, and makes it one.
    async fn process_seat(&self) -> Result<RwLockReadGuard<'_, Seat>> {
        loop {
            let seat = self.seat.read().await;
            if seat.is_process() {
                return Ok(seat);
            }
            drop(seat);
            self.seat.write().await.process(&self.settings).await?;
        }
    }

    /// Plays beside others.
    async fn beside<F>(&self, seat: &Seat, run: F) -> Result<()>
    where
        F: AsyncFn(&Stage) -> Result<()>,
    {
        let begun = Instant::now();
        let stage = self.stage().await?;
        let done = run(&stage).await;
        self.leave(seat, &stage, begun, done).await
    }

    async fn leave(&self, seat: &Seat, stage: &Stage, begun: Instant, done: Result<()>) -> Result<()> {
        // One that survives its panics is not well either.
        let done = match done {
            Ok(()) => seat.check(&self.settings, begun.elapsed()).await,
            Err(error) => Err(error),
        };
        let done = match done {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!(
                "in the namespace {}\n{}-- controller\n{}\n-- failure",
                stage.namespace(),
                describe::namespace(stage).await,
                seat.last_words(&self.settings).await
            ))),
        };
        // Why a scenario failed says more than why its namespace cannot be removed.
        let closed = stage.close().await;
        done.and(closed)
    }
}
