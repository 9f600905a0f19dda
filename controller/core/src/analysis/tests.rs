//! Analyses from their first measurement to their end.

use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::metric::Metric;
use super::run::{AnalysisPhase, MetricResult, RunStatus};
use super::verdict::{Outcome, Reading, Value};
use super::{Taken, advance, due};

const INTERVAL: SignedDuration = SignedDuration::from_secs(30);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// An analysis that somebody runs, and its clock.
struct Play {
    metrics: Vec<Metric>,
    terminate: bool,
    status: RunStatus,
    now: Timestamp,
}

impl Play {
    fn of(metrics: impl IntoIterator<Item = Metric>) -> Self {
        let metrics: Vec<_> = metrics.into_iter().collect();
        let begun = advance(&metrics, false, &RunStatus::default(), Vec::new(), at(0));
        Self {
            metrics,
            terminate: false,
            status: begun.status,
            now: at(0),
        }
    }

    fn due(&self) -> Vec<String> {
        let due = due(&self.metrics, self.terminate, &self.status, self.now);
        due.iter().map(|metric| metric.name.clone()).collect()
    }

    /// Measures all metrics that are due, and goes to the time of the next measurement.
    fn measure(&mut self, mut finding: impl FnMut(&str) -> Finding) {
        let now = self.now;
        let taken = self.due().into_iter().map(|metric| Taken {
            finding: finding(&metric),
            metric,
            started_at: now,
        });
        let taken = taken.collect();
        self.settle(taken);
    }

    fn settle(&mut self, taken: Vec<Taken>) {
        let progress = advance(&self.metrics, self.terminate, &self.status, taken, self.now);
        self.status = progress.status;
        self.now = progress.wake_at.unwrap_or(self.now);
    }

    /// Measures one finding after the other, as long as the analysis goes on.
    fn measure_all(&mut self, findings: impl IntoIterator<Item = Finding>) -> &RunStatus {
        for finding in findings {
            self.measure(|_| finding.clone());
        }
        &self.status
    }

    fn result(&self, name: &str) -> &MetricResult {
        let results = &self.status.metric_results;
        results.iter().find(|result| result.name == name).unwrap()
    }
}

fn often(count: u32) -> Metric {
    Metric {
        interval: Some(INTERVAL),
        count: NonZeroU32::new(count),
        ..Metric::once("errors")
    }
}

fn endless() -> Metric {
    often(0)
}

fn outcome(summary: &str) -> Outcome {
    Outcome {
        reading: Reading {
            value: Value::Scalar(0.5),
            summary: summary.to_owned(),
            details: vec![("pods".to_owned(), "2".to_owned())],
        },
        ..Outcome::default()
    }
}

fn good() -> Finding {
    Finding::Successful(outcome("well"))
}

fn bad() -> Finding {
    Finding::Failed(outcome("5 % errors"))
}

fn unclear() -> Finding {
    Finding::Inconclusive(outcome("no data"))
}

fn running() -> Finding {
    Finding::Running(outcome("3 of 100 requests"))
}

fn error() -> Finding {
    Finding::Error("Prometheus is away".to_owned())
}

#[test]
fn errors_with_answers_between_them_are_not_in_a_row() {
    let metric = Metric {
        consecutive_error_limit: 1,
        ..endless()
    };
    let mut play = Play::of([metric]);

    for _ in 0..5 {
        play.measure(|_| error());
        play.measure(|_| running());
    }

    assert_eq!(play.status.phase, AnalysisPhase::Running, "{:?}", play.status);
}

#[test]
fn a_metric_without_interval_is_measured_once() {
    let mut play = Play::of([Metric::once("errors")]);

    play.measure(|_| good());

    assert_eq!(play.status.phase, AnalysisPhase::Successful);
    assert_eq!(play.status.run_summary.successful, 1);
    assert_eq!(play.status.completed_at, Some(at(0)));
    assert!(play.due().is_empty());
}

#[test]
fn measurements_are_an_interval_apart() {
    let mut play = Play::of([often(3)]);

    play.measure(|_| good());

    assert_eq!(play.now, at(30));
    assert_eq!(play.status.phase, AnalysisPhase::Running);
    assert_eq!(play.due(), ["errors"]);
}

#[test]
fn the_initial_delay_comes_before_the_first_measurement() {
    let mut play = Play::of([Metric {
        initial_delay: SignedDuration::from_secs(60),
        ..often(1)
    }]);
    assert!(play.due().is_empty());

    play.settle(Vec::new());

    assert_eq!(play.now, at(60));
    assert_eq!(play.due(), ["errors"]);
}

#[test]
fn one_failure_more_than_the_limit_fails_and_says_which_limit() {
    let mut play = Play::of([Metric {
        failure_limit: Some(1),
        ..often(5)
    }]);

    let status = play.measure_all([bad(), good()]);
    assert_eq!(status.phase, AnalysisPhase::Running);
    let status = play.measure_all([bad()]);

    assert_eq!(status.phase, AnalysisPhase::Failed);
    assert_eq!(
        status.message,
        "Metric \"errors\" assessed Failed due to failed (2) > failureLimit (1): 5 % errors"
    );
}

#[test]
fn without_a_failure_limit_failures_are_borne() {
    let mut play = Play::of([Metric {
        failure_limit: None,
        consecutive_success_limit: NonZeroU32::new(2),
        ..endless()
    }]);

    let status = play.measure_all([bad(), bad(), bad(), good()]);
    assert_eq!(status.phase, AnalysisPhase::Running);
    let status = play.measure_all([good()]);

    assert_eq!(status.phase, AnalysisPhase::Successful);
}

#[test]
fn successes_in_a_row_that_do_not_come_are_inconclusive_beside_a_failure_limit() {
    let metric = Metric {
        failure_limit: Some(2),
        consecutive_success_limit: NonZeroU32::new(3),
        ..often(4)
    };
    let alone = Metric {
        failure_limit: None,
        ..metric.clone()
    };
    let findings = || [good(), bad(), good(), good()];

    assert_eq!(
        Play::of([metric]).measure_all(findings()).phase,
        AnalysisPhase::Inconclusive
    );
    assert_eq!(
        Play::of([alone]).measure_all(findings()).phase,
        AnalysisPhase::Failed
    );
}

#[test]
fn errors_are_tried_again_soon_and_do_not_count_as_measurements() {
    let mut play = Play::of([often(1)]);

    play.measure(|_| error());
    assert_eq!(play.now, at(10));
    play.measure(|_| good());

    assert_eq!(play.status.phase, AnalysisPhase::Successful);
    assert_eq!(play.result("errors").error, 1);
    assert_eq!(play.result("errors").count, 1);
}

#[test]
fn too_many_errors_in_a_row_make_an_error() {
    let mut play = Play::of([often(9)]);

    let status = play.measure_all([
        error(),
        error(),
        error(),
        good(),
        error(),
        error(),
        error(),
        error(),
    ]);
    assert_eq!(status.phase, AnalysisPhase::Running);
    let status = play.measure_all([error()]);

    assert_eq!(status.phase, AnalysisPhase::Error);
    assert_eq!(
        status.message,
        "Metric \"errors\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): Prometheus is away"
    );
}

#[test]
fn what_can_not_be_told_is_inconclusive() {
    let status = Play::of([often(3)]).measure_all([unclear()]).clone();

    assert_eq!(status.phase, AnalysisPhase::Inconclusive);
    assert_eq!(status.run_summary.inconclusive, 1);
}

#[test]
fn one_failed_metric_ends_the_others() {
    let other = Metric {
        name: "latency".to_owned(),
        ..endless()
    };
    let mut play = Play::of([endless(), other]);

    play.measure(|name| if name == "errors" { bad() } else { good() });

    assert_eq!(play.status.phase, AnalysisPhase::Failed);
    assert_eq!(play.result("latency").phase, AnalysisPhase::Successful);
    assert!(play.due().is_empty());
}

#[test]
fn a_dry_run_fails_without_effect() {
    let mut play = Play::of([Metric {
        dry_run: true,
        ..often(2)
    }]);

    let status = play.measure_all([bad()]);

    assert_eq!(status.phase, AnalysisPhase::Successful);
    assert_eq!(status.dry_run_summary.failed, 1);
    assert_eq!(status.run_summary.count, 0);
}

#[test]
fn an_endless_metric_is_well_when_the_analysis_is_ended() {
    let mut play = Play::of([endless()]);
    play.measure_all([good(), good()]);

    play.terminate = true;
    play.settle(Vec::new());

    assert_eq!(play.status.phase, AnalysisPhase::Successful);
    assert_eq!(play.status.message, "Run Terminated");
}

#[test]
fn an_analysis_that_is_ended_before_it_began_is_well() {
    let metrics = [endless()];

    let progress = advance(&metrics, true, &RunStatus::default(), Vec::new(), at(0));

    assert_eq!(progress.status.phase, AnalysisPhase::Successful);
}

#[test]
fn a_measurement_that_goes_on_is_one_measurement() {
    let mut play = Play::of([often(1)]);

    play.measure_all([running(), running(), good()]);

    let result = play.result("errors");
    assert_eq!((result.count, result.measurements.len()), (1, 1));
    assert_eq!(result.measurements[0].started_at, at(0));
    assert_eq!(result.measurements[0].finished_at, Some(at(60)));
}

#[test]
fn a_measurement_that_goes_on_too_long_is_inconclusive() {
    let mut play = Play::of([Metric {
        deadline: Some(SignedDuration::from_secs(50)),
        ..often(1)
    }]);

    play.measure_all([running(), running()]);
    assert_eq!(play.now, at(50));
    let status = play.measure_all([running()]);

    assert_eq!(status.phase, AnalysisPhase::Inconclusive);
    assert!(
        status
            .message
            .ends_with("not finished within 50 s: 3 of 100 requests"),
        "{}",
        status.message
    );
}

#[test]
fn a_measurement_that_the_end_cuts_off_can_not_be_told() {
    let mut play = Play::of([endless()]);
    play.measure_all([running()]);

    play.terminate = true;
    play.settle(Vec::new());

    assert_eq!(play.status.phase, AnalysisPhase::Inconclusive);
    assert_eq!(play.result("errors").inconclusive, 1);
}

#[test]
fn the_plugins_wish_for_its_next_call_is_kept_within_an_hour() {
    let wishes = [(5, 5), (0, 1), (100_000, 3600)];
    for (wish, kept) in wishes {
        let mut play = Play::of([endless()]);
        let retry_at = Some(at(wish));

        play.measure(|_| {
            Finding::Successful(Outcome {
                retry_at,
                ..outcome("well")
            })
        });

        assert_eq!(play.now, at(kept), "wished for {wish}");
    }
}

#[test]
fn the_version_that_measures_is_remembered() {
    let mut play = Play::of([often(2)]);
    play.measure_all([good()]);
    play.status.metric_results[0].plugin_digest = Some("sha256:e3b0".to_owned());

    play.measure_all([good()]);

    let written = serde_json::to_value(play.result("errors")).unwrap();
    assert_eq!(written["pluginDigest"], "sha256:e3b0");
}

#[test]
fn state_is_kept_until_the_plugin_hands_back_another_or_none() {
    let with = |state: Option<&[u8]>| {
        Finding::Successful(Outcome {
            next_state: state.map(<[u8]>::to_vec),
            ..outcome("well")
        })
    };
    let mut play = Play::of([endless()]);

    play.measure_all([with(Some(b"one"))]);
    assert_eq!(play.result("errors").state.as_deref(), Some(&b"one"[..]));
    play.measure_all([error()]);
    assert_eq!(play.result("errors").state.as_deref(), Some(&b"one"[..]));
    play.measure_all([with(None)]);
    assert_eq!(play.result("errors").state, None);
}

#[test]
fn only_the_latest_measurements_are_kept_and_details_of_the_last() {
    let mut play = Play::of([Metric {
        retention: 3,
        ..endless()
    }]);

    play.measure_all(std::iter::repeat_with(good).take(5));

    let measurements = &play.result("errors").measurements;
    let details: Vec<_> = measurements.iter().map(|kept| kept.metadata.len()).collect();
    assert_eq!(details, [0, 0, 1]);
    assert_eq!(play.result("errors").count, 5);
}

#[test]
fn what_was_measured_of_metrics_that_are_gone_is_forgotten() {
    let mut play = Play::of([endless()]);
    play.measure_all([good()]);

    play.metrics = vec![Metric::once("latency")];
    play.settle(Vec::new());

    let names: Vec<_> = play
        .status
        .metric_results
        .iter()
        .map(|result| &result.name)
        .collect();
    assert_eq!(names, ["latency"]);
}

/// A thousand numbers of 17 digits.
fn vector() -> Finding {
    let numbers = (0..1_000).map(|index| f64::from(index) / 997.0);
    let mut outcome = outcome("measured");
    outcome.reading.value = Value::Vector(numbers.collect());
    Finding::Successful(outcome)
}

#[test]
fn however_much_is_measured_and_kept_the_status_stays_small() {
    let metrics = (0..20).map(|index| Metric {
        name: format!("metric-{index}"),
        retention: 1_000,
        ..endless()
    });
    let mut play = Play::of(metrics);

    for _ in 0..150 {
        play.measure(|_| vector());
    }

    let written = serde_json::to_string(&play.status).unwrap();
    assert!(written.len() <= 512 << 10, "{}", written.len());
    let [.., before, latest] = &play.result("metric-0").measurements[..] else {
        panic!("the latest two are kept")
    };
    assert!(latest.value.ends_with("… (1,000 numbers)"), "{}", latest.value);
    assert!(before.value.len() <= 256, "{}", before.value.len());
    assert_eq!(play.result("metric-0").count, 150);
}

#[test]
fn the_status_is_written_and_read_in_the_shape_of_argo_rollouts() {
    let mut play = Play::of([often(2)]);
    play.measure(|_| {
        Finding::Successful(Outcome {
            next_state: Some(vec![1, 2]),
            ..outcome("well")
        })
    });

    let written = serde_json::to_value(&play.status).unwrap();

    assert_eq!(
        written,
        serde_json::json!({
            "phase": "Running",
            "startedAt": "2023-11-14T22:13:20Z",
            "runSummary": {"count": 1, "successful": 0, "failed": 0, "inconclusive": 0, "error": 0},
            "metricResults": [{
                "name": "errors", "phase": "Running", "message": "well",
                "count": 1, "successful": 1, "failed": 0, "inconclusive": 0, "error": 0,
                "consecutiveError": 0, "consecutiveSuccess": 1, "state": "AQI=",
                "measurements": [{
                    "phase": "Successful", "message": "well", "value": "0.5",
                    "startedAt": "2023-11-14T22:13:20Z", "finishedAt": "2023-11-14T22:13:20Z",
                    "metadata": {"pods": "2"}
                }]
            }]
        })
    );
    assert_eq!(serde_json::from_value::<RunStatus>(written).unwrap(), play.status);
}

/// A random finding.
fn any(random: &mut fastrand::Rng) -> Finding {
    match random.u32(0..12) {
        0 => bad(),
        1 => unclear(),
        2 | 3 => running(),
        4 | 5 => error(),
        _ => good(),
    }
}

fn any_metric(random: &mut fastrand::Rng, name: String) -> Metric {
    Metric {
        count: NonZeroU32::new(random.u32(1..6)),
        failure_limit: random.bool().then(|| random.u32(0..3)),
        inconclusive_limit: random.u32(0..3),
        consecutive_error_limit: random.u32(0..4),
        consecutive_success_limit: NonZeroU32::new(random.u32(0..4)),
        dry_run: random.u8(0..4) == 0,
        name,
        ..often(1)
    }
}

#[test]
fn every_analysis_with_counts_ends_and_its_numbers_add_up() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let names = (0..random.u8(1..4)).map(|index| format!("metric-{index}"));
        let metrics: Vec<_> = names.map(|name| any_metric(&mut random, name)).collect();
        let mut play = Play::of(metrics);
        let mut rounds = 0;
        while !play.status.phase.completed() {
            play.measure(|_| any(&mut random));
            rounds += 1;
            assert!(rounds < 1_000, "seed {seed} does not end: {:?}", play.status);
        }
        for result in &play.status.metric_results {
            let sum = result.successful + result.failed + result.inconclusive;
            assert_eq!(result.count, sum, "seed {seed}");
            assert!(result.phase.completed(), "seed {seed}");
        }
        let effective = play.status.metric_results.iter().filter(|result| !result.dry_run);
        let all_well = effective
            .into_iter()
            .all(|result| result.phase == AnalysisPhase::Successful);
        assert_eq!(
            all_well,
            play.status.phase == AnalysisPhase::Successful,
            "seed {seed}"
        );
    }
}

#[test]
fn looking_again_without_a_measurement_changes_nothing() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut play = Play::of([any_metric(&mut random, "errors".to_owned())]);
        for _ in 0..random.u8(0..6) {
            play.measure(|_| any(&mut random));
        }

        let again = advance(&play.metrics, false, &play.status, Vec::new(), play.now);

        assert_eq!(again.status, play.status, "seed {seed}");
    }
}

fn gate(deadline: Option<i64>) -> Metric {
    Metric::gate("hours", Some(INTERVAL), deadline.map(SignedDuration::from_secs))
}

#[test]
fn a_gate_that_gives_no_answer_is_asked_for_ever_and_says_why() {
    let mut play = Play::of([gate(None)]);

    let findings = (0..100).map(|_| Finding::Error("no plugin".to_owned()));
    let status = play.measure_all(findings);

    assert_eq!(status.phase, AnalysisPhase::Running);
    assert_eq!(status.message, "Gate \"hours\": no plugin");
    assert_eq!(play.now, at(100 * 30));
}

#[test]
fn messages_are_cut_wherever_they_go() {
    let mut play = Play::of([gate(None), Metric::gate("freeze", Some(INTERVAL), None)]);

    let status = play.measure_all([Finding::Error("x".repeat(100_000))]).clone();

    let kept = &status.metric_results[0];
    for message in [&status.message, &kept.message, &kept.measurements[0].message] {
        assert!(message.len() <= crate::text::MESSAGE_BYTES, "{}", message.len());
        assert!(message.ends_with('…'));
    }
}

#[test]
fn a_gate_that_allows_is_successful() {
    let mut play = Play::of([gate(None)]);

    let status = play.measure_all([Finding::Error("no plugin".to_owned()), running(), good()]);

    assert_eq!(
        (status.phase, status.message.as_str()),
        (AnalysisPhase::Successful, "")
    );
}

#[test]
fn a_gate_that_holds_beyond_its_deadline_is_shut() {
    let mut play = Play::of([gate(Some(50))]);

    let status = play.measure_all([running(), running(), running()]);

    assert_eq!(status.phase, AnalysisPhase::Failed);
    assert_eq!(
        status.message,
        "Gate \"hours\": not allowed within 50 s: 3 of 100 requests"
    );
}

#[test]
fn a_gate_that_is_ended_before_it_has_allowed_can_not_be_told() {
    let mut play = Play::of([gate(None)]);

    play.terminate = true;
    play.settle(Vec::new());

    assert_eq!(play.status.phase, AnalysisPhase::Inconclusive);
}
