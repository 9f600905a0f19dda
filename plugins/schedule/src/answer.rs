//! What the gate answers.

use kulta_plugin_sdk::{Decision, Host, LocalTime, Outcome, PluginError, Value};

use crate::clock::{Instant, unknown_zone};
use crate::config::Config;
use crate::opening::{HORIZON_DAYS, Obstacle, Opening};

/// The decision, in words for people: what is closed says when it opens, as clocks in the time zone will show it.
pub(crate) fn decision(
    config: &Config,
    opening: &Opening,
    host: &impl Host,
) -> Result<Decision, PluginError> {
    let Some(first) = opening.obstacles.first() else {
        return Ok(Decision::Allow(Outcome::new(Value::None, open(config))));
    };
    let why: Vec<String> = opening.obstacles.iter().map(text).collect();
    let why = why.join(", then ");
    let outcome = match opening.at.map(Instant::timestamp) {
        Some(at) => {
            let local = host
                .local(&config.time_zone, at)
                .map_err(|unknown| unknown_zone(&unknown))?;
            let opens = rfc3339(&local);
            Outcome::new(Value::None, format!("closed until {opens}: {why}"))
                .with_detail("opensAt", &opens)
                .with_retry_at(at)
        }
        None => Outcome::new(
            Value::None,
            format!("closed, and does not open within {HORIZON_DAYS} days: {why}"),
        ),
    };
    let outcome = outcome.with_detail("reason", reason(*first));
    Ok(Decision::Hold(outcome.with_detail("timeZone", &config.time_zone)))
}

fn open(config: &Config) -> &'static str {
    match (&config.allowed, config.freezes()) {
        (None, _) => "open: no freeze",
        (Some(_), []) => "open: in the allowed hours",
        (Some(_), _) => "open: in the allowed hours, no freeze",
    }
}

fn text(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Freeze(reason) => format!("freeze ({reason})"),
        Obstacle::Hours => "outside of the allowed hours".to_owned(),
    }
}

/// For programs: it stays as it is.
const fn reason(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Freeze(_) => "Freeze",
        Obstacle::Hours => "OutsideAllowedHours",
    }
}

/// RFC 3339, to the minute: nothing here begins within one. Its offsets have no seconds, and those of no zone have any
/// since 1972.
fn rfc3339(local: &LocalTime) -> String {
    let sign = if local.offset_seconds < 0 { '-' } else { '+' };
    let minutes = local.offset_seconds.unsigned_abs() / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:00{sign}{:02}:{:02}",
        local.year,
        local.month,
        local.day,
        local.hour,
        local.minute,
        minutes / 60,
        minutes % 60
    )
}
