//! What the steps of a canary mean.

use kulta_core::revision::steps_hash;
use kulta_core::spec::{CanaryScale, Gates, Problem, Step as Meaning, Weight};

use serde_json::json;

use super::parse::natural;
use super::{Canary, SetCanaryScale, Step};
use crate::analysis::{self, Gate, Place, RolloutAnalysis};
use crate::duration;

/// The steps of `canary`, without those that `problems` tells about.
pub(super) fn validate(canary: &Canary, canary_path: &str, problems: &mut Vec<Problem>) -> Vec<Meaning> {
    let routed = canary.traffic_routing.is_some();
    let written = canary.steps.as_deref().unwrap_or_default().iter().zip(0_u32..);
    written
        .filter_map(|(step, number)| {
            let path = format!("{canary_path}.steps[{number}]");
            step_meaning(step, number, routed, &path, problems)
        })
        .collect()
}

fn step_meaning(
    step: &Step,
    number: u32,
    routed: bool,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Meaning> {
    let Step {
        set_weight,
        pause,
        set_canary_scale,
        analysis,
        gate,
    } = step;
    match (set_weight, pause, set_canary_scale, analysis, gate) {
        (Some(percent), None, None, None, None) => {
            weight(*percent, &format!("{path}.setWeight"), "SetWeight", problems).map(Meaning::SetWeight)
        }
        (None, Some(pause), None, None, None) => {
            let duration = pause.duration.as_ref().map(duration::parse).transpose();
            let path = format!("{path}.pause.duration");
            let told = duration.map_err(|message| problems.push(Problem::new(path, message)));
            told.ok().map(Meaning::Pause)
        }
        (None, None, Some(scale), None, None) => {
            let path = format!("{path}.setCanaryScale");
            if !routed {
                let message =
                    "SetCanaryScale requires TrafficRouting to be set; without it setWeight sizes the canary";
                problems.push(Problem::new(&path, message));
            }
            canary_scale(scale, &path, problems).map(Meaning::SetCanaryScale)
        }
        (None, None, None, Some(analysis), None) => {
            let path = format!("{path}.analysis");
            begins_here(analysis, &path, problems);
            analysis::validate(Place::Step(number), analysis, &path, problems).map(Meaning::Analysis)
        }
        (None, None, None, None, Some(gate)) => {
            analysis::validate_gate(gate, &format!("{path}.gate"), problems)?;
            Some(Meaning::Gate(gates_of(std::slice::from_ref(gate))))
        }
        (None, None, None, None, None) => {
            problems.push(Problem::new(
                path,
                "Step must have one of the following set: setWeight, setCanaryScale, analysis, gate or pause (`pause: \
                 {}` waits until somebody resumes)",
            ));
            None
        }
        _ => {
            let message = "Step must have only one of the following set: setWeight, setCanaryScale, analysis, gate or \
                           pause; make one step of each";
            problems.push(Problem::new(path, message));
            None
        }
    }
}

/// These gates, to be asked as they are.
pub(super) fn gates_of(gates: &[Gate]) -> Gates {
    let gates = json!(gates);
    Gates {
        hash: steps_hash(&gates),
        gates,
    }
}

/// An analysis in a step begins with it.
fn begins_here(analysis: &RolloutAnalysis, path: &str, problems: &mut Vec<Problem>) {
    if analysis.starting_step.is_some() {
        let message = "an analysis in a step begins with it; take it out, or write the analysis beside the steps \
                       (spec.strategy.canary.analysis)";
        problems.push(Problem::new(format!("{path}.startingStep"), message));
    }
}

fn canary_scale(scale: &SetCanaryScale, path: &str, problems: &mut Vec<Problem>) -> Option<CanaryScale> {
    // `matchTrafficWeight: false` asks for nothing, as if it were not written.
    let match_traffic_weight = scale.match_traffic_weight.unwrap_or(false);
    match (scale.replicas, scale.weight, match_traffic_weight) {
        (replicas @ Some(_), None, false) => {
            natural(replicas, &format!("{path}.replicas"), problems).map(CanaryScale::Replicas)
        }
        (None, Some(percent), false) => {
            weight(percent, &format!("{path}.weight"), "Weight", problems).map(CanaryScale::Weight)
        }
        (None, None, true) => Some(CanaryScale::MatchTrafficWeight),
        _ => {
            let message = "must have exactly one of replicas, weight and matchTrafficWeight: true";
            problems.push(Problem::new(path, message));
            None
        }
    }
}

fn weight(percent: i32, path: &str, what: &str, problems: &mut Vec<Problem>) -> Option<Weight> {
    let weight = u32::try_from(percent)
        .ok()
        .and_then(|percent| Weight::new(percent).ok());
    if weight.is_none() {
        let message = format!("{what} needs to be between 0 and {}, is {percent}", Weight::FULL);
        problems.push(Problem::new(path, message));
    }
    weight
}
