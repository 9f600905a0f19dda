//! Allowed hours, by what clocks show.

use crate::civil::{DAY, Moment, WEEK, weekday};
use crate::config::{Day, Window};

impl Window {
    /// The first time, not before `shown`, at which clocks show an hour of this window that began on this day; none
    /// where it does not begin then, or is over.
    fn first(&self, day: i64, shown: Moment) -> Option<Moment> {
        let begins_then = |days: &Vec<Day>| days.iter().any(|named| i64::from(*named as u8) == weekday(day));
        if !self.days.as_ref().is_none_or(begins_then) {
            return None;
        }
        let past_midnight = if self.until <= self.from { DAY } else { 0 };
        let begins = day * DAY + self.from.seconds();
        let ends = day * DAY + self.until.seconds() + past_midnight;
        let first = shown.seconds().max(begins);
        (first < ends).then_some(Moment::from_seconds(first))
    }
}

/// The first time, not before `shown`, at which clocks show an hour of one of the windows, if they are not changed
/// before; none where there are no windows. A window that began the day before can still go on, and one of this day of
/// the week can be over.
pub(crate) fn first(windows: &[Window], shown: Moment) -> Option<Moment> {
    let today = shown.day();
    // Days in their order: what begins on a later one is later.
    (today - 1..=today + WEEK)
        .find_map(|day| windows.iter().filter_map(|window| window.first(day, shown)).min())
}
