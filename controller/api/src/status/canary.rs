//! `status.canary`: the split of traffic, and the analyses of the new version.

use jiff::Timestamp;
use kulta_core::observed::Judge;
use kulta_core::spec::{Weight, Whole};
use kulta_core::status::{AdditionalWeight, Analyses, AnalysisReference, Contest, Status, Traffic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StatusError, WriteContext, is_zero, known_or_default};
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
    /// What all traffic is: weights of this status are parts of it. Missing: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_traffic_weight: Option<u32>,
    /// The canary's weight that was last written in every route and accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub in_force: Option<u32>,
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
    /// The name of the experiment that the step under way waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_experiment: Option<String>,
    /// The same, as it was last seen.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_or_default"
    )]
    #[schemars(schema_with = "schema::analysis_reference")]
    pub current_experiment_status: Option<AnalysisReference>,
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
    #[schemars(range(min = 0, max = 1_000_000))]
    pub consented_weight: Option<u32>,
}

/// The weights that were last asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Weights {
    /// Of the canary.
    pub canary: Destination,
    /// Of the stable version.
    pub stable: Destination,
    /// Of experiments.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_or_default")]
    #[schemars(schema_with = "schema::additional_weights")]
    pub additional: Vec<AdditionalWeight>,
    /// They are in force now.
    pub verified: bool,
}

/// One side of the split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// Percent of traffic, or parts of maxTrafficWeight.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
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
        let (step, experiment) = match step {
            Some(step) if step.judge == Judge::Experiment => {
                let judge = Judge::default();
                (None, Some(AnalysisReference { judge, ..step }))
            }
            step => (step, None),
        };
        let written = Self {
            current_experiment: experiment.as_ref().map(|experiment| experiment.name.clone()),
            current_experiment_status: experiment,
            current_step_analysis_run_status: step,
            current_background_analysis_run_status: background,
            current_promotion_gates_run_status: gate,
            analysis_attempt: attempt,
            consented_weight: consented.map(|weight| weight.on(whole(status)).parts()),
            ..split.unwrap_or_default()
        };
        (written != Self::default()).then_some(written)
    }

    /// # Errors
    /// When the weight that gates have consented to is above the whole.
    pub(super) fn take_analyses(&mut self) -> Result<Analyses, StatusError> {
        let experiment = self.take_experiment();
        Ok(Analyses {
            background: self.current_background_analysis_run_status.take(),
            step: self.current_step_analysis_run_status.take().or(experiment),
            gate: self.current_promotion_gates_run_status.take(),
            attempt: self.analysis_attempt,
            consented: self.weight("consentedWeight", self.consented_weight)?,
            ..Analyses::default()
        })
    }

    /// The weight of the field `name`.
    fn weight(&self, name: &str, written: Option<u32>) -> Result<Option<Weight>, StatusError> {
        let whole = match self.max_traffic_weight {
            None => Whole::HUNDRED,
            Some(parts) => Whole::new(parts).ok_or_else(|| {
                let message = format!("must be between 1 and {}, is {parts}", Whole::LARGEST);
                StatusError::of("canary.maxTrafficWeight", message)
            })?,
        };
        let weight = written.map(|parts| Weight::of_whole(parts, whole)).transpose();
        weight.map_err(|error| StatusError::of(&format!("canary.{name}"), error))
    }

    /// Argo Rollouts writes nothing but the name: how it stands is seen anew then.
    fn take_experiment(&mut self) -> Option<AnalysisReference> {
        let name = self.current_experiment.take()?;
        let seen = self
            .current_experiment_status
            .take()
            .filter(|seen| seen.name == name);
        let (phase, message, paused) =
            seen.map_or_else(Default::default, |seen| (seen.phase, seen.message, seen.paused));
        Some(AnalysisReference {
            name,
            phase,
            message,
            paused,
            judge: Judge::Experiment,
        })
    }

    fn of_split(traffic: &Traffic, status: &Status, context: &WriteContext<'_>) -> Self {
        let Traffic {
            requested,
            requested_at,
            in_force,
            verified,
            contest,
            managed_routes,
            additional,
        } = traffic.clone();
        let whole = requested.whole();
        let canary = Destination {
            weight: requested.parts(),
            service_name: context.canary_service.map(str::to_owned),
            pod_template_hash: status.current_pod_hash.clone(),
        };
        let experiments = additional.iter();
        let taken = experiments.fold(0_u32, |taken, share| taken.saturating_add(share.weight));
        let stable = Destination {
            weight: requested.rest().parts().saturating_sub(taken),
            service_name: context.stable_service.map(str::to_owned),
            pod_template_hash: status.stable_hash.clone(),
        };
        let weights = Some(Weights {
            canary,
            stable,
            additional,
            verified,
        });
        Self {
            weights,
            requested_at: Some(requested_at),
            max_traffic_weight: (whole != Whole::HUNDRED).then(|| whole.parts()),
            in_force: in_force.map(|weight| weight.on(whole).parts()),
            contest,
            managed_routes,
            ..Self::default()
        }
    }

    /// None when somebody took the weights or their time away: they are asked for again.
    ///
    /// # Errors
    /// When a weight is above the whole.
    pub(super) fn into_core(self) -> Result<Option<Traffic>, StatusError> {
        let weights = self.weights.as_ref();
        let asked = weights.map(|weights| weights.canary.weight);
        let requested = self.weight("weights.canary.weight", asked)?;
        let in_force = self.weight("inForce", self.in_force)?;
        let verified = weights.is_some_and(|weights| weights.verified);
        let asked_for = requested.zip(self.requested_at);
        let additional = self.weights.map(|weights| weights.additional);
        Ok(asked_for.map(|(requested, requested_at)| Traffic {
            requested,
            requested_at,
            in_force,
            verified,
            contest: self.contest,
            managed_routes: self.managed_routes,
            additional: additional.unwrap_or_default(),
        }))
    }
}

/// What the weights of a status are parts of.
fn whole(status: &Status) -> Whole {
    let traffic = status.traffic.as_ref();
    traffic.map_or(Whole::HUNDRED, |traffic| traffic.requested.whole())
}
