//! Points in time, as plugins are told them.

use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `milliseconds` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// So much later; the last point there is where that would be after it.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// So much earlier; the first point there is where that would be before it.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in the unit of the interface; at most what fits.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time as clocks in a time zone show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year, such as 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 (Monday) to 7 (Sunday).
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Seconds east of Greenwich.
    pub offset_seconds: i32,
    /// When the offset changes next; none: never, as far as is known.
    pub next_change: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_both_ways() {
        let noon = Timestamp::from_milliseconds(43_200_000);
        let later = noon.plus(Duration::from_secs(1));
        assert_eq!(later.milliseconds(), 43_201_000);
        assert_eq!(later.minus(Duration::from_secs(1)), noon);
    }

    #[test]
    fn time_has_two_ends() {
        let first = Timestamp::from_milliseconds(0);
        let last = Timestamp::from_milliseconds(u64::MAX);
        assert_eq!(first.minus(Duration::from_secs(1)), first);
        assert_eq!(last.plus(Duration::MAX), last);
    }

    #[test]
    fn what_is_not_later_is_no_time_later() {
        let early = Timestamp::from_milliseconds(10);
        let late = Timestamp::from_milliseconds(30);
        assert_eq!(late.since(early), Duration::from_millis(20));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
