//! The controller as users install it: by the Helm chart, as pods with their own service account.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use json_patch::merge;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, ResourceExt as _};
use kulta_test_cluster::settings::HELM_HOMES;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::controller::{make_argo_namespace, panic_in, route_acceptance_deadline};
use crate::install::{configuration, kulta};
use crate::settings::{StageSettings, limits};
use crate::stage;

/// The name of the release.
pub const RELEASE: &str = "kulta";
/// Where the chart is, from the kustomization.
const CHART: &str = "../helm/kulta";
/// An earlier version of the chart, with its definitions: from this crate's folder, where its README says how it is made.
const EARLIER_CHART: &str = "charts/kulta-625b2ee.tgz";
/// What manifests are made for without asking a cluster: the version that the local one has. Helm knows none of its own, being built
/// from its module.
const KUBERNETES: &str = "1.35.0";
/// Tells apart what is rendered in this process.
static RENDERED: AtomicU32 = AtomicU32::new(0);
/// Where its pods tell their metrics.
const HTTP_PORT: u16 = 8080;
/// One works, the other follows.
const REPLICAS: u32 = 2;

/// KULTA as a release of its chart.
#[derive(Clone)]
pub struct Installed {
    client: Client,
    kubeconfig: PathBuf,
    chart: PathBuf,
    work: PathBuf,
    values: Value,
}

impl Installed {
    /// The release with what scenarios need of it; nothing is installed yet.
    ///
    /// # Errors
    /// When there is no image to install, or no cluster.
    pub async fn of(settings: &StageSettings) -> Result<Self> {
        let image = settings.controller.image.as_deref();
        let (repository, tag) = image
            .and_then(|image| image.rsplit_once(':'))
            .context("there is no image of the controller with a tag")?;
        // What a JSON document is, is YAML, too.
        let configuration: Value = serde_json::from_str(&configuration(settings))?;
        let work = settings.work.join("helm");
        fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        Ok(Self {
            client: stage::client(settings).await?,
            kubeconfig: settings.kubeconfig.clone(),
            chart: settings.manifests.join(CHART),
            work,
            values: json!({
                "image": {"repository": repository, "tag": tag},
                "replicas": REPLICAS,
                "argoApi": {"enabled": true},
                "historyApi": {"enabled": true},
                // Scenarios about refusals are about the controller's own.
                "admission": {"enabled": false},
                "extraArgs": [route_acceptance_deadline()],
                "config": configuration,
            }),
        })
    }

    /// By an earlier version of the chart, and with its definitions.
    #[must_use]
    pub fn earlier(mut self) -> Self {
        self.chart = Path::new(env!("CARGO_MANIFEST_DIR")).join(EARLIER_CHART);
        self
    }

    /// With other values of the chart, merged into those that there are.
    #[must_use]
    pub fn with(mut self, values: &Value) -> Self {
        merge(&mut self.values, values);
        self
    }

    /// With these values alone: everything else is as the chart has it.
    #[must_use]
    pub fn with_only(mut self, values: Value) -> Self {
        self.values = values;
        self
    }

    /// With the image alone: everything else is as the chart has it.
    #[must_use]
    pub fn as_it_comes(self) -> Self {
        let image = self.values.get("image").cloned();
        self.with_only(json!({ "image": image }))
    }

    /// Installs it, or brings what is installed to these values, and waits until all is ready.
    ///
    /// # Errors
    /// When Helm fails, or the pods do not become ready.
    pub async fn apply(&self) -> Result<()> {
        make_argo_namespace(&self.client).await?;
        let file = self.work.join("values.json");
        fs::write(&file, serde_json::to_vec_pretty(&self.values)?)?;
        let (chart, file) = (self.chart.display().to_string(), file.display().to_string());
        let within = format!("{}s", limits::WITHIN.as_secs());
        self.helm(&[
            "upgrade",
            "--install",
            RELEASE,
            &chart,
            "--namespace",
            kulta::NAMESPACE,
            "--create-namespace",
            "--values",
            &file,
            // What an earlier run has left was applied by kubectl.
            "--take-ownership",
            "--wait",
            "--timeout",
            &within,
        ])
        .await
        .map(drop)
    }

    /// Takes it out of the cluster: definitions, Rollouts and their pods stay.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn remove(&self) -> Result<()> {
        let within = format!("{}s", limits::WITHIN.as_secs());
        let uninstall = ["uninstall", RELEASE, "--namespace", kulta::NAMESPACE];
        self.helm(&[&uninstall[..], &["--wait", "--timeout", &within]].concat())
            .await
            .map(drop)
    }

    /// What the chart makes of these values, as one text of manifests.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn rendered(&self) -> Result<String> {
        // Others may render at the same time.
        let number = RENDERED.fetch_add(1, Ordering::Relaxed);
        let file = self.work.join(format!("rendered-{number}.json"));
        fs::write(&file, serde_json::to_vec_pretty(&self.values)?)?;
        let (chart, file) = (self.chart.display().to_string(), file.display().to_string());
        let namespace = [
            "--namespace",
            kulta::NAMESPACE,
            "--kube-version",
            KUBERNETES,
            "--values",
            &file,
        ];
        self.helm(&[&["template", RELEASE, &chart][..], &namespace].concat())
            .await
    }

    /// Refuses pods that have panicked in the last while, or were started anew.
    ///
    /// # Errors
    /// When one has: the line is in the error.
    pub async fn check(&self, last: Duration) -> Result<()> {
        let pods = self.pods().await?;
        ensure!(!pods.is_empty(), "there is no pod of the controller");
        // What is ending says no more.
        let working = pods
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        for pod in working {
            let name = pod.name_any();
            let statuses = pod.status.iter().flat_map(|status| &status.container_statuses);
            let restarts: i32 = statuses.flatten().map(|status| status.restart_count).sum();
            ensure!(
                restarts == 0,
                "the controller {name} was started anew {restarts} times"
            );
            let since = i64::try_from(last.as_secs())?.saturating_add(1);
            let log = LogParams {
                since_seconds: Some(since),
                ..LogParams::default()
            };
            let log = self.all_pods().logs(&name, &log).await?;
            if let Some(line) = panic_in(&log) {
                bail!("the controller {name} has panicked: {line}");
            }
        }
        Ok(())
    }

    /// The last lines of the logs of its pods.
    pub async fn last_words(&self) -> String {
        let mut words = String::new();
        for pod in self.pods().await.unwrap_or_default() {
            let tail = LogParams {
                tail_lines: i64::try_from(limits::LOG_LINES_SHOWN).ok(),
                ..LogParams::default()
            };
            let name = pod.name_any();
            let log = self.all_pods().logs(&name, &tail).await.unwrap_or_default();
            // Texts take all that is written.
            let _ = writeln!(words, "{name}:\n{log}");
        }
        words
    }

    /// Its pods, those that are ending included.
    ///
    /// # Errors
    /// When they can't be listed.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let own = ListParams::default().labels(kulta::CONTROLLER_LABELS);
        Ok(self.all_pods().list(&own).await?.items)
    }

    /// The metrics of all of its pods, one after the other. They are asked through the API server.
    ///
    /// # Errors
    /// When one can't be asked.
    pub async fn metrics(&self) -> Result<String> {
        let mut texts = String::new();
        for pod in self.pods().await? {
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}:{HTTP_PORT}/proxy/metrics",
                kulta::NAMESPACE,
                pod.name_any()
            );
            let request = http::Request::get(path).body(Vec::new())?;
            texts += &self.client.request_text(request).await?;
        }
        Ok(texts)
    }

    fn all_pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), kulta::NAMESPACE)
    }

    async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut helm = Command::new("helm");
        helm.args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // Otherwise under the user's home.
        helm.envs(HELM_HOMES.map(|variable| (variable, &self.work)));
        let output = helm.output().await.context("helm is needed")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "helm {} failed: {said}",
            arguments.join(" ")
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_values_are_merged_into_those_that_there_are() {
        let mut values = json!({"image": {"repository": "kulta", "tag": "1"}, "replicas": 2});

        merge(&mut values, &json!({"image": {"tag": "2"}, "namespace": "shop"}));

        let expected =
            json!({"image": {"repository": "kulta", "tag": "2"}, "replicas": 2, "namespace": "shop"});
        assert_eq!(values, expected);
    }
}
