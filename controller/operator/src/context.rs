//! What every step of a reconcile works with.

use std::sync::Arc;

use kube::Client;
use kulta_api::status::Memory;
use kulta_core::observed::{Observed, Settings};
use serde_json::Value;

use crate::analysis::plugin_checks::PluginChecks;
use crate::argo::FieldsOff;
use crate::delivery::Outbox;
use crate::events::publish::Publisher;
use crate::expectations::Expectations;
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::observe::analysis_templates::AnalysisTemplates;
use crate::observe::template::TemplateChecks;
use crate::permission::{Permission, Writer};
use crate::watch::Caches;

/// The one context of the process, shared by all reconciles.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The same by a client that hands on at once what the other would ask again for: that there are too many requests, or
    /// that a disruption budget keeps a pod, which have the same answer.
    pub impatient_client: Client,
    /// What the watches have seen: projections only.
    pub caches: Arc<Caches>,
    /// Own writes that the caches do not show yet. Whoever writes calls [`Expectations::wrote`].
    pub expectations: Arc<Expectations>,
    /// What the API server said of templates.
    pub template_checks: Arc<TemplateChecks>,
    /// What plugins say of what Rollouts are going to have measured.
    pub plugin_checks: Arc<PluginChecks>,
    /// What the templates of analyses in use have to give.
    pub analysis_templates: Arc<AnalysisTemplates>,
    /// Kubernetes Events.
    pub events: Publisher,
    /// The delivery of the history to sinks of events.
    pub outbox: Outbox,
    /// The controller's own metrics.
    pub metrics: Arc<Metrics>,
    /// What this process may write.
    pub permission: Permission,
    /// Which of several controllers this is.
    pub instance: Instance,
    /// What the definitions of `argoproj.io` have no field for.
    pub fields_off: FieldsOff,
    /// Settings that decisions depend on.
    pub settings: Settings,
}

impl Context {
    /// Writes what belongs to the Rollout `rollout`.
    pub(crate) fn writer(&self, rollout: &ObjectKey) -> Writer<'_> {
        Writer {
            client: &self.client,
            permission: &self.permission,
            group: rollout.group,
        }
    }
}

/// One Rollout as observed: what is decided on, and the identity and version that writes refer to.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`: owner references, events.
    pub uid: String,
    /// `metadata.resourceVersion` of the observed version: precondition of the status write.
    pub resource_version: String,
    /// What is decided on.
    pub observed: Observed,
    /// What another controller keeps in the status, and this one does not know.
    pub foreign_status: Value,
    /// What its status remembers, if it does: one of `argoproj.io` that this controller wrote.
    pub memory: Option<Memory>,
    /// Fields of its spec that are KULTA's alone.
    pub own_fields: Vec<String>,
    /// Those that definitions have lost.
    pub lost: Vec<String>,
}
