//! `spec.workloadRef`: the workload whose pod template the Rollout takes instead of one of its own.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kulta_core::spec::{Problem, Workload, WorkloadKind, WorkloadScaleDown};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::WorkloadReference;
use crate::Group;

/// What a Rollout takes of the workload that it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadTemplate {
    /// The labels of its pod template.
    pub labels: BTreeMap<String, String>,
    /// The annotations of its pod template.
    pub annotations: BTreeMap<String, String>,
    /// Its selector, for a Rollout that has none of its own. A `PodTemplate` has none.
    pub selector: Option<LabelSelector>,
}

/// Where a Rollout with a `workloadRef` has its pod template from.
#[derive(Debug, Clone, Copy)]
pub enum TakenFrom<'a> {
    /// The workload was seen.
    Seen(&'a WorkloadTemplate),
    /// There is none of that name.
    Missing,
    /// Nobody has looked: whether selector and labels fit is not known.
    Unknown,
}

impl WorkloadTemplate {
    /// The metadata of its pod template.
    pub(super) fn metadata(&self) -> Value {
        json!({"labels": self.labels, "annotations": self.annotations})
    }
}

/// The workload that the `spec` of a Rollout of `group` refers to; None when it refers to none that can be read.
#[must_use]
pub fn workload(group: Group, spec: &Value) -> Option<Workload> {
    let written = WorkloadReference::deserialize(spec.get("workloadRef")?).ok()?;
    validate(group, &written, &mut Vec::new())
}

/// The pod template of a workload, as the API server has it.
#[must_use]
pub fn template_of(kind: WorkloadKind, workload: &Value) -> Option<&Value> {
    workload
        .pointer(template_pointer(kind))
        .filter(|template| !template.is_null())
}

/// Where a workload has its pod template.
#[must_use]
pub const fn template_pointer(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment | WorkloadKind::ReplicaSet => "/spec/template",
        WorkloadKind::PodTemplate => "/template",
    }
}

/// `spec` with the pod template of `workload`, and with its selector where it has none of its own: as if both were written in
/// the Rollout.
pub fn inline(spec: &mut Value, kind: WorkloadKind, workload: &Value) {
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    let template = template_of(kind, workload).cloned().unwrap_or_default();
    spec.insert("template".to_owned(), template);
    let has_selector = spec.get("selector").is_some_and(|selector| !selector.is_null());
    if let Some(selector) = workload.pointer("/spec/selector").filter(|_| !has_selector) {
        spec.insert("selector".to_owned(), selector.clone());
    }
}

/// Returns None only where `problems` tells why.
pub(super) fn validate(
    group: Group,
    written: &WorkloadReference,
    problems: &mut Vec<Problem>,
) -> Option<Workload> {
    let kind = kind(written, problems);
    let name = written.name.as_deref().filter(|name| !name.is_empty());
    if name.is_none() {
        problems.push(Problem::new(
            "spec.workloadRef.name",
            "is missing; write the name of the workload that has the pod template",
        ));
    }
    let scale_down = scale_down(written, problems);
    let (kind, name, scale_down) = (kind?, name?, scale_down?);
    if group == Group::Kulta && kind != WorkloadKind::Deployment && scale_down != WorkloadScaleDown::Never {
        let message = format!("only a Deployment can be scaled down, this is a {kind}; take it out");
        problems.push(Problem::new("spec.workloadRef.scaleDown", message));
    }
    Some(Workload {
        kind,
        name: name.to_owned(),
        scale_down,
    })
}

fn kind(written: &WorkloadReference, problems: &mut Vec<Problem>) -> Option<WorkloadKind> {
    let api_version = written.api_version.as_deref().unwrap_or_default();
    let kind = written.kind.as_deref().unwrap_or_default();
    let is_of_apps = api_version
        .split_once('/')
        .is_some_and(|(group, _)| group == "apps");
    let found = match kind {
        "Deployment" if is_of_apps => Some(WorkloadKind::Deployment),
        "ReplicaSet" if is_of_apps => Some(WorkloadKind::ReplicaSet),
        "PodTemplate" if api_version == "v1" => Some(WorkloadKind::PodTemplate),
        _ => None,
    };
    if found.is_none() {
        let message = format!(
            "must be a Deployment or a ReplicaSet of apps/v1, or a PodTemplate of v1, is {kind:?} of {api_version:?}; write \
             apiVersion and kind of one of these"
        );
        problems.push(Problem::new("spec.workloadRef.kind", message));
    }
    found
}

fn scale_down(written: &WorkloadReference, problems: &mut Vec<Problem>) -> Option<WorkloadScaleDown> {
    match written.scale_down.as_deref().unwrap_or_default() {
        "" | "never" => Some(WorkloadScaleDown::Never),
        "onsuccess" => Some(WorkloadScaleDown::OnSuccess),
        "progressively" => Some(WorkloadScaleDown::Progressively),
        other => {
            problems.push(Problem::new(
                "spec.workloadRef.scaleDown",
                format!("must be never, onsuccess or progressively, is {other:?}"),
            ));
            None
        }
    }
}
