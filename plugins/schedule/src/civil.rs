//! Times as clocks show them, without a time zone: what users write.

use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use thiserror::Error;

/// Seconds of an hour.
const HOUR: i64 = 60 * 60;
/// Seconds of a minute.
const MINUTE: i64 = 60;
/// Seconds of a day, as clocks that are not changed show it.
pub(crate) const DAY: i64 = 24 * HOUR;
/// Days of a week.
pub(crate) const WEEK: i64 = 7;
/// 1970-01-01, day 0, was a Thursday: so many days after a Monday.
const FIRST_DAY: i64 = 3;

/// A text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not a time of day.
    #[error("{0:?} is not a time of day from \"00:00\" to \"24:00\"")]
    TimeOfDay(String),
    /// Not a date, nor a date and a time.
    #[error(
        "{0:?} is neither a date such as \"2026-12-20\" nor a date and time such as \"2026-12-20T18:00\""
    )]
    Moment(String),
}

/// A time of day from `00:00` to `24:00`, which is the next day's `00:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(i64);

impl TimeOfDay {
    /// Seconds since midnight; at most those of a day.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let seconds = digits(hour, 2)? * HOUR + digits(minute, 2).filter(|minute| *minute < 60)? * MINUTE;
        (seconds <= DAY).then_some(Self(seconds))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text).ok_or(Malformed::TimeOfDay(text))
    }
}

/// A date and a time of day: the seconds that a clock which never is changed has gone since it showed 1970-01-01T00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(i64);

impl Moment {
    /// The moment so many seconds after 1970-01-01T00:00.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The day, counted from 1970-01-01.
    pub(crate) const fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, TimeOfDay::parse(time)?.seconds()),
            None => (text, 0),
        };
        let (year, rest) = date.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        let date = Date::new(
            i16::try_from(digits(year, 4)?).ok()?,
            i8::try_from(digits(month, 2)?).ok()?,
            i8::try_from(digits(day, 2)?).ok()?,
        );
        let midnight = date.ok()?.at(0, 0, 0, 0);
        let seconds = Offset::UTC.to_timestamp(midnight).ok()?.as_second();
        (time < DAY).then_some(Self(seconds + time))
    }
}

impl TryFrom<String> for Moment {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text).ok_or(Malformed::Moment(text))
    }
}

/// The day of the week, from 0 (Monday) to 6 (Sunday), of a day that is counted from 1970-01-01.
pub(crate) const fn weekday(day: i64) -> i64 {
    (day + FIRST_DAY).rem_euclid(WEEK)
}

/// A number that is written with exactly so many digits.
fn digits(text: &str, length: usize) -> Option<i64> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of_day(text: &str) -> Option<i64> {
        TimeOfDay::parse(text).map(TimeOfDay::seconds)
    }

    fn moment(text: &str) -> Option<i64> {
        Moment::parse(text).map(Moment::seconds)
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        assert_eq!(time_of_day("00:00"), Some(0));
        assert_eq!(time_of_day("09:30"), Some(34_200));
        assert_eq!(time_of_day("24:00"), Some(86_400));
    }

    #[test]
    fn what_no_clock_shows_is_no_time_of_day() {
        for text in [
            "",
            "9:30",
            "24:01",
            "25:00",
            "09:60",
            "0900",
            "09:30:00",
            "+9:30",
            " 09:30",
            "٠٩:٣٠",
        ] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_alone_is_its_first_moment() {
        assert_eq!(moment("1970-01-01"), Some(0));
        assert_eq!(moment("2026-12-20"), moment("2026-12-20T00:00"));
    }

    #[test]
    fn a_moment_is_counted_from_1970() {
        assert_eq!(moment("2026-12-20T18:05"), Some(1_797_789_900));
        assert_eq!(moment("1969-12-31T23:59"), Some(-60));
    }

    #[test]
    fn what_no_calendar_has_is_no_moment() {
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-12-32",
            "26-12-20",
            "2026-12-20T24:00",
            "2026-12-20 18:00",
            "2026-12-20T18:00Z",
            "2026-12-20T18:00:00",
            "2026-12-20T18:00+01:00",
            "-2026-12-20",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn leap_days_are_known() {
        assert_eq!(moment("2028-02-29").unwrap() + DAY, moment("2028-03-01").unwrap());
    }

    #[test]
    fn a_week_begins_on_monday() {
        let monday = Moment::parse("2026-12-21").unwrap().day();
        assert_eq!(weekday(monday), 0);
        assert_eq!(weekday(monday + 6), 6);
        assert_eq!(weekday(-1), 2);
    }
}
