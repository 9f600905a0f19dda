//! `status.canary`: the split of traffic, and the analyses of the new version.

use jiff::Timestamp;
use kulta_core::spec::Weight;
use kulta_core::status::{Analyses, AnalysisReference, Contest, Status, Traffic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{WriteContext, is_zero, known_or_default};
use crate::crd::schema;

/// The split of traffic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// The weights that were last asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// When they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub requested_at: Option<Timestamp>,
    /// The canary's weight that was last written in every route and accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>", range(min = 0, max = 100))]
    pub in_force: Option<Weight>,
    /// Somebody else who keeps writing a route's weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::contest")]
    pub contest: Option<Contest>,
    /// The managed routes that were last asked for, and those that are not gone yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_routes: Vec<String>,
    /// The analysis that the step under way waits for.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub current_step_analysis_run_status: Option<AnalysisReference>,
    /// The analysis that goes on beside the steps.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub current_background_analysis_run_status: Option<AnalysisReference>,
    /// The asking of the promotion gates about the step under way.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub current_promotion_gates_run_status: Option<AnalysisReference>,
    /// How often the analyses of this revision were begun anew.
    #[serde(skip_serializing_if = "is_zero")]
    pub analysis_attempt: u32,
    /// The weight up to which the promotion gates have let this revision come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>", range(min = 0, max = 100))]
    pub consented_weight: Option<Weight>,
}

/// The weights that were last asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Weights {
    /// Of the canary.
    pub canary: Destination,
    /// Of the stable version.
    pub stable: Destination,
    /// They are in force now.
    pub verified: bool,
}

/// One side of the split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// Percent of traffic.
    #[schemars(with = "u32", range(min = 0, max = 100))]
    pub weight: Weight,
    /// The Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The revision that the Service is to select.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_hash: Option<String>,
}

impl CanaryStatus {
    /// None when there is nothing to say: no split, and no analysis.
    pub(super) fn of(status: &Status, context: &WriteContext<'_>) -> Option<Self> {
        let split = status.traffic.as_ref();
        let Analyses {
            background,
            step,
            gate,
            attempt,
            consented,
            pre_promotion: _,
            post_promotion: _,
        } = status.analyses.clone();
        // Those are told in `status.blueGreen`, if it is blue-green.
        let is_canary = status.blue_green.is_none();
        let gate = gate.filter(|_| is_canary);
        let attempt = if is_canary { attempt } else { 0 };
        let split = split.map(|traffic| Self::of_split(traffic, status, context));
        let written = Self {
            current_step_analysis_run_status: step,
            current_background_analysis_run_status: background,
            current_promotion_gates_run_status: gate,
            analysis_attempt: attempt,
            consented_weight: consented,
            ..split.unwrap_or_default()
        };
        (written != Self::default()).then_some(written)
    }

    pub(super) fn take_analyses(&mut self) -> Analyses {
        Analyses {
            background: self.current_background_analysis_run_status.take(),
            step: self.current_step_analysis_run_status.take(),
            gate: self.current_promotion_gates_run_status.take(),
            attempt: self.analysis_attempt,
            consented: self.consented_weight,
            ..Analyses::default()
        }
    }

    fn of_split(traffic: &Traffic, status: &Status, context: &WriteContext<'_>) -> Self {
        let Traffic {
            requested,
            requested_at,
            in_force,
            verified,
            contest,
            managed_routes,
        } = traffic.clone();
        let canary = Destination {
            weight: requested,
            service_name: context.canary_service.map(str::to_owned),
            pod_template_hash: status.current_pod_hash.clone(),
        };
        let stable = Destination {
            weight: requested.rest(),
            service_name: context.stable_service.map(str::to_owned),
            pod_template_hash: status.stable_hash.clone(),
        };
        let weights = Some(Weights {
            canary,
            stable,
            verified,
        });
        Self {
            weights,
            requested_at: Some(requested_at),
            in_force,
            contest,
            managed_routes,
            ..Self::default()
        }
    }

    /// None when somebody took the weights or their time away: they are asked for again.
    pub(super) fn into_core(self) -> Option<Traffic> {
        let weights = self.weights?;
        Some(Traffic {
            requested: weights.canary.weight,
            requested_at: self.requested_at?,
            in_force: self.in_force,
            verified: weights.verified,
            contest: self.contest,
            managed_routes: self.managed_routes,
        })
    }
}
