//! KULTA in the cluster, as an operator installs it: `kubectl apply -k`.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::settings::StageSettings;
use crate::wait;

/// The ConfigMap in which the controller writes down which Rollouts there are.
pub const INVENTORY: &str = "kulta-inventory";

/// Names in KULTA's kustomization.
pub(crate) mod kulta {
    /// The namespace that KULTA is installed in.
    pub const NAMESPACE: &str = "kulta-system";
    /// The controller's Deployment.
    pub(crate) const DEPLOYMENT: &str = "kulta-controller";
    /// The labels of the controller's Deployment, which stay where users rename it.
    pub(crate) const CONTROLLER_LABELS: &str =
        "app.kubernetes.io/name=kulta,app.kubernetes.io/component=controller";
    /// The controller's service account.
    pub(crate) const SERVICE_ACCOUNT: &str = "kulta-controller";
    /// The ConfigMap of the operator's configuration.
    pub(crate) const CONFIGURATION: &str = "kulta-config";
    /// The image in the Deployment, to be replaced.
    pub(crate) const IMAGE: &str = "kulta";
}

pub use kulta::NAMESPACE;

/// The key of the operator's configuration in its ConfigMap.
const CONFIGURATION_FILE: &str = "config.yaml";
/// Where the controller looks for plugins: as in its Deployment.
const PLUGINS: &str = "/etc/kulta/plugins";
/// What adds `argoproj.io` to KULTA's kustomization, from its folder.
const ARGO_API: &str = "components/argo-api";
/// What warns of Rollouts of `argoproj.io` that make no sense.
const ARGO_ADMISSION: &str = "components/argo-admission";
/// Where the former says that the lease of Argo Rollouts is.
pub const ARGO_LEASE_NAMESPACE: &str = "argo-rollouts";
/// The admission policy, and its binding.
pub const ADMISSION_POLICY: &str = "rollouts.kulta.io";
/// The provider that the plugin `prometheus` asks unless it is told otherwise.
const PROVIDER: &str = "prometheus";

/// An overlay of KULTA's kustomization for one cluster.
#[derive(Clone, Debug)]
pub struct Installation {
    kubeconfig: PathBuf,
    overlay: PathBuf,
    base: PathBuf,
    image: (String, String),
    plugins: Vec<String>,
    components: Vec<&'static str>,
    judges: bool,
}

impl Installation {
    /// What is to be installed; nothing is yet.
    ///
    /// # Errors
    /// When there is no image, or the overlay cannot be written.
    pub fn new(settings: &StageSettings) -> Result<Self> {
        let image = settings.controller.image.as_deref();
        let image = image.context(
            "there is no image to install KULTA from: name one that the cluster can pull with `cargo xtask demo \
             --controller-image IMAGE:TAG`",
        )?;
        let (name, tag) = image
            .rsplit_once(':')
            .context("the controller's image has no tag")?;
        let overlay = settings.work.join("install");
        fs::create_dir_all(&overlay).with_context(|| overlay.display().to_string())?;
        let base = relative(
            &fs::canonicalize(&overlay)?,
            &fs::canonicalize(&settings.manifests)?,
        );
        let kubeconfig = settings.kubeconfig.clone();
        let installation = Self {
            kubeconfig,
            overlay,
            base,
            image: (name.to_owned(), tag.to_owned()),
            plugins: Vec::new(),
            components: Vec::new(),
            judges: true,
        };
        fs::write(installation.configuration(), configuration(settings))?;
        installation.write(1)?;
        Ok(installation)
    }

    /// With a plugin of this name in a ConfigMap that the controller has mounted. It is what is in `file`.
    ///
    /// # Errors
    /// When the file can't be read, or the overlay cannot be written.
    pub fn with_plugin(mut self, name: &str, file: &Path) -> Result<Self> {
        let copy = self.overlay.join(format!("{name}.wasm"));
        fs::copy(file, copy).with_context(|| file.display().to_string())?;
        self.plugins.push(name.to_owned());
        Ok(self)
    }

    /// With `argoproj.io` served, and its Rollouts judged, as well.
    #[must_use]
    pub fn with_argo_api(mut self) -> Self {
        self.components.extend([ARGO_API, ARGO_ADMISSION]);
        self
    }

    /// Without the binding of the admission policy: what the controller says of a Rollout that makes no sense can only be
    /// heard where it may be applied.
    #[must_use]
    pub fn without_admission(mut self) -> Self {
        self.judges = false;
        self
    }

    /// With these sinks of events: their names, modes and addresses.
    ///
    /// # Errors
    /// When the configuration can't be read or written.
    pub fn with_sinks(self, environment: &str, sinks: &[(String, &str, &str)]) -> Result<Self> {
        let file = self.configuration();
        let mut configuration: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let sinks = sinks.iter().map(|(name, mode, address)| {
            let sink = json!({"http": {"address": address, "mode": mode}});
            (name.clone(), sink)
        });
        let sinks: serde_json::Map<_, _> = sinks.collect();
        if let Some(fields) = configuration.as_object_mut() {
            let events = json!({"environment": environment, "sinks": sinks});
            fields.insert("events".to_owned(), events);
        }
        fs::write(&file, configuration.to_string()).with_context(|| file.display().to_string())?;
        Ok(self)
    }

    /// The operator's configuration.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.overlay.join(CONFIGURATION_FILE)
    }

    /// Installs KULTA with its controller and waits until it is available.
    ///
    /// # Errors
    /// When kubectl fails, or the controller does not become available.
    pub async fn apply(&self, client: &Client) -> Result<()> {
        self.apply_with_replicas(1).await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
        wait::object(&deployments, kulta::DEPLOYMENT, "to be available", is_available)
            .await
            .map(drop)
    }

    /// Installs KULTA's definitions and rights with no controller running; one that runs is ended.
    ///
    /// # Errors
    /// When kubectl fails, or the controller does not end.
    pub async fn apply_without_controller(&self, client: &Client) -> Result<()> {
        self.apply_with_replicas(0).await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
        let ended = |deployment: Option<&Deployment>| {
            let status = deployment.and_then(|deployment| deployment.status.as_ref());
            let pods = status.and_then(|status| status.replicas).unwrap_or(0);
            pods == 0 && is_observed(deployment)
        };
        wait::object(&deployments, kulta::DEPLOYMENT, "to have no pods", ended)
            .await
            .map(drop)
    }

    /// Takes KULTA out of the cluster, with its definitions and with every Rollout there is.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn remove(&self) -> Result<()> {
        self.kubectl(&["delete", "--ignore-not-found", "--kustomize"])
            .await
    }

    async fn apply_with_replicas(&self, replicas: u32) -> Result<()> {
        self.write(replicas)?;
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "--kustomize"])
            .await
    }

    fn write(&self, replicas: u32) -> Result<()> {
        let (image, tag) = &self.image;
        let mut generated = vec![json!({
            "name": kulta::CONFIGURATION, "namespace": kulta::NAMESPACE, "behavior": "replace",
            "files": [CONFIGURATION_FILE],
        })];
        generated.extend(self.plugins.iter().map(|name| {
            json!({
                "name": name, "namespace": kulta::NAMESPACE, "files": [format!("{name}.wasm")],
                "options": { "disableNameSuffixHash": true },
            })
        }));
        let taken_out = (!self.judges).then(without_binding);
        let patches = self.plugins.iter().map(|name| mount(name)).chain(taken_out);
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [self.base],
            "components": self.components.iter().map(|name| self.base.join(name)).collect::<Vec<_>>(),
            "images": [{ "name": kulta::IMAGE, "newName": image, "newTag": tag }],
            "replicas": [{ "name": kulta::DEPLOYMENT, "count": replicas }],
            "configMapGenerator": generated,
            "patches": patches.collect::<Vec<_>>(),
        });
        let file = self.overlay.join("kustomization.yaml");
        fs::write(&file, serde_json::to_vec_pretty(&kustomization)?)
            .with_context(|| file.display().to_string())
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .arg(&self.overlay)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            // Who is interrupted takes KULTA out again: nothing may come after that.
            .kill_on_drop(true);
        let output = command
            .output()
            .await
            .context("kubectl is needed to install KULTA")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "kubectl {} failed: {said}",
            arguments.join(" ")
        );
        Ok(())
    }
}

/// The patch that mounts the ConfigMap of a plugin in a folder of its own.
fn mount(name: &str) -> Value {
    let volume = json!({ "name": name, "configMap": { "name": name } });
    let mount = json!({ "name": name, "mountPath": format!("{PLUGINS}/{name}"), "readOnly": true });
    let patch = json!([
        { "op": "add", "path": "/spec/template/spec/volumes/-", "value": volume },
        { "op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value": mount },
    ]);
    json!({ "target": { "kind": "Deployment", "name": kulta::DEPLOYMENT }, "patch": patch.to_string() })
}

/// The patch that takes the binding of the admission policy out.
fn without_binding() -> Value {
    let patch = json!({
        "$patch": "delete",
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": ADMISSION_POLICY },
    });
    json!({ "patch": patch.to_string() })
}

/// Every namespace may ask the cluster's Prometheus, also by HTTP. (JSON is YAML.)
pub(crate) fn configuration(settings: &StageSettings) -> String {
    let provider = |address| json!({ PROVIDER: { "address": address, "namespaces": ["*"] } });
    let providers = settings.prometheus.as_deref().map_or_else(|| json!({}), provider);
    let origins: Vec<_> = settings.prometheus.iter().collect();
    json!({ "providers": providers, "plugins": { "web": { "http": { "origins": origins } } } }).to_string()
}

/// Whether all of its pods are of the present template and available. (Its conditions may still be from before.)
fn is_available(deployment: Option<&Deployment>) -> bool {
    let Some(deployment) = deployment.filter(|deployment| is_observed(Some(deployment))) else {
        return false;
    };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    deployment.status.as_ref().is_some_and(|status| {
        let pods = [
            status.replicas,
            status.updated_replicas,
            status.available_replicas,
        ];
        pods.iter().all(|number| *number == wanted)
    })
}

/// Whether the status is about the spec as it is now.
fn is_observed(deployment: Option<&Deployment>) -> bool {
    deployment.is_some_and(|deployment| {
        let observed = deployment
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        observed >= deployment.metadata.generation
    })
}

/// The way from one absolute folder to another: a kustomization takes no absolute one.
#[must_use]
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (from.components().collect(), to.components().collect());
    let shared = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - shared);
    up.chain(to.into_iter().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_folders_goes_up_to_what_they_share() {
        assert_eq!(
            relative(Path::new("/a/b/c"), Path::new("/a/d")),
            Path::new("../../d")
        );
        assert_eq!(relative(Path::new("/a"), Path::new("/a/b")), Path::new("b"));
    }
}
