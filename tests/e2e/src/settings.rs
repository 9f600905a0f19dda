//! What the commands tell those who play inside the cluster's network, and every limit of the stage with its reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use kulta_test_cluster::{Cluster, ClusterOptions};
use serde::{Deserialize, Serialize};

/// Holds the settings as JSON for a program that is started inside the cluster's network.
const VARIABLE: &str = "KULTA_STAGE";

/// Everything a stage has to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSettings {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The name of the local cluster; none on a cluster of the user's own.
    pub cluster: Option<String>,
    /// Where requests come in.
    pub gateway: GatewaySettings,
    /// What KULTA is started from.
    pub controller: ControllerSource,
    /// KULTA's plugin for kubectl; none where nobody uses it.
    pub kubectl_plugin: Option<PathBuf>,
    /// The images of the application.
    pub app: AppImages,
    /// A Prometheus that scrapes pods by their annotations, as the cluster's pods reach it.
    pub prometheus: Option<String>,
    /// Where Python finds the official SDK of `CloudEvents`; none on a cluster of the user's own.
    pub cloud_events_sdk: Option<PathBuf>,
    /// The folder with KULTA's kustomization.
    pub manifests: PathBuf,
    /// A folder for logs and for generated files.
    pub work: PathBuf,
}

/// The shared Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it listens for HTTP; where none is given, the Gateway's own status is asked.
    pub address: Option<SocketAddr>,
}

/// What KULTA is started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerSource {
    /// An image that the cluster can pull or has; none where KULTA is in the cluster already.
    pub image: Option<String>,
    /// The program itself, where it can be started beside the cluster.
    pub program: Option<PathBuf>,
}

/// One image for each version of the application. The same program is in all of them; the pod template tells it what it
/// is as well, so that they may also be one and the same image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppImages {
    /// The first version.
    pub v1: String,
    /// A good second version.
    pub v2: String,
    /// A bad third version: slow, and failing some requests.
    pub bad_v3: String,
}

impl StageSettings {
    /// The settings in the environment of this process; none when it was not started by a command that sets up a stage.
    ///
    /// # Errors
    /// When there are some and they cannot be read.
    pub fn from_environment() -> Result<Option<Self>> {
        let Some(text) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let settings = serde_json::from_str(&text.to_string_lossy());
        settings
            .map(Some)
            .with_context(|| format!("{VARIABLE} cannot be read"))
    }

    /// The local cluster, for those who stop and start its parts or read its logs.
    ///
    /// # Errors
    /// When the stage is on a cluster of the user's own, or the cluster is gone.
    pub fn local_cluster(&self) -> Result<Cluster> {
        let name = self.cluster.as_deref().context("this is not the local cluster")?;
        Cluster::attach(&ClusterOptions::named(name)?)
    }

    /// The environment variable that hands the settings on, and its value.
    ///
    /// # Errors
    /// When a path in them is not UTF-8.
    pub fn to_environment(&self) -> Result<(&'static str, String)> {
        Ok((VARIABLE, serde_json::to_string(self)?))
    }
}

/// Limits in time and number.
pub mod limits {
    use std::time::Duration;

    /// For anything that a cluster does by itself: generous, because the machine may be busy with a build.
    pub const WITHIN: Duration = Duration::from_mins(2);

    /// From SIGTERM to giving up on the controller: above its own grace period.
    pub const CONTROLLER_STOPS_WITHIN: Duration = Duration::from_secs(30);

    /// Between two looks at a counter of this process, which cannot be subscribed to.
    pub const LOOK: Duration = Duration::from_millis(50);

    /// Requests that must succeed in a row before a load is counted: several for each thread of the gateway.
    pub const WARM_UP_ANSWERS: u64 = 50;
    /// Requests per second while waiting for them.
    pub const WARM_UP_RATE: u32 = 100;

    /// How long after its acceptance a weight is not measured yet: many times what a data plane takes to work by it, even
    /// on a busy machine.
    pub const SETTLE: Duration = Duration::from_secs(2);
    /// Answers of one measured step, at least: below it four standard deviations are too wide to say much.
    pub const MEASURED_ANSWERS: u64 = 5_000;
    /// How often a split that does not match is judged again while as many answers more come in. Chance alone takes one
    /// measurement in sixteen thousand out of its tolerance, and every run of the tests takes several.
    pub const LOOKS_AGAIN: u64 = 10;

    /// Requests per second for each processor of the machine that makes the load, serves it and carries it.
    pub const RATE_PER_PROCESSOR: u32 = 300;
    /// Requests per second, at most: enough to measure a step in a few seconds.
    pub const RATE_LIMIT: u32 = 1_000;

    /// The lifetime of a service account's token: longer than any run of tests.
    pub const TOKEN_SECONDS: i64 = 6 * 60 * 60;

    /// Events shown when something did not come true.
    pub const EVENTS_SHOWN: usize = 30;
    /// Lines of the controller's log shown when something did not come true.
    pub const LOG_LINES_SHOWN: usize = 20;
}
