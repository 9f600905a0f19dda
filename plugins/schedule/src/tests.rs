//! The plugin from the outside: configurations as users write them, and a host that knows time zones.

mod changes;
mod config;
mod decision;
mod property;

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp as Time;
use jiff::tz::TimeZoneDatabase;
use kulta_plugin_sdk::{
    Answer, Decision, GatePlugin, Host, Level, LocalTime, Past, Plugin, PluginError, QueryError, State, Step,
    Subject, Timestamp, ZoneError,
};
use serde_json::Value;

use crate::Schedule;

/// KULTA as far as this plugin needs it: every time in every zone of the database. The SDK's `MockHost` shows one time.
struct Zones {
    now: Timestamp,
    asked: Cell<usize>,
}

impl Zones {
    fn at(now: Timestamp) -> Self {
        let asked = Cell::new(0);
        Self { now, asked }
    }
}

impl Host for Zones {
    fn query_instant(&self, _provider: &str, _expr: &str, _at: Timestamp) -> Result<Answer, QueryError> {
        panic!("a query is asked");
    }

    fn query_range(
        &self,
        _provider: &str,
        _expr: &str,
        _start: Timestamp,
        _end: Timestamp,
        _step: Duration,
    ) -> Result<Answer, QueryError> {
        panic!("a query is asked");
    }

    fn log(&self, _level: Level, message: &str) {
        panic!("a line is logged: {message}");
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn local(&self, zone: &str, at: Timestamp) -> Result<LocalTime, ZoneError> {
        self.asked.set(self.asked.get() + 1);
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_unknown| ZoneError(format!("there is no time zone {zone}")))?;
        let at = i64::try_from(at.milliseconds())
            .ok()
            .and_then(|milliseconds| Time::from_millisecond(milliseconds).ok())
            .ok_or_else(|| ZoneError("out of range".to_owned()))?;
        let shown = at.to_zoned(zone.clone());
        let next_change = zone.following(at).next().map(|change| change.timestamp());
        Ok(LocalTime {
            year: shown.year().into(),
            month: shown.month().unsigned_abs(),
            day: shown.day().unsigned_abs(),
            weekday: shown.weekday().to_monday_one_offset().unsigned_abs(),
            hour: shown.hour().unsigned_abs(),
            minute: shown.minute().unsigned_abs(),
            offset_seconds: shown.offset().seconds(),
            next_change: next_change.map(timestamp),
        })
    }

    fn previous(&self, _limit: u32) -> Vec<Past> {
        panic!("earlier calls are asked for");
    }

    fn state(&self) -> Option<State> {
        panic!("state is asked for");
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_milliseconds(u64::try_from(time.as_millisecond()).unwrap())
}

/// A time in RFC 3339, of any offset.
fn time(text: &str) -> Timestamp {
    timestamp(text.parse().unwrap())
}

fn ask(config: &Value, host: &Zones) -> Result<Decision, PluginError> {
    let config = Schedule::configure(&config.to_string())?;
    let step = Step {
        from_weight: 5,
        to_weight: 20,
        is_last: false,
    };
    Schedule::decide(&config, &Subject::new("shop", "web", "hours"), step, host)
}

fn decision(config: &Value, now: &str) -> Decision {
    ask(config, &Zones::at(time(now))).unwrap()
}

fn is_open(config: &Value, now: &str) -> bool {
    matches!(decision(config, now), Decision::Allow(_))
}

/// When a closed gate says that it opens; the text and the wish to be asked again have to tell the same time.
fn opens_at(config: &Value, now: &str) -> String {
    let decision = decision(config, now);
    let Decision::Hold(outcome) = &decision else {
        panic!("not closed: {decision:?}");
    };
    let opens = detail(&decision, "opensAt").unwrap().to_owned();
    assert_eq!(outcome.retry_at, Some(time(&opens)));
    assert!(decision.summary().starts_with(&format!("closed until {opens}: ")));
    opens
}

fn detail<'d>(decision: &'d Decision, name: &str) -> Option<&'d str> {
    let details = &decision.outcome().measurement.details;
    let detail = details.iter().find(|detail| detail.name == name)?;
    Some(&detail.value)
}
