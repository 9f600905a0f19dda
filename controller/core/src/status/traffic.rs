//! What is remembered of the split of traffic.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::Weight;

/// The split of traffic between the two Services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// The canary's weight that was last asked for.
    pub requested: Weight,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The canary's weight that was last in force: written in every route and accepted for its current generation.
    pub in_force: Option<Weight>,
    /// `requested` is in force now.
    pub verified: bool,
    /// Somebody else who keeps writing the weights.
    pub contest: Option<Contest>,
    /// The names of the managed routes that were asked for, and of those that are not gone yet.
    pub managed_routes: Vec<String>,
    /// The shares of experiments that were asked for, and those that are not gone yet.
    pub additional: Vec<AdditionalWeight>,
}

/// The share of a template of an experiment. The fields are those of Argo Rollouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalWeight {
    /// Parts of all traffic.
    pub weight: u32,
    /// The Service.
    pub service_name: String,
    /// The hash of the pods behind it; empty where that is not known.
    pub pod_template_hash: String,
}

/// A fight over the weights of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// `namespace/name` of the route.
    pub route: String,
    /// The other field manager; "(labels)" where it is a label that somebody takes away.
    pub manager: String,
    /// How often its weights were corrected.
    pub corrections: u32,
    /// When they were last corrected.
    pub corrected_at: Timestamp,
}
