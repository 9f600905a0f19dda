//! Whatever the configuration: the gate opens when it said, and not a minute earlier. What is open is told here minute
//! by minute, by the calendar of a library and the README's rules.

use std::sync::LazyLock;

use jiff::civil::{DateTime, Weekday};
use jiff::{SignedDuration, Timestamp as Time};
use kulta_plugin_sdk::{Decision, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Zones, ask, timestamp};

/// Changes of clocks, and a day without one.
const AROUND: [(&str, &str); 9] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("America/Santiago", "2026-09-06T04:00:00Z"),
    ("Pacific/Kiritimati", "2026-06-01T00:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
];
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const MINUTES_OF_A_DAY: i64 = 24 * 60;
/// So many minutes are looked at before a change, and after it: freezes end after at most 8 days there, and what is
/// allowed comes again every week.
const BEFORE: i64 = 10 * MINUTES_OF_A_DAY;
const AFTER: i64 = 30 * MINUTES_OF_A_DAY;
/// The names of the days as users write them.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What clocks show, minute by minute.
static SHOWN: LazyLock<Vec<Vec<DateTime>>> = LazyLock::new(|| AROUND.map(shown).into());

fn shown((zone, change): (&str, &str)) -> Vec<DateTime> {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
    let first = change.parse::<Time>().unwrap() - MINUTE * i32::try_from(BEFORE).unwrap();
    let minutes = 0..i32::try_from(BEFORE + AFTER).unwrap();
    minutes
        .map(|minute| zone.to_datetime(first + MINUTE * minute))
        .collect()
}

#[derive(Clone, Debug)]
struct Window {
    days: Option<Vec<usize>>,
    from: i64,
    until: i64,
}

/// In minutes: from the change, as clocks that were never changed would show it, and for how long.
#[derive(Clone, Debug)]
struct Freeze {
    from: i64,
    length: i64,
}

fn time_of_day(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn windows() -> impl Strategy<Value = Option<Vec<Window>>> {
    let days = prop::option::of(prop::collection::vec(0..DAYS.len(), 1..4));
    // Clocks are changed at night.
    let at = || prop_oneof![3 => 0..240_i64, 1 => 0..MINUTES_OF_A_DAY];
    let until = prop_oneof![6 => at(), 1 => Just(MINUTES_OF_A_DAY)];
    let window = (days, at(), until).prop_map(|(days, from, until)| Window { days, from, until });
    prop::option::of(prop::collection::vec(window, 1..4))
}

fn freezes() -> impl Strategy<Value = Vec<Freeze>> {
    let from = prop_oneof![-180..180_i64, -5 * MINUTES_OF_A_DAY..5 * MINUTES_OF_A_DAY];
    let length = prop_oneof![1..180_i64, 1..3 * MINUTES_OF_A_DAY];
    prop::collection::vec(
        (from, length).prop_map(|(from, length)| Freeze { from, length }),
        0..4,
    )
}

fn moments(freeze: &Freeze, change: DateTime) -> (DateTime, DateTime) {
    let from = change + MINUTE * i32::try_from(freeze.from).unwrap();
    (from, from + MINUTE * i32::try_from(freeze.length).unwrap())
}

fn written(zone: &str, windows: Option<&[Window]>, freezes: &[(DateTime, DateTime)]) -> Value {
    let freezes: Vec<Value> = freezes
        .iter()
        .map(|(from, until)| {
            let [from, until] = [from, until].map(|moment| moment.strftime("%Y-%m-%dT%H:%M").to_string());
            json!({"from": from, "until": until, "reason": "audit"})
        })
        .collect();
    let mut config = json!({"timeZone": zone, "freezes": freezes});
    for window in windows.unwrap_or_default() {
        let (from, until) = (time_of_day(window.from), time_of_day(window.until));
        let mut written = json!({"from": from, "until": until});
        if let Some(days) = &window.days {
            written["days"] = days.iter().map(|day| DAYS[*day]).collect();
        }
        match config["allowed"].as_array_mut() {
            Some(allowed) => allowed.push(written),
            None => config["allowed"] = json!([written]),
        }
    }
    config
}

fn is_in(window: &Window, shown: DateTime) -> bool {
    let begins_on = |day: Weekday| {
        let day = usize::try_from(day.to_monday_zero_offset()).unwrap();
        window.days.as_ref().is_none_or(|days| days.contains(&day))
    };
    let minute = i64::from(shown.hour()) * 60 + i64::from(shown.minute());
    let today = begins_on(shown.weekday());
    if window.from < window.until {
        return today && (window.from..window.until).contains(&minute);
    }
    (today && minute >= window.from) || (begins_on(shown.weekday().previous()) && minute < window.until)
}

/// The minutes of a freeze: from when its beginning is first reached, until nothing before its end is shown any more.
fn lasts(shown: &[DateTime], from: DateTime, until: DateTime) -> std::ops::Range<usize> {
    let begins = shown.iter().position(|shown| *shown >= from);
    let ends = shown.iter().rposition(|shown| *shown < until);
    begins.unwrap_or(shown.len())..ends.map_or(0, |last| last + 1)
}

fn minutes_open(
    shown: &[DateTime],
    windows: Option<&[Window]>,
    freezes: &[(DateTime, DateTime)],
) -> Vec<bool> {
    let is_allowed = |shown| windows.is_none_or(|windows| windows.iter().any(|window| is_in(window, shown)));
    let mut open: Vec<bool> = shown.iter().map(|shown| is_allowed(*shown)).collect();
    for (from, until) in freezes {
        for minute in lasts(shown, *from, *until) {
            open[minute] = false;
        }
    }
    open
}

proptest! {
    #[test]
    fn the_gate_opens_when_it_said_and_not_a_minute_earlier(
        case in 0..AROUND.len(),
        windows in windows(),
        freezes in freezes(),
        minute in prop_oneof![-180..180_i64, -4 * MINUTES_OF_A_DAY..4 * MINUTES_OF_A_DAY],
        millisecond in 0..60_000_u64,
    ) {
        let shown = &SHOWN[case];
        let first = timestamp(AROUND[case].1.parse().unwrap()).milliseconds() - u64::try_from(BEFORE).unwrap() * 60_000;
        let before = shown[usize::try_from(BEFORE).unwrap() - 1];
        let freezes: Vec<_> = freezes.iter().map(|freeze| moments(freeze, before)).collect();
        let config = written(AROUND[case].0, windows.as_deref(), &freezes);
        let open = minutes_open(shown, windows.as_deref(), &freezes);
        let start = usize::try_from(BEFORE + minute).unwrap();
        let expected = start + open[start..].iter().position(|open| *open).unwrap();

        let now = first + u64::try_from(start).unwrap() * 60_000 + millisecond;
        let decision = ask(&config, &Zones::at(Timestamp::from_milliseconds(now))).unwrap();

        match decision {
            Decision::Allow(_) => prop_assert_eq!(expected, start),
            Decision::Hold(outcome) => {
                let told = outcome.retry_at.unwrap().milliseconds();
                prop_assert_eq!(told, first + u64::try_from(expected).unwrap() * 60_000);
                prop_assert!(told > now);
            }
            Decision::Deny(_) => prop_assert!(false, "a schedule ends nothing"),
        }
    }
}
