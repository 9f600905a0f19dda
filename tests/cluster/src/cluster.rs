//! A cluster as its users see it: up, down, and everything between.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;

use crate::artifacts::Artifacts;
use crate::cache::{Cache, remove_tree};
use crate::certificates;
use crate::command;
use crate::component::{Component, Health};
use crate::configuration;
use crate::image::Archive;
use crate::layout::Layout;
use crate::network::Network;
use crate::progress::Progress;
use crate::requirements;
use crate::sandbox::{self, Sandbox};
use crate::settings;
use crate::wait;

/// The parts whose programs tests call by name.
const TOOLS: [&str; 3] = ["kubernetes", "prometheus", "helm"];

/// Which cluster, and where.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Clusters of different names run side by side.
    pub name: String,
    /// Programs and clusters live here.
    pub cache: Cache,
}

/// A running cluster. Dropping it leaves the cluster running.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) layout: Layout,
    pub(crate) artifacts: Artifacts,
    pub(crate) sandbox: Sandbox,
}

impl ClusterOptions {
    /// A cluster of this name in the cache that the environment names.
    ///
    /// # Errors
    /// When there is no place for the cache.
    pub fn named(name: &str) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            cache: Cache::locate()?,
        })
    }
}

impl Cluster {
    /// Brings the cluster up, or whatever of it is not up.
    ///
    /// # Errors
    /// When the machine lacks something, a part cannot be made, or a component does not become healthy.
    pub fn up(options: &ClusterOptions, progress: &Progress) -> Result<Self> {
        requirements::check()?;
        let layout = Layout::new(&options.cache, &options.name)?;
        let artifacts = Artifacts::ensure(&options.cache, progress)?;
        let _lock = options.cache.lock(&layout.lock_name(), progress)?;
        let parts = artifacts.key();
        let sandbox = if let Some(sandbox) = Sandbox::find(&layout, Some(&parts)) {
            sandbox
        } else {
            progress.begin("putting up the namespaces");
            let keeper = artifacts.file("pause", "bin/kulta-pause");
            Sandbox::create(&options.cache, &layout, &keeper, &parts, || {
                // What another cluster of this name was asked is nothing to whoever reads the log of this one.
                remove_file(&layout.log("audit"))?;
                configuration::write_all(&layout, &artifacts)
            })?
        };
        let cluster = Self {
            layout,
            artifacts,
            sandbox,
        };
        crate::startup::start(&cluster, progress)?;
        progress.rest();
        Ok(cluster)
    }

    /// Finds a cluster that is up.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn attach(options: &ClusterOptions) -> Result<Self> {
        requirements::check_owner()?;
        let layout = Layout::new(&options.cache, &options.name)?;
        let artifacts = Artifacts::find(&options.cache)?;
        let sandbox = Sandbox::find(&layout, None)
            .with_context(|| format!("no cluster {} is running: `cargo xtask cluster up`", options.name))?;
        Ok(Self {
            layout,
            artifacts,
            sandbox,
        })
    }

    /// Ends a cluster, running or half dead or never there, and removes what it wrote except its logs.
    ///
    /// # Errors
    /// When something of it cannot be ended or removed.
    pub fn down(options: &ClusterOptions, progress: &Progress) -> Result<()> {
        requirements::check_owner()?;
        let layout = Layout::new(&options.cache, &options.name)?;
        let _lock = options.cache.lock(&layout.lock_name(), progress)?;
        progress.begin(&format!("ending the cluster {}", options.name));
        sandbox::destroy(&layout)?;
        for folder in [layout.data(""), layout.machine(""), layout.configuration()] {
            remove_tree(&folder)?;
        }
        progress.rest();
        Ok(())
    }

    /// Ends the programs that were started by [`Self::enter`] and are still there, with whatever they started: those
    /// of a driver that was killed, which nobody else would end. The caller and those who started it are spared; so a
    /// driver may call it before it starts anything, and only where no other driver uses the same cluster.
    ///
    /// # Errors
    /// When one of them cannot be ended.
    pub fn end_strangers(&self) -> Result<()> {
        self.sandbox.end_strangers()
    }

    /// The administrator's kubeconfig; its address works inside the network only.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig(certificates::ADMIN)
    }

    /// A command that runs a program inside the cluster's network, with `KUBECONFIG` set, and `kubectl`, `helm` and
    /// `promtool` to be found.
    #[must_use]
    pub fn enter(&self, program: &str) -> Command {
        let mut command = self.network().enter(program);
        let own = std::env::var("PATH").unwrap_or_default();
        let tools = TOOLS.map(|part| self.artifacts.file(part, "bin").display().to_string());
        let path = format!("{}:{own}", tools.join(":"));
        command.env("PATH", path);
        command.env("KUBECONFIG", self.kubeconfig());
        // Otherwise under the user's home.
        command.env("KUBECACHEDIR", self.layout.data("kubectl"));
        command
    }

    /// Runs kubectl as the administrator and gives its answer.
    ///
    /// # Errors
    /// When kubectl fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.enter("kubectl").args(arguments))
    }

    /// Applies manifests server-side as the administrator.
    ///
    /// # Errors
    /// When kubectl fails, with what it said.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let mut kubectl = self.enter("kubectl");
        kubectl.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--validate=ignore",
            "--filename=-",
        ]);
        command::output_with_input(&mut kubectl, manifests.as_bytes())
    }

    /// Makes an image known to the node.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn load_image(&self, archive: &Archive) -> Result<()> {
        command::output_with_input(
            self.containerd_client().args(["images", "import", "-"]),
            archive.bytes(),
        )?;
        Ok(())
    }

    /// Stops one component, politely and then not.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop_component(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::SIGTERM)?;
        if self
            .wait_until_stopped(component, settings::STOPPED_WITHIN)
            .is_err()
        {
            self.kill_component(component)?;
        }
        Ok(())
    }

    /// Kills one component with SIGKILL, as a crash would.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill_component(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::SIGKILL)?;
        self.wait_until_stopped(component, settings::STOPPED_WITHIN)
    }

    /// Starts one component if it does not run, and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not become healthy.
    pub fn start_component(&self, component: Component) -> Result<()> {
        self.launch(component)?;
        self.wait_until_healthy(component)
    }

    /// Stops and starts one component.
    ///
    /// # Errors
    /// When it does not end or does not become healthy again.
    pub fn restart_component(&self, component: Component) -> Result<()> {
        self.stop_component(component)?;
        self.start_component(component)
    }

    /// The component's process, if it runs.
    #[must_use]
    pub fn pid(&self, component: Component) -> Option<i32> {
        self.sandbox
            .running(&component.program(&self.artifacts))
            .first()
            .map(|process| process.pid)
    }

    /// Whether the component runs and answers.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self, component: Component) -> Result<()> {
        self.pid(component).context("not running")?;
        match component.health() {
            Health::Http(address, port, path) => {
                let answer = self.network().get(&format!("{address}:{port}"), address, path)?;
                anyhow::ensure!(
                    answer.status == 200,
                    "{path} answers {}: {}",
                    answer.status,
                    answer.body.trim()
                );
                Ok(())
            }
            Health::Https(port, path) => {
                let server = format!("--server=https://127.0.0.1:{port}");
                let timeout = format!("--request-timeout={}s", settings::PROBE_TIMEOUT.as_secs());
                self.kubectl(&["get", "--raw", path, &server, &timeout]).map(drop)
            }
            Health::Containerd => command::output(self.containerd_client().arg("version")).map(drop),
        }
    }

    /// Address and port of the gateway, inside the network.
    #[must_use]
    pub fn gateway_address(&self) -> String {
        format!("{}:{}", settings::NODE_ADDRESS, settings::GATEWAY_PORT)
    }

    /// Prometheus, inside the network.
    #[must_use]
    pub fn prometheus_url(&self) -> String {
        format!("http://{}:{}", settings::NODE_ADDRESS, settings::PROMETHEUS_PORT)
    }

    /// Where Python finds the official SDK of `CloudEvents`: `PYTHONPATH` of a receiver that is not KULTA's own.
    #[must_use]
    pub fn cloud_events_sdk(&self) -> PathBuf {
        self.artifacts.cloud_events()
    }

    /// A collector of `OpenTelemetry` that others have written (Rotel).
    #[must_use]
    pub fn collector(&self) -> PathBuf {
        self.artifacts.collector()
    }

    /// The folder of Argo Rollouts' own definitions of its kinds, as it ships them.
    #[must_use]
    pub fn argo_definitions(&self) -> PathBuf {
        self.artifacts.file("argo-rollouts", "definitions")
    }

    /// The API server's audit log: one JSON object a line, for each write that matters to a rollout.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.layout.log("audit")
    }

    /// The folder of all logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.layout.logs()
    }

    pub(crate) fn network(&self) -> Network {
        self.sandbox.network()
    }

    /// Starts the component's program if it does not run.
    pub(crate) fn launch(&self, component: Component) -> Result<()> {
        let program = component.program(&self.artifacts);
        if !self.sandbox.running(&program).is_empty() {
            return Ok(());
        }
        let mut environment = vec![
            ("PATH", self.artifacts.search_path()),
            ("TMPDIR", String::from("/run/tmp")),
        ];
        if matches!(component, Component::Containerd | Component::KubeProxy) {
            // For runc and nft, which are unpacked beside their libraries.
            environment.push(("LD_LIBRARY_PATH", self.artifacts.library_path()));
        }
        fs::create_dir_all(self.layout.machine("run/tmp"))?;
        let log = self.layout.log(component.name());
        self.sandbox
            .spawn(&program, &component.arguments(&self.layout), &environment, &log)?;
        wait::until(
            &format!("{} to start", component.name()),
            settings::STARTED_WITHIN,
            || Ok((!self.sandbox.running(&program).is_empty()).then_some(())),
        )
        .with_context(|| format!("see {}", log.display()))
    }

    pub(crate) fn wait_until_healthy(&self, component: Component) -> Result<()> {
        let what = format!("{} to be healthy", component.name());
        wait::until(&what, settings::HEALTHY_WITHIN, || {
            match (self.pid(component), self.check(component)) {
                // Waiting longer would not bring it back.
                (None, _) => Ok(Some(Err(anyhow!("it ended by itself")))),
                (Some(_), check) => check.map(|()| Some(Ok(()))),
            }
        })
        .flatten()
        .with_context(|| format!("see {}", self.layout.log(component.name()).display()))
    }

    fn wait_until_stopped(&self, component: Component, within: Duration) -> Result<()> {
        let program = component.program(&self.artifacts);
        wait::until(&format!("{} to end", component.name()), within, || {
            Ok(self.sandbox.running(&program).is_empty().then_some(()))
        })
    }

    fn signal(&self, component: Component, signal: Signal) -> Result<()> {
        let processes = self.sandbox.running(&component.program(&self.artifacts));
        processes
            .into_iter()
            .try_for_each(|process| process.signal(signal))
    }

    fn containerd_client(&self) -> Command {
        let mut client = self
            .sandbox
            .inside(Path::new(&self.artifacts.file("debian", "usr/bin/ctr")));
        client.args([
            "--address",
            settings::CONTAINERD_SOCKET,
            "--namespace",
            settings::IMAGE_NAMESPACE,
        ]);
        client.args(["--timeout", "60s"]);
        client
    }
}

/// Removes a file; one that is not there is fine.
fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| file.display().to_string())
        }
        _ => Ok(()),
    }
}
