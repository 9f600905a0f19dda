//! The two weights of a canary: the one that its steps ask for, and the one that its version has.

use serde_json::Value;

use crate::rollout::{Count, Rollout};

/// All traffic, where nothing else is written; and all pods.
const FULL: u64 = 100;

/// All traffic: what the weights of steps, routes and the status are parts of.
fn whole(rollout: Rollout<'_>) -> u64 {
    rollout.max_traffic_weight().unwrap_or(FULL)
}

/// The weight that the steps ask for now.
pub(crate) fn set_weight(rollout: Rollout<'_>) -> u64 {
    if rollout.is_fully_promoted() {
        return whole(rollout);
    }
    if rollout.abort() || rollout.is_aborted() {
        return 0;
    }
    let Some(index) = rollout.step_index() else {
        return if rollout.step_count() == 0 {
            whole(rollout)
        } else {
            0
        };
    };
    if index >= rollout.step_count() || rollout.promote_full() {
        return whole(rollout);
    }
    let reached = usize::try_from(index).map_or(usize::MAX, |index| index.saturating_add(1));
    let reached = rollout.steps().iter().take(reached).rev();
    let mut weights = reached.filter_map(|step| step.get("setWeight").and_then(Value::as_u64));
    weights.next().unwrap_or(0)
}

/// The share of traffic that the version has which the spec asks for: by routes, or by its available pods.
pub(crate) fn actual_weight(rollout: Rollout<'_>, available_of_canary: u64) -> u64 {
    if rollout.is_fully_promoted() {
        return whole(rollout);
    }
    if rollout.is_routed() {
        return rollout.routed_weight().unwrap_or(0);
    }
    let all = rollout.count(Count::Available);
    available_of_canary
        .saturating_mul(FULL)
        .checked_div(all)
        .unwrap_or(0)
        .min(FULL)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::{paused_at, rollout, with_spec, with_status};

    #[test]
    fn the_last_weight_of_the_steps_so_far_is_asked_for() {
        for (step, weight) in [(0, 20), (1, 20), (2, 60), (3, 60), (4, 100)] {
            assert_eq!(set_weight(Rollout::new(&paused_at(step))), weight, "step {step}");
        }
    }

    #[test]
    fn an_aborted_canary_is_to_have_none() {
        let aborted = with_status(&paused_at(0), json!({"abort": true}));
        assert_eq!(set_weight(Rollout::new(&aborted)), 0);
    }

    #[test]
    fn a_promoted_version_has_all() {
        assert_eq!(set_weight(Rollout::new(&rollout())), 100);
        assert_eq!(actual_weight(Rollout::new(&rollout()), 0), 100);
    }

    #[test]
    fn weights_are_parts_of_the_whole_that_the_spec_names() {
        let routing = json!({"strategy": {"canary": {"trafficRouting": {"maxTrafficWeight": 1000}}}});
        let promoted = with_spec(&rollout(), routing);
        assert_eq!(set_weight(Rollout::new(&promoted)), 1000);
        assert_eq!(actual_weight(Rollout::new(&promoted), 0), 1000);
    }

    #[test]
    fn routes_tell_the_weight_in_force() {
        let routed = json!({"strategy": {"canary": {"steps": [{"setWeight": 20}], "trafficRouting": {}}}});
        let status = json!({"canary": {"weights": {"canary": {"weight": 20}}, "inForce": 10}});
        let object = with_status(&with_spec(&paused_at(0), routed), status);
        assert_eq!(actual_weight(Rollout::new(&object), 4), 10);
    }

    #[test]
    fn without_routes_pods_are_the_weight() {
        let object = with_status(&paused_at(0), json!({"availableReplicas": 4}));
        assert_eq!(actual_weight(Rollout::new(&object), 1), 25);
        let none = with_status(&paused_at(0), json!({"availableReplicas": 0}));
        assert_eq!(actual_weight(Rollout::new(&none), 0), 0);
    }
}
