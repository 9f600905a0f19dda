//! Is the past told, over HTTP and on the command line, to those who may see it and to nobody else?

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kulta_e2e::{Controller, Stage, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::kubectl::{kubectl, said};
use crate::{expect, shop};

/// Whose token is shown.
const READER: &str = "reader";
/// Whom the token is for.
const AUDIENCE: &str = "kulta";
/// What an operator installs for it.
const RIGHTS: &str = "components/history-api/rbac.yaml";

pub(crate) async fn history_is_told_to_those_who_may_see_the_rollout(stage: &Stage) -> Result<()> {
    kubectl_apply(stage, RIGHTS).await?;
    let app = shop::small(stage);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    let path = format!(
        "/api/v1/rollouts/{}/{}/history",
        stage.namespace(),
        rollout.name()
    );
    stage
        .create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": READER}}))
        .await?;
    let token = token(stage).await?;

    ensure!(
        refusal(&path, None).await? == 401,
        "one without a token is let in"
    );
    ensure!(
        refusal(&path, Some("no-token")).await? == 401,
        "a bad token is let in"
    );
    ensure!(
        refusal(&path, Some(&token)).await? == 403,
        "one who may not see the Rollout is let in"
    );

    stage.create(&binding()).await?;
    let told = until_told(&path, &token).await?;
    let told: Value = serde_json::from_str(&told)?;
    let status = rollout.status().await?;
    ensure!(
        told["history"] == json!(status.history),
        "another history: {told:#}"
    );
    let early = format!("{path}?at=2020-01-01T00:00:00Z");
    ensure!(
        refusal(&early, Some(&token)).await? == 422,
        "a time before the history is answered"
    );
    let printed = history_command(stage, rollout.name()).await?;
    ensure!(
        printed["history"] == told["history"],
        "the command tells something else: {printed:#}"
    );
    Ok(())
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": READER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kulta-view"},
        "subjects": [{"kind": "ServiceAccount", "name": READER}],
    })
}

async fn token(stage: &Stage) -> Result<String> {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![AUDIENCE.to_owned()],
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts = stage.api::<ServiceAccount>();
    let issued = accounts
        .create_token_request(READER, &PostParams::default(), &request)
        .await?;
    Ok(issued.status.context("no token was issued")?.token)
}

/// The code of the answer to one who is refused.
async fn refusal(path: &str, token: Option<&str>) -> Result<u16> {
    match Controller::get(path, token).await {
        Err(kube::Error::Api(status)) => Ok(status.code),
        Err(error) => Err(error.into()),
        Ok(told) => bail!("{path} is answered: {told}"),
    }
}

/// The authorizer of the API server learns of a new binding a moment later.
async fn until_told(path: &str, token: &str) -> Result<String> {
    eventually("the new right to count", async || {
        match Controller::get(path, Some(token)).await {
            Ok(told) => Ok(Some(told)),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn kubectl_apply(stage: &Stage, file: &str) -> Result<()> {
    let path = stage.settings().manifests.join(file);
    let output = kubectl(stage, &["apply", "--server-side", "-f"], &path).await?;
    ensure!(output.status.success(), "kubectl apply failed: {}", said(&output));
    Ok(())
}

async fn history_command(stage: &Stage, name: &str) -> Result<Value> {
    let program = stage.settings().controller.program.as_ref();
    let mut kulta = Command::new(program.context("there is no program of the controller")?);
    kulta.args(["history", "--output", "json"]);
    kulta.arg(format!("{}/{name}", stage.namespace()));
    kulta.env("KUBECONFIG", &stage.settings().kubeconfig);
    let output = kulta.output().await.context("kulta history")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kulta history failed: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}
