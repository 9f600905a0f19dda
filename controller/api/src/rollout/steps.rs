//! What the steps of a canary mean.

use kulta_core::spec::{CanaryScale, Problem, Step as Meaning, Weight};

use super::parse::natural;
use super::{Canary, SetCanaryScale, Step};
use crate::duration;

/// The steps of `canary`, without those that `problems` tells about.
pub(super) fn validate(canary: &Canary, canary_path: &str, problems: &mut Vec<Problem>) -> Vec<Meaning> {
    let routed = canary.traffic_routing.is_some();
    let written = canary.steps.as_deref().unwrap_or_default().iter().enumerate();
    written
        .filter_map(|(index, step)| {
            step_meaning(step, routed, &format!("{canary_path}.steps[{index}]"), problems)
        })
        .collect()
}

fn step_meaning(step: &Step, routed: bool, path: &str, problems: &mut Vec<Problem>) -> Option<Meaning> {
    match (step.set_weight, &step.pause, &step.set_canary_scale) {
        (Some(percent), None, None) => {
            weight(percent, &format!("{path}.setWeight"), "SetWeight", problems).map(Meaning::SetWeight)
        }
        (None, Some(pause), None) => match pause.duration.as_ref().map(duration::parse).transpose() {
            Ok(duration) => Some(Meaning::Pause(duration)),
            Err(message) => {
                problems.push(Problem::new(format!("{path}.pause.duration"), message));
                None
            }
        },
        (None, None, Some(scale)) => {
            let path = format!("{path}.setCanaryScale");
            if !routed {
                let message =
                    "SetCanaryScale requires TrafficRouting to be set; without it setWeight sizes the canary";
                problems.push(Problem::new(&path, message));
            }
            canary_scale(scale, &path, problems).map(Meaning::SetCanaryScale)
        }
        (None, None, None) => {
            problems.push(Problem::new(
                path,
                "Step must have one of the following set: setWeight, setCanaryScale or pause (`pause: {}` waits until \
                 somebody resumes)",
            ));
            None
        }
        _ => {
            let message = "Step must have only one of the following set: setWeight, setCanaryScale or pause; make \
                           one step of each";
            problems.push(Problem::new(path, message));
            None
        }
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
