use kulta_core::history::{Fact, FactKind, Origin};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::replay::Stories;
use crate::scene::{OTHER_UID, UID, fact, lines_of, removal, routed, second, stories, subject, told};

mod failures;

/// Facts, one after the other: each time, kind and weight in force.
struct Script {
    facts: Vec<Fact>,
    chain: u64,
}

impl Script {
    const fn new() -> Self {
        Self {
            facts: Vec::new(),
            chain: 1,
        }
    }

    fn next(&mut self, at: i64, kind: FactKind) -> Fact {
        let sequence = self.facts.last().map_or(1, |last| last.sequence + 1);
        if kind.begins_chain() {
            self.chain = sequence;
        }
        fact(self.chain, sequence, at, kind)
    }

    /// A fact where no traffic is routed.
    fn bare(mut self, at: i64, kind: FactKind) -> Self {
        let fact = self.next(at, kind);
        self.facts.push(fact);
        self
    }

    /// A fact with a weight in force.
    fn at(mut self, at: i64, kind: FactKind, percent: u32) -> Self {
        let fact = routed(self.next(at, kind), percent);
        self.facts.push(fact);
        self
    }

    /// An attempt that is promoted after 100 seconds.
    fn promoted(self, at: i64) -> Self {
        self.at(at, FactKind::Started, 0)
            .at(at + 50, FactKind::WeightInForce, 50)
            .at(at + 100, FactKind::Promoted, 100)
            .at(at + 110, FactKind::Finished, 0)
    }

    /// An attempt that users meet after 10 seconds, is aborted after 40 and over after 60.
    fn failed(self, at: i64) -> Self {
        self.at(at, FactKind::Started, 0)
            .at(at + 10, FactKind::WeightInForce, 20)
            .at(at + 40, FactKind::Aborted, 20)
            .at(at + 60, FactKind::Restored, 0)
    }

    /// Says of the last fact when its revision was committed.
    fn committed(mut self, at: i64) -> Self {
        let last = self.facts.last_mut().unwrap();
        last.origin = Some(Box::new(Origin {
            committed_at: Some(second(at)),
            ..Origin::default()
        }));
        self
    }

    /// Leaves out the fact of a number, as a sink with a filter does.
    fn without(mut self, sequence: u64) -> Self {
        self.facts.retain(|fact| fact.sequence != sequence);
        self
    }

    fn figures(&self) -> Figures {
        total(&told(&self.facts))
    }

    fn figures_of(&self, since: i64, until: i64) -> Figures {
        let window = Window {
            since: second(since),
            until: second(until),
        };
        report(told(&self.facts).list(), window).total
    }
}

fn total(stories: &Stories) -> Figures {
    let window = Window::of(stories.list()).unwrap();
    report(stories.list(), window).total
}

/// Deployments, change failures, stopped before users, unclear failures, superseded, undecided.
fn counts(figures: &Figures) -> [u32; 6] {
    [
        figures.deployments,
        figures.change_failures,
        figures.stopped_before_users,
        figures.unclear_failures,
        figures.superseded,
        figures.undecided,
    ]
}

fn median(spread: Option<Spread>) -> Option<i64> {
    spread.map(|spread| spread.median.as_secs())
}

#[test]
fn a_promoted_attempt_is_a_deployment() {
    let figures = Script::new().promoted(0).figures();

    assert_eq!(counts(&figures), [1, 0, 0, 0, 0, 0]);
    assert_eq!(figures.change_failure_rate, Some(0.0));
}

#[test]
fn the_frequency_is_for_a_day_of_the_window() {
    let script = Script::new().promoted(0).promoted(1_000).promoted(2_000);

    let of_two_days = script.figures_of(0, 2 * 86_400).deployments_per_day;
    let of_an_hour = script.figures_of(0, 3_600).deployments_per_day;

    assert_eq!((of_two_days, of_an_hour), (Some(1.5), Some(72.0)));
}

#[test]
fn a_window_without_length_has_no_frequency() {
    let figures = Script::new().bare(0, FactKind::Promoted).figures();

    assert_eq!((figures.deployments, figures.deployments_per_day), (1, None));
}

#[test]
fn a_superseded_attempt_is_neither() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(10, FactKind::WeightInForce, 20)
        .at(20, FactKind::Superseded, 20)
        .promoted(20)
        .figures();

    assert_eq!(counts(&figures), [1, 0, 0, 0, 1, 0]);
    assert_eq!(figures.changes, 1);
}

#[test]
fn an_attempt_under_way_is_undecided() {
    let figures = Script::new()
        .promoted(0)
        .at(200, FactKind::Started, 0)
        .at(210, FactKind::WeightInForce, 20)
        .figures();

    assert_eq!(counts(&figures), [1, 0, 0, 0, 0, 1]);
}

#[test]
fn a_retry_is_another_attempt() {
    let figures = Script::new()
        .failed(0)
        .at(100, FactKind::Retried, 0)
        .at(150, FactKind::WeightInForce, 20)
        .at(200, FactKind::Promoted, 100)
        .figures();

    assert_eq!(counts(&figures), [1, 1, 0, 0, 0, 0]);
    assert_eq!(figures.changes, 2);
}

#[test]
fn what_happens_between_attempts_is_none() {
    let mut script = Script::new().promoted(0).bare(500, FactKind::RolledBack);
    script.facts.last_mut().unwrap().chain = None;

    assert_eq!(counts(&script.figures()), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn lead_time_is_from_the_commit_to_the_promotion() {
    let script = Script::new()
        .at(100, FactKind::Started, 0)
        .at(500, FactKind::Promoted, 100);

    let figures = script.committed(0).figures();

    assert_eq!(median(figures.lead_time), Some(500));
    assert_eq!(figures.without_commit_time, 0);
}

#[test]
fn a_commit_that_is_told_at_the_begin_counts_too() {
    let script = Script::new().at(100, FactKind::Started, 0).committed(0);

    let figures = script.at(500, FactKind::Promoted, 100).figures();

    assert_eq!(median(figures.lead_time), Some(500));
}

#[test]
fn a_deployment_without_a_commit_time_is_told() {
    let figures = Script::new().promoted(0).figures();

    assert_eq!((figures.lead_time, figures.without_commit_time), (None, 1));
}

#[test]
fn a_commit_after_the_promotion_is_as_good_as_none() {
    let script = Script::new()
        .at(0, FactKind::Started, 0)
        .at(500, FactKind::Promoted, 100);

    let figures = script.committed(501).figures();

    assert_eq!((figures.lead_time, figures.without_commit_time), (None, 1));
}

#[test]
fn what_comes_after_the_window_has_not_happened_yet() {
    let script = Script::new().failed(0);

    let figures = script.figures_of(0, 50);

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!((figures.time_to_restore, figures.not_restored), (None, 1));
}

#[test]
fn what_users_met_before_the_window_is_known_in_it() {
    let script = Script::new().failed(0);

    let figures = script.figures_of(30, 100);

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!(median(figures.exposure), Some(50));
}

#[test]
fn windows_that_follow_each_other_count_each_attempt_once() {
    let script = Script::new().promoted(0).failed(200).promoted(300);

    let windows = [(0, 90), (91, 250), (251, 1_000)].map(|(since, until)| script.figures_of(since, until));

    let changes: Vec<_> = windows.iter().map(|figures| figures.changes).collect();
    assert_eq!(changes, [0, 2, 1]);
}

#[test]
fn an_attempt_with_only_its_standard_events_is_a_deployment() {
    let figures = Script::new()
        .promoted(0)
        .without(1)
        .without(2)
        .without(4)
        .figures();

    assert_eq!(counts(&figures), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn rollouts_are_counted_apart_and_together() {
    let mut lines = lines_of(&subject("web", UID), &Script::new().promoted(0).facts);
    lines.extend(lines_of(
        &subject("api", OTHER_UID),
        &Script::new().failed(50).facts,
    ));
    let stories = stories(&lines);

    let report = report(stories.list(), Window::of(stories.list()).unwrap());

    let rows: Vec<_> = report
        .rollouts
        .iter()
        .map(|row| {
            (
                row.rollout.to_string(),
                row.figures.changes,
                row.figures.change_failures,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [("shop/api".to_owned(), 1, 1), ("shop/web".to_owned(), 1, 0)]
    );
    assert_eq!(report.total.change_failure_rate, Some(0.5));
}

#[test]
fn two_rollouts_of_one_name_share_a_row_and_no_attempt() {
    let mut lines = lines_of(&subject("web", UID), &Script::new().promoted(0).facts);
    lines.extend(lines_of(
        &subject("web", OTHER_UID),
        &Script::new().promoted(500).facts,
    ));
    let stories = stories(&lines);

    assert_eq!(stories.list().len(), 1);
    assert_eq!(total(&stories).deployments, 2);
}

#[test]
fn the_window_ends_with_a_removal_that_comes_last() {
    let web = subject("web", UID);
    let mut lines = lines_of(&web, &Script::new().promoted(0).facts);
    lines.push(removal(&web, 1_000));

    let window = Window::of(stories(&lines).list()).unwrap();

    assert_eq!((window.since, window.until), (second(0), second(1_000)));
}

#[test]
fn what_is_not_known_is_absent() {
    let stories = told(&Script::new().at(0, FactKind::Started, 0).facts);
    let report = report(stories.list(), Window::of(stories.list()).unwrap());

    let written = serde_json::to_value(report).unwrap();

    let figures = json!({
        "deployments": 0, "changes": 0, "changeFailures": 0, "stoppedBeforeUsers": 0, "unclearFailures": 0,
        "superseded": 0, "undecided": 1, "notRestored": 0, "withoutCommitTime": 0,
    });
    assert_eq!(written["total"], figures);
    assert_eq!(written["window"]["lengthSeconds"], json!(0.0));
    assert_eq!(written["rollouts"][0]["rollout"], "shop/web");
}

proptest! {
    /// Whatever the order of lines, and however often some are told: the report is the same.
    #[test]
    fn order_and_repetition_change_nothing(
        (lines, plain) in Just(lines_of(
            &subject("web", UID),
            &Script::new().promoted(0).failed(200).at(300, FactKind::Retried, 0).promoted(400).facts,
        )).prop_flat_map(|lines| {
            let again = prop::sample::subsequence(lines.clone(), 0..=lines.len());
            (again, Just(lines)).prop_flat_map(|(again, lines)| {
                let all = [lines.clone(), again].concat();
                (Just(all).prop_shuffle(), Just(lines))
            })
        }),
    ) {
        prop_assert_eq!(total(&stories(&lines)), total(&stories(&plain)));
    }

    /// Whatever is missing: every figure is a number, and failures are no more than changes.
    #[test]
    fn a_rate_is_a_share(kept in prop::sample::subsequence((1..=16_u64).collect::<Vec<_>>(), 1..=16)) {
        let mut script = Script::new().promoted(0).failed(200).failed(300).promoted(400);
        script.facts.retain(|fact| kept.contains(&fact.sequence));

        let figures = script.figures();

        prop_assert!(figures.change_failure_rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)));
        prop_assert!(figures.deployments_per_day.is_none_or(f64::is_finite));
        prop_assert!(figures.change_failures <= figures.changes);
    }
}
