//! A case as people write it. A field that nobody knows is refused.

mod check;
mod write;

use std::collections::BTreeMap;
use std::ops::Not;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(in crate::plugin) use self::write::Recording;
pub use self::write::UnwritableError;

/// A case.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::plugin) struct Case {
    /// What the case shows.
    pub(super) name: String,
    /// What users write under the plugin's name. Default: nothing.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    config: serde_json::Map<String, serde_json::Value>,
    /// The time of the call. Default: 2026-01-05T12:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Timestamp>,
    #[serde(default)]
    subject: SubjectFields,
    /// Makes it a case of a gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
    /// What the latest outcome handed back, as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Earlier calls, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous: Vec<PastFields>,
    /// Every query that the plugin makes. Answered as often as it is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queries: Vec<Query>,
    /// As in the operator's configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<String, u64>,
    expect: Expect,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SubjectFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<String>,
    /// Default: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Step {
    from: u32,
    to: u32,
    #[serde(default, skip_serializing_if = "Not::not")]
    last: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PastFields {
    at: Timestamp,
    phase: Phase,
    #[serde(default)]
    value: ValueFields,
    #[serde(default)]
    summary: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Running,
    Pass,
    Fail,
    Inconclusive,
    Error,
    Allow,
    Hold,
    Deny,
}

#[derive(Debug, Default, Clone, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ValueFields {
    #[default]
    None,
    Scalar(f64),
    Vector(Vec<f64>),
    Text(String),
    Json(serde_json::Value),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The expression of an instant query.
    #[serde(skip_serializing_if = "Option::is_none")]
    instant: Option<String>,
    /// The expression of a range query.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// Expected only for this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Expected only from this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    /// Expected only until this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Data>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// What a query is answered with.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::plugin) enum Data {
    Scalar(f64),
    Vector(Vec<Point>),
    Matrix(Vec<Line>),
    Text(String),
}

/// A series of one sample.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::plugin) struct Point {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::plugin) labels: BTreeMap<String, String>,
    pub(in crate::plugin) value: f64,
}

/// A series over time: one value for each step from the start of the query, and null where there is none.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::plugin) struct Line {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::plugin) labels: BTreeMap<String, String>,
    pub(in crate::plugin) values: Vec<Option<f64>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Failure {
    Denied(String),
    TooLarge(u64),
    Timeout,
    BadQuery(String),
    Unavailable(String),
    Other(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expect {
    verdict: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
}

/// An answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::plugin) enum Word {
    Measured,
    Running,
    Pass,
    Fail,
    Inconclusive,
    Allow,
    Hold,
    Deny,
    Error,
}

impl Word {
    pub(in crate::plugin) const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Running => "running",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    const fn is_of_a_gate(self) -> bool {
        matches!(self, Self::Allow | Self::Hold | Self::Deny)
    }
}
