//! Arguments of an analysis as users write them.

use std::collections::BTreeSet;

use kulta_core::spec::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Arguments;
use crate::crd::schema;

/// An argument of an AnalysisRun or a template: what stands for `{{args.<name>}}` in its metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Argument {
    /// Its name; no two arguments share it.
    pub name: String,
    /// Its value. In a template without: the Rollout has to give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub value_from: Option<Value>,
}

/// An argument of an analysis of a Rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "!(has(self.value) && has(self.valueFrom))",
    "an argument has either value or valueFrom",
)))]
pub struct RolloutArgument {
    /// Its name; no two arguments share it.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from, when an AnalysisRun is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value comes from: exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[schemars(extend("x-kubernetes-validations" = schema::rule(
    "has(self.podTemplateHashValue) != has(self.fieldRef)",
    "valueFrom has exactly one of podTemplateHashValue and fieldRef; this version of KULTA reads no Secrets",
)))]
pub struct ValueFrom {
    /// The label `rollouts-pod-template-hash` of the pods of a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::pod_template_hash")]
    pub pod_template_hash_value: Option<PodTemplateHash>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldReference>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub secret_key_ref: Option<Value>,
}

/// The pods of which version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodTemplateHash {
    /// The stable one.
    Stable,
    /// The new one.
    Latest,
}

/// A field of the Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct FieldReference {
    /// Its path, such as `metadata.labels['team']`, `spec.replicas` or `status.stableRS`.
    pub field_path: String,
}

/// The values of the arguments of an AnalysisRun.
pub(super) fn values(args: &[Argument], problems: &mut Vec<Problem>) -> Arguments {
    let path = "spec.args";
    let mut values = Arguments::new();
    check_names(args.iter().map(|argument| argument.name.as_str()), path, problems);
    for (index, argument) in args.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if argument.value_from.is_some() {
            problems.push(no_reference(&path));
        } else if let Some(value) = &argument.value {
            values.insert(argument.name.clone(), value.clone());
        } else {
            let message = format!("args.{} was not resolved; write a value", argument.name);
            problems.push(Problem::new(path, message));
        }
    }
    values
}

/// The argument at `path` refers to something and must not.
pub(super) fn no_reference(path: &str) -> Problem {
    let message = "can't stand here: write value. A field of the Rollout, or a hash, is named in the args of the Rollout's \
                   analysis; this version of KULTA reads no Secrets";
    Problem::new(format!("{path}.valueFrom"), message)
}

/// Names must be there, and differ.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a str>, path: &str, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let path = format!("{path}[{index}].name");
        if name.is_empty() {
            problems.push(Problem::new(path, "must not be empty; write a name"));
        } else if !seen.insert(name) {
            let message = format!("duplicate name '{name}'; each argument needs a name of its own");
            problems.push(Problem::new(path, message));
        }
    }
}
