//! What is kept of a Rollout: its template as a digest only.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{ApiResource, Selector, SelectorExt as _};
use kulta_api::Group;
use kulta_api::analysis::{Reference, references};
use kulta_api::names::{FIELD_MANAGER, REVISION_ANNOTATION, WORKLOAD_GENERATION_ANNOTATION};
use kulta_api::origin::{image, origin};
use kulta_api::rollout::workload::{TakenFrom, workload};
use kulta_api::rollout::{RouteSelector, parse_with};
use kulta_api::selector::selector_matches;
use kulta_api::status::{Memory, foreign, memory_of, own_fields};
use kulta_core::observed::{RolloutView, WorkloadView};
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{InvalidSpec, RouteReference, Spec, Workload};
use kulta_core::status::Status;
use kulta_core::text::with_causes;
use serde::Deserialize;
use serde_json::Value;

use super::metadata::Metadata;
use super::projection::{Projection, Undecodable};
use super::workload::WorkloadSeen;

/// A Rollout without its template.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its API group.
    pub group: Group,
    /// What decisions see of its metadata.
    pub view: RolloutView,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
    /// `metadata.creationTimestamp`
    pub created: Timestamp,
    /// It is being deleted: nothing is decided any more.
    pub deleting: bool,
    /// Its spec, or what is wrong with it.
    pub spec: Result<Spec, InvalidSpec>,
    /// What its analyses refer to.
    pub references: Vec<Reference>,
    /// Identity of its template.
    pub digest: TemplateDigest,
    /// The image of its main container.
    pub image: Option<String>,
    /// Its label selector; None when there is none that can be read.
    pub selector: Option<Selector>,
    /// The workload that it takes its template from, if it does.
    pub taking: Option<Taking>,
    /// How it looks for routes.
    pub route_selectors: Vec<RouteSelector>,
    /// Its status.
    pub status: Status,
    /// What another controller keeps in its status, and this one does not know. Null for those of the own group: there all
    /// of a status is KULTA's.
    pub foreign_status: Value,
    /// What its status remembers, if it does: one of `argoproj.io` that this controller wrote.
    pub memory: Option<Memory>,
    /// Fields of its spec that are KULTA's alone.
    pub own_fields: Vec<String>,
    /// Nothing of it was ever written by this controller: its status is another one's.
    pub is_foreign: bool,
}

/// A Rollout that takes its template from a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Taking {
    /// Which one.
    pub workload: Workload,
    /// What was seen of it; None: it is not there.
    pub seen: Option<WorkloadView>,
    /// The Rollout's spec as written: it has a meaning together with the workload only.
    spec: Arc<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    api_version: String,
    metadata: Metadata,
}

impl Projection for Rollout {
    fn api_resource(group: Group) -> ApiResource {
        kulta_api::rollout::api_resource(group)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            api_version,
            metadata,
        } = Written::deserialize(object)?;
        let group = Group::of(&api_version).unwrap_or_default();
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let template = kulta_api::rollout::template(spec).unwrap_or(&Value::Null);
        let selector = kulta_api::rollout::selector(spec).and_then(readable);
        let taking = workload(group, spec).map(|workload| Taking {
            workload,
            seen: None,
            spec: Arc::new(spec.clone()),
        });
        let memory = object.get("status").and_then(memory_of);
        Ok(Self {
            group,
            deleting: metadata.is_being_deleted(),
            spec: kulta_api::rollout::parse(group, &metadata.namespace, spec),
            references: references(object),
            digest: TemplateDigest::of(template),
            image: image(template),
            selector,
            taking,
            route_selectors: kulta_api::rollout::route_selectors(spec),
            status: status(object, &metadata),
            foreign_status: foreign_status(group, object),
            memory: memory.filter(|_| group == Group::Argo),
            own_fields: own_fields(spec),
            is_foreign: metadata
                .managed_fields
                .iter()
                .all(|entry| entry.manager != FIELD_MANAGER),
            created: metadata.creation_timestamp,
            view: RolloutView {
                generation: metadata.generation,
                revision: metadata.annotation(REVISION_ANNOTATION),
                workload_generation: metadata.annotation(WORKLOAD_GENERATION_ANNOTATION),
                origin: origin(&metadata.annotations),
                // KULTA's own definitions have the default.
                lacks_replicas: group == Group::Argo && spec.get("replicas").is_none(),
                namespace: metadata.namespace,
                name: metadata.name,
            },
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        })
    }
}

fn foreign_status(group: Group, object: &Value) -> Value {
    match group {
        Group::Kulta => Value::Null,
        Group::Argo => object.get("status").map(foreign).unwrap_or_default(),
    }
}

/// The status. One that can't be read counts as lost: decisions then find out from the cluster what is stable.
fn status(object: &Value, metadata: &Metadata) -> Status {
    let Some(status) = object.get("status") else {
        return Status::default();
    };
    kulta_api::status::read(status).unwrap_or_else(|error| {
        let (namespace, name) = (&metadata.namespace, &metadata.name);
        tracing::warn!(
            namespace,
            name,
            error = with_causes(&error),
            "status can't be read"
        );
        Status::default()
    })
}

fn readable(selector: LabelSelector) -> Option<Selector> {
    Selector::try_from(selector).ok()
}

impl Rollout {
    /// The workload that it takes its template from, if it does.
    #[must_use]
    pub fn takes(&self) -> Option<&Workload> {
        self.taking.as_ref().map(|taking| &taking.workload)
    }

    /// What was seen of that workload.
    #[must_use]
    pub fn workload_view(&self) -> Option<&WorkloadView> {
        self.taking.as_ref()?.seen.as_ref()
    }

    /// The same with what `seen` has to give: as if template and selector were written in it.
    pub(super) fn with_workload(&self, seen: Option<&WorkloadSeen>) -> Self {
        let mut completed = self.clone();
        let Some(taking) = &mut completed.taking else {
            return completed;
        };
        taking.seen = seen.map(|seen| seen.view.clone());
        let template = seen.map(|seen| &seen.template);
        let taken = template.map_or(TakenFrom::Missing, TakenFrom::Seen);
        completed.spec = parse_with(self.group, &self.view.namespace, &taking.spec, taken);
        let selector = kulta_api::rollout::selector(&taking.spec).or_else(|| template?.selector.clone());
        // One whose workload is gone still has its pods: whoever selects them, too, is told.
        completed.selector = selector.and_then(readable).or_else(|| self.selector.clone());
        completed.keep_known_selector();
        if let Some(seen) = seen {
            completed.digest = seen.digest.clone();
            completed.image.clone_from(&seen.image);
        }
        completed
    }

    /// Whether it, in `own_namespace`, looks for routes such as `route` with these labels.
    #[must_use]
    pub fn selects_route(
        &self,
        own_namespace: &str,
        route: &RouteReference,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        self.route_selectors.iter().any(|selecting| {
            selecting.kind == route.kind
                && selecting.namespace.as_deref().unwrap_or(own_namespace) == route.namespace
                && selector_matches(&selecting.selector, labels)
        })
    }

    /// The autoscaler goes on counting by what was last known, where the workload with the selector is gone.
    fn keep_known_selector(&mut self) {
        let readable = self
            .spec
            .as_mut()
            .err()
            .and_then(|invalid| invalid.readable.as_mut());
        if let Some(spec) = readable.filter(|spec| spec.selector.is_empty()) {
            spec.selector.clone_from(&self.status.selector);
        }
    }

    /// Whether its selector selects `labels`.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector
            .as_ref()
            .is_some_and(|selector| selector.matches(labels))
    }

    /// Whether one's pods could be taken for the other's. Only Rollouts that can be worked with count, and those whose
    /// workload is gone, as far as they were known.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let selects = |one: &Self, labels: Option<&BTreeMap<String, String>>| {
            labels.is_some_and(|labels| one.selects(labels))
        };
        self.has_pods_of_its_own()
            && other.has_pods_of_its_own()
            && (selects(self, other.known_labels()) || selects(other, self.known_labels()))
    }

    /// It can be worked with, or only its workload is gone.
    fn has_pods_of_its_own(&self) -> bool {
        self.spec.is_ok() || self.taking.is_some()
    }

    fn known_labels(&self) -> Option<&BTreeMap<String, String>> {
        self.spec.as_ref().ok().map(|spec| &spec.template_labels)
    }

    /// Its spec as far as it could be read.
    #[must_use]
    pub fn readable_spec(&self) -> Option<&Spec> {
        match &self.spec {
            Ok(spec) => Some(spec),
            Err(invalid) => invalid.readable.as_deref(),
        }
    }

    /// Whether it was there before `other`.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.age() < other.age()
    }

    /// What Rollouts of one namespace are sorted by, the oldest first.
    pub(crate) fn age(&self) -> (Timestamp, &str, Group) {
        (self.created, &self.view.name, self.group)
    }

    /// Whether its pods could be mistaken for the same ones as before.
    pub(super) fn has_same_reach(&self, before: &Self) -> bool {
        let labels = |rollout: &Self| {
            rollout
                .spec
                .as_ref()
                .ok()
                .map(|spec| spec.template_labels.clone())
        };
        self.selector == before.selector && labels(self) == labels(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::samples;
    use serde_json::json;

    #[test]
    fn the_template_becomes_a_digest() {
        let object = samples::rollout("web");

        let rollout = Rollout::project(&object).unwrap();

        assert_eq!(rollout.digest, TemplateDigest::of(&object["spec"]["template"]));
        assert_eq!(rollout.image.as_deref(), Some("registry.example/web:1"));
        assert!(!format!("{rollout:?}").contains("containers"));
    }

    #[test]
    fn metadata_and_spec_are_read() {
        let mut object = samples::rollout("web");
        object["metadata"]["annotations"] = json!({REVISION_ANNOTATION: "4"});

        let rollout = Rollout::project(&object).unwrap();

        assert_eq!(rollout.view.revision, Some(4));
        assert_eq!(rollout.view.generation, 2);
        assert_eq!(
            (rollout.uid.as_str(), rollout.resource_version.as_str()),
            ("uid-web", "100")
        );
        assert_eq!(rollout.spec.unwrap().replicas, 3);
    }

    #[test]
    fn a_broken_spec_is_a_list_of_problems_not_an_unreadable_object() {
        let mut object = samples::rollout("web");
        object["spec"]["strategy"] = json!({"canary": {"steps": [{"setWeight": 101}]}});

        let rollout = Rollout::project(&object).unwrap();

        assert!(rollout.spec.is_err());
    }

    #[test]
    fn an_empty_object_is_read_with_problems() {
        let object = json!({"metadata": samples::metadata("web")});

        let rollout = Rollout::project(&object).unwrap();

        assert!(rollout.spec.is_err());
        assert_eq!(rollout.status, Status::default());
    }

    #[test]
    fn a_broken_status_counts_as_lost() {
        let mut object = samples::rollout("web");
        object["status"] = json!({"phase": ["no"]});

        let rollout = Rollout::project(&object).unwrap();

        assert_eq!(rollout.status, Status::default());
        assert!(rollout.spec.is_ok());
    }

    #[test]
    fn deletion_is_seen() {
        let mut object = samples::rollout("web");
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");

        assert!(Rollout::project(&object).unwrap().deleting);
    }

    #[test]
    fn rollouts_overlap_when_one_selects_the_others_pods() {
        let mut wide = samples::rollout("wide");
        wide["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
        wide["spec"]["template"]["metadata"]["labels"] = json!({"app": "web"});
        let mut narrow = samples::rollout("narrow");
        narrow["spec"]["selector"] = json!({"matchLabels": {"app": "web", "tier": "front"}});
        narrow["spec"]["template"]["metadata"]["labels"] = json!({"app": "web", "tier": "front"});
        let (wide, narrow) = (
            Rollout::project(&wide).unwrap(),
            Rollout::project(&narrow).unwrap(),
        );
        let other = Rollout::project(&samples::rollout("other")).unwrap();

        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!wide.overlaps(&other) && !other.overlaps(&wide));
    }

    #[test]
    fn a_rollout_that_cannot_work_overlaps_with_nothing() {
        let mut everything = samples::rollout("everything");
        everything["spec"]["selector"] = json!({});
        let everything = Rollout::project(&everything).unwrap();
        let web = Rollout::project(&samples::rollout("web")).unwrap();

        assert!(everything.spec.is_err());
        assert!(!everything.overlaps(&web));
    }
}
