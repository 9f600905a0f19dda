//! The rules of the README for times that clocks skip or show twice.

use serde_json::{Value, json};

use super::{Zones, ask, is_open, opens_at, time};

const BERLIN: &str = "Europe/Berlin";

fn window(zone: &str, from: &str, until: &str) -> Value {
    json!({"timeZone": zone, "allowed": [{"from": from, "until": until}]})
}

fn freeze(zone: &str, from: &str, until: &str) -> Value {
    json!({"timeZone": zone, "freezes": [{"from": from, "until": until, "reason": "audit"}]})
}

// Berlin, 2026-03-29: 02:00 is 03:00. 2026-10-25: 03:00 is 02:00.

#[test]
fn a_window_that_is_skipped_does_not_open_that_day() {
    assert_eq!(
        opens_at(&window(BERLIN, "02:00", "03:00"), "2026-03-29T01:30:00+01:00"),
        "2026-03-30T02:00:00+02:00"
    );
}

#[test]
fn a_window_whose_beginning_is_skipped_opens_behind_the_gap() {
    assert_eq!(
        opens_at(&window(BERLIN, "02:30", "05:00"), "2026-03-29T01:30:00+01:00"),
        "2026-03-29T03:00:00+02:00"
    );
}

#[test]
fn a_window_whose_end_is_skipped_closes_before_the_gap() {
    let config = window(BERLIN, "01:00", "02:30");
    assert!(is_open(&config, "2026-03-29T01:59:59+01:00"));
    assert_eq!(
        opens_at(&config, "2026-03-29T03:00:00+02:00"),
        "2026-03-30T01:00:00+02:00"
    );
}

#[test]
fn a_window_around_a_gap_is_open_on_both_sides() {
    let config = window(BERLIN, "01:00", "04:00");
    assert!(is_open(&config, "2026-03-29T01:59:59+01:00"));
    assert!(is_open(&config, "2026-03-29T03:00:00+02:00"));
    assert!(!is_open(&config, "2026-03-29T04:00:00+02:00"));
}

#[test]
fn a_window_that_is_shown_twice_opens_twice() {
    let config = window(BERLIN, "02:15", "02:45");
    assert!(is_open(&config, "2026-10-25T02:30:00+02:00"));
    assert_eq!(
        opens_at(&config, "2026-10-25T02:50:00+02:00"),
        "2026-10-25T02:15:00+01:00"
    );
    assert_eq!(
        opens_at(&config, "2026-10-25T02:45:00+01:00"),
        "2026-10-26T02:15:00+01:00"
    );
}

#[test]
fn a_window_whose_end_is_shown_twice_opens_again_when_clocks_are_set_back() {
    let config = window(BERLIN, "01:00", "02:30");
    assert!(is_open(&config, "2026-10-25T02:29:59+02:00"));
    assert_eq!(
        opens_at(&config, "2026-10-25T02:30:00+02:00"),
        "2026-10-25T02:00:00+01:00"
    );
    assert!(!is_open(&config, "2026-10-25T02:30:00+01:00"));
}

#[test]
fn a_freeze_whose_beginning_is_skipped_begins_behind_the_gap() {
    let config = freeze(BERLIN, "2026-03-29T02:30", "2026-03-29T12:00");
    assert!(is_open(&config, "2026-03-29T01:59:59+01:00"));
    assert_eq!(
        opens_at(&config, "2026-03-29T03:00:00+02:00"),
        "2026-03-29T12:00:00+02:00"
    );
}

#[test]
fn a_freeze_whose_end_is_skipped_ends_behind_the_gap() {
    let config = freeze(BERLIN, "2026-03-28", "2026-03-29T02:30");
    assert_eq!(
        opens_at(&config, "2026-03-29T01:59:59+01:00"),
        "2026-03-29T03:00:00+02:00"
    );
}

#[test]
fn a_freeze_that_is_skipped_closes_nothing() {
    let config = freeze(BERLIN, "2026-03-29T02:10", "2026-03-29T02:50");
    assert!(is_open(&config, "2026-03-29T01:59:59+01:00"));
    assert!(is_open(&config, "2026-03-29T03:00:00+02:00"));
}

#[test]
fn a_freeze_that_is_shown_twice_lasts_from_its_first_beginning_to_its_last_end() {
    let config = freeze(BERLIN, "2026-10-25T02:15", "2026-10-25T02:45");
    assert!(is_open(&config, "2026-10-25T02:14:59+02:00"));
    for within in [
        "2026-10-25T02:15:00+02:00",
        "2026-10-25T02:50:00+02:00",
        "2026-10-25T02:00:00+01:00",
    ] {
        assert_eq!(opens_at(&config, within), "2026-10-25T02:45:00+01:00", "{within}");
    }
}

#[test]
fn a_date_whose_midnight_is_skipped_begins_behind_the_gap() {
    let config = freeze("America/Santiago", "2026-09-01", "2026-09-06");
    assert_eq!(
        opens_at(&config, "2026-09-05T12:00:00-04:00"),
        "2026-09-06T01:00:00-03:00"
    );
}

#[test]
fn new_york_changes_at_other_hours_on_other_days() {
    let config = window("America/New_York", "02:00", "02:30");
    assert_eq!(
        opens_at(&config, "2026-03-08T01:30:00-05:00"),
        "2026-03-09T02:00:00-04:00"
    );
    let config = window("America/New_York", "01:30", "01:45");
    assert_eq!(
        opens_at(&config, "2026-11-01T01:50:00-04:00"),
        "2026-11-01T01:30:00-05:00"
    );
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    assert_eq!(
        opens_at(&window(zone, "02:00", "02:15"), "2026-10-04T01:50:00+10:30"),
        "2026-10-05T02:00:00+11:00"
    );
    assert_eq!(
        opens_at(&window(zone, "02:15", "04:00"), "2026-10-04T01:50:00+10:30"),
        "2026-10-04T02:30:00+11:00"
    );
    assert_eq!(
        opens_at(&window(zone, "01:35", "01:40"), "2026-04-05T01:45:00+11:00"),
        "2026-04-05T01:35:00+10:30"
    );
}

#[test]
fn a_day_that_was_skipped_has_no_windows() {
    let config = json!({"timeZone": "Pacific/Apia", "allowed": [{"days": ["Fri"], "from": "09:00", "until": "10:00"}]});
    assert_eq!(
        opens_at(&config, "2011-12-29T12:00:00-10:00"),
        "2012-01-06T09:00:00+14:00"
    );
}

#[test]
fn a_freeze_of_a_day_that_was_skipped_closes_nothing() {
    let config = freeze("Pacific/Apia", "2011-12-30", "2011-12-31");
    assert!(is_open(&config, "2011-12-29T23:59:59-10:00"));
    assert!(is_open(&config, "2011-12-31T00:00:00+14:00"));
}

#[test]
fn a_zone_without_changes_is_asked_for_once_and_once_for_the_answer() {
    let host = Zones::at(time("2026-03-29T10:00:00Z"));
    ask(&window("Asia/Tokyo", "02:00", "03:00"), &host).unwrap();
    assert_eq!(host.asked.get(), 2);
}

#[test]
fn in_a_zone_fourteen_hours_ahead_it_is_tomorrow() {
    let config = json!({
        "timeZone": "Pacific/Kiritimati",
        "allowed": [{"days": ["Mon"], "from": "09:00", "until": "17:00"}],
    });
    assert!(is_open(&config, "2026-12-06T20:00:00Z"));
    assert_eq!(
        opens_at(&config, "2026-12-07T12:00:00Z"),
        "2026-12-14T09:00:00+14:00"
    );
}

#[test]
fn offsets_of_half_hours_behind_greenwich_are_written() {
    assert_eq!(
        opens_at(
            &window("America/St_Johns", "09:00", "17:00"),
            "2026-12-01T08:00:00-03:30"
        ),
        "2026-12-01T09:00:00-03:30"
    );
}
