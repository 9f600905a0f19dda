//! Services and routes, as they were seen.

use std::collections::BTreeMap;

/// A Service that a Rollout directs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its resourceVersion: precondition of writes.
    pub resource_version: String,
    /// `spec.selector` without the hash.
    pub selector: BTreeMap<String, String>,
    /// `spec.selector["rollouts-pod-template-hash"]`: which revision it selects.
    pub selects: Option<String>,
    /// Annotation `argo-rollouts.argoproj.io/managed-by-rollouts`.
    pub managed_by: Option<String>,
    /// The ports it serves.
    pub ports: Vec<ServicePort>,
    /// Ready endpoints (from its `EndpointSlice`s) by the hash of the ReplicaSet whose pods they are.
    pub ready_endpoints: BTreeMap<String, u32>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// `port`
    pub number: u16,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The port of its pods.
    pub target: PortTarget,
}

/// A port of a pod, as a Service names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortTarget {
    /// By its number.
    Number(u16),
    /// By the name that its container gives it.
    Name(String),
}

/// A route, as far as its split and the controller's own rules are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteView {
    /// `metadata.generation`: precondition of writes, and what acceptance must refer to.
    pub generation: i64,
    /// `metadata.resourceVersion`: precondition of the first label.
    pub resource_version: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// Every backendRef of every rule.
    pub backends: Vec<BackendView>,
    /// The rules, if the controller's own could be made from one of them, or be one: if any has several backendRefs or a name.
    pub rules: Vec<RuleView>,
    /// `spec.parentRefs`, as text `namespace/name[/section][:port]`, resolved.
    pub parents: Vec<String>,
    /// `status.parents`.
    pub reports: Vec<ParentReport>,
    /// Who last wrote `spec.rules`, from managedFields; None when unknown.
    pub rules_manager: Option<String>,
}

/// A rule of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// Its index.
    pub index: usize,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// All of it, as JSON: it is seldom looked at, and text takes the least memory.
    pub body: Box<str>,
}

/// One backendRef of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendView {
    /// Index of its rule.
    pub rule: usize,
    /// Index within the rule's `backendRefs`.
    pub index: usize,
    /// Whether it refers to a core Service (group "" and kind Service), rather than anything else of that name.
    pub is_service: bool,
    /// Resolved namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Port, if written.
    pub port: Option<u16>,
    /// The weight, None when it is not written (the Gateway API then means 1).
    pub weight: Option<u32>,
}

/// What one controller says of a route for one of its parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentReport {
    /// The parent, as in [`RouteView::parents`].
    pub parent: String,
    /// Condition `Accepted`, if reported.
    pub accepted: Option<Verdict>,
    /// Condition `ResolvedRefs`, if reported.
    pub resolved_refs: Option<Verdict>,
}

/// A condition of a route's parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Status is True.
    pub holds: bool,
    /// The route's generation that it is about.
    pub observed_generation: i64,
    /// Reason and message as one text.
    pub message: String,
}
