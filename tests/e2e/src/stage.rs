//! One scenario's own place on the cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use kulta_api::Group;
use kulta_test_cluster::Cluster;

use crate::app::names;
use crate::install::kulta;
use crate::settings::{GatewaySettings, StageSettings};
use crate::wait;

/// Marks the namespaces of stages: only such a namespace is ever deleted.
const OWNER_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "kulta-stage");

/// How a stage's namespace is called.
#[derive(Clone, Copy, Debug)]
pub enum NamespaceName<'name> {
    /// Never used before: it begins with this.
    Fresh(&'name str),
    /// Always the same, so that people can be told of it; what an earlier stage left there is removed first.
    Fixed(&'name str),
}

/// What a scenario is given: a cluster, and a namespace of its own in it.
#[derive(Clone)]
pub struct Stage {
    client: Client,
    namespace: String,
    settings: Arc<StageSettings>,
    gateway: SocketAddr,
}

impl Stage {
    /// Connects to the cluster and makes the namespace.
    ///
    /// # Errors
    /// When the cluster does not answer, the gateway has no address, or the namespace is somebody else's.
    pub async fn open(settings: Arc<StageSettings>, name: NamespaceName<'_>) -> Result<Self> {
        let client = client(&settings).await?;
        let gateway = match settings.gateway.address {
            Some(address) => address,
            None => gateway_address(&client, &settings.gateway).await?,
        };
        let namespace = make_namespace(&client, name).await?;
        Ok(Self {
            client,
            namespace,
            settings,
            gateway,
        })
    }

    /// Asks for the namespace to be removed, and does not wait for it.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn close(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await?;
        Ok(())
    }

    /// Removes the namespace and waits until it is gone with everything in it.
    ///
    /// # Errors
    /// When the API server refuses, or it takes too long.
    pub async fn close_and_wait(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        remove_namespace(&namespaces, &self.namespace).await
    }

    /// Removes the namespaces whose fresh names begin with `prefix`: those that an interrupted run has left.
    ///
    /// # Errors
    /// When the cluster does not answer, or it takes too long.
    pub async fn remove_leftovers(settings: &StageSettings, prefix: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(client(settings).await?);
        let ours = ListParams::default().labels(&format!("{}={}", OWNER_LABEL.0, OWNER_LABEL.1));
        for namespace in namespaces.list_metadata(&ours).await?.items {
            if namespace.name_any().starts_with(&format!("{prefix}-")) {
                remove_namespace(&namespaces, &namespace.name_any()).await?;
            }
        }
        Ok(())
    }

    /// The administrator's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What the stage was told.
    #[must_use]
    pub fn settings(&self) -> &StageSettings {
        &self.settings
    }

    /// Where the gateway listens for HTTP.
    #[must_use]
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway
    }

    /// The local cluster, for scenarios that stop and start its parts.
    ///
    /// # Errors
    /// When the stage is on a cluster of the user's own, or the cluster is gone.
    pub fn cluster(&self) -> Result<Cluster> {
        self.settings.local_cluster()
    }

    /// Objects of a built-in kind in the namespace.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of a built-in kind in the namespace of the controller.
    #[must_use]
    pub fn controller_api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), kulta::NAMESPACE)
    }

    /// Objects of any kind in the namespace.
    #[must_use]
    pub fn dynamic_api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, resource)
    }

    /// The Rollouts of KULTA's own group in the namespace.
    #[must_use]
    pub fn rollouts(&self) -> Api<DynamicObject> {
        self.rollouts_of(Group::Kulta)
    }

    /// The Rollouts of a group in the namespace.
    #[must_use]
    pub fn rollouts_of(&self, group: Group) -> Api<DynamicObject> {
        self.dynamic_api(&kulta_api::rollout::api_resource(group))
    }

    /// The routes in the namespace.
    #[must_use]
    pub fn routes(&self) -> Api<DynamicObject> {
        self.dynamic_api(&http_route_resource())
    }
}

/// The kind HTTPRoute.
#[must_use]
pub fn http_route_resource() -> ApiResource {
    gateway_api("HTTPRoute", "httproutes")
}

/// The kind GRPCRoute.
#[must_use]
pub fn grpc_route_resource() -> ApiResource {
    gateway_api("GRPCRoute", "grpcroutes")
}

fn gateway_api(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: names::GATEWAY_GROUP.to_owned(),
        version: names::GATEWAY_VERSION.to_owned(),
        api_version: format!("{}/{}", names::GATEWAY_GROUP, names::GATEWAY_VERSION),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// A client with the rights of the settings' kubeconfig.
pub(crate) async fn client(settings: &StageSettings) -> Result<Client> {
    let path = &settings.kubeconfig;
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| path.display().to_string())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The first address of the Gateway, and the port of its first HTTP listener.
async fn gateway_address(client: &Client, gateway: &GatewaySettings) -> Result<SocketAddr> {
    let GatewaySettings {
        namespace,
        name,
        address: _,
    } = gateway;
    let gateways: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &gateway_api("Gateway", "gateways"));
    let found = gateways
        .get(name)
        .await
        .with_context(|| format!("the Gateway {namespace}/{name}"))?;
    let host = found
        .data
        .pointer("/status/addresses/0/value")
        .and_then(|value| value.as_str());
    let listeners = found
        .data
        .pointer("/spec/listeners")
        .and_then(|value| value.as_array());
    let http = listeners
        .into_iter()
        .flatten()
        .find(|listener| listener.get("protocol").and_then(|protocol| protocol.as_str()) == Some("HTTP"));
    let port = http
        .and_then(|listener| listener.get("port"))
        .and_then(serde_json::Value::as_u64);
    let (Some(host), Some(port)) = (host, port) else {
        bail!(
            "the Gateway {namespace}/{name} has no address or no HTTP listener in its status; say where it \
             listens with --address HOST:PORT"
        );
    };
    let mut addresses = tokio::net::lookup_host(format!("{host}:{port}")).await?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

async fn make_namespace(client: &Client, name: NamespaceName<'_>) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut metadata = ObjectMeta {
        labels: Some([(OWNER_LABEL.0.to_owned(), OWNER_LABEL.1.to_owned())].into()),
        ..ObjectMeta::default()
    };
    match name {
        NamespaceName::Fresh(prefix) => metadata.generate_name = Some(format!("{prefix}-")),
        NamespaceName::Fixed(name) => {
            remove_namespace(&namespaces, name).await?;
            metadata.name = Some(name.to_owned());
        }
    }
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    let made = namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .context("making a namespace")?;
    Ok(made.name_any())
}

async fn remove_namespace(namespaces: &Api<Namespace>, name: &str) -> Result<()> {
    let Some(found) = namespaces.get_opt(name).await? else {
        return Ok(());
    };
    let ours = found
        .labels()
        .get(OWNER_LABEL.0)
        .is_some_and(|owner| owner == OWNER_LABEL.1);
    ensure!(
        ours,
        "the namespace {name} is there already and is somebody else's: it has no label {}",
        OWNER_LABEL.0
    );
    namespaces.delete(name, &DeleteParams::background()).await?;
    wait::gone(namespaces, name).await
}
