//! The controller as a process beside the cluster: it can be killed and started again in milliseconds, and yet has no
//! more rights than in its pod.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client, Config};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::install::{ARGO_LEASE_NAMESPACE, Installation};
use crate::settings::{StageSettings, limits};
use crate::stage;
use crate::wire::Wire;

mod pod;

use pod::{environment, own_kubeconfig, token};

/// How long a parent of a route may stay silent: many times what the gateway takes even on a busy machine, and short
/// enough for scenarios to wait for its end.
const ROUTE_ACCEPTANCE_DEADLINE_SECONDS: &str = "5";
/// As if all of them ran in one pod, one after the other.
const POD_UID: &str = "e2e";
/// That of a second replica, and where its endpoints are served.
const REPLICA_UID: &str = "e2e-replica";
const REPLICA_ADDRESS: &str = "127.0.0.1:8481";

/// What a log says where the controller has panicked: Rust's own words, and the main loop's when a reconcile ended by
/// a panic, which it survives.
const WORDS_OF_A_PANIC: [&str; 2] = ["panicked", "reconcile ended early"];
/// Where a line of its log comes from that a plugin has written: those may panic as they like.
const LINE_OF_A_PLUGIN: &str = r#""target":"kulta_plugin_host::logbook""#;
/// A line by which the controller tells what is so: it may tell of a plugin's panic. Its own ones are no such lines.
const LINE_OF_NEWS: &str = r#""level":"INFO""#;

/// The controller's process; ended when this is dropped.
#[derive(Debug)]
pub struct Controller {
    program: PathBuf,
    kubeconfig: PathBuf,
    configuration: PathBuf,
    plugins: PathBuf,
    /// What its Deployment puts into its environment.
    environment: Vec<(String, String)>,
    log: PathBuf,
    address: &'static str,
    pod_uid: &'static str,
    child: Option<Child>,
}

impl Controller {
    /// Where its endpoints are served: a port that no part of the local cluster takes, and always the same, so that a
    /// controller that was left behind shows at once.
    pub const ADDRESS: &str = "127.0.0.1:8480";

    /// Installs KULTA's definitions and rights, ends a controller in the cluster if there is one, and starts the
    /// program with the rights of the controller's service account.
    ///
    /// # Errors
    /// When there is no program, or the cluster refuses.
    pub async fn process(settings: &StageSettings) -> Result<Self> {
        let program = settings
            .controller
            .program
            .clone()
            .context("there is no program of the controller")?;
        let client = stage::client(settings).await?;
        make_argo_namespace(&client).await?;
        let installation = Installation::new(settings)?.with_argo_api().without_admission();
        installation.apply_without_controller(&client).await?;
        let kubeconfig = controller_kubeconfig(settings);
        let text = fs::read_to_string(&settings.kubeconfig)?;
        fs::write(
            &kubeconfig,
            serde_json::to_vec(&own_kubeconfig(&text, &token(&client).await?)?)?,
        )?;
        // What an earlier run has said is not this one's.
        let _ = fs::remove_dir_all(plugin_directory(settings));
        let log = log(settings);
        fs::write(&log, "").with_context(|| log.display().to_string())?;
        let mut controller = Self {
            program,
            kubeconfig,
            configuration: installation.configuration(),
            plugins: plugin_directory(settings),
            environment: environment(&client).await?,
            log,
            address: Self::ADDRESS,
            pod_uid: POD_UID,
            child: None,
        };
        controller.start()?;
        Ok(controller)
    }

    /// Another replica of it, that does not run yet: with a token of its own, so that the audit log tells them apart, and over a
    /// wire that can be cut.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn replica(&self, settings: &StageSettings) -> Result<(Self, Wire)> {
        let client = stage::client(settings).await?;
        let text = fs::read_to_string(&settings.kubeconfig)?;
        let mut own = own_kubeconfig(&text, &token(&client).await?)?;
        let wire = Wire::to(&mut own).await?;
        let kubeconfig = settings.work.join("replica.kubeconfig");
        fs::write(&kubeconfig, serde_json::to_vec(&own)?)?;
        let log = settings.work.join("replica.log");
        fs::write(&log, "").with_context(|| log.display().to_string())?;
        let replica = Self {
            program: self.program.clone(),
            kubeconfig,
            configuration: self.configuration.clone(),
            plugins: self.plugins.clone(),
            environment: self.environment.clone(),
            log,
            address: REPLICA_ADDRESS,
            pod_uid: REPLICA_UID,
            child: None,
        };
        Ok((replica, wire))
    }

    /// Starts it; its log goes on where it ended.
    ///
    /// # Errors
    /// When it runs already, another one has its port, or it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the controller runs already");
        // Free again as soon as this is dropped: the controller itself would end a moment later, and say so in its log.
        drop(TcpListener::bind(self.address).with_context(|| {
            format!(
                "{} is taken, perhaps by a controller that a killed run has left behind: find it in the cluster's \
                 network and end it",
                self.address
            )
        })?);
        let log = fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .args(["controller", "--http-address", self.address])
            .arg("--config")
            .arg(&self.configuration)
            .arg("--plugin-dir")
            .arg(&self.plugins)
            .arg(route_acceptance_deadline())
            .args([
                "--history-api",
                "--argo-api",
                "--argo-lease-namespace",
                ARGO_LEASE_NAMESPACE,
            ])
            .envs(self.environment.clone())
            .env("KUBECONFIG", &self.kubeconfig)
            // There is one at a time, as in a pod: what the one before has held it takes up at once.
            .env("POD_UID", self.pod_uid)
            .kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(
            command
                .spawn()
                .with_context(|| self.program.display().to_string())?,
        );
        Ok(())
    }

    /// Puts a variable into its environment from its next start on; None takes it out.
    pub fn set_variable(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(other, _)| other != name);
        let value = value.map(|value| (name.to_owned(), value.to_owned()));
        self.environment.extend(value);
    }

    /// Kills it with SIGKILL, as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the controller does not run")?;
        child.kill().await?;
        Ok(())
    }

    /// Stops it with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not run, does not end in time, or ends with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the controller does not run")?;
        self.until_it_answers().await?;
        let pid = child.id().context("the controller has ended by itself")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM).context("SIGTERM cannot be sent")?;
        let ended = timeout(limits::CONTROLLER_STOPS_WITHIN, child.wait()).await;
        let status = ended.context("the controller does not end")??;
        ensure!(
            status.success(),
            "the controller ended with {status}:\n{}",
            last_words(&self.log)
        );
        Ok(())
    }

    /// A controller that is asked to stop before it listens to signals dies of the first.
    async fn until_it_answers(&self) -> Result<()> {
        let answers = timeout(limits::WITHIN, async {
            while get(self.address, "/metrics", None).await.is_err() {
                sleep(limits::LOOK).await;
            }
        });
        answers.await.context("the controller does not answer")
    }

    /// Waits until it is the one that works, or is not.
    ///
    /// # Errors
    /// When that takes more than [`limits::WITHIN`].
    pub async fn until_it_leads(&self, leads: bool) -> Result<()> {
        self.until_it_says(&format!("kulta_leader {}", u8::from(leads)))
            .await
    }

    /// Waits until it works on the objects of both groups.
    ///
    /// # Errors
    /// When that takes more than [`limits::WITHIN`].
    pub async fn until_it_works(&self) -> Result<()> {
        self.until_it_leads(true).await?;
        self.until_it_says("kulta_argo_lease_held 1").await
    }

    /// Waits until this line is among its metrics.
    async fn until_it_says(&self, line: &str) -> Result<()> {
        let seen = timeout(limits::WITHIN, async {
            // One that is stopped answers nothing.
            while !get(self.address, "/metrics", None)
                .await
                .is_ok_and(|metrics| metrics.lines().any(|other| other == line))
            {
                sleep(limits::LOOK).await;
            }
        });
        let within = seen.await;
        within.with_context(|| {
            format!(
                "{} does not say {line:?}:\n{}",
                self.address,
                last_words(&self.log)
            )
        })
    }

    /// Waits until it has seen everything, and could lead.
    ///
    /// # Errors
    /// When that takes more than [`limits::WITHIN`].
    pub async fn until_it_is_ready(&self) -> Result<()> {
        let ready = timeout(limits::WITHIN, async {
            while get(self.address, "/readyz", None).await.is_err() {
                sleep(limits::LOOK).await;
            }
        });
        ready.await.context("the controller does not become ready")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().context("the controller does not run")?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal).with_context(|| format!("{signal} cannot be sent"))
    }

    /// Refuses a controller that has ended by itself.
    ///
    /// # Errors
    /// When it has; its last words are in the error.
    pub fn check(&mut self) -> Result<()> {
        let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
        ensure!(
            ended.is_none(),
            "the controller ended by itself ({ended:?}):\n{}",
            last_words(&self.log)
        );
        Ok(())
    }

    /// Starts it where it does not run, and refuses one that has ended by itself.
    ///
    /// # Errors
    /// When it has ended by itself or cannot be started.
    pub fn ensure_running(&mut self) -> Result<()> {
        let ended = self.check();
        if ended.is_err() {
            self.child = None;
        }
        if self.child.is_none() {
            self.start()?;
        }
        ended
    }

    /// The process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The operator's configuration, which it reads at its start and whenever it changes.
    #[must_use]
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// Its log: one JSON object a line.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it says of itself: its metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn metrics() -> Result<String> {
        Self::get("/metrics", None)
            .await
            .context("the controller's metrics")
    }

    /// What it answers to whoever shows this token.
    ///
    /// # Errors
    /// When nobody answers, or with the code of a refusal.
    pub async fn get(path: &str, token: Option<&str>) -> Result<String, kube::Error> {
        get(Self::ADDRESS, path, token).await
    }

    /// Refuses a log of the stage's controller in which it has panicked since [`Controller::process`], were it only in
    /// one reconcile.
    ///
    /// # Errors
    /// When it has: the line is in the error. Also when there is no log.
    pub fn check_log_in(settings: &StageSettings) -> Result<()> {
        let log = log(settings);
        let text = fs::read(&log).with_context(|| log.display().to_string())?;
        match panic_in(&String::from_utf8_lossy(&text)) {
            None => Ok(()),
            Some(line) => bail!("the controller has panicked, here or in a scenario before: {line}"),
        }
    }

    /// The last lines of the log of the stage's controller.
    #[must_use]
    pub fn last_words_in(settings: &StageSettings) -> String {
        last_words(&log(settings))
    }
}

async fn get(address: &str, path: &str, token: Option<&str>) -> Result<String, kube::Error> {
    let address = format!("http://{address}").parse();
    // The Kubernetes client is an HTTP client that is there already.
    let address = address.map_err(|error: http::uri::InvalidUri| kube::Error::HttpError(error.into()))?;
    let client = Client::try_from(Config::new(address))?;
    let mut request = http::Request::get(path);
    if let Some(token) = token {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}

/// The flag for it.
pub(crate) fn route_acceptance_deadline() -> String {
    format!("--route-acceptance-deadline={ROUTE_ACCEPTANCE_DEADLINE_SECONDS}")
}

fn log(settings: &StageSettings) -> PathBuf {
    settings.work.join("controller.log")
}

pub(crate) fn panic_in(log: &str) -> Option<&str> {
    let others = [LINE_OF_A_PLUGIN, LINE_OF_NEWS];
    let mut lines = log
        .lines()
        .filter(|line| !others.iter().any(|other| line.contains(other)));
    lines.find(|line| WORDS_OF_A_PANIC.iter().any(|words| line.contains(words)))
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(limits::LOG_LINES_SHOWN);
    lines.get(from..).unwrap_or_default().join("\n")
}

/// The namespace that Argo Rollouts would be in.
pub(crate) async fn make_argo_namespace(client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(ARGO_LEASE_NAMESPACE).await?.is_none() {
        let namespace = serde_json::from_value(json!({"metadata": {"name": ARGO_LEASE_NAMESPACE}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    Ok(())
}

/// The kubeconfig of the controller's service account, where it runs as a process.
#[must_use]
pub fn controller_kubeconfig(settings: &StageSettings) -> PathBuf {
    settings.work.join("controller.kubeconfig")
}

/// The folder in which the controller finds plugins, as it finds mounted ConfigMaps in a pod.
#[must_use]
pub fn plugin_directory(settings: &StageSettings) -> PathBuf {
    settings.work.join("plugins")
}

#[cfg(test)]
mod tests;
