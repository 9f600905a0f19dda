//! The play itself, where the gateway can be reached: install, deploy, release, abort, measure, clean up.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::future::select_all;
use kulta_api::status::RolloutStatus;
use kulta_core::status::Phase;
use kulta_e2e::app::{ERROR_RATE_VARIABLE, LATENCY_VARIABLE};
use kulta_e2e::{
    App, Installation, Measurement, NamespaceName, Presence, Rollout, Stage, StageSettings, Traffic, Version,
    Visit,
};
use kulta_test_cluster::progress::{Progress, complain};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::gated;
use super::listeners::Listeners;
use super::measured::{self, Measured};
use super::scene::Scene;
use super::script::{
    self, APP, BAD_VERSION, NAMESPACE, REPLICAS, SCALE_DOWN_DELAY_SECONDS, V1_SERVES, V2_SERVES,
    V2_TAKES_OVER, V3_IS_ABORTED, V3_IS_TAKEN_BACK, V3_IS_TRIED, WEIGHTS, WEIGHTS_BEFORE_ABORT,
};
use super::view::View;
use crate::interrupt::ends_with_its_terminal;

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
    let (measured, cleaned) = runtime.block_on(async {
        let set_up = unless_interrupted(SetUp::begin(settings)).await?;
        let acts = async {
            set_up.install().await?;
            let mut measured = perform(&set_up, options).await?;
            // On a cluster of the user's own, KULTA may have no such plugin.
            if set_up.installation.is_some() {
                measured.held_by_gate = Some(gated::play(&set_up.stage).await?);
            }
            anyhow::Ok(measured)
        };
        let measured = Box::pin(unless_interrupted(acts)).await;
        let cleaned = if options.keep {
            Ok(())
        } else {
            set_up.clean_up().await.context("cleaning up")
        };
        anyhow::Ok((measured, cleaned))
    })?;
    if let (Err(_), Err(left)) = (&measured, &cleaned) {
        // Why the play failed says more than why what it left cannot be removed: that is the error of the whole.
        complain(&format!("error: {left:#}"));
    }
    let measured = measured?;
    measured.tell();
    cleaned?;
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

/// Ctrl-C, SIGTERM, or a terminal that goes away; never where they cannot be caught.
async fn interrupted() {
    let hangup = ends_with_its_terminal().then(SignalKind::hangup);
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let signals = kinds.into_iter().chain(hangup).map(signal);
    let Ok(mut signals) = signals.collect::<Result<Vec<_>, _>>() else {
        return std::future::pending().await;
    };
    let received = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    select_all(received).await;
}

/// What the demo puts into the cluster, to be taken out whether it got there or not.
struct SetUp {
    stage: Stage,
    /// None on a cluster of the user's own where KULTA is installed: then the demo plays with it as it is.
    installation: Option<Installation>,
    /// Whom the controller tells what happens; none on a cluster of the user's own, whose pods can't reach this process.
    listeners: Option<Listeners>,
    visit: Visit,
}

impl SetUp {
    /// Refuses what it cannot play on before anything is made.
    async fn begin(settings: Arc<StageSettings>) -> Result<Self> {
        let progress = Progress::new();
        progress.begin("looking for KULTA in the cluster");
        let found = Presence::find(&settings).await?;
        let visit = if settings.cluster.is_some() {
            found.visit_locally()
        } else {
            found.visit()?
        };
        let listeners = Listeners::start(&settings).await?;
        let installation = match visit {
            Visit::AsItIs => None,
            Visit::InstallAndRemove | Visit::InstallAndLeave => {
                Some(installation(&settings, listeners.as_ref())?)
            }
        };
        progress.begin("making the namespace");
        let stage = Stage::open(settings, NamespaceName::Fixed(NAMESPACE)).await?;
        Ok(Self {
            stage,
            installation,
            listeners,
            visit,
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
        let closed = self.stage.close_and_wait().await;
        // A namespace that does not go is no reason to leave KULTA, too.
        let removed = match (&self.installation, self.visit) {
            (Some(installation), Visit::InstallAndRemove) => installation.remove().await,
            _ => Ok(()),
        };
        closed.and(removed)
    }
}

fn installation(settings: &StageSettings, listeners: Option<&Listeners>) -> Result<Installation> {
    let file = settings.manifests.join(gated::FILE);
    let installation = Installation::new(settings)?.with_plugin(gated::PLUGIN, &file)?;
    match listeners {
        Some(listeners) => listeners.installed(installation),
        None => Ok(installation),
    }
}

/// The acts.
async fn perform(set_up: &SetUp, options: Options) -> Result<Measured> {
    let stage = &set_up.stage;
    let answers = super::answers_of_step(options.requests);
    let rollout = deploy(stage, answers, options.rate).await?;
    let traffic = Arc::new(Traffic::start(stage, rollout.host(), options.rate).await?);
    let scene = Arc::new(Scene::watch(&rollout, V1_SERVES));
    // Dropped with everything else where the play is interrupted: it takes its moving lines away.
    let mut view = JoinSet::new();
    view.spawn(View::new().run(Arc::clone(&scene), Arc::clone(&traffic)));
    let acts = Acts {
        stage,
        rollout: rollout.clone(),
        traffic,
        scene: Arc::clone(&scene),
        answers,
        steps: Vec::new(),
    };
    let played = acts.play(options.requests).await;
    view.shutdown().await;
    let (steps, taken_back, traffic) = played?;
    let traffic = Arc::into_inner(traffic).context("the load is still looked at")?;
    let story = match &set_up.listeners {
        Some(listeners) => Some(listeners.story(&rollout, &scene.acts()).await?),
        None => None,
    };
    Ok(Measured {
        steps,
        taken_back,
        met_users_for: measured::met_users_for(&rollout.status().await?.history),
        story,
        held_by_gate: None,
        report: traffic.stop().await,
    })
}

async fn deploy(stage: &Stage, answers: u64, rate: u32) -> Result<Rollout> {
    let progress = Progress::new();
    progress.begin("deploying v1 behind the gateway");
    let mut app = App::new(APP, Version::v1(&stage.settings().app))
        .replicas(REPLICAS)
        .steps(script::steps(answers, rate))
        .canary_field("scaleDownDelaySeconds", SCALE_DOWN_DELAY_SECONDS)
        .canary_field("abortScaleDownDelaySeconds", SCALE_DOWN_DELAY_SECONDS);
    if stage.settings().prometheus.is_some() {
        app = app.canary_field("analysis", script::analysis());
    }
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
    async fn play(mut self, requests: u64) -> Result<(Vec<(String, Measurement)>, String, Arc<Traffic>)> {
        let images = self.stage.settings().app.clone();
        self.traffic.sent(self.answers).await?;

        self.scene.begin(V2_TAKES_OVER);
        self.rollout.release(&Version::v2(&images)).await?;
        self.measure("v2", &WEIGHTS).await?;
        self.rollout.until_promoted().await?;

        self.scene.begin(V3_IS_TRIED);
        let bad = Version::v3(&images)
            .with(LATENCY_VARIABLE, script::BAD_LATENCY)
            .with(ERROR_RATE_VARIABLE, script::BAD_ERROR_RATE);
        self.rollout.release(&bad).await?;
        self.measure(BAD_VERSION, &WEIGHTS_BEFORE_ABORT).await?;
        let taken_back = self.take_back().await?;
        let measured = self
            .traffic
            .measure(&self.rollout, BAD_VERSION, 0, self.answers)
            .await?;
        self.steps.push((String::from("v3 taken back"), measured));
        let gone = |status: &RolloutStatus| status.updated_replicas == 0;
        self.rollout.until("to have let v3 go", gone).await?;

        self.scene.begin(V2_SERVES);
        self.traffic.sent(requests).await?;
        Ok((self.steps, taken_back, self.traffic))
    }

    /// v3 goes: by what it is measured to be, or by hand where nothing measures it. Answers why.
    async fn take_back(&self) -> Result<String> {
        if self.stage.settings().prometheus.is_some() {
            self.scene.begin(V3_IS_TAKEN_BACK);
        } else {
            self.scene.begin(V3_IS_ABORTED);
            self.rollout.abort().await?;
        }
        Ok(self.rollout.until_aborted().await?.message)
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
