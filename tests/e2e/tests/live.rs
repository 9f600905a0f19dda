//! An application that serves traffic while things go wrong: where scenarios about faults begin and how they end.

use std::convert::Infallible;

use anyhow::{Result, bail, ensure};
use kulta_api::status::RolloutStatus;
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::rollout::{is_in_force, requested_weight};
use kulta_e2e::{App, Rollout, Stage, Traffic, Version};
use kulta_traffic::Snapshot;
use serde_json::Value;

/// Requests per second: enough to meet every moment in which a gateway could send one astray, and light enough for
/// scenarios side by side on two processors.
pub(crate) const RATE: u32 = 50;

/// How many seconds' worth of requests a version may take until it alone serves: longer than the longest back-off of a
/// gateway's watches (30 s in client-go).
const WINDOWS: u32 = 60;

/// The step on which [`half_way`] waits.
pub(crate) const HALF_WAY: u32 = 1;

/// An application under steady load, and its Rollout.
pub(crate) struct Live {
    pub(crate) app: App,
    pub(crate) rollout: Rollout,
    pub(crate) traffic: Traffic,
}

/// The first version with two pods, and without long delays before old pods go.
pub(crate) fn shop(stage: &Stage) -> App {
    App::new("shop", Version::v1(&stage.settings().app))
        .replicas(2)
        .canary_field("scaleDownDelaySeconds", 1)
        .canary_field("abortScaleDownDelaySeconds", 1)
}

/// Half of the traffic, and wait.
pub(crate) fn half_way() -> [Value; 2] {
    [step::weight(50), step::pause()]
}

/// The second version.
pub(crate) fn v2(stage: &Stage) -> Version {
    Version::v2(&stage.settings().app)
}

impl Live {
    /// The application with its first version, healthy and under load.
    pub(crate) async fn start(stage: &Stage, app: App) -> Result<Self> {
        let rollout = app.deploy(stage).await?;
        rollout
            .until("to be healthy", |status| status.phase == Phase::Healthy)
            .await?;
        let traffic = Traffic::start(stage, rollout.host(), RATE).await?;
        Ok(Self {
            app,
            rollout,
            traffic,
        })
    }

    /// The application on its way from the first to the second version, waiting [`half_way`].
    pub(crate) async fn half_way(stage: &Stage) -> Result<Self> {
        let live = Self::start(stage, shop(stage).steps(half_way())).await?;
        live.rollout.release(&v2(stage)).await?;
        live.waits_at(HALF_WAY, 50).await?;
        Ok(live)
    }

    /// Waits until the rollout pauses on `step` with the canary's weight in force.
    pub(crate) async fn waits_at(&self, step: u32, weight: u8) -> Result<RolloutStatus> {
        let what = format!("to wait on step {step} with {weight} % in force");
        self.rollout
            .until(&what, |status| waits(status, step, weight))
            .await
    }

    /// Waits until the canary is to have no traffic.
    pub(crate) async fn takes_the_traffic_back(&self) -> Result<RolloutStatus> {
        let what = "to take the traffic back";
        self.rollout
            .until(what, |status| requested_weight(status) == Some(0))
            .await
    }

    /// Waits until so many seconds' worth of requests was sent.
    pub(crate) async fn serve(&self, seconds: u32) -> Result<()> {
        self.traffic
            .sent(self.traffic.snapshot().sent + u64::from(RATE * seconds))
            .await
            .map(drop)
    }

    /// Waits until the rollout is healthy and `version` alone answers, and refuses any failed request since the start.
    pub(crate) async fn ends_on(self, version: &str) -> Result<()> {
        self.settles_on(version).await?;
        self.traffic.stop_without_failure().await.map(drop)
    }

    /// Ends the load and refuses requests that failed after `healed`.
    pub(crate) async fn stops_without_failure_since(self, healed: &Snapshot) -> Result<()> {
        let report = self.traffic.stop().await;
        let failed = report.total.since(healed).failed_total();
        ensure!(
            failed == 0,
            "{failed} requests failed after the traffic was safe:\n{report}"
        );
        Ok(())
    }

    /// Waits until the rollout is healthy and `version` alone answers.
    pub(crate) async fn settles_on(&self, version: &str) -> Result<()> {
        self.rollout
            .until("to be healthy", |status| status.phase == Phase::Healthy)
            .await?;
        self.is_served_by(version).await
    }

    /// Waits until for a second's worth of requests no request fails and no other version answers.
    ///
    /// The gateway says that it has accepted a weight before its data plane works by it, and hears of Services by
    /// watches of their own: after an outage of the API server each of them comes back in its own time.
    pub(crate) async fn is_served_by(&self, version: &str) -> Result<()> {
        let mut window = self.second().await?;
        for _ in 1..WINDOWS {
            if answers_alone(version, &window) {
                return Ok(());
            }
            window = self.second().await?;
        }
        bail!("not served by {version} alone, and well: {window:?}")
    }

    /// What came of the next second's worth of requests.
    async fn second(&self) -> Result<Snapshot> {
        let begun = self.traffic.snapshot();
        self.serve(1).await?;
        Ok(self.traffic.snapshot().since(&begun))
    }
}

fn answers_alone(version: &str, window: &Snapshot) -> bool {
    let answers = window.answers();
    answers > 0 && window.failed_total() == 0 && answers == window.answers_of(version)
}

/// Whether the rollout pauses on `step` with the canary's weight in force.
pub(crate) fn waits(status: &RolloutStatus, step: u32, weight: u8) -> bool {
    status.phase == Phase::Paused && status.current_step_index == Some(step) && is_in_force(status, weight)
}

/// Plays while somebody interferes without end.
pub(crate) async fn meanwhile<T>(
    interference: impl Future<Output = Result<Infallible>>,
    play: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        ended = interference => match ended? {},
        played = play => played,
    }
}
