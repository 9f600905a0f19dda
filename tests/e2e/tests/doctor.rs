//! Does `kulta doctor` find what is wrong, and nothing where all is well?

use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use kulta_e2e::{ARGO_LEASE_NAMESPACE, NAMESPACE, Stage, controller_kubeconfig, plugin_directory};
use serde_json::json;
use tokio::process::Command;

use crate::kubectl::said;

pub(crate) async fn controller_that_is_installed_has_all_that_it_needs(stage: &Stage) -> Result<()> {
    let settings = stage.settings();
    let configuration = settings.work.join("install/config.yaml");

    let output = doctor(stage, &configuration, &plugin_directory(settings)).await?;

    let said = said(&output);
    ensure!(output.status.success(), "{said}");
    for finding in [
        "ok     clock ",
        "ok     definitions    all 5 kinds of kulta.io/v1alpha1 are served",
        "ok     definitions    all 5 kinds of argoproj.io/v1alpha1 are served",
        "ok     rights         all ",
        "holds the lease kulta-controller-lock in the namespace kulta-system",
        "holds the lease argo-rollouts-controller-lock in the namespace argo-rollouts",
        "ok     providers      prometheus answers",
        "ok     plugins ",
        // The local gateway serves one Gateway, and accepts no class.
        "look   gateways       no GatewayClass is accepted",
    ] {
        ensure!(said.contains(finding), "{finding:?} is not in\n{said}");
    }
    Ok(())
}

pub(crate) async fn provider_and_plugin_that_are_wrong_are_told_with_what_to_do(stage: &Stage) -> Result<()> {
    let folder = stage.settings().work.join(stage.namespace());
    let plugins = folder.join("plugins");
    fs::create_dir_all(plugins.join("mine")).with_context(|| plugins.display().to_string())?;
    fs::write(plugins.join("mine/mine.wasm"), "no plugin")?;
    let configuration = folder.join("config.yaml");
    let nobody = json!({ "address": "http://127.0.0.1:1", "namespaces": ["*"] });
    fs::write(
        &configuration,
        json!({ "providers": { "nobody": nobody } }).to_string(),
    )?;

    let output = doctor(stage, &configuration, &plugins).await?;

    let said = said(&output);
    ensure!(output.status.code() == Some(1), "{said}");
    for finding in [
        "WRONG  providers      nobody does not answer",
        "-> see providers.nobody in config.yaml",
        "WRONG  plugins        mine: ",
        "2 findings keep KULTA from working",
    ] {
        ensure!(said.contains(finding), "{finding:?} is not in\n{said}");
    }
    Ok(())
}

/// As the controller itself.
async fn doctor(stage: &Stage, configuration: &Path, plugins: &Path) -> Result<Output> {
    let settings = stage.settings();
    let program = settings.controller.program.as_ref();
    let mut kulta = Command::new(program.context("there is no program of the controller")?);
    kulta.args(["doctor", "--controller-namespace", NAMESPACE]);
    kulta.args(["--argo-api", "--argo-lease-namespace", ARGO_LEASE_NAMESPACE]);
    kulta.arg("--config").arg(configuration);
    kulta.arg("--plugin-dir").arg(plugins);
    kulta
        .env("KUBECONFIG", controller_kubeconfig(settings))
        .kill_on_drop(true);
    kulta.output().await.context("kulta doctor")
}
