//! What the steps of a canary mean.

use kulta_core::revision::steps_hash;
use kulta_core::spec::{CanaryScale, Gates, Problem, Step as Meaning, StepExperiment, Weight, Whole};

use serde_json::json;

use super::parse::natural;
use super::{Canary, PauseStep, SetCanaryScale, Step, managed, routes};
use crate::analysis::{self, Gate, Place, RolloutAnalysis};
use crate::duration;
use crate::experiment::{Beside, ExperimentStep, validate_step};

/// The steps of `canary`, without those that `problems` tells about.
pub(super) fn validate(canary: &Canary, canary_path: &str, problems: &mut Vec<Problem>) -> Vec<Meaning> {
    let written = canary.steps.as_deref().unwrap_or_default().iter().zip(0_u32..);
    written
        .filter_map(|(step, number)| {
            let path = format!("{canary_path}.steps[{number}]");
            step_meaning(canary, step, number, &path, problems)
        })
        .collect()
}

fn step_meaning(
    canary: &Canary,
    step: &Step,
    number: u32,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Meaning> {
    let Step {
        set_weight,
        pause,
        set_canary_scale,
        analysis,
        experiment,
        gate,
        set_header_route,
        set_mirror_route,
    } = step;
    if !is_one_step(step, path, problems) {
        return None;
    }
    let whole = routes::whole(canary.traffic_routing.as_ref());
    let place = managed::Place { canary, path };
    if let Some(route) = set_header_route {
        return place.header_route(route, problems);
    }
    if let Some(route) = set_mirror_route {
        return place.mirror_route(route, problems);
    }
    if let Some(experiment) = experiment {
        return experiment_of(canary, experiment, (number, whole), path, problems);
    }
    match (set_weight, pause, set_canary_scale, analysis, gate) {
        (Some(parts), ..) => {
            let path = format!("{path}.setWeight");
            weight(*parts, whole, &path, "SetWeight", problems).map(Meaning::SetWeight)
        }
        (_, Some(pause), ..) => pause_for(pause, &format!("{path}.pause"), problems),
        (_, _, Some(scale), ..) => {
            let path = format!("{path}.setCanaryScale");
            let routed = canary.traffic_routing.is_some();
            canary_scale(scale, (routed, whole), &path, problems).map(Meaning::SetCanaryScale)
        }
        (_, _, _, Some(analysis), _) => {
            let path = format!("{path}.analysis");
            begins_here(analysis, &path, problems);
            analysis::validate(Place::Step(number), analysis, &path, problems).map(Meaning::Analysis)
        }
        (.., gate) => {
            let gate = gate.as_ref()?;
            analysis::validate_gate(gate, &format!("{path}.gate"), problems)?;
            Some(Meaning::Gate(gates_of(std::slice::from_ref(gate))))
        }
    }
}

fn experiment_of(
    canary: &Canary,
    experiment: &ExperimentStep,
    (number, whole): (u32, Whole),
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Meaning> {
    let before = problems.len();
    let traffic = canary.traffic_routing.as_ref().map(|_| Beside {
        whole,
        canary: weight_before(canary, number),
    });
    let shares = validate_step(experiment, traffic, &format!("{path}.experiment"), problems);
    (problems.len() == before).then(|| {
        Meaning::Experiment(StepExperiment {
            definition: json!(experiment),
            shares,
        })
    })
}

/// The weight that the steps before this one have set.
fn weight_before(canary: &Canary, number: u32) -> u32 {
    let steps = canary.steps.iter().flatten().zip(0..number);
    let weights = steps.filter_map(|(step, _)| step.set_weight);
    weights
        .last()
        .and_then(|parts| u32::try_from(parts).ok())
        .unwrap_or(0)
}

fn is_one_step(step: &Step, path: &str, problems: &mut Vec<Problem>) -> bool {
    let Step {
        set_weight,
        pause,
        set_canary_scale,
        analysis,
        experiment,
        gate,
        set_header_route,
        set_mirror_route,
    } = step;
    let written = [
        set_weight.is_some(),
        pause.is_some(),
        set_canary_scale.is_some(),
        analysis.is_some(),
        experiment.is_some(),
        gate.is_some(),
        set_header_route.is_some(),
        set_mirror_route.is_some(),
    ];
    match written.into_iter().filter(|is_written| *is_written).count() {
        1 => return true,
        0 => problems.push(Problem::new(
            path,
            "Step must have one of the following set: setWeight, setCanaryScale, setHeaderRoute, setMirrorRoute, \
             analysis, experiment, gate or pause (`pause: {}` waits until somebody resumes)",
        )),
        _ => problems.push(Problem::new(
            path,
            "Step must have only one of the following set: setWeight, setCanaryScale, setHeaderRoute, setMirrorRoute, \
             analysis, experiment, gate or pause; make one step of each",
        )),
    }
    false
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

fn pause_for(pause: &PauseStep, path: &str, problems: &mut Vec<Problem>) -> Option<Meaning> {
    let duration = pause.duration.as_ref().map(duration::parse).transpose();
    let path = format!("{path}.duration");
    let told = duration.map_err(|message| problems.push(Problem::new(path, message)));
    told.ok().map(Meaning::Pause)
}

fn canary_scale(
    scale: &SetCanaryScale,
    (routed, whole): (bool, Whole),
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<CanaryScale> {
    if !routed {
        let message =
            "SetCanaryScale requires TrafficRouting to be set; without it setWeight sizes the canary";
        problems.push(Problem::new(path, message));
    }
    // `matchTrafficWeight: false` asks for nothing, as if it were not written.
    let match_traffic_weight = scale.match_traffic_weight.unwrap_or(false);
    match (scale.replicas, scale.weight, match_traffic_weight) {
        (replicas @ Some(_), None, false) => {
            natural(replicas, &format!("{path}.replicas"), problems).map(CanaryScale::Replicas)
        }
        (None, Some(parts), false) => {
            let path = format!("{path}.weight");
            weight(parts, whole, &path, "Weight", problems).map(CanaryScale::Weight)
        }
        (None, None, true) => Some(CanaryScale::MatchTrafficWeight),
        _ => {
            let message = "must have exactly one of replicas, weight and matchTrafficWeight: true";
            problems.push(Problem::new(path, message));
            None
        }
    }
}

pub(crate) fn weight(
    written: i32,
    whole: Whole,
    path: &str,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<Weight> {
    let weight = u32::try_from(written)
        .ok()
        .and_then(|parts| Weight::of_whole(parts, whole).ok());
    if weight.is_none() {
        let most = whole.parts();
        let message = format!("{what} needs to be between 0 and {most}, is {written}");
        problems.push(Problem::new(path, message));
    }
    weight
}
