//! What the controller has in its pod: its environment, and the rights of its service account.

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::install::kulta;
use crate::settings::limits;

/// The environment of the controller's pod, as far as it does not depend on the pod.
pub(super) async fn environment(client: &Client) -> Result<Vec<(String, String)>> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), kulta::NAMESPACE);
    let template = deployments
        .get(kulta::DEPLOYMENT)
        .await?
        .spec
        .map(|spec| spec.template);
    let pod = template
        .and_then(|template| template.spec)
        .context("a Deployment without pods")?;
    let variables = pod
        .containers
        .into_iter()
        .flat_map(|container| container.env.unwrap_or_default());
    Ok(variables
        .filter_map(|variable| Some((variable.name, variable.value?)))
        .collect())
}

/// A token of the controller's service account.
pub(super) async fn token(client: &Client) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), kulta::NAMESPACE);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(limits::TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let issued = accounts
        .create_token_request(kulta::SERVICE_ACCOUNT, &PostParams::default(), &request)
        .await?;
    Ok(issued.status.context("no token was issued")?.token)
}

/// The administrator's kubeconfig with a token in place of its user, and in the namespace of the controller's pod.
pub(super) fn own_kubeconfig(administrator: &str, token: &str) -> Result<Value> {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(administrator)?;
    let context = kubeconfig
        .current_context
        .clone()
        .context("the kubeconfig has no current context")?;
    let mut own = serde_json::to_value(kubeconfig)?;
    let contexts = own.get("contexts").and_then(Value::as_array);
    let current = contexts
        .into_iter()
        .flatten()
        .find(|entry| entry.get("name") == Some(&json!(context)));
    let user = current.and_then(|entry| entry.pointer("/context/user")).cloned();
    let user = user.context("the current context has no user")?;
    let contexts = own.get_mut("contexts").and_then(Value::as_array_mut);
    for entry in contexts.into_iter().flatten() {
        let context = entry.get_mut("context").and_then(Value::as_object_mut);
        context.map(|context| context.insert("namespace".to_owned(), json!(kulta::NAMESPACE)));
    }
    if let Some(fields) = own.as_object_mut() {
        fields.insert(
            "users".to_owned(),
            json!([{ "name": user, "user": { "token": token } }]),
        );
    }
    Ok(own)
}
