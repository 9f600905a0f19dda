//! The rules of the core, each over thousands of simulated Rollouts.
//!
//! A failure names its seed; `KULTA_SEED=<seed> cargo test -p kulta-core <test>` runs that one alone.

mod delivery;
mod restart;
mod run;
mod schedule;
mod users;

use run::check;
use schedule::Perils;

use crate::simulation::rules;

/// Each rule has seeds of its own: together more than ten thousand Rollouts.
const RUNS: u64 = 1_200;

#[test]
fn the_same_observation_gives_the_same_plan() {
    check(0..RUNS, Perils::ALL, || vec![Box::new(rules::Determinism)]);
}

#[test]
fn at_most_one_step_forward_in_a_plan() {
    check(10_000..10_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::OneStepAtATime)]
    });
}

#[test]
fn weight_rises_only_as_the_steps_say_and_onto_ready_pods() {
    check(20_000..20_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::WeightWithinSteps)]
    });
}

#[test]
fn promised_pods_are_never_taken_away() {
    check(30_000..30_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::Availability)]
    });
}

#[test]
fn traffic_leaves_before_pods_do() {
    check(40_000..40_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::TrafficBeforePods)]
    });
}

#[test]
fn managed_rules_follow_the_steps_and_go_before_the_pods_and_no_other_rule_is_touched() {
    check(110_000..110_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::OwnRules)]
    });
}

#[test]
fn all_users_are_switched_only_to_whole_versions_and_back_to_those_with_pods() {
    check(100_000..100_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::SafeSwitch)]
    });
}

#[test]
fn the_history_is_complete_ordered_and_bounded() {
    check(50_000..50_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::History::default())]
    });
}

#[test]
fn restarts_take_only_old_pods_and_never_more_than_can_be_spared() {
    check(110_000..110_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::Restarts)]
    });
}

#[test]
fn no_schedule_leaves_a_rollout_stuck() {
    check(80_000..80_000 + RUNS, Perils::ALL, Vec::new);
}

#[test]
fn no_traffic_is_lost() {
    check(60_000..60_000 + RUNS, Perils::ALL, || {
        vec![Box::new(rules::NoTrafficLost::default())]
    });
}

#[test]
fn stopping_after_any_prefix_of_a_plan_leads_to_the_same_end() {
    restart::check(70_000..70_500);
}

#[test]
fn no_event_is_lost_or_out_of_order_however_often_the_controller_dies() {
    delivery::check(90_000..90_400);
}
