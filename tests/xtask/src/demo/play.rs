//! The play itself, where the gateway can be reached: install, deploy, release, abort, measure, clean up.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kulta_core::status::Phase;
use kulta_e2e::{
    App, Installation, Measurement, NamespaceName, Rollout, Stage, StageSettings, Traffic, Version,
};
use kulta_test_cluster::progress::Progress;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::measured::Measured;
use super::scene::Scene;
use super::script::{
    self, APP, NAMESPACE, REPLICAS, SCALE_DOWN_DELAY_SECONDS, V1_SERVES, V2_SERVES, V2_TAKES_OVER,
    V3_IS_ABORTED, V3_IS_TRIED, WEIGHTS, WEIGHTS_BEFORE_ABORT,
};
use super::view::View;

/// The exit code of a demo that was played to its end and in which something failed.
pub(crate) const NOT_GOOD: u8 = 2;

/// How it is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Requests per second.
    pub(crate) rate: u32,
    /// Requests in all, at least.
    pub(crate) requests: u64,
    /// Whether to leave everything as it is at the end.
    pub(crate) keep: bool,
}

/// Plays, cleans up, and tells what was measured.
pub(crate) fn run(settings: Arc<StageSettings>, options: Options) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let measured = runtime.block_on(async {
        let set_up = unless_interrupted(SetUp::begin(settings)).await?;
        let acts = async {
            set_up.install().await?;
            perform(&set_up.stage, options).await
        };
        let measured = Box::pin(unless_interrupted(acts)).await;
        if !options.keep {
            set_up.clean_up().await?;
        }
        measured
    })?;
    measured.tell();
    Ok(if measured.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_GOOD)
    })
}

async fn unless_interrupted<T>(acts: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = interrupted() => bail!("interrupted"),
        done = acts => done,
    }
}

/// Ctrl-C or SIGTERM; never where they cannot be caught.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What the demo puts into the cluster, to be taken out whether it got there or not.
struct SetUp {
    stage: Stage,
    /// None on a cluster of the user's own where KULTA is installed: then the demo plays with it as it is.
    installation: Option<Installation>,
    was_present: bool,
}

impl SetUp {
    async fn begin(settings: Arc<StageSettings>) -> Result<Self> {
        let progress = Progress::new();
        progress.begin("making the namespace");
        let stage = Stage::open(Arc::clone(&settings), NamespaceName::Fixed(NAMESPACE)).await?;
        let was_present = Installation::is_present(stage.client()).await?;
        // On the local cluster the controller is always the one just built.
        let as_it_is = was_present && settings.cluster.is_none();
        let installation = if as_it_is {
            None
        } else {
            Some(Installation::new(&settings)?)
        };
        Ok(Self {
            stage,
            installation,
            was_present,
        })
    }

    async fn install(&self) -> Result<()> {
        let progress = Progress::new();
        let Some(installation) = &self.installation else {
            progress.note("KULTA is installed already: the demo plays with it as it is");
            return Ok(());
        };
        progress.begin("installing KULTA");
        installation.apply(self.stage.client()).await
    }

    async fn clean_up(&self) -> Result<()> {
        let progress = Progress::new();
        progress.begin("cleaning up");
        self.stage.close_and_wait().await?;
        if let Some(installation) = &self.installation
            && !self.was_present
        {
            installation.remove().await?;
        }
        Ok(())
    }
}

/// The acts.
async fn perform(stage: &Stage, options: Options) -> Result<Measured> {
    let answers = super::answers_of_step(options.requests);
    let rollout = deploy(stage, answers, options.rate).await?;
    let traffic = Arc::new(Traffic::start(stage, rollout.host(), options.rate).await?);
    let scene = Arc::new(Scene::watch(&rollout, V1_SERVES));
    // Dropped with everything else where the play is interrupted: it takes its moving lines away.
    let mut view = JoinSet::new();
    view.spawn(View::new().run(Arc::clone(&scene), Arc::clone(&traffic)));
    let acts = Acts {
        stage,
        rollout,
        traffic,
        scene,
        answers,
        steps: Vec::new(),
    };
    let played = acts.play(options.requests).await;
    view.shutdown().await;
    let (steps, traffic) = played?;
    let traffic = Arc::into_inner(traffic).context("the load is still looked at")?;
    Ok(Measured {
        steps,
        report: traffic.stop().await,
    })
}

async fn deploy(stage: &Stage, answers: u64, rate: u32) -> Result<Rollout> {
    let progress = Progress::new();
    progress.begin("deploying v1 behind the gateway");
    let app = App::new(APP, Version::v1(&stage.settings().app))
        .replicas(REPLICAS)
        .steps(script::steps(answers, rate))
        .canary_field("scaleDownDelaySeconds", SCALE_DOWN_DELAY_SECONDS)
        .canary_field("abortScaleDownDelaySeconds", SCALE_DOWN_DELAY_SECONDS);
    let rollout = app.deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    Ok(rollout)
}

struct Acts<'stage> {
    stage: &'stage Stage,
    rollout: Rollout,
    traffic: Arc<Traffic>,
    scene: Arc<Scene>,
    answers: u64,
    steps: Vec<(String, Measurement)>,
}

impl Acts<'_> {
    async fn play(mut self, requests: u64) -> Result<(Vec<(String, Measurement)>, Arc<Traffic>)> {
        let images = self.stage.settings().app.clone();
        self.traffic.sent(self.answers).await?;

        self.scene.begin(V2_TAKES_OVER);
        self.rollout.release(&Version::v2(&images)).await?;
        self.measure("v2", &WEIGHTS).await?;
        let promoted = |status: &kulta_api::status::RolloutStatus| status.phase == Phase::Healthy;
        self.rollout.until("to be promoted", promoted).await?;

        self.scene.begin(V3_IS_TRIED);
        self.rollout
            .release(&Version::v3(&images).with("SAMPLE_LATENCY", script::BAD_LATENCY))
            .await?;
        self.measure("v3", &WEIGHTS_BEFORE_ABORT).await?;
        self.scene.begin(V3_IS_ABORTED);
        self.rollout.abort().await?;
        let measured = self.traffic.measure(&self.rollout, "v3", 0, self.answers).await?;
        self.steps.push((String::from("v3 aborted"), measured));
        let gone = |status: &kulta_api::status::RolloutStatus| status.updated_replicas == 0;
        self.rollout.until("to have let v3 go", gone).await?;

        self.scene.begin(V2_SERVES);
        self.traffic.sent(requests).await?;
        Ok((self.steps, self.traffic))
    }

    async fn measure(&mut self, version: &str, weights: &[u8]) -> Result<()> {
        for weight in weights {
            let measured = self
                .traffic
                .measure(&self.rollout, version, *weight, self.answers)
                .await?;
            self.steps.push((format!("{version} at {weight} %"), measured));
        }
        Ok(())
    }
}
