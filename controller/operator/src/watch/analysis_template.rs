//! AnalysisTemplates and ClusterAnalysisTemplates: kept whole, but for their metadata.

use kube::core::ApiResource;
use kulta_api::analysis::TemplateReference;
use kulta_api::analysis::template::{Template, api_resource, parse};
use serde_json::Value;

use super::projection::{Projection, Undecodable};
use crate::key::ObjectKey;

/// An AnalysisTemplate.
#[derive(Debug, PartialEq)]
pub struct AnalysisTemplate {
    /// What it has to give, or what can't be read of it.
    pub template: Template,
}

/// A ClusterAnalysisTemplate.
#[derive(Debug, PartialEq)]
pub struct ClusterAnalysisTemplate {
    /// What it has to give, or what can't be read of it.
    pub template: Template,
}

impl Projection for AnalysisTemplate {
    fn api_resource() -> ApiResource {
        api_resource(false)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let template = template(object);
        Ok(Self { template })
    }
}

impl Projection for ClusterAnalysisTemplate {
    fn api_resource() -> ApiResource {
        api_resource(true)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let template = template(object);
        Ok(Self { template })
    }
}

/// One that can't be read is told where it is used.
fn template(object: &Value) -> Template {
    parse(object.get("spec").unwrap_or(&Value::Null))
}

/// The key of the template that a Rollout of `namespace` names so.
pub(super) fn key(namespace: &str, reference: &TemplateReference) -> ObjectKey {
    let namespace = if reference.is_cluster_scoped() {
        ""
    } else {
        namespace
    };
    ObjectKey::new(namespace, &reference.template_name)
}

/// The templates that a template names.
pub(super) fn named(template: &Template) -> impl Iterator<Item = &TemplateReference> {
    template.iter().flat_map(|spec| spec.templates.iter().flatten())
}
