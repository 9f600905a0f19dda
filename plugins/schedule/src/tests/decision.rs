//! Open or closed, and what is said, away from changes of clocks.

use kulta_plugin_sdk::{Decision, PluginError, Timestamp};
use serde_json::{Value, json};

use super::{Zones, ask, decision, detail, is_open, opens_at, time};

fn office_hours() -> Value {
    json!({
        "timeZone": "Europe/Berlin",
        "allowed": [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "from": "09:00", "until": "17:00"}],
    })
}

fn with_freeze(mut config: Value, from: &str, until: &str, reason: &str) -> Value {
    if config["freezes"].is_null() {
        config["freezes"] = json!([]);
    }
    let freeze = json!({"from": from, "until": until, "reason": reason});
    config["freezes"].as_array_mut().unwrap().push(freeze);
    config
}

fn window(days: &Value, from: &str, until: &str) -> Value {
    json!({"timeZone": "UTC", "allowed": [{"days": days, "from": from, "until": until}]})
}

fn freeze(from: &str, until: &str) -> Value {
    with_freeze(json!({"timeZone": "Europe/Berlin"}), from, until, "stocktaking")
}

#[test]
fn in_the_allowed_hours_it_is_open() {
    let decision = decision(&office_hours(), "2026-12-01T10:00:00+01:00");
    assert!(matches!(decision, Decision::Allow(_)));
    assert_eq!(decision.summary(), "open: in the allowed hours");
    assert_eq!(decision.outcome().retry_at, None);
}

#[test]
fn outside_of_the_allowed_hours_it_is_closed_and_says_when_it_opens() {
    let decision = decision(&office_hours(), "2026-12-01T08:00:00+01:00");
    assert!(matches!(decision, Decision::Hold(_)));
    assert_eq!(
        decision.summary(),
        "closed until 2026-12-01T09:00:00+01:00: outside of the allowed hours"
    );
    assert_eq!(
        decision.outcome().retry_at,
        Some(time("2026-12-01T09:00:00+01:00"))
    );
    assert_eq!(detail(&decision, "opensAt"), Some("2026-12-01T09:00:00+01:00"));
    assert_eq!(detail(&decision, "reason"), Some("OutsideAllowedHours"));
    assert_eq!(detail(&decision, "timeZone"), Some("Europe/Berlin"));
}

#[test]
fn after_the_last_window_of_the_week_it_opens_on_the_first_day_of_the_next() {
    assert_eq!(
        opens_at(&office_hours(), "2026-12-04T17:00:00+01:00"),
        "2026-12-07T09:00:00+01:00"
    );
}

#[test]
fn a_window_on_one_day_comes_again_after_a_week() {
    let config = window(&json!(["Tue"]), "09:00", "10:00");
    assert_eq!(
        opens_at(&config, "2026-12-01T10:00:00Z"),
        "2026-12-08T09:00:00+00:00"
    );
}

#[test]
fn a_window_has_its_first_moment_and_not_its_last() {
    let config = office_hours();
    assert!(!is_open(&config, "2026-12-01T08:59:59.999+01:00"));
    assert!(is_open(&config, "2026-12-01T09:00:00+01:00"));
    assert!(is_open(&config, "2026-12-01T16:59:59.999+01:00"));
    assert!(!is_open(&config, "2026-12-01T17:00:00+01:00"));
}

#[test]
fn a_window_past_midnight_belongs_to_the_day_it_begins() {
    let config = window(&json!(["Fri"]), "22:00", "06:00");
    assert!(is_open(&config, "2026-12-04T23:00:00Z"));
    assert!(is_open(&config, "2026-12-05T05:59:00Z"));
    assert!(!is_open(&config, "2026-12-04T05:00:00Z"));
    assert!(!is_open(&config, "2026-12-05T06:00:00Z"));
    assert!(!is_open(&config, "2026-12-05T23:00:00Z"));
}

#[test]
fn a_window_past_midnight_of_sunday_ends_on_monday() {
    let config = window(&json!(["Sun"]), "22:00", "06:00");
    assert!(is_open(&config, "2026-12-07T05:00:00Z"));
}

#[test]
fn a_window_can_end_at_midnight() {
    for until in ["24:00", "00:00"] {
        let config = window(&json!(["Fri"]), "22:00", until);
        assert!(is_open(&config, "2026-12-04T23:59:00Z"), "{until}");
        assert!(!is_open(&config, "2026-12-05T00:00:00Z"), "{until}");
    }
}

#[test]
fn a_window_that_ends_when_it_began_is_a_whole_day() {
    let config = window(&json!(["Fri"]), "09:00", "09:00");
    assert!(is_open(&config, "2026-12-05T08:59:00Z"));
    assert!(!is_open(&config, "2026-12-05T09:00:00Z"));
}

#[test]
fn the_window_that_comes_first_counts_wherever_it_is_written() {
    let config = json!({"timeZone": "UTC", "allowed": [
        {"from": "20:00", "until": "21:00"},
        {"from": "12:00", "until": "13:00"},
    ]});
    assert_eq!(
        opens_at(&config, "2026-12-01T10:00:00Z"),
        "2026-12-01T12:00:00+00:00"
    );
}

#[test]
fn a_freeze_closes_it_for_a_reason() {
    let config = freeze("2026-12-20T18:00", "2027-01-02T06:30");
    let decision = decision(&config, "2026-12-24T12:00:00+01:00");
    assert_eq!(
        decision.summary(),
        "closed until 2027-01-02T06:30:00+01:00: freeze (stocktaking)"
    );
    assert_eq!(detail(&decision, "reason"), Some("Freeze"));
}

#[test]
fn a_freeze_has_its_first_moment_and_not_its_last() {
    let config = freeze("2026-12-20T18:00", "2027-01-02T06:30");
    assert!(is_open(&config, "2026-12-20T17:59:59.999+01:00"));
    assert!(!is_open(&config, "2026-12-20T18:00:00+01:00"));
    assert!(!is_open(&config, "2027-01-02T06:29:59.999+01:00"));
    assert!(is_open(&config, "2027-01-02T06:30:00+01:00"));
}

#[test]
fn a_freeze_of_dates_goes_from_midnight_to_midnight() {
    let config = freeze("2026-12-20", "2027-01-02");
    assert!(is_open(&config, "2026-12-19T23:59:59+01:00"));
    assert!(!is_open(&config, "2026-12-20T00:00:00+01:00"));
    assert_eq!(
        opens_at(&config, "2027-01-01T23:59:59+01:00"),
        "2027-01-02T00:00:00+01:00"
    );
}

#[test]
fn what_is_open_says_what_it_looked_at() {
    let hours = with_freeze(office_hours(), "2026-12-20", "2027-01-02", "Christmas");
    let now = "2026-12-01T10:00:00+01:00";
    assert_eq!(
        decision(&hours, now).summary(),
        "open: in the allowed hours, no freeze"
    );
    let freeze = freeze("2026-12-20", "2027-01-02");
    assert_eq!(decision(&freeze, now).summary(), "open: no freeze");
}

#[test]
fn after_a_freeze_the_allowed_hours_are_waited_for() {
    let config = with_freeze(office_hours(), "2026-12-20", "2027-01-02", "Christmas");
    let decision = decision(&config, "2026-12-24T12:00:00+01:00");
    assert_eq!(
        decision.summary(),
        "closed until 2027-01-04T09:00:00+01:00: freeze (Christmas), then outside of the allowed hours"
    );
    assert_eq!(detail(&decision, "reason"), Some("Freeze"));
}

#[test]
fn a_freeze_in_the_next_window_is_told_beforehand() {
    let config = with_freeze(office_hours(), "2026-12-20", "2027-01-02", "Christmas");
    let decision = decision(&config, "2026-12-18T17:30:00+01:00");
    assert_eq!(
        decision.summary(),
        "closed until 2027-01-04T09:00:00+01:00: outside of the allowed hours, then freeze (Christmas)"
    );
    assert_eq!(detail(&decision, "reason"), Some("OutsideAllowedHours"));
}

#[test]
fn a_freeze_that_ends_in_the_allowed_hours_opens_at_its_end() {
    let config = with_freeze(office_hours(), "2026-12-01", "2026-12-02T11:15", "audit");
    assert_eq!(
        opens_at(&config, "2026-12-01T20:00:00+01:00"),
        "2026-12-02T11:15:00+01:00"
    );
}

#[test]
fn freezes_that_touch_or_overlap_are_one_after_the_other() {
    let config = freeze("2026-12-01", "2026-12-03");
    let config = with_freeze(config, "2026-12-05", "2026-12-06", "sale");
    let config = with_freeze(config, "2026-12-02", "2026-12-05", "audit");
    let decision = decision(&config, "2026-12-01T12:00:00+01:00");
    assert_eq!(
        decision.summary(),
        "closed until 2026-12-06T00:00:00+01:00: freeze (stocktaking), then freeze (audit), then freeze (sale)"
    );
}

#[test]
fn a_freeze_that_is_over_or_far_ahead_closes_nothing() {
    let config = freeze("2020-12-20", "2021-01-02");
    let config = with_freeze(config, "2036-12-20", "2037-01-02", "Olympia");
    assert!(is_open(&config, "2026-12-24T12:00:00+01:00"));
}

#[test]
fn what_opens_once_a_year_is_found() {
    let config = freeze("2026-01-01", "2026-12-31T23:00");
    assert_eq!(
        opens_at(&config, "2026-01-01T00:00:00+01:00"),
        "2026-12-31T23:00:00+01:00"
    );
}

#[test]
fn what_does_not_open_within_a_year_says_so_and_is_asked_at_its_own_interval() {
    let config = with_freeze(office_hours(), "2026-01-01", "2030-01-01", "end of life");
    let decision = decision(&config, "2026-12-01T10:00:00+01:00");
    assert!(matches!(decision, Decision::Hold(_)));
    assert_eq!(
        decision.summary(),
        "closed, and does not open within 366 days: freeze (end of life)"
    );
    assert_eq!(decision.outcome().retry_at, None);
    assert_eq!(detail(&decision, "opensAt"), None);
}

#[test]
fn windows_that_are_always_frozen_never_open() {
    let config = window(&json!(["Fri"]), "09:00", "10:00");
    let config = (1..=54).fold(config, |config, week| {
        let friday = jiff::civil::date(2026, 11, 27) + jiff::Span::new().weeks(week);
        let saturday = friday.tomorrow().unwrap();
        with_freeze(config, &friday.to_string(), &saturday.to_string(), "Friday")
    });
    let decision = decision(&config, "2026-12-01T10:00:00Z");
    assert_eq!(
        decision.summary(),
        "closed, and does not open within 366 days: outside of the allowed hours, then freeze (Friday)"
    );
}

#[test]
fn an_unknown_time_zone_is_a_fault_of_the_configuration() {
    let config = json!({"timeZone": "Mars/Olympus", "freezes": []});
    let error = ask(&config, &Zones::at(time("2026-12-01T10:00:00Z"))).unwrap_err();
    assert_eq!(
        error,
        PluginError::InvalidConfig("timeZone: there is no time zone Mars/Olympus".to_owned())
    );
}

#[test]
fn the_host_is_asked_once_for_every_change_of_clocks() {
    let host = Zones::at(time("2026-12-01T10:00:00Z"));
    ask(&office_hours(), &host).unwrap();
    assert_eq!(host.asked.get(), 3);
}

#[test]
fn any_time_is_answered_without_a_panic() {
    for now in [0, 1, u64::MAX / 2, u64::MAX] {
        let host = Zones::at(Timestamp::from_milliseconds(now));
        let answered = ask(&office_hours(), &host);
        assert_eq!(answered.is_ok(), now < 2, "{now}");
    }
}
