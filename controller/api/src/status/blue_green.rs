//! `status.blueGreen`: how far a blue-green rollout is, and the analyses around its switch.

use kulta_core::status::{Analyses, AnalysisReference, BlueGreenState, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero, known_or_default};
use crate::crd::schema;

/// How far a blue-green rollout is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BlueGreenStatus {
    /// The revision that all users meet: that of the active Service, or that of the preview Service while routes send them
    /// there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_selector: Option<String>,
    /// The revision that the preview Service selects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_selector: Option<String>,
    /// What comes before the switch is passed: the new version may have all pods.
    #[serde(skip_serializing_if = "is_false")]
    pub scale_up_preview_check_point: bool,
    /// The new version was trusted before and is still up: nothing is asked.
    #[serde(skip_serializing_if = "is_false")]
    pub fast_rollback: bool,
    /// Revisions that were trusted before and still have their pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formerly_stable: Vec<String>,
    /// The analysis that the switch waits for.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub pre_promotion_analysis_run_status: Option<AnalysisReference>,
    /// The analysis that the promotion waits for after the switch.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub post_promotion_analysis_run_status: Option<AnalysisReference>,
    /// The asking of the promotion gates about the switch.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub current_promotion_gates_run_status: Option<AnalysisReference>,
    /// How often the analyses of this revision were begun anew.
    #[serde(skip_serializing_if = "is_zero")]
    pub analysis_attempt: u32,
}

impl BlueGreenStatus {
    /// None if it is a canary.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let BlueGreenState {
            active_selector,
            preview_selector,
            checkpoint,
            fast_rollback,
            formerly_stable,
        } = status.blue_green.clone()?;
        let analyses = status.analyses.clone();
        Some(Self {
            active_selector,
            preview_selector,
            scale_up_preview_check_point: checkpoint,
            fast_rollback,
            formerly_stable,
            pre_promotion_analysis_run_status: analyses.pre_promotion,
            post_promotion_analysis_run_status: analyses.post_promotion,
            current_promotion_gates_run_status: analyses.gate,
            analysis_attempt: analyses.attempt,
        })
    }

    /// Adds its analyses to those of the canary, which an earlier strategy may have left.
    pub(super) fn into_core(self, analyses: &mut Analyses) -> BlueGreenState {
        analyses.pre_promotion = self.pre_promotion_analysis_run_status;
        analyses.post_promotion = self.post_promotion_analysis_run_status;
        analyses.gate = analyses.gate.take().or(self.current_promotion_gates_run_status);
        analyses.attempt = analyses.attempt.max(self.analysis_attempt);
        BlueGreenState {
            active_selector: self.active_selector,
            preview_selector: self.preview_selector,
            checkpoint: self.scale_up_preview_check_point,
            fast_rollback: self.fast_rollback,
            formerly_stable: self.formerly_stable,
        }
    }
}
