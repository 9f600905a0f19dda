//! `provider.job`: a Job whose end is the measurement, written as in Argo Rollouts.
//!
//! Users' words are kept as they are written: a Job's spec is that of the cluster's version, and no field of it is lost but
//! `ttlSecondsAfterFinished`, which the controller leaves out of the Jobs that it creates.

use kulta_core::analysis::condition::Conditions;
use kulta_core::spec::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::parse::Field;

/// What a Job has in place of the name of a plugin.
pub(super) const NAME: &str = "job";
/// The policies that the pods of a Job may have.
const RESTART_POLICIES: [&str; 2] = ["Never", "OnFailure"];

/// A Job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Labels and annotations, beside those of the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JobMetadata>,
    /// That of a Job of Kubernetes.
    pub spec: Map<String, Value>,
}

/// What users write on a Job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Map<String, Value>>,
    /// Annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Map<String, Value>>,
    /// What Argo Rollouts writes out itself, and is nothing.
    #[serde(rename = "creationTimestamp", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Value>,
}

impl Job {
    /// What the Job is to be: `{metadata: {labels, annotations}, spec}`. What only the API server knows is found out by a dry
    /// run before it is created.
    pub(super) fn meaning(
        &self,
        conditions: &Conditions,
        field: &Field<'_>,
        problems: &mut Vec<Problem>,
    ) -> Value {
        let written = [
            ("successCondition", &conditions.success),
            ("failureCondition", &conditions.failure),
        ];
        for (name, _) in written.iter().filter(|(_, condition)| condition.is_some()) {
            let message =
                "has nothing to judge: a Job is well if it completes, and not if it fails; take it out";
            problems.push(field.problem(name, message));
        }
        if self.spec.get("template").and_then(Value::as_object).is_none() {
            let message = "is missing; write the pods of the Job";
            problems.push(field.problem("provider.job.spec.template", message));
        } else if !self
            .restart_policy()
            .is_some_and(|policy| RESTART_POLICIES.contains(&policy))
        {
            let message = "must be Never or OnFailure: a Job would not end otherwise";
            problems.push(field.problem("provider.job.spec.template.spec.restartPolicy", message));
        }
        let metadata = self.metadata.clone().unwrap_or_default();
        json!({
            "metadata": {
                "labels": metadata.labels.unwrap_or_default(),
                "annotations": metadata.annotations.unwrap_or_default(),
            },
            "spec": self.spec,
        })
    }

    fn restart_policy(&self) -> Option<&str> {
        self.spec
            .get("template")?
            .get("spec")?
            .get("restartPolicy")?
            .as_str()
    }
}
