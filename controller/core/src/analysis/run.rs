//! The memory of an analysis: the status of an `AnalysisRun`, in the shape of Argo Rollouts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The phase of an analysis, of one of its metrics, or of a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnalysisPhase {
    /// Nothing was measured yet.
    #[default]
    Pending,
    /// On its way.
    Running,
    /// It is well.
    Successful,
    /// It is not well.
    Failed,
    /// It could not be measured.
    Error,
    /// It could not be told.
    Inconclusive,
}

impl AnalysisPhase {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Running,
        Self::Successful,
        Self::Failed,
        Self::Error,
        Self::Inconclusive,
    ];

    /// Whether nothing more will come.
    #[must_use]
    pub const fn completed(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Whether it came to a good end.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Successful)
    }

    /// Where it stands among the phases: that of an analysis is the worst of its metrics.
    const fn severity(self) -> u8 {
        match self {
            Self::Successful => 0,
            Self::Running => 1,
            Self::Pending => 2,
            Self::Inconclusive => 3,
            Self::Error => 4,
            Self::Failed => 5,
        }
    }

    /// Whether it is worse than `other`.
    #[must_use]
    pub const fn is_worse_than(self, other: Self) -> bool {
        self.severity() > other.severity()
    }

    /// The phase as written in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

/// The status of an analysis: the whole memory between two looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStatus {
    /// The worst phase of its metrics, once all are complete.
    pub phase: AnalysisPhase,
    /// Why it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was first looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How many metrics came to which end.
    pub run_summary: Summary,
    /// The same of metrics that have no effect.
    #[serde(skip_serializing_if = "Summary::is_empty")]
    pub dry_run_summary: Summary,
    /// The results, in the order of the metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_results: Vec<MetricResult>,
}

/// How many metrics came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// All metrics.
    pub count: u32,
    /// Those that are well.
    pub successful: u32,
    /// Those that are not well.
    pub failed: u32,
    /// Those that can't be told.
    pub inconclusive: u32,
    /// Those that could not be measured.
    pub error: u32,
}

impl Summary {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts one metric.
    pub(super) fn add(&mut self, phase: AnalysisPhase) {
        self.count += 1;
        match phase {
            AnalysisPhase::Pending | AnalysisPhase::Running => {}
            AnalysisPhase::Successful => self.successful += 1,
            AnalysisPhase::Failed => self.failed += 1,
            AnalysisPhase::Error => self.error += 1,
            AnalysisPhase::Inconclusive => self.inconclusive += 1,
        }
    }
}

/// What is known of one metric.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricResult {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// Why it is in that phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Measurements that came to an end, without errors.
    pub count: u32,
    /// Those that were well.
    pub successful: u32,
    /// Those that were not.
    pub failed: u32,
    /// Those that could not be told.
    pub inconclusive: u32,
    /// Measurements that failed to measure.
    pub error: u32,
    /// Errors since the last measurement that came to an end.
    pub consecutive_error: u32,
    /// Successes since the last measurement that was anything else.
    pub consecutive_success: u32,
    /// It has no effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The version of its plugin that measures it, as `sha256:` and digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_digest: Option<String>,
    /// What the plugin keeps for itself between two calls.
    #[serde(skip_serializing_if = "Option::is_none", with = "state")]
    pub state: Option<Vec<u8>>,
    /// The latest measurements, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// What came of it.
    pub phase: AnalysisPhase,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it came to an end. None: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The value, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// More words; of the latest measurement only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When to go on with it, or to begin the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
}

/// State as base64: plugins keep bytes, objects of Kubernetes hold texts.
mod state {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        state: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        state
            .as_ref()
            .map(|bytes| BASE64_STANDARD.encode(bytes))
            .serialize(serializer)
    }

    /// State that somebody has spoilt is state that was lost: the plugin starts anew.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| BASE64_STANDARD.decode(text).ok()))
    }
}
