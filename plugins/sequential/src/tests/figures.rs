//! Every row of "Figures to reproduce" of the reference: the share of the runs that are flagged within 1 point, times
//! within 20 %. The seeds are fixed, so the same figures come out each time.

use super::simulation::{BATCH, Scenario, quantile};
use crate::statistics::evidence::{Boundary, Evidence, Side};

/// Runs of each row. The error of a share is at most 0.8 points.
const RUNS: u64 = 4_000;
/// How much a share may be off, in points.
const POINTS: f64 = 1.0;
/// How much a time may be off, as a part of it.
const PART: f64 = 0.2;
/// The logarithm of 1/α, for α = 0.05.
const ENOUGH: f64 = 2.995_732_273_553_991;

/// What came of a row: the share that was flagged, in percent, and the sorted times, in seconds.
struct Row {
    share: f64,
    times: Vec<f64>,
}

impl Row {
    fn flags(self, share: f64) -> Self {
        println!("{share} %: {} %", self.share);
        assert!(
            (self.share - share).abs() <= POINTS,
            "{} %, not {share} %",
            self.share
        );
        self
    }

    fn after(self, median: f64, last_tenth: f64) {
        for (at, expected) in [(0.5, median), (0.9, last_tenth)] {
            let time = quantile(&self.times, at);
            println!("{expected} s: {time} s");
            assert!(
                (time - expected).abs() <= PART * expected,
                "{time} s, not {expected} s"
            );
        }
    }
}

fn row(margin: f64, scenario: Scenario) -> Row {
    let boundary = Boundary::new(1.0 + margin, Side::Above);
    let mut times: Vec<f64> = (0..RUNS)
        .filter_map(|seed| time_to_flag(&boundary, scenario, seed))
        .collect();
    times.sort_by(f64::total_cmp);
    let share = 100.0 * times.len() as f64 / RUNS as f64;
    Row { share, times }
}

fn time_to_flag(boundary: &Boundary, scenario: Scenario, seed: u64) -> Option<f64> {
    let mut evidence = Evidence::new();
    scenario.run(seed).zip(1..).find_map(|((begins, batch), look)| {
        if begins {
            evidence.begin_step();
        }
        evidence.learn(boundary, &batch);
        (evidence.log_e() >= ENOUGH).then(|| f64::from(look) * BATCH)
    })
}

#[test]
fn healthy_at_100_rps_with_few_errors() {
    row(0.0, Scenario::new(100.0, 0.002, 1.0)).flags(1.6);
}

#[test]
fn healthy_at_100_rps_with_many_errors() {
    row(0.0, Scenario::new(100.0, 0.012, 1.0)).flags(1.0);
}

#[test]
fn healthy_at_20_rps() {
    row(0.0, Scenario::new(20.0, 0.002, 1.0)).flags(1.6);
}

#[test]
fn healthy_at_5_rps() {
    row(0.0, Scenario::new(5.0, 0.001, 1.0)).flags(0.2);
}

#[test]
fn healthy_at_500_rps() {
    row(0.0, Scenario::new(500.0, 0.01, 1.0)).flags(0.5);
}

#[test]
fn exactly_at_the_margin() {
    row(0.25, Scenario::new(100.0, 0.01, 1.25)).flags(1.0);
}

#[test]
fn healthy_while_errors_become_more() {
    row(0.0, Scenario::new(100.0, 0.005, 1.0).ending_at(0.015)).flags(1.3);
}

#[test]
fn healthy_while_errors_become_fewer() {
    row(0.0, Scenario::new(100.0, 0.015, 1.0).ending_at(0.005)).flags(1.1);
}

#[test]
fn twice_as_many_errors() {
    row(0.0, Scenario::new(100.0, 0.002, 2.0))
        .flags(92.0)
        .after(525.0, 780.0);
}

#[test]
fn five_times_as_many_errors() {
    row(0.0, Scenario::new(100.0, 0.002, 5.0))
        .flags(100.0)
        .after(120.0, 285.0);
}

#[test]
fn twenty_five_times_as_many_errors() {
    row(0.0, Scenario::new(100.0, 0.002, 25.0))
        .flags(100.0)
        .after(15.0, 30.0);
}

#[test]
fn five_times_as_many_errors_at_20_rps() {
    row(0.0, Scenario::new(20.0, 0.002, 5.0))
        .flags(99.9)
        .after(390.0, 615.0);
}

#[test]
fn twenty_five_times_as_many_errors_at_20_rps() {
    row(0.0, Scenario::new(20.0, 0.002, 25.0))
        .flags(100.0)
        .after(60.0, 120.0);
}

#[test]
fn more_than_twice_as_many_of_many_errors() {
    row(0.0, Scenario::new(100.0, 0.012, 2.5))
        .flags(100.0)
        .after(120.0, 255.0);
}

#[test]
fn twice_as_many_errors_after_ten_healthy_minutes() {
    row(0.25, Scenario::new(100.0, 0.01, 2.0).from(600.0))
        .flags(87.0)
        .after(765.0, 855.0);
}

#[test]
fn a_little_noise() {
    for (margin, share) in [(0.0, 2.9), (0.25, 0.4), (0.5, 0.3)] {
        row(margin, Scenario::new(100.0, 0.005, 1.0).with_noise(0.25)).flags(share);
    }
}

#[test]
fn some_noise() {
    for (margin, share) in [(0.0, 9.3), (0.25, 2.4), (0.5, 1.3)] {
        row(margin, Scenario::new(100.0, 0.005, 1.0).with_noise(0.5)).flags(share);
    }
}

#[test]
fn much_noise() {
    for (margin, share) in [(0.0, 39.0), (0.25, 22.0), (0.5, 14.0)] {
        row(margin, Scenario::new(100.0, 0.005, 1.0).with_noise(1.0)).flags(share);
    }
}
