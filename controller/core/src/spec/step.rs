//! The steps of a canary.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{Analysis, Gates, HeaderRoute, MirrorRoute, Weight};

/// What a step of kind `setCanaryScale` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryScale {
    /// Exactly so many canary pods; may exceed `spec.replicas`.
    Replicas(u32),
    /// So many percent of `spec.replicas`, rounded up.
    Weight(Weight),
    /// As many as the traffic weight asks for again: ends an earlier scale.
    MatchTrafficWeight,
}

/// The experiment of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepExperiment {
    /// What is written of it, which decisions pass on.
    pub definition: serde_json::Value,
    /// The shares of the traffic that its templates get, by their names: parts of the whole that the stable version goes
    /// without. Needs traffic routing.
    pub shares: BTreeMap<String, Weight>,
}

/// One step of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this share of traffic (or pods, without traffic routing) to the canary.
    SetWeight(Weight),
    /// Wait: for the duration, or (None) until somebody resumes.
    Pause(Option<SignedDuration>),
    /// Size the canary apart from its weight. Needs traffic routing.
    SetCanaryScale(CanaryScale),
    /// Go on when this analysis is successful.
    Analysis(Analysis),
    /// Go on when this experiment is successful.
    Experiment(StepExperiment),
    /// Go on when these gates let it.
    Gate(Gates),
    /// Send requests with some headers to the canary, whatever its weight is. Needs traffic routing.
    SetHeaderRoute(HeaderRoute),
    /// Send a copy of some requests to the canary, too. Needs traffic routing.
    SetMirrorRoute(MirrorRoute),
}

impl std::fmt::Display for Step {
    /// The text that Argo Rollouts writes in its events for this step.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SetWeight(weight) => write!(formatter, "setWeight: {weight}"),
            Self::Pause(None) => formatter.write_str("pause"),
            Self::Pause(Some(duration)) => write!(formatter, "pause: {}s", duration.as_secs()),
            Self::SetCanaryScale(CanaryScale::Replicas(replicas)) => {
                write!(formatter, "setCanaryScale{{replicas: {replicas}}}")
            }
            Self::SetCanaryScale(CanaryScale::Weight(weight)) => {
                write!(formatter, "setCanaryScale{{weight: {weight}}}")
            }
            Self::SetCanaryScale(CanaryScale::MatchTrafficWeight) => {
                formatter.write_str("setCanaryScale{matchTrafficWeight: true}")
            }
            Self::Analysis(_) => formatter.write_str("analysis"),
            Self::Experiment(_) => formatter.write_str("experiment"),
            Self::Gate(_) => formatter.write_str("gate"),
            Self::SetHeaderRoute(route) => write!(formatter, "setHeaderRoute: {}", route.name),
            Self::SetMirrorRoute(route) => write!(formatter, "setMirrorRoute: {}", route.name),
        }
    }
}
