//! Whatever users do, and in whatever order: no schedule of up to twelve of their actions (change of the image, undo,
//! promote, full promotion, skipped step, abort, retry, pause, scale, changed steps) leaves a Rollout stuck, takes away
//! pods that were promised, or leaves traffic on pods that are going away.
//!
//! Twenty-six thousand schedules in all; versions may be bad, everything else around the Rollout is well. (What comes and goes,
//! dies or is lost meanwhile is drawn by the other properties.)

use super::run::check_users;
use super::schedule::Strategy;
use crate::simulation::controller::Witness;
use crate::simulation::rules;

const ROUTED: u64 = 8_000;
const BASIC: u64 = 6_000;
const BLUE_GREEN: u64 = 6_000;
const BLUE_GREEN_BY_ROUTE: u64 = 6_000;

fn promises() -> Vec<Box<dyn Witness>> {
    vec![
        Box::new(rules::WeightWithinSteps),
        Box::new(rules::Availability),
        Box::new(rules::TrafficBeforePods),
        Box::new(rules::SafeSwitch),
        Box::new(rules::Durations),
        Box::new(rules::NoTrafficLost::default()),
    ]
}

#[test]
fn nothing_that_users_do_harms_a_routed_canary() {
    check_users(200_000..200_000 + ROUTED, Strategy::Routed, promises);
}

#[test]
fn nothing_that_users_do_harms_a_basic_canary() {
    check_users(300_000..300_000 + BASIC, Strategy::Basic, promises);
}

#[test]
fn nothing_that_users_do_harms_a_blue_green_rollout() {
    check_users(400_000..400_000 + BLUE_GREEN, Strategy::BlueGreen, promises);
}

#[test]
fn nothing_that_users_do_harms_a_blue_green_rollout_by_route() {
    let seeds = 500_000..500_000 + BLUE_GREEN_BY_ROUTE;
    check_users(seeds, Strategy::BlueGreenByRoute, promises);
}
