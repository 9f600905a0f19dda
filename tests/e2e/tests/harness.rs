//! Plays scenarios as tests: each in a namespace of its own, with one controller for all of them.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use kulta_e2e::{Controller, NamespaceName, Stage, StageSettings, describe, rights};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::RwLock;

/// Namespaces of scenarios begin with it.
const NAMESPACE_PREFIX: &str = "e2e";

type Play = Box<dyn FnOnce(&House) -> Result<()> + Send>;

/// A scenario by its name.
pub(crate) struct Scenario {
    name: &'static str,
    run: Play,
}

/// What scenarios share.
pub(crate) struct House {
    runtime: Runtime,
    settings: Arc<StageSettings>,
    /// Read by scenarios that leave it alone, written by those that kill it: they play alone.
    controller: RwLock<Controller>,
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

/// A scenario that stops the controller or parts of the cluster: it plays alone.
#[macro_export]
macro_rules! scenario_alone {
    ($path:path) => {
        $crate::harness::alone(stringify!($path), $path)
    };
}

pub(crate) fn shared<F>(name: &'static str, run: F) -> Scenario
where
    F: AsyncFn(&Stage) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let _turn = house.controller.read().await;
            let stage = house.stage().await?;
            let done = run(&stage).await;
            house.leave(&stage, done).await
        })
    };
    Scenario {
        name,
        run: Box::new(run),
    }
}

pub(crate) fn alone<F>(name: &'static str, run: F) -> Scenario
where
    F: AsyncFn(&Stage, &mut Controller) -> Result<()> + Send + 'static,
{
    let run = move |house: &House| {
        house.runtime.block_on(async {
            let mut controller = house.controller.write().await;
            let stage = house.stage().await?;
            let done = run(&stage, &mut controller).await;
            let left = house.leave(&stage, done).await;
            // The next scenario needs it, however this one has ended.
            left.and(controller.ensure_running())
        })
    };
    Scenario {
        name,
        run: Box::new(run),
    }
}

/// Only names the scenarios.
pub(crate) fn list(arguments: &Arguments, scenarios: Vec<Scenario>) -> ExitCode {
    let trials = scenarios
        .into_iter()
        .map(|scenario| Trial::test(scenario.name, || Ok(())));
    libtest_mimic::run(arguments, trials.collect()).exit_code()
}

impl House {
    /// Removes what an interrupted run has left, and starts the controller.
    pub(crate) fn open(settings: StageSettings) -> Result<Self> {
        let runtime = Runtime::new()?;
        let audit_begins =
            std::fs::metadata(settings.local_cluster()?.audit_log()).map_or(0, |log| log.len());
        let controller = runtime.block_on(async {
            Stage::remove_leftovers(&settings, NAMESPACE_PREFIX).await?;
            Controller::process(&settings).await
        });
        let controller = RwLock::new(controller.context("starting the controller")?);
        Ok(Self {
            runtime,
            settings: Arc::new(settings),
            controller,
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
        let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !played.has_failed();
        let code = played.exit_code();
        let stopped = house.runtime.block_on(async {
            house.controller.write().await.stop().await?;
            if is_whole {
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

    async fn leave(&self, stage: &Stage, done: Result<()>) -> Result<()> {
        // One that survives its panics is not well either.
        let done = match done.and_then(|()| Controller::check_log_in(&self.settings)) {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!(
                "in the namespace {}\n{}-- controller\n{}\n-- failure",
                stage.namespace(),
                describe::namespace(stage).await,
                Controller::last_words_in(&self.settings)
            ))),
        };
        // Why a scenario failed says more than why its namespace cannot be removed.
        let closed = stage.close().await;
        done.and(closed)
    }
}
