//! What is a change failure, and how long users had it.

use kulta_core::history::FactKind;
use kulta_core::spec::Weight;

use super::{Script, counts, median};

#[test]
fn an_attempt_that_failed_in_front_of_users_is_a_change_failure() {
    let figures = Script::new().promoted(0).failed(200).failed(300).figures();

    assert_eq!(counts(&figures), [1, 2, 0, 0, 0, 0]);
    assert_eq!(
        (figures.changes, figures.change_failure_rate),
        (3, Some(2.0 / 3.0))
    );
}

#[test]
fn users_who_were_switched_back_have_met_it() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(10, FactKind::Switched, 100)
        .at(30, FactKind::Aborted, 100)
        .at(31, FactKind::Switched, 0)
        .at(31, FactKind::Restored, 0)
        .figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
}

#[test]
fn an_attempt_that_was_rolled_back_by_the_spec_is_a_change_failure() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(10, FactKind::WeightInForce, 20)
        .at(30, FactKind::RolledBack, 20)
        .at(45, FactKind::Restored, 0)
        .figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!(median(figures.time_to_restore), Some(15));
}

#[test]
fn an_attempt_that_failed_before_users_met_it_is_no_change_failure() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(30, FactKind::Aborted, 0)
        .at(31, FactKind::Restored, 0)
        .figures();

    assert_eq!(counts(&figures), [0, 0, 1, 0, 0, 0]);
    assert_eq!((figures.changes, figures.change_failure_rate), (0, None));
    assert_eq!(figures.time_to_restore, None);
}

#[test]
fn a_weight_that_was_only_asked_for_is_none_in_force() {
    let mut script = Script::new()
        .at(0, FactKind::Started, 0)
        .at(10, FactKind::WeightRequested, 0)
        .at(30, FactKind::Aborted, 0);
    script.facts[1].weight = Weight::new(20).ok();

    assert_eq!(counts(&script.figures()), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn a_weight_left_over_from_the_revision_before_is_none_of_the_new_one() {
    let figures = Script::new()
        .at(0, FactKind::Started, 50)
        .at(10, FactKind::WeightRequested, 50)
        .at(20, FactKind::WeightInForce, 0)
        .at(30, FactKind::Aborted, 0)
        .figures();

    assert_eq!(counts(&figures), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn a_retry_that_finds_its_weight_in_force_meets_users_at_once() {
    let figures = Script::new()
        .at(0, FactKind::Retried, 50)
        .at(10, FactKind::Aborted, 50)
        .at(30, FactKind::Restored, 0)
        .figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!(median(figures.exposure), Some(30));
}

#[test]
fn without_traffic_routing_every_failed_attempt_is_a_change_failure() {
    let figures = Script::new()
        .bare(0, FactKind::Started)
        .bare(30, FactKind::Aborted)
        .bare(50, FactKind::Restored)
        .figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!(median(figures.time_to_restore), Some(20));
    assert_eq!(figures.exposure, None);
}

#[test]
fn an_attempt_that_was_promoted_and_then_aborted_is_both_and_one_change() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(100, FactKind::Promoted, 0)
        .at(110, FactKind::Aborted, 0)
        .figures();

    assert_eq!(counts(&figures), [1, 1, 0, 0, 0, 0]);
    assert_eq!((figures.changes, figures.change_failure_rate), (1, Some(1.0)));
}

#[test]
fn a_failure_stays_one_when_another_attempt_takes_its_place() {
    let figures = Script::new()
        .at(0, FactKind::Started, 0)
        .at(10, FactKind::WeightInForce, 20)
        .at(20, FactKind::Aborted, 20)
        .at(25, FactKind::Superseded, 20)
        .figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!((figures.time_to_restore, figures.not_restored), (None, 1));
}

#[test]
fn the_exposure_begins_before_the_failure() {
    let figures = Script::new().failed(0).figures();

    assert_eq!(median(figures.time_to_restore), Some(20));
    assert_eq!(median(figures.exposure), Some(50));
    assert_eq!(figures.not_restored, 0);
}

#[test]
fn a_failure_of_which_facts_are_missing_is_unclear() {
    let figures = Script::new().failed(0).without(2).without(3).figures();

    assert_eq!(counts(&figures), [0, 0, 0, 1, 0, 0]);
    assert_eq!(figures.changes, 0);
}

#[test]
fn an_exposure_without_its_begin_is_a_change_failure_without_a_duration() {
    let figures = Script::new().failed(0).without(2).figures();

    assert_eq!(counts(&figures), [0, 1, 0, 0, 0, 0]);
    assert_eq!(median(figures.time_to_restore), Some(20));
    assert_eq!(figures.exposure, None);
}
