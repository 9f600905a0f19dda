//! What is kept of a Rollout: its template as a digest only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::core::{ApiResource, Selector, SelectorExt as _};
use kulta_api::Group;
use kulta_api::analysis::{Reference, references};
use kulta_api::names::{FIELD_MANAGER, REVISION_ANNOTATION};
use kulta_api::origin::{image, origin};
use kulta_core::observed::RolloutView;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{InvalidSpec, Spec};
use kulta_core::status::Status;
use kulta_core::text::with_causes;
use serde::Deserialize;
use serde_json::Value;

use super::metadata::Metadata;
use super::projection::{Projection, Undecodable};

/// A Rollout without its template.
#[derive(Debug, PartialEq)]
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
    /// Its status.
    pub status: Status,
    /// Nothing of it was ever written by this controller: its status is another one's.
    pub is_foreign: bool,
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
        let selector =
            kulta_api::rollout::selector(spec).and_then(|selector| Selector::try_from(selector).ok());
        Ok(Self {
            group,
            deleting: metadata.is_being_deleted(),
            spec: kulta_api::rollout::parse(group, &metadata.namespace, spec),
            references: references(object),
            digest: TemplateDigest::of(template),
            image: image(template),
            selector,
            status: status(object, &metadata),
            is_foreign: metadata
                .managed_fields
                .iter()
                .all(|entry| entry.manager != FIELD_MANAGER),
            created: metadata.creation_timestamp,
            view: RolloutView {
                generation: metadata.generation,
                revision: metadata.annotation(REVISION_ANNOTATION),
                origin: origin(&metadata.annotations),
                namespace: metadata.namespace,
                name: metadata.name,
            },
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        })
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

impl Rollout {
    /// Whether its selector selects `labels`.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector
            .as_ref()
            .is_some_and(|selector| selector.matches(labels))
    }

    /// Whether one's pods could be taken for the other's. Only Rollouts that can be worked with count.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.spec, &other.spec) {
            (Ok(own), Ok(others)) => {
                self.selects(&others.template_labels) || other.selects(&own.template_labels)
            }
            _ => false,
        }
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
