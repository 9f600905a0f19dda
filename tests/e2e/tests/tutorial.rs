//! Does the tutorial of plugin authors lead where it says? It is read from the SDK's README and played as it stands there:
//! every file is written, every command is run.

mod document;
mod kubelet;

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use kube::config::Kubeconfig;
use kulta_e2e::{App, NAMESPACE, Stage, StageSettings, Version, plugin_directory};
use kulta_test_cluster::progress::complain;
use tokio::process::Command;

use document::Block;

/// The README, and the heading of the tutorial in it.
const DOCUMENT: &str = "plugin-sdk/README.md";
const HEADING: &str = "## Tutorial";
/// The name of the plugin, of its ConfigMap and of its volume.
const PLUGIN: &str = "ceiling";
/// The Rollout.
const ROLLOUT: &str = "shop";
/// What the tutorial calls the checkout of KULTA.
const CHECKOUT: &str = "kulta";
/// The controller's Deployment.
const DEPLOYMENT: &str = "kulta-controller";
const TARGET: &str = "wasm32-unknown-unknown";
/// The images of the tutorial. There is no registry here, so the stage's own take their place; the longer name first.
const SECOND_IMAGE: &str = "registry.k8s.io/pause:3.10.1";
const FIRST_IMAGE: &str = "registry.k8s.io/pause:3.10";

pub(crate) async fn tutorial_leads_from_nothing_to_a_rollout_that_its_plugin_holds(
    stage: &Stage,
) -> Result<()> {
    let reader = Reader::new(stage)?;
    if !reader.has_compiler().await? {
        complain(&format!(
            "left out: the compiler has no standard library for {TARGET}: run `rustup target add {TARGET}`"
        ));
        return Ok(());
    }
    // An interrupted run has left what this one makes.
    reader.clean_up().await?;
    let played = reader.play(stage).await;
    let cleaned = reader.clean_up().await;
    played.and(cleaned)
}

/// Somebody who does what the tutorial says, in a folder of their own beside a checkout of KULTA.
struct Reader {
    repository: PathBuf,
    /// Where the reader begins; taken away at the end.
    place: PathBuf,
    /// Where a command says which folder it has gone to.
    gone_to: PathBuf,
    /// What cargo builds: kept from one run to the next, for the crates are always the same.
    built: PathBuf,
    mounted: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    images: [(&'static str, String); 2],
}

impl Reader {
    fn new(stage: &Stage) -> Result<Self> {
        let settings = stage.settings();
        let repository = settings.manifests.join("../..").canonicalize()?;
        // Outside of the checkout, whose settings for cargo are none of the reader's.
        let folder = std::env::temp_dir().join(format!("{}-tutorial", stage.namespace()));
        // An administrator's kubeconfig will be in it.
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.with_context(|| folder.display().to_string())?;
        symlink(&repository, folder.join(CHECKOUT))?;
        let app = &settings.app;
        Ok(Self {
            environment: environment(stage, &folder)?,
            images: [(SECOND_IMAGE, app.v2.clone()), (FIRST_IMAGE, app.v1.clone())],
            gone_to: folder.join("gone-to"),
            built: settings.work.join("tutorial-target"),
            mounted: plugin_directory(settings),
            place: folder,
            repository,
        })
    }

    /// Whether the reader's compiler builds for WebAssembly, as the tutorial takes for granted.
    async fn has_compiler(&self) -> Result<bool> {
        let mut rustc = self.command("rustc");
        rustc.args(["--print", "target-libdir", "--target", TARGET]);
        let said = rustc.stderr(Stdio::null()).output().await.context("rustc")?;
        Ok(said.status.success() && Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_dir())
    }

    async fn play(&self, stage: &Stage) -> Result<()> {
        let text = fs::read_to_string(self.repository.join(DOCUMENT))?;
        let mut place = self.place.clone();
        for block in document::blocks(&text, HEADING)? {
            match block {
                Block::File { name, content } => {
                    let file = place.join(&name);
                    fs::write(&file, self.with_images(content))
                        .with_context(|| file.display().to_string())?;
                }
                Block::Commands(commands) => place = self.run(&place, &commands).await?,
            }
            self.lend(&place)?;
            kubelet::bring(stage, PLUGIN).await?;
        }
        is_promoted(stage).await
    }

    /// Runs commands as one shell, and says which folder they have gone to.
    async fn run(&self, place: &Path, commands: &str) -> Result<PathBuf> {
        let script = format!("{commands}\nprintf %s \"$PWD\" > {}", self.gone_to.display());
        let mut shell = self.command("sh");
        shell.args(["-eu", "-c", &script]).current_dir(place);
        let output = shell.output().await.context("sh")?;
        ensure!(
            output.status.success(),
            "the tutorial's commands failed:\n{commands}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        Ok(fs::read_to_string(&self.gone_to)?.into())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.environment.iter().cloned())
            // Where the user builds everything is not where the tutorial looks.
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&self.place)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Lends a new plugin the versions of crates that this repository has, and what was built of them before: inside the
    /// cluster's network nothing can be fetched.
    fn lend(&self, place: &Path) -> Result<()> {
        let lock = place.join("Cargo.lock");
        if !place.join("Cargo.toml").exists() || lock.exists() {
            return Ok(());
        }
        fs::copy(self.repository.join("Cargo.lock"), lock)?;
        fs::create_dir_all(&self.built)?;
        symlink(&self.built, place.join("target"))?;
        Ok(())
    }

    fn with_images(&self, content: String) -> String {
        let replace = |text: String, (from, to): &(&str, String)| text.replace(from, to);
        self.images.iter().fold(content, replace)
    }

    /// Takes the plugin out of the cluster, as far as it is there: other scenarios use the same controller.
    async fn clean_up(&self) -> Result<()> {
        let patch = format!(
            r#"{{"spec": {{"template": {{"spec": {{
                "volumes": [{{"$patch": "delete", "name": "{PLUGIN}"}}],
                "containers": [{{"name": "controller", "volumeMounts": [
                    {{"$patch": "delete", "mountPath": "/etc/kulta/plugins/{PLUGIN}"}}]}}]}}}}}}}}"#
        );
        let delete = ["delete", "configmap", PLUGIN, "--ignore-not-found"];
        let unmount = ["patch", "deployment", DEPLOYMENT, "--patch", &patch];
        for arguments in [&unmount[..], &delete] {
            let mut kubectl = self.command("kubectl");
            kubectl.current_dir(&self.repository);
            let output = kubectl.args(["-n", NAMESPACE]).args(arguments).output().await?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(
                output.status.success(),
                "kubectl {} failed: {said}",
                arguments.join(" ")
            );
        }
        match fs::remove_dir_all(self.mounted.join(PLUGIN)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // What is left in the folder for temporary files does no harm.
        let _gone = fs::remove_dir_all(&self.place);
    }
}

/// `kulta` and `kubectl` are to be found, and `kubectl` works in the stage's namespace.
fn environment(stage: &Stage, folder: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let settings = stage.settings();
    let program = settings.controller.program.as_deref();
    let programs = program.and_then(Path::parent).context("there is no program")?;
    let known = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&known));
    Ok(vec![
        ("PATH", std::env::join_paths(path)?),
        (
            "KUBECONFIG",
            kubeconfig(settings, stage.namespace(), folder)?.into(),
        ),
        ("CARGO_NET_OFFLINE", "true".into()),
    ])
}

/// The administrator's kubeconfig, with the stage's namespace in place of `default`.
fn kubeconfig(settings: &StageSettings, namespace: &str, folder: &Path) -> Result<PathBuf> {
    let mut kubeconfig = Kubeconfig::read_from(&settings.kubeconfig)?;
    let contexts = kubeconfig.contexts.iter_mut();
    for context in contexts.filter_map(|named| named.context.as_mut()) {
        context.namespace = Some(namespace.to_owned());
    }
    let file = folder.join("kubeconfig");
    fs::write(&file, serde_json::to_vec(&kubeconfig)?)?;
    Ok(file)
}

/// What the tutorial ends with: the second version alone, after it was held.
async fn is_promoted(stage: &Stage) -> Result<()> {
    let app = App::new(ROLLOUT, Version::v2(&stage.settings().app)).without_routing();
    let status = app.handle(stage).until_promoted().await?;
    ensure!(status.updated_replicas == status.replicas, "{status:?}");
    Ok(())
}
