//! The kinds AnalysisTemplate and ClusterAnalysisTemplate: metrics with arguments, for the analyses of many Rollouts.

use kube_core::ApiResource;
use kulta_core::spec::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Argument, DryRun, MeasurementRetention, Metric};
use crate::Group;
use crate::crd::schema;

/// The kind within a namespace.
pub const KIND: &str = "AnalysisTemplate";
/// Its name in URLs.
pub const PLURAL: &str = "analysistemplates";
/// The kind of the whole cluster.
pub const CLUSTER_KIND: &str = "ClusterAnalysisTemplate";
/// Its name in URLs.
pub const CLUSTER_PLURAL: &str = "clusteranalysistemplates";

/// A template is no longer, as JSON: that of one in use is in the memory of the controller.
const MAX_BYTES: usize = 64 * 1024;

/// The resource of one of the two kinds, for a client.
#[must_use]
pub fn api_resource(group: Group, cluster_scope: bool) -> ApiResource {
    if cluster_scope {
        group.resource(CLUSTER_KIND, CLUSTER_PLURAL)
    } else {
        group.resource(KIND, PLURAL)
    }
}

/// So many bytes at most have the names of all templates that a template names: they are kept of every template, whoever
/// uses it. Fifty names of eighty letters fit.
const MAX_BYTES_OF_NAMES: usize = 4 * 1024;

/// A template as written, or what can't be read of it.
pub type Template = Result<TemplateSpec, Vec<Problem>>;

/// What a template has to give to an analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.metrics) || has(self.templates)",
    "a template has metrics, templates, or both",
)))]
pub struct TemplateSpec {
    /// What is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub metrics: Option<Vec<Metric>>,
    /// What stands for `{{args.<name>}}` in the texts of the metrics. One without a value needs one of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub args: Option<Vec<Argument>>,
    /// Metrics on trial: shown, without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub dry_run: Option<Vec<DryRun>>,
    /// How many measurements are kept. Default: 10 of each metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub measurement_retention: Option<Vec<MeasurementRetention>>,
    /// Other templates, whose metrics belong to this one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub templates: Option<Vec<TemplateReference>>,
}

/// The name of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TemplateReference {
    /// Its name.
    pub template_name: String,
    /// Whether it is a ClusterAnalysisTemplate, and not an AnalysisTemplate of the Rollout's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
}

impl TemplateReference {
    /// Whether it is a ClusterAnalysisTemplate.
    #[must_use]
    pub fn is_cluster_scoped(&self) -> bool {
        self.cluster_scope.unwrap_or(false)
    }
}

impl std::fmt::Display for TemplateReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_cluster_scoped() {
            CLUSTER_KIND
        } else {
            KIND
        };
        write!(formatter, "{kind} \"{}\"", self.template_name)
    }
}

/// The template whose `spec` this is.
///
/// # Errors
/// The first field that can't be read. What is wrong with the rest shows where the template is used: an argument
/// without a value, for example, may get one there.
pub fn parse(spec: &Value) -> Template {
    let bytes = spec.to_string().len();
    if bytes > MAX_BYTES {
        let message = format!("has {bytes} bytes, at most {MAX_BYTES}: make several templates of it");
        return Err(vec![Problem::new("spec", message)]);
    }
    let template: TemplateSpec = serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = if error.path().iter().next().is_none() {
            "spec".to_owned()
        } else {
            format!("spec.{}", error.path())
        };
        vec![Problem::new(path, error.inner().to_string())]
    })?;
    let names = template.templates.iter().flatten();
    let bytes: usize = names.map(|named| named.template_name.len()).sum();
    if bytes > MAX_BYTES_OF_NAMES {
        let message = format!(
            "the names have {bytes} bytes together, at most {MAX_BYTES_OF_NAMES}: name fewer templates, or shorter names"
        );
        return Err(vec![Problem::new("spec.templates", message)]);
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn naming(length: usize) -> Template {
        let name = json!({"templateName": "n".repeat(length)});
        parse(&json!({"templates": vec![name; 50]}))
    }

    #[test]
    fn names_of_templates_that_are_long_together_are_refused() {
        assert!(naming(80).is_ok());
        let wrong = naming(90).unwrap_err();

        assert_eq!(wrong[0].path, "spec.templates");
        assert!(wrong[0].message.contains("4500 bytes together"), "{wrong:?}");
    }
}
