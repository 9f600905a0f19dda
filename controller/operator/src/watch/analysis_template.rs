//! AnalysisTemplates and ClusterAnalysisTemplates: which there are, at which version, and whom they name.
//!
//! What they have to give is read when an analysis needs it (`observe/analysis_templates.rs`): anybody can write thousands
//! of them, and most are used by nobody at the moment.

use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::analysis::TemplateReference;
use kulta_api::analysis::template::{api_resource, parse};
use serde_json::Value;

use super::measures::{Measure, measures};
use super::projection::{Projection, Undecodable};
use crate::key::ObjectKey;

/// What is kept of a template, whoever uses it.
#[derive(Debug, PartialEq)]
pub struct TemplateSeen {
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The templates that it names: none where it can't be read, which is told where it is used.
    pub names: Box<[TemplateReference]>,
    /// Its metrics, where somebody looks at them.
    pub measures: Box<[Measure]>,
}

/// An AnalysisTemplate.
#[derive(Debug, PartialEq)]
pub struct AnalysisTemplate(pub TemplateSeen);

/// A ClusterAnalysisTemplate.
#[derive(Debug, PartialEq)]
pub struct ClusterAnalysisTemplate(pub TemplateSeen);

impl Projection for AnalysisTemplate {
    fn api_resource(group: Group) -> ApiResource {
        api_resource(group, false)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        Ok(Self(TemplateSeen::of(object)))
    }
}

impl Projection for ClusterAnalysisTemplate {
    fn api_resource(group: Group) -> ApiResource {
        api_resource(group, true)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        Ok(Self(TemplateSeen::of(object)))
    }
}

impl TemplateSeen {
    fn of(object: &Value) -> Self {
        let version = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let template = parse(object.get("spec").unwrap_or(&Value::Null));
        let names = template.ok().and_then(|spec| spec.templates);
        Self {
            resource_version: version.unwrap_or_default().to_owned(),
            names: names.unwrap_or_default().into(),
            measures: measures(object.get("spec")),
        }
    }

    /// The same without its metrics; None: it has none.
    pub(crate) fn without_measures(&self) -> Option<Self> {
        (!self.measures.is_empty()).then(|| Self {
            resource_version: self.resource_version.clone(),
            names: self.names.clone(),
            measures: Box::default(),
        })
    }
}

/// The key of the template that a Rollout of `group` in `namespace` names so: one of its own group.
pub(crate) fn key(group: Group, namespace: &str, reference: &TemplateReference) -> ObjectKey {
    let namespace = if reference.is_cluster_scoped() {
        ""
    } else {
        namespace
    };
    ObjectKey::in_group(group, namespace, &reference.template_name)
}
