//! Points in time, as they are typed.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use thiserror::Error;

/// A point in time: one that is written down, or one so long ago.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// This one.
    At(Timestamp),
    /// So long before now: less than nothing.
    Ago(Span),
}

/// A text that is no point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("write a time such as 2026-03-01T00:00:00Z, or \"30d ago\"")]
pub struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        // Without `ago` it would be in the future, where nothing has been told yet.
        match text.parse::<Span>() {
            Ok(span) if span.is_negative() => Ok(Self::Ago(span)),
            _ => Err(NoMoment),
        }
    }
}

impl Moment {
    /// The point in time; days, months and years are those of UTC.
    ///
    /// # Errors
    /// When it is longer ago than any calendar goes.
    pub fn at(self, now: Timestamp) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::At(time) => Ok(time),
            Self::Ago(span) => Ok(now.to_zoned(TimeZone::UTC).checked_add(span)?.timestamp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        let now = "2026-03-31T12:00:00Z".parse().unwrap();
        let moment: Moment = text.parse().unwrap();
        moment.at(now).unwrap().to_string()
    }

    #[test]
    fn a_time_is_itself() {
        assert_eq!(at("2026-03-01T02:00:00+02:00"), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn so_long_ago_is_before_now() {
        assert_eq!(at("30d ago"), "2026-03-01T12:00:00Z");
        assert_eq!(at("1 month ago"), "2026-02-28T12:00:00Z");
        assert_eq!(at("1h 30m ago"), "2026-03-31T10:30:00Z");
    }

    #[test]
    fn what_is_to_come_is_no_moment() {
        for text in ["30d", "yesterday", "", "2026-03-01"] {
            assert_eq!(text.parse::<Moment>().unwrap_err(), NoMoment, "{text}");
        }
    }

    #[test]
    fn longer_ago_than_any_calendar_goes_is_an_error() {
        let moment: Moment = "19000 years ago".parse().unwrap();

        assert!(moment.at(Timestamp::UNIX_EPOCH).is_err());
    }
}
