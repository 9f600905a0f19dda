//! Can a rollout be driven with `kubectl kulta` alone, and do its exit codes tell what has become of it?

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::{App, NAMESPACE, Rollout, Stage, limits};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::shop;

/// The exit codes of `status`, as its help tells them.
const DONE: i32 = 0;
const FAILED: i32 = 1;
const DEGRADED: i32 = 3;
const PAUSED: i32 = 5;

/// Steps with two pauses: one must not be taken for the other.
fn app(stage: &Stage) -> App {
    let steps = [step::weight(50), step::pause(), step::weight(80), step::pause()];
    shop::small(stage).replicas(2).steps(steps)
}

/// The plugin, for somebody who works in the stage's namespace.
pub(crate) struct Plugin<'s> {
    stage: &'s Stage,
    program: std::path::PathBuf,
}

impl<'s> Plugin<'s> {
    pub(crate) fn of(stage: &'s Stage) -> Result<Self> {
        let program = stage.settings().kubectl_plugin.clone();
        let program = program.context("there is no plugin for kubectl")?;
        Ok(Self { stage, program })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--namespace", self.stage.namespace(), "--kubeconfig"]);
        command.arg(&self.stage.settings().kubeconfig).args(arguments);
        command.kill_on_drop(true);
        command
    }

    /// Runs a verb that must end with `code`, and returns what it has printed, and complained of.
    pub(crate) async fn ends(&self, code: i32, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().await.context("kubectl-kulta")?;
        let said = said(&output);
        let ended = output.status.code();
        ensure!(ended == Some(code), "{arguments:?} ended with {ended:?}:\n{said}");
        Ok(said)
    }

    pub(crate) async fn does(&self, arguments: &[&str]) -> Result<String> {
        self.ends(DONE, arguments).await
    }

    /// Waits for an end, or a pause, with `status`.
    async fn waits(&self, code: i32, name: &str) -> Result<String> {
        let timeout = format!("{}s", limits::WITHIN.as_secs());
        let status = ["status", name, "--until-paused", "--timeout", &timeout];
        self.ends(code, &status).await
    }

    async fn sets_image(&self, name: &str, image: &str) -> Result<()> {
        let told = self.does(&["set", "image", name, &format!("*={image}")]).await?;
        ensure!(told.contains("image updated"), "{told}");
        Ok(())
    }
}

/// Runs kubectl itself.
pub(crate) async fn kubectl(stage: &Stage, arguments: &[&str], file: &Path) -> Result<Output> {
    output(stage, |kubectl| kubectl.args(arguments).arg(file)).await
}

/// Runs a program in a pod of the controller.
pub(crate) async fn in_controller(stage: &Stage, command: &[&str]) -> Result<Output> {
    let exec = [
        "exec",
        "deployment/kulta-controller",
        "--namespace",
        NAMESPACE,
        "--",
    ];
    output(stage, |kubectl| kubectl.args(exec).args(command)).await
}

async fn output(stage: &Stage, with: impl FnOnce(&mut Command) -> &mut Command) -> Result<Output> {
    let mut kubectl = Command::new("kubectl");
    with(&mut kubectl).kill_on_drop(true);
    kubectl.env("KUBECONFIG", &stage.settings().kubeconfig);
    kubectl.output().await.context("kubectl is needed")
}

/// What it has printed, and complained of.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn is_at(rollout: &Rollout, step: u32) -> Result<()> {
    let status = rollout.status().await?;
    ensure!(
        status.phase == Phase::Paused && status.current_step_index == Some(step),
        "not paused at step {step}: {status:?}"
    );
    Ok(())
}

pub(crate) async fn rollout_is_driven_with_the_plugin_alone(stage: &Stage) -> Result<()> {
    let plugin = Plugin::of(stage)?;
    let rollout = app(stage).deploy(stage).await?;
    let name = rollout.name();
    plugin.waits(DONE, name).await?;
    goes_on_pause_by_pause(&plugin, &rollout).await?;
    aborts_retries_and_undoes(&plugin, &rollout).await?;
    let told = plugin.ends(FAILED, &["status", "nobody"]).await?;
    ensure!(told.contains("not found"), "{told}");
    is_found_by_kubectl(&plugin).await
}

async fn goes_on_pause_by_pause(plugin: &Plugin<'_>, rollout: &Rollout) -> Result<()> {
    let name = rollout.name();
    plugin.sets_image(name, &plugin.stage.settings().app.v2).await?;
    plugin.waits(PAUSED, name).await?;
    is_at(rollout, 1).await?;
    let picture = plugin.does(&["get", "rollout", name]).await?;
    for part in [
        "॥ Paused",
        "1/4",
        "# revision:2",
        "canary",
        "# revision:1",
        "stable",
        "ready:1/1",
    ] {
        ensure!(picture.contains(part), "no {part} in:\n{picture}");
    }
    plugin.does(&["resume", name]).await?;
    plugin.waits(PAUSED, name).await?;
    is_at(rollout, 3).await?;
    plugin.does(&["pause", name]).await?;
    plugin.waits(PAUSED, name).await?;
    plugin.does(&["promote", name]).await?;
    plugin.waits(DONE, name).await?;
    let listed = plugin.does(&["list", "rollouts"]).await?;
    ensure!(listed.contains(name) && listed.contains("Healthy"), "{listed}");
    Ok(())
}

async fn aborts_retries_and_undoes(plugin: &Plugin<'_>, rollout: &Rollout) -> Result<()> {
    let name = rollout.name();
    let images = &plugin.stage.settings().app;
    plugin.sets_image(name, &images.v1).await?;
    plugin.waits(PAUSED, name).await?;
    plugin.does(&["abort", name]).await?;
    let told = plugin.waits(DEGRADED, name).await?;
    ensure!(told.contains("RolloutAborted"), "{told}");
    plugin.does(&["retry", "rollout", name]).await?;
    plugin.waits(PAUSED, name).await?;
    is_at(rollout, 1).await?;
    plugin.does(&["undo", name]).await?;
    plugin.waits(DONE, name).await?;
    let picture = plugin.does(&["get", "rollout", name]).await?;
    ensure!(picture.contains(&format!("{} (stable)", images.v2)), "{picture}");
    plugin.sets_image(name, &images.v1).await?;
    plugin.waits(PAUSED, name).await?;
    plugin.does(&["promote", name, "--full"]).await?;
    plugin.waits(DONE, name).await.map(drop)
}

/// kubectl runs what is in the path under the name `kubectl-kulta`.
async fn is_found_by_kubectl(plugin: &Plugin<'_>) -> Result<()> {
    let folder = plugin.program.parent().context("a program without a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [folder.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path)),
    )?;
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["kulta", "version"]).env("PATH", path);
    let output = kubectl.output().await.context("kubectl")?;
    let said = said(&output);
    ensure!(
        output.status.success() && said.contains("kulta.io/v1alpha1"),
        "{said}"
    );
    Ok(())
}

pub(crate) async fn picture_of_a_rollout_follows_its_release(stage: &Stage) -> Result<()> {
    let plugin = Plugin::of(stage)?;
    let rollout = app(stage).deploy(stage).await?;
    let name = rollout.name();
    plugin.waits(DONE, name).await?;
    let mut watching = plugin.command(&["get", "rollout", name, "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().context("kubectl-kulta")?;
    let shown = watching.stdout.take().context("no output")?;
    let mut shown = BufReader::new(shown).lines();
    let mut until_shown = async |what: &str| {
        while let Some(line) = shown.next_line().await? {
            if line.contains(what) {
                return Ok(());
            }
        }
        bail!("the watch has ended without {what}")
    };
    tokio::time::timeout(limits::WITHIN, until_shown("✔ Healthy")).await??;
    plugin.sets_image(name, &stage.settings().app.v2).await?;
    // What comes first in one picture is waited for first.
    for what in ["॥ Paused", "# revision:2"] {
        let shown = tokio::time::timeout(limits::WITHIN, until_shown(what)).await;
        shown.with_context(|| format!("{what} was never shown"))??;
    }
    watching.kill().await.context("kubectl-kulta")
}
