//! The requests of the API server, in the namespace that the user works in.

use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use kulta_api::analysis::TemplateReference;
use kulta_api::{Group, analysis, experiment, rollout};
use kulta_core::spec::WorkloadKind;
use kulta_core::text::with_causes;
use serde_json::{Value, json};

use crate::arguments::ConnectionArguments;
use crate::error::Error;

/// The name under which the plugin writes (`metadata.managedFields[].manager`).
const FIELD_MANAGER: &str = "kubectl-kulta";

/// A cluster, a namespace of it, and the API group to work in.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    group: Group,
}

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rollouts.
    Rollout,
    /// Analyses of Rollouts.
    AnalysisRun,
    /// Experiments.
    Experiment,
    /// Revisions of Rollouts.
    ReplicaSet,
    /// Pods of revisions.
    Pod,
}

impl Kind {
    /// The resource, for a client; Rollouts, AnalysisRuns and Experiments are in `group`.
    #[must_use]
    pub fn resource(self, group: Group) -> ApiResource {
        match self {
            Self::Rollout => rollout::api_resource(group),
            Self::AnalysisRun => analysis::api_resource(group),
            Self::Experiment => experiment::api_resource(group),
            Self::ReplicaSet => ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "ReplicaSet")),
            Self::Pod => ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod")),
        }
    }
}

impl Cluster {
    /// The namespace of the cluster that `client` asks.
    #[must_use]
    pub fn new(client: Client, namespace: &str, group: Group) -> Self {
        let namespace = namespace.to_owned();
        Self {
            client,
            namespace,
            group,
        }
    }

    /// The cluster and the namespace that the user means.
    ///
    /// # Errors
    /// When there is no such kubeconfig, context or namespace in it.
    pub async fn connect(arguments: &ConnectionArguments) -> Result<Self, Error> {
        let mut config = configuration(arguments).await?;
        let login = &mut config.auth_info;
        if let Some(user) = &arguments.impersonate {
            login.impersonate = Some(user.clone());
        }
        if !arguments.impersonate_group.is_empty() {
            login.impersonate_groups = Some(arguments.impersonate_group.clone());
        }
        let namespace = arguments.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::Configuration {
            reason: with_causes(&error),
        })?;
        let group = arguments.api_group;
        Ok(Self {
            client,
            namespace,
            group,
        })
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The API group.
    #[must_use]
    pub fn group(&self) -> Group {
        self.group
    }

    /// Whether there is such a template of analyses.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn has_template(&self, template: &TemplateReference) -> Result<bool, Error> {
        let resource = analysis::template::api_resource(self.group, template.is_cluster_scoped());
        let templates: Api<DynamicObject> = if template.is_cluster_scoped() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        };
        let found = templates.get_opt(&template.template_name).await;
        Ok(found.map_err(self.error(format!("read {template}")))?.is_some())
    }

    /// The same, working in another API group.
    #[must_use]
    pub fn in_group(&self, group: Group) -> Self {
        Self {
            group,
            ..self.clone()
        }
    }

    /// Makes an object, or (`dry_run`) asks how it would be stored.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn create(&self, kind: Kind, manifest: &Value, dry_run: bool) -> Result<DynamicObject, Error> {
        let action = format!("make the {}", kind.resource(self.group).kind);
        let object = serde_json::from_value(manifest.clone()).map_err(|error| Error::Refused {
            action: action.clone(),
            reason: error.to_string(),
        })?;
        let parameters = PostParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        };
        let created = self.objects(kind).create(&parameters, &object).await;
        created.map_err(self.error(action))
    }

    /// Merges fields into an object.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn merge(&self, kind: Kind, name: &str, patch: &Value) -> Result<DynamicObject, Error> {
        let patched = self
            .objects(kind)
            .patch(name, &parameters(), &Patch::Merge(patch))
            .await;
        patched.map_err(self.error(format!("patch {} '{name}'", kind.resource(self.group).kind)))
    }

    /// The objects of a kind in the namespace.
    #[must_use]
    pub fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource(self.group))
    }

    /// The Deployments of the namespace.
    #[must_use]
    pub fn deployments(&self) -> Api<DynamicObject> {
        self.with_templates(Some(WorkloadKind::Deployment))
    }

    /// The workloads of a kind in the namespace, or the Rollouts.
    fn with_templates(&self, workload: Option<WorkloadKind>) -> Api<DynamicObject> {
        let Some(kind) = workload else {
            return self.objects(Kind::Rollout);
        };
        let group = match kind {
            WorkloadKind::Deployment | WorkloadKind::ReplicaSet => "apps",
            WorkloadKind::PodTemplate => "",
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", &kind.to_string()));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// The workload, or Rollout, of this name.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub async fn read(&self, workload: Option<WorkloadKind>, name: &str) -> Result<DynamicObject, Error> {
        let found = self.with_templates(workload).get(name).await;
        found.map_err(self.error(format!("read {}", called(workload, name))))
    }

    /// The error of a request that was to do `action`.
    pub(crate) fn error(&self, action: impl Into<String>) -> impl Fn(kube::Error) -> Error {
        let action = action.into();
        move |error| Error::of_request(action.clone(), &self.namespace, &error)
    }

    /// The Rollout of this name.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub async fn rollout(&self, name: &str) -> Result<DynamicObject, Error> {
        self.read(None, name).await
    }

    /// The objects of a kind in the namespace, or in all.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn all(&self, kind: Kind, everywhere: bool) -> Result<Vec<DynamicObject>, Error> {
        let resource = kind.resource(self.group);
        let objects = if everywhere {
            Api::all_with(self.client.clone(), &resource)
        } else {
            self.objects(kind)
        };
        let found = objects.list(&ListParams::default()).await;
        let action = format!("list {}", resource.plural);
        Ok(found.map_err(self.error(action))?.items)
    }

    /// The object of this kind and name.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub async fn object(&self, kind: Kind, name: &str) -> Result<DynamicObject, Error> {
        let found = self.objects(kind).get(name).await;
        found.map_err(self.error(format!("read {} '{name}'", called_kind(kind))))
    }

    /// Takes the status of an object away: of kinds without a status subresource, as they are in `argoproj.io`, by a patch of the
    /// object itself.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn clear_status(&self, kind: Kind, name: &str) -> Result<DynamicObject, Error> {
        let patch = Patch::Merge(json!({"status": null}));
        let objects = self.objects(kind);
        let patched = match self.group {
            Group::Kulta => objects.patch_status(name, &parameters(), &patch).await,
            Group::Argo => objects.patch(name, &parameters(), &patch).await,
        };
        patched.map_err(self.error(format!("patch the status of {} '{name}'", called_kind(kind))))
    }

    /// The objects of a kind that a label selector selects.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn list(&self, kind: Kind, selector: &str) -> Result<Vec<DynamicObject>, Error> {
        let parameters = ListParams::default().labels(selector);
        let found = self.objects(kind).list(&parameters).await;
        let action = format!("list {}", kind.resource(self.group).plural);
        Ok(found.map_err(self.error(action))?.items)
    }

    /// Merges fields into the status of a Rollout; with `seen`, only if that is still its resource version.
    ///
    /// # Errors
    /// When the API server refuses; [`Error::Conflict`] when it is another version.
    pub async fn patch_status(
        &self,
        name: &str,
        status: &Value,
        seen: Option<&str>,
    ) -> Result<DynamicObject, Error> {
        let patch = Patch::Merge(match seen {
            Some(version) => json!({"metadata": {"resourceVersion": version}, "status": status}),
            None => json!({"status": status}),
        });
        let patched = self
            .objects(Kind::Rollout)
            .patch_status(name, &parameters(), &patch)
            .await;
        patched.map_err(self.error(format!("patch the status of rollout '{name}'")))
    }

    /// Merges fields into the spec of a Rollout.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn patch_spec(&self, name: &str, spec: &Value) -> Result<DynamicObject, Error> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.patch(None, name, &patch).await
    }

    /// Changes a workload, or a Rollout, by the operations of a JSON patch.
    ///
    /// # Errors
    /// When the API server refuses, and when a test of the patch fails.
    pub async fn patch_json(
        &self,
        workload: Option<WorkloadKind>,
        name: &str,
        patch: json_patch::Patch,
    ) -> Result<DynamicObject, Error> {
        self.patch(workload, name, &Patch::Json::<()>(patch)).await
    }

    async fn patch<P: serde::Serialize + std::fmt::Debug>(
        &self,
        workload: Option<WorkloadKind>,
        name: &str,
        patch: &Patch<P>,
    ) -> Result<DynamicObject, Error> {
        let patched = self
            .with_templates(workload)
            .patch(name, &parameters(), patch)
            .await;
        patched.map_err(self.error(format!("patch {}", called(workload, name))))
    }

    /// Puts `object` in the place of the workload, or Rollout, that it was read as.
    ///
    /// # Errors
    /// When the API server refuses; [`Error::Conflict`] when it has changed since.
    pub async fn replace(
        &self,
        workload: Option<WorkloadKind>,
        name: &str,
        object: &DynamicObject,
    ) -> Result<DynamicObject, Error> {
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let replaced = self
            .with_templates(workload)
            .replace(name, &parameters, object)
            .await;
        replaced.map_err(self.error(format!("update {}", called(workload, name))))
    }
}

/// A kind, in messages.
fn called_kind(kind: Kind) -> String {
    kind.resource(Group::Kulta).kind.to_lowercase()
}

/// A workload, or a Rollout, in messages.
fn called(workload: Option<WorkloadKind>, name: &str) -> String {
    let kind = workload.map_or_else(|| "rollout".to_owned(), |kind| kind.to_string());
    format!("{kind} '{name}'")
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// As kubectl finds it: the file that is named, or KUBECONFIG, or the file in the home folder, or that of a pod.
async fn configuration(arguments: &ConnectionArguments) -> Result<Config, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Configuration {
        reason: with_causes(error),
    };
    let options = KubeConfigOptions {
        context: arguments.context.clone(),
        cluster: arguments.cluster.clone(),
        user: arguments.user.clone(),
    };
    if let Some(path) = &arguments.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
        let config = Config::from_custom_kubeconfig(file, &options).await;
        return config.map_err(|error| unusable(&error));
    }
    if options.context.is_some() || options.cluster.is_some() || options.user.is_some() {
        let config = Config::from_kubeconfig(&options).await;
        return config.map_err(|error| unusable(&error));
    }
    Config::infer().await.map_err(|error| unusable(&error))
}
