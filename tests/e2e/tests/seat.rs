//! Which controller works: one that is installed as users install it, or a process, which can be killed and looked into.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kulta_e2e::{Controller, Installed, StageSettings};

/// Who works. There is never more than one of them in the cluster.
pub(crate) enum Seat {
    /// The release of the chart.
    Installed(Installed),
    /// The process.
    Process(Controller),
    /// Nobody, while one gives way to the other.
    Empty,
}

impl Seat {
    /// With KULTA as a release of its chart.
    pub(crate) async fn with_installed(settings: &StageSettings) -> Result<Self> {
        let installed = Installed::of(settings).await?;
        installed.apply().await?;
        Ok(Self::Installed(installed))
    }

    /// With the process.
    pub(crate) async fn with_process(settings: &StageSettings) -> Result<Self> {
        let controller = Controller::process(settings).await?;
        // The rights of the one before went before it could give its leases back.
        controller.until_it_works().await?;
        Ok(Self::Process(controller))
    }

    /// Whether it is the process.
    pub(crate) const fn is_process(&self) -> bool {
        matches!(self, Self::Process(_))
    }

    /// The process: another one gives way to it.
    pub(crate) async fn process(&mut self, settings: &StageSettings) -> Result<&mut Controller> {
        if !self.is_process() {
            self.empty().await?;
            *self = Self::with_process(settings).await?;
        }
        match self {
            Self::Process(controller) => Ok(controller),
            Self::Installed(_) | Self::Empty => bail!("there is no process"),
        }
    }

    /// The release: a process gives way to it.
    pub(crate) async fn installed(&mut self, settings: &StageSettings) -> Result<&Installed> {
        if !matches!(self, Self::Installed(_)) {
            self.empty().await?;
            *self = Self::with_installed(settings).await?;
        }
        match self {
            Self::Installed(installed) => Ok(installed),
            Self::Process(_) | Self::Empty => bail!("nothing is installed"),
        }
    }

    /// Brings the release back to what it was at first, whatever was done to it.
    pub(crate) async fn install_again(&self) -> Result<()> {
        match self {
            Self::Installed(installed) => installed.apply().await,
            Self::Process(_) | Self::Empty => Ok(()),
        }
    }

    /// Ends whoever works; the rights of the process are there then, to be judged.
    pub(crate) async fn stop(&mut self, settings: &StageSettings) -> Result<()> {
        self.process(settings).await?;
        self.empty().await
    }

    /// Refuses one that has panicked since so long ago, were it only in one reconcile, or was started anew.
    pub(crate) async fn check(&self, settings: &StageSettings, last: Duration) -> Result<()> {
        match self {
            Self::Installed(installed) => installed.check(last).await,
            Self::Process(_) | Self::Empty => Controller::check_log_in(settings),
        }
    }

    /// The process is started where a scenario has left it ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self {
            Self::Process(controller) => controller.ensure_running(),
            Self::Installed(_) | Self::Empty => Ok(()),
        }
    }

    /// What it has told last.
    pub(crate) async fn last_words(&self, settings: &StageSettings) -> String {
        match self {
            Self::Installed(installed) => installed.last_words().await,
            Self::Process(_) | Self::Empty => Controller::last_words_in(settings),
        }
    }

    async fn empty(&mut self) -> Result<()> {
        match std::mem::replace(self, Self::Empty) {
            Self::Installed(installed) => installed.remove().await.context("uninstalling KULTA"),
            Self::Process(mut controller) => controller.stop().await,
            Self::Empty => Ok(()),
        }
    }
}
