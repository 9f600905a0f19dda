//! The application on the stage: its versions, and the objects that bring it behind the gateway.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, PostParams};
use kulta_api::Group;
use serde_json::{Map, Value, json};

use crate::rollout::Rollout;
use crate::settings::AppImages;
use crate::stage::Stage;

/// Names that manifests and scenarios share.
pub mod names {
    /// The API group of Gateway, HTTPRoute and their kin.
    pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
    /// The version of HTTPRoute and Gateway.
    pub const GATEWAY_VERSION: &str = "v1";
    /// The label that selects all pods of an application.
    pub const APP_LABEL: &str = "app";
    /// The only container of a pod.
    pub const CONTAINER: &str = "app";
    /// The port that the sample application listens on unless it is told otherwise.
    pub const CONTAINER_PORT: u16 = 8080;
    /// The port of the Services.
    pub const SERVICE_PORT: u16 = 80;
}

/// The sample application's variable for its version.
pub const VERSION_VARIABLE: &str = "SAMPLE_VERSION_LABEL";
/// The sample application's variable for the share of requests that it answers with 500.
pub const ERROR_RATE_VARIABLE: &str = "SAMPLE_ERROR_RATE";
/// The sample application's variable for the delay before every answer.
pub const LATENCY_VARIABLE: &str = "SAMPLE_LATENCY";
/// The sample application's variable for the time until it is ready.
pub const READINESS_DELAY_VARIABLE: &str = "SAMPLE_READINESS_DELAY";

/// Above the sample application's drain (5 s) and the time it gives requests in flight (10 s).
const GRACE_SECONDS: u32 = 30;
/// Enough for each revision to have more than one pod at half the weight.
const DEFAULT_REPLICAS: u32 = 4;

/// A version of the application: the same program, told who it is and how to behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What it answers in the header `x-version`.
    pub label: String,
    /// Its image.
    pub image: String,
    /// Its behaviour, in the sample application's own variables.
    pub environment: BTreeMap<String, String>,
}

impl Version {
    /// The first version.
    #[must_use]
    pub fn v1(images: &AppImages) -> Self {
        Self::new("v1", &images.v1)
    }

    /// A good second version.
    #[must_use]
    pub fn v2(images: &AppImages) -> Self {
        Self::new("v2", &images.v2)
    }

    /// The third version. Its image is slow and fails some requests, unless [`Version::with`] says otherwise.
    #[must_use]
    pub fn v3(images: &AppImages) -> Self {
        Self::new("v3", &images.bad_v3)
    }

    fn new(label: &str, image: &str) -> Self {
        Self {
            label: label.to_owned(),
            image: image.to_owned(),
            environment: BTreeMap::new(),
        }
    }

    /// With one of the sample application's variables, for example `SAMPLE_LATENCY`.
    #[must_use]
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    /// The pod template of this version.
    #[must_use]
    pub fn template(&self, app: &str) -> Value {
        let own = std::iter::once((VERSION_VARIABLE, self.label.as_str()));
        let behaviour = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<Value> = own
            .chain(behaviour)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        json!({
            "metadata": {
                "labels": { names::APP_LABEL: app },
                "annotations": {
                    "prometheus.io/scrape": "true",
                    "prometheus.io/port": names::CONTAINER_PORT.to_string(),
                },
            },
            "spec": {
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                // What the level `restricted` of Pod Security asks for: users' namespaces may enforce it. The image names
                // a user by its number, who is not root.
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": names::CONTAINER,
                    "image": self.image,
                    "imagePullPolicy": "IfNotPresent",
                    "env": environment,
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                    "ports": [{ "name": "http", "containerPort": names::CONTAINER_PORT }],
                    "readinessProbe": { "httpGet": { "path": "/readyz", "port": "http" }, "periodSeconds": 1 },
                }],
            },
        })
    }
}

/// Steps of a canary.
pub mod step {
    use super::{Value, json};

    /// Gives the canary this share of the traffic, in percent.
    #[must_use]
    pub fn weight(percent: u8) -> Value {
        json!({ "setWeight": percent })
    }

    /// Waits until somebody resumes.
    #[must_use]
    pub fn pause() -> Value {
        json!({ "pause": {} })
    }

    /// Waits for an analysis with one metric of the plugin `prometheus`.
    #[must_use]
    pub fn analysis(metric: &Value) -> Value {
        json!({ "analysis": { "metrics": [metric] } })
    }

    /// Waits until the gate allows it.
    #[must_use]
    pub fn gate(gate: &Value) -> Value {
        json!({ "gate": gate })
    }

    /// Gives the canary so many pods.
    #[must_use]
    pub fn canary_pods(pods: u32) -> Value {
        json!({ "setCanaryScale": { "replicas": pods } })
    }

    /// Sends requests with this header to the canary.
    #[must_use]
    pub fn header_route(route: &str, header: &str, value: &str) -> Value {
        let matched = json!({ "headerName": header, "headerValue": { "exact": value } });
        json!({ "setHeaderRoute": { "name": route, "match": [matched] } })
    }

    /// Takes a header route away.
    #[must_use]
    pub fn no_header_route(route: &str) -> Value {
        json!({ "setHeaderRoute": { "name": route } })
    }

    /// Waits so many seconds.
    #[must_use]
    pub fn pause_for(seconds: u64) -> Value {
        json!({ "pause": { "duration": seconds } })
    }
}

/// An application as a user would deploy it: Services, an HTTPRoute on the shared Gateway and a Rollout.
#[derive(Clone, Debug)]
pub struct App {
    name: String,
    group: Group,
    version: Version,
    replicas: u32,
    steps: Vec<Value>,
    routed: bool,
    managed_routes: Vec<String>,
    strategy: Option<Value>,
    canary_fields: Map<String, Value>,
    spec_fields: Map<String, Value>,
}

impl App {
    /// An application with four pods and no steps, whose traffic is split by its route.
    #[must_use]
    pub fn new(name: &str, version: Version) -> Self {
        Self {
            name: name.to_owned(),
            group: Group::Kulta,
            version,
            replicas: DEFAULT_REPLICAS,
            steps: Vec::new(),
            routed: true,
            managed_routes: Vec::new(),
            strategy: None,
            canary_fields: Map::new(),
            spec_fields: Map::new(),
        }
    }

    /// As it is written for Argo Rollouts, with its plugin for the Gateway API.
    #[must_use]
    pub fn argo(mut self) -> Self {
        self.group = Group::Argo;
        self
    }

    /// With so many pods.
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// With these [`step`]s.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Value>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// With these names for managed routes.
    #[must_use]
    pub fn managed_routes<const COUNT: usize>(mut self, names: [&str; COUNT]) -> Self {
        self.managed_routes = names.map(str::to_owned).to_vec();
        self
    }

    /// Without traffic routing: one Service selects the pods of all versions, and their number is the split.
    #[must_use]
    pub fn without_routing(mut self) -> Self {
        self.routed = false;
        self
    }

    /// With this `spec.strategy` instead of a canary, and without traffic routing.
    #[must_use]
    pub fn strategy(mut self, strategy: Value) -> Self {
        self.strategy = Some(strategy);
        self.without_routing()
    }

    /// With a field of `spec.strategy.canary`.
    #[must_use]
    pub fn canary_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.canary_fields.insert(name.to_owned(), value.into());
        self
    }

    /// With a field of `spec`; null: without it.
    #[must_use]
    pub fn spec_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.spec_fields.insert(name.to_owned(), value.into());
        self
    }

    /// The host name that the route serves: unlike that of any other stage.
    #[must_use]
    pub fn host(&self, stage: &Stage) -> String {
        format!("{}.{}.test", self.name, stage.namespace())
    }

    /// Makes the Services, the route and the Rollout.
    ///
    /// # Errors
    /// When the API server refuses one of them.
    pub async fn deploy(&self, stage: &Stage) -> Result<Rollout> {
        self.deploy_surroundings(stage).await?;
        create(&stage.rollouts_of(self.group), self.rollout()).await?;
        Ok(self.handle(stage))
    }

    /// Makes the Services and the route, without the Rollout.
    ///
    /// # Errors
    /// When the API server refuses one of them.
    pub async fn deploy_surroundings(&self, stage: &Stage) -> Result<()> {
        let services = stage.api::<Service>();
        for service in self.services() {
            services
                .create(&PostParams::default(), &serde_json::from_value(service)?)
                .await?;
        }
        create(&stage.routes(), self.route(stage)).await
    }

    /// The Rollout, made or not.
    #[must_use]
    pub fn handle(&self, stage: &Stage) -> Rollout {
        Rollout::new(stage, self.group, &self.name, self.host(stage))
    }

    /// The name of the Service of the stable version.
    #[must_use]
    pub fn stable_service(&self) -> String {
        if self.routed {
            format!("{}-stable", self.name)
        } else {
            self.name.clone()
        }
    }

    /// The name of the Service of the new version.
    #[must_use]
    pub fn canary_service(&self) -> String {
        format!("{}-canary", self.name)
    }

    /// The manifests of the Services.
    #[must_use]
    pub fn services(&self) -> Vec<Value> {
        let mut service_names = vec![self.stable_service()];
        if self.routed {
            service_names.push(self.canary_service());
        }
        let service = |name: String| {
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": { "name": name },
                "spec": {
                    "selector": { names::APP_LABEL: self.name },
                    "ports": [{ "name": "http", "port": names::SERVICE_PORT, "targetPort": "http" }],
                },
            })
        };
        service_names.into_iter().map(service).collect()
    }

    /// The manifest of the route: everything to the stable Service.
    #[must_use]
    pub fn route(&self, stage: &Stage) -> Value {
        let gateway = &stage.settings().gateway;
        let backend =
            |name: String, weight: u8| json!({ "name": name, "port": names::SERVICE_PORT, "weight": weight });
        let mut backends = vec![backend(self.stable_service(), 100)];
        if self.routed {
            backends.push(backend(self.canary_service(), 0));
        }
        json!({
            "apiVersion": format!("{}/{}", names::GATEWAY_GROUP, names::GATEWAY_VERSION),
            "kind": "HTTPRoute",
            "metadata": { "name": self.name },
            "spec": {
                "parentRefs": [{ "namespace": gateway.namespace, "name": gateway.name }],
                "hostnames": [self.host(stage)],
                "rules": [{ "backendRefs": backends }],
            },
        })
    }

    /// The manifest of the Rollout.
    #[must_use]
    pub fn rollout(&self) -> Value {
        let mut canary = self.canary_fields.clone();
        if !self.steps.is_empty() {
            canary.insert("steps".to_owned(), json!(self.steps));
        }
        if self.routed {
            canary.insert("stableService".to_owned(), json!(self.stable_service()));
            canary.insert("canaryService".to_owned(), json!(self.canary_service()));
            canary.insert("trafficRouting".to_owned(), self.traffic_routing());
        }
        let mut spec = Map::new();
        spec.insert("replicas".to_owned(), json!(self.replicas));
        spec.insert(
            "selector".to_owned(),
            json!({ "matchLabels": { names::APP_LABEL: self.name } }),
        );
        spec.insert("template".to_owned(), self.version.template(&self.name));
        let strategy = self.strategy.clone();
        spec.insert(
            "strategy".to_owned(),
            strategy.unwrap_or_else(|| json!({ "canary": canary })),
        );
        spec.extend(self.spec_fields.clone());
        spec.retain(|_, value| !value.is_null());
        let resource = kulta_api::rollout::api_resource(self.group);
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": { "name": self.name },
            "spec": spec,
        })
    }
}

impl App {
    fn traffic_routing(&self) -> Value {
        let routes = json!({ "httpRoutes": [{ "name": self.name }] });
        let names: Vec<_> = self
            .managed_routes
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        match self.group {
            Group::Kulta => json!({ "gatewayAPI": routes, "managedRoutes": names }),
            Group::Argo => {
                json!({ "plugins": { "argoproj-labs/gatewayAPI": routes }, "managedRoutes": names })
            }
        }
    }
}

async fn create(api: &kube::Api<DynamicObject>, manifest: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(manifest)?;
    let kind = object
        .types
        .as_ref()
        .map(|types| types.kind.clone())
        .unwrap_or_default();
    api.create(&PostParams::default(), &object)
        .await
        .with_context(|| format!("making the {kind}"))?;
    Ok(())
}

#[cfg(test)]
mod tests;
