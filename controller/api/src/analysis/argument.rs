//! Arguments of an analysis as users write them.

use std::collections::BTreeSet;

use kulta_core::spec::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::substitution::{Secret, Values};
use crate::crd::schema;

/// No name of an object, and no key, is longer.
const LONGEST_NAME: usize = 253;

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
    /// Instead of a value, where it comes from each time that it is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<TemplateValueFrom>,
}

/// Where the value of an argument of an AnalysisRun or a template comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TemplateValueFrom {
    /// A key of a Secret, read for each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretReference>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub field_ref: Option<Value>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub pod_template_hash_value: Option<Value>,
}

impl TemplateValueFrom {
    pub(super) fn is_secret_only(&self) -> bool {
        self.field_ref.is_none() && self.pod_template_hash_value.is_none()
    }
}

/// A key of a Secret of this namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SecretReference {
    /// Of the Secret.
    pub name: String,
    /// In its data.
    pub key: String,
}

impl SecretReference {
    /// Whether a Secret and a key can be called so; `problems` tells otherwise. Such a name is part of a URL: it must not
    /// lead elsewhere.
    pub(super) fn check(&self, path: &str, problems: &mut Vec<Problem>) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = |text: &str| (1..=LONGEST_NAME).contains(&text.len());
        let is_name = fits(&self.name)
            && self
                .name
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b'-' | b'.'))
            && self.name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && self.name.ends_with(|last: char| last.is_ascii_alphanumeric());
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_key = fits(&self.key) && self.key.bytes().all(usual);
        if !is_name {
            let message = "must be the name of a Secret: small letters, digits, - and .";
            problems.push(Problem::new(format!("{path}.name"), message));
        }
        if !is_key {
            let message = "must be a key of a Secret: letters, digits, -, _ and .";
            problems.push(Problem::new(format!("{path}.key"), message));
        }
        is_name && is_key
    }
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
    "(has(self.podTemplateHashValue) ? 1 : 0) + (has(self.fieldRef) ? 1 : 0) + (has(self.secretKeyRef) ? 1 : 0) == 1",
    "exactly one of podTemplateHashValue, fieldRef and secretKeyRef",
)))]
pub struct ValueFrom {
    /// The label `rollouts-pod-template-hash` of the pods of a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::pod_template_hash")]
    pub pod_template_hash_value: Option<PodTemplateHash>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldReference>,
    /// A key of a Secret, read for each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretReference>,
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
pub(super) fn values(args: &[Argument], problems: &mut Vec<Problem>) -> Values {
    let path = "spec.args";
    let mut values = Values::default();
    check_names(args.iter().map(|argument| argument.name.as_str()), path, problems);
    for (index, argument) in args.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Argument {
            name,
            value,
            value_from,
        } = argument;
        match (value, value_from) {
            (Some(value), None) => {
                values.texts.insert(name.clone(), value.clone());
            }
            (None, Some(from)) => {
                let Some(reference) = from.secret_key_ref.clone().filter(|_| from.is_secret_only()) else {
                    problems.push(no_reference(&path));
                    continue;
                };
                let path = format!("{path}.valueFrom.secretKeyRef");
                if reference.check(&path, problems) {
                    values.secrets.insert(name.clone(), Secret { path, reference });
                }
            }
            (Some(_), Some(_)) => problems.push(two_values(&path)),
            (None, None) => {
                let message = format!("args.{name} was not resolved; write a value");
                problems.push(Problem::new(path, message));
            }
        }
    }
    values
}

/// The argument at `path` refers to something and must not.
pub(super) fn no_reference(path: &str) -> Problem {
    let message = "can't stand here: write value, or secretKeyRef in valueFrom. A field of the Rollout, or a hash, is \
                   named in the args of the Rollout's analysis";
    Problem::new(format!("{path}.valueFrom"), message)
}

/// The argument at `path` has two values.
pub(super) fn two_values(path: &str) -> Problem {
    Problem::new(path, "must have only one of value and valueFrom; take one out")
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
