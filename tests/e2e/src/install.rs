//! KULTA in the cluster, as an operator installs it: `kubectl apply -k`.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::wait::{Condition, conditions};
use kube::{Api, Client};
use serde_json::json;
use tokio::process::Command;

use crate::settings::StageSettings;
use crate::wait;

/// Names in KULTA's kustomization.
pub(crate) mod kulta {
    /// The namespace that KULTA is installed in.
    pub(crate) const NAMESPACE: &str = "kulta-system";
    /// The controller's Deployment.
    pub(crate) const DEPLOYMENT: &str = "kulta-controller";
    /// The controller's service account.
    pub(crate) const SERVICE_ACCOUNT: &str = "kulta-controller";
    /// The image in the Deployment, to be replaced.
    pub(crate) const IMAGE: &str = "kulta";
}

/// An overlay of KULTA's kustomization for one cluster.
#[derive(Clone, Debug)]
pub struct Installation {
    kubeconfig: PathBuf,
    overlay: PathBuf,
}

impl Installation {
    /// Installs KULTA with its controller and waits until it is available.
    ///
    /// # Errors
    /// When kubectl fails, or the controller does not become available.
    pub async fn apply(settings: &StageSettings, client: &Client) -> Result<Self> {
        let installation = Self::with_replicas(settings, 1).await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
        let available = |deployment: Option<&Deployment>| {
            conditions::is_deployment_completed().matches_object(deployment)
        };
        wait::object(&deployments, kulta::DEPLOYMENT, "to be available", available).await?;
        Ok(installation)
    }

    /// Installs KULTA's definitions and rights with no controller running; one that runs is ended.
    ///
    /// # Errors
    /// When kubectl fails, or the controller does not end.
    pub async fn apply_without_controller(settings: &StageSettings, client: &Client) -> Result<Self> {
        let installation = Self::with_replicas(settings, 0).await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
        let ended = |deployment: Option<&Deployment>| {
            let status = deployment.and_then(|deployment| deployment.status.as_ref());
            status.is_none_or(|status| status.replicas.unwrap_or(0) == 0)
        };
        wait::object(&deployments, kulta::DEPLOYMENT, "to have no pods", ended).await?;
        Ok(installation)
    }

    /// Whether KULTA's controller is in the cluster, whoever installed it.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn is_present(client: &Client) -> Result<bool> {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
        Ok(deployments.get_opt(kulta::DEPLOYMENT).await?.is_some())
    }

    /// Takes KULTA out of the cluster, with its definitions and with every Rollout there is.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn remove(&self) -> Result<()> {
        self.kubectl(&["delete", "--ignore-not-found", "--kustomize"]).await
    }

    async fn with_replicas(settings: &StageSettings, replicas: u32) -> Result<Self> {
        let overlay = settings.work.join("install");
        fs::create_dir_all(&overlay).with_context(|| overlay.display().to_string())?;
        let base = relative(&fs::canonicalize(&overlay)?, &fs::canonicalize(&settings.manifests)?);
        let (image, tag) = settings.controller.image.rsplit_once(':').context("the controller's image has no tag")?;
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [base],
            "images": [{ "name": kulta::IMAGE, "newName": image, "newTag": tag }],
            "replicas": [{ "name": kulta::DEPLOYMENT, "count": replicas }],
        });
        fs::write(overlay.join("kustomization.yaml"), serde_json::to_vec_pretty(&kustomization)?)?;
        let installation = Self { kubeconfig: settings.kubeconfig.clone(), overlay };
        installation.kubectl(&["apply", "--server-side", "--force-conflicts", "--kustomize"]).await?;
        Ok(installation)
    }

    async fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("kubectl");
        command.args(arguments).arg(&self.overlay).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        let output = command.output().await.context("kubectl is needed to install KULTA")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {} failed: {said}", arguments.join(" "));
        Ok(())
    }
}

/// The way from one absolute folder to another: a kustomization takes no absolute one.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component>, Vec<Component>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - shared);
    up.chain(to.into_iter().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_folders_goes_up_to_what_they_share() {
        assert_eq!(relative(Path::new("/a/b/c"), Path::new("/a/d")), Path::new("../../d"));
        assert_eq!(relative(Path::new("/a"), Path::new("/a/b")), Path::new("b"));
    }
}
