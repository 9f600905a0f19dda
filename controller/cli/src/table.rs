//! Tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{LineStyle, Row, Table};
use jiff::Timestamp;

/// What stands for something of which nothing is known.
pub(crate) const UNKNOWN: &str = "-";

/// A table without rows: no lines but the one below its header, as kubectl's users know them.
pub(crate) fn empty(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING.header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_header(header);
    table
}

/// The time without its fraction: people read it.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
