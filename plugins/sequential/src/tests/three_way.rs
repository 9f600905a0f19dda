//! The three-way table of the reference, and what else is promised of a comparison.

use super::simulation::{BATCH, Scenario, quantile};
use crate::statistics::comparison::{Comparison, Decision, Rules};

const RUNS: u64 = 3_000;
const POINTS: f64 = 1.0;
const PART: f64 = 0.2;

/// The decision of one run, with its time in seconds.
fn decide(rules: &Rules, scenario: Scenario, seed: u64) -> (Decision, f64) {
    let mut comparison = Comparison::new(1);
    let mut time = 0.0;
    for (begins, batch) in scenario.run(seed) {
        if begins {
            comparison.begin_step();
        }
        comparison.learn(rules, &[batch]);
        time += BATCH;
        let decision = comparison.decision(rules);
        if decision != Decision::None {
            return (decision, time);
        }
    }
    (Decision::None, time)
}

/// Checks the shares of pass, none and fail, in percent, and the median time of the decision that is right.
fn check(rps: f64, base: f64, ratio: f64, shares: [f64; 3], median: Option<f64>) {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    let scenario = Scenario::new(rps, base, ratio);
    let decisions: Vec<_> = (0..RUNS).map(|seed| decide(&rules, scenario, seed)).collect();
    let times = |wanted: Decision| {
        let mut times: Vec<f64> = decisions
            .iter()
            .filter(|(found, _)| *found == wanted)
            .map(|(_, time)| *time)
            .collect();
        times.sort_by(f64::total_cmp);
        times
    };
    for (decision, share) in [Decision::Pass, Decision::None, Decision::Fail]
        .into_iter()
        .zip(shares)
    {
        let found = 100.0 * times(decision).len() as f64 / RUNS as f64;
        println!("{rps} rps, {ratio} times, {decision:?} {share} %: {found} %");
        assert!(
            (found - share).abs() <= POINTS,
            "{decision:?}: {found} %, not {share} %"
        );
    }
    let right = if ratio > 1.0 {
        Decision::Fail
    } else {
        Decision::Pass
    };
    if let Some(median) = median {
        let found = quantile(&times(right), 0.5);
        println!("{median} s: {found} s");
        assert!(
            (found - median).abs() <= PART * median,
            "{found} s, not {median} s"
        );
    }
}

#[test]
fn too_little_traffic_is_not_decided() {
    check(5.0, 0.001, 1.0, [0.5, 99.2, 0.3], None);
    check(5.0, 0.001, 3.0, [0.0, 95.1, 4.8], None);
}

#[test]
fn a_healthy_canary_passes() {
    check(50.0, 0.01, 1.0, [99.6, 0.2, 0.2], Some(390.0));
    check(500.0, 0.001, 1.0, [99.4, 0.3, 0.3], Some(390.0));
}

#[test]
fn three_times_the_errors_fail() {
    check(50.0, 0.01, 3.0, [0.1, 0.0, 99.9], Some(225.0));
    check(500.0, 0.001, 3.0, [0.1, 0.0, 99.9], Some(225.0));
}

/// Whether the interval has the truth in it at every look of a run.
fn covers(rules: &Rules, ratio: f64, seed: u64) -> bool {
    let mut comparison = Comparison::new(1);
    Scenario::new(100.0, 0.01, ratio)
        .run(seed)
        .all(|(begins, batch)| {
            if begins {
                comparison.begin_step();
            }
            comparison.learn(rules, &[batch]);
            let interval = comparison.kinds[0].interval(rules);
            interval.lower <= ratio && interval.upper >= ratio
        })
}

#[test]
fn the_interval_has_the_truth_in_it_all_along() {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    for ratio in [1.0, 3.0] {
        let covered = (0..200).filter(|seed| covers(&rules, ratio, *seed)).count();
        assert!(covered >= 190, "{covered} of 200");
    }
}

#[test]
fn the_interval_closes_in_on_the_truth() {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    let mut comparison = Comparison::new(1);
    for (_, batch) in Scenario::new(100.0, 0.01, 3.0).run(1) {
        comparison.learn(&rules, &[batch]);
    }
    let interval = comparison.kinds[0].interval(&rules);
    assert!(interval.lower > 2.0, "{interval:?}");
    assert!(interval.upper < 4.5, "{interval:?}");
}

#[test]
fn of_several_kinds_of_bad_events_the_e_values_are_averaged() {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    let [mut one, mut other, mut both] = [Comparison::new(1), Comparison::new(1), Comparison::new(2)];
    let runs = Scenario::new(100.0, 0.01, 3.0)
        .run(1)
        .zip(Scenario::new(100.0, 0.01, 1.0).run(2));
    for ((begins, first), (_, second)) in runs.take(12) {
        if begins {
            for comparison in [&mut one, &mut other, &mut both] {
                comparison.begin_step();
            }
        }
        one.learn(&rules, &[first]);
        other.learn(&rules, &[second]);
        both.learn(&rules, &[first, second]);
    }
    let mean = f64::midpoint(one.log_e_fail().exp(), other.log_e_fail().exp());
    assert!((both.log_e_fail().exp() / mean - 1.0).abs() < 1e-9);
}

#[test]
fn without_requests_of_both_versions_nothing_is_learnt() {
    let rules = Rules::new(0.05, [0.25, 1.0]);
    let (_, batch) = Scenario::new(100.0, 0.01, 3.0).run(1).next().unwrap();
    let mut comparison = Comparison::new(1);
    comparison.begin_step();
    let alone = crate::statistics::Batch {
        stable: crate::statistics::Counts::default(),
        ..batch
    };
    comparison.learn(&rules, &[alone]);
    assert!(comparison.log_e_fail().abs() < 1e-12);
    assert!(comparison.log_e_pass().abs() < 1e-12);
}
