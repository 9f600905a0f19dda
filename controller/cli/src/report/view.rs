//! A report for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use jiff::fmt::friendly::SpanPrinter;
use jiff::{SignedDuration, Span, SpanRound, Unit};
use kulta_core::text::grouped;
use kulta_events::dora::{Figures, Report, Spread};

use crate::table::{self, UNKNOWN, whole_second};

/// What the durations of a cell are.
const SPREAD: &str = "median / p90 / max";

/// Writes the window, a row for each Rollout and one for all, and what is not in the figures.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let window = report.window;
    let (since, until) = (whole_second(window.since), whole_second(window.until));
    let length = friendly(window.length());
    writeln!(out, "From {since} to {until} ({length})\n")?;
    writeln!(out, "{}", table(report).trim_fmt())?;
    let apart: Vec<_> = apart(&report.total).collect();
    if !apart.is_empty() {
        writeln!(out)?;
    }
    for (what, count) in apart {
        writeln!(out, "{what}: {}", grouped(count))?;
    }
    Ok(())
}

fn table(report: &Report) -> Table {
    let mut table = table::empty([
        "Rollout".to_owned(),
        "Deployments".to_owned(),
        "Per day".to_owned(),
        format!("Lead time\n{SPREAD}"),
        "Change failures\nof changes".to_owned(),
        "Stopped\nbefore users".to_owned(),
        format!("Time to restore\n{SPREAD}"),
        format!("Users exposed\n{SPREAD}"),
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in &report.rollouts {
        table.add_row(cells(&row.rollout.to_string(), &row.figures));
    }
    table.add_row(cells("Total", &report.total));
    table
}

fn cells(name: &str, figures: &Figures) -> [String; 8] {
    [
        name.to_owned(),
        grouped(figures.deployments),
        figures.deployments_per_day.map_or_else(unknown, for_each_day),
        spread(figures.lead_time),
        failures(figures),
        grouped(figures.stopped_before_users),
        spread(figures.time_to_restore),
        spread(figures.exposure),
    ]
}

/// What has happened, and is in none of the figures above.
fn apart(total: &Figures) -> impl Iterator<Item = (&'static str, u32)> {
    let counts = [
        ("Deployments without a commit time", total.without_commit_time),
        (
            "Change failures whose users are not told to be back",
            total.not_restored,
        ),
        (
            "Failures that too few events tell of to say whether users had met them",
            total.unclear_failures,
        ),
        ("Attempts that another one took the place of", total.superseded),
        ("Attempts without an end yet", total.undecided),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0)
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

/// Few in a month are not none: what would be 0.00 is written with two digits that count.
fn for_each_day(number: f64) -> String {
    if number > 0.0 && number < 0.1 {
        format!("{number:.4}")
    } else {
        format!("{number:.2}")
    }
}

fn failures(figures: &Figures) -> String {
    let (failures, changes) = (grouped(figures.change_failures), grouped(figures.changes));
    figures.change_failure_rate.map_or_else(unknown, |rate| {
        let percent = rate * 100.0;
        format!("{failures} of {changes} ({percent:.1} %)")
    })
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or_else(unknown, |Spread { median, p90, max, .. }| {
        [median, p90, max].map(friendly).join(" / ")
    })
}

/// A duration as people say it: nobody counts the seconds of days.
fn friendly(duration: SignedDuration) -> String {
    let smallest = match duration.unsigned_abs().as_secs() {
        0 => Unit::Millisecond,
        1..3_600 => Unit::Second,
        3_600..86_400 => Unit::Minute,
        _ => Unit::Hour,
    };
    let round = SpanRound::new()
        .largest(Unit::Day)
        .smallest(smallest)
        .days_are_24_hours();
    let rounded = Span::try_from(duration).and_then(|span| span.round(round));
    let printer = SpanPrinter::new();
    // Longer than any calendar goes: as it is.
    rounded.map_or_else(
        |_out_of_range| printer.duration_to_string(&duration),
        |span| printer.span_to_string(&span),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_long_as_people_read_them() {
        let told = [0, 42_400, 3_725_000, 90_000_000, 2_592_000_000, 400];
        let told = told.map(|millis| friendly(SignedDuration::from_millis(millis)));

        assert_eq!(told, ["0s", "42s", "1h 2m", "1d 1h", "30d", "400ms"]);
    }

    #[test]
    fn one_deployment_in_a_month_is_not_none() {
        assert_eq!(for_each_day(1.0 / 30.0), "0.0333");
        assert_eq!(for_each_day(1.5), "1.50");
        assert_eq!(for_each_day(0.0), "0.00");
    }
}
