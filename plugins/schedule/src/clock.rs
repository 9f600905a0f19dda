//! Clocks in a time zone, over the time that is looked at. What they show, KULTA tells: the plugin knows no zones.

use kulta_plugin_sdk::{Host, PluginError, Timestamp, ZoneError};

use crate::civil::{DAY, Moment};

/// Milliseconds of a second.
const MILLISECONDS: u64 = 1000;
/// No clock has ever been changed by more than a day. Times that are shown twice are known by what is shown before and
/// after, so this much more is looked at on both sides.
const MARGIN: i64 = 2 * DAY;

/// A point in time: seconds since 1970-01-01T00:00:00Z. Windows, freezes and changes of clocks begin at whole seconds,
/// so the milliseconds of a timestamp do not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i64);

impl Instant {
    /// The second that a timestamp is in.
    pub(crate) fn of(timestamp: Timestamp) -> Self {
        Self(i64::try_from(timestamp.milliseconds() / MILLISECONDS).unwrap_or(i64::MAX))
    }

    /// Its beginning, for KULTA.
    pub(crate) fn timestamp(self) -> Timestamp {
        let seconds = u64::try_from(self.0).unwrap_or_default();
        Timestamp::from_milliseconds(seconds.saturating_mul(MILLISECONDS))
    }

    /// So many seconds later, or earlier where they are negative.
    pub(crate) const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A time in which clocks are not changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Its first second.
    pub(crate) begins: Instant,
    /// The first second that is no longer in it.
    pub(crate) ends: Instant,
    /// Seconds east of Greenwich.
    offset: i64,
}

impl Span {
    /// What clocks show in this span.
    pub(crate) const fn shown(&self, at: Instant) -> Moment {
        Moment::from_seconds(at.0.saturating_add(self.offset))
    }

    /// When clocks that are never changed would show this.
    const fn would_show(&self, moment: Moment) -> Instant {
        Instant(moment.seconds().saturating_sub(self.offset))
    }
}

/// Clocks in a time zone, from one change to the next.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    spans: Vec<Span>,
}

impl Clock {
    /// Reads what clocks show in the zone from one time to the other: one question, and one more for every change.
    pub(crate) fn read(
        host: &impl Host,
        zone: &str,
        from: Instant,
        until: Instant,
    ) -> Result<Self, PluginError> {
        let until = until.plus(MARGIN);
        let mut begins = from.plus(-MARGIN);
        let mut spans = Vec::new();
        loop {
            let local = host
                .local(zone, begins.timestamp())
                .map_err(|unknown| unknown_zone(&unknown))?;
            let change = local.next_change.map(Instant::of);
            let change = change.filter(|change| begins < *change && *change < until);
            spans.push(Span {
                begins,
                ends: change.unwrap_or(Instant(i64::MAX)),
                offset: local.offset_seconds.into(),
            });
            match change {
                Some(change) => begins = change,
                None => return Ok(Self { spans }),
            }
        }
    }

    /// The times between changes, one after the other.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// When clocks first show this time or a later one; none: not in the time that was read.
    pub(crate) fn first_shows(&self, moment: Moment) -> Option<Instant> {
        let mut reached = self
            .spans
            .iter()
            .map(|span| (span.would_show(moment).max(span.begins), span.ends));
        reached.find(|(at, ends)| at < ends).map(|(at, _)| at)
    }

    /// From when on clocks show this time or a later one for good; none: all the time that was read.
    pub(crate) fn last_shows(&self, moment: Moment) -> Option<Instant> {
        let mut left = self
            .spans
            .iter()
            .rev()
            .map(|span| (span.begins, span.would_show(moment).min(span.ends)));
        left.find(|(begins, at)| begins < at).map(|(_, at)| at)
    }
}

/// All that KULTA refuses here is the name of the zone: the times are those of the coming year.
pub(crate) fn unknown_zone(error: &ZoneError) -> PluginError {
    PluginError::InvalidConfig(format!("timeZone: {error}"))
}
