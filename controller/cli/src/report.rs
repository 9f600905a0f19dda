//! `kulta report`: the four figures of DORA, from files of events.

mod view;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use kulta_events::dora::{self, Report, Window};
use kulta_events::replay::{Reading, RolloutName, Stories, Story};
use serde::Serialize;
use thiserror::Error;

use crate::complaints;
use crate::format::Format;
use crate::moment::Moment;
use crate::table::whole_second;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Which events, and what to tell of them.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Files of events, as a sink writes them; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The begin of the window, such as 2026-03-01T00:00:00Z or "30d ago". Default: the first event
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// The end of the window. Default: the last event; with --since the present
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only this Rollout
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub rollout: Option<RolloutName>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// There is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing that was read is of KULTA.
    #[error("no event of KULTA's was read: name files that a sink of the controller has written")]
    Nothing,
    /// Nothing that was read is of the Rollout that was asked for.
    #[error("no event of the Rollout {0} was read")]
    NoSuchRollout(RolloutName),
    /// A time that no calendar has.
    #[error("--since and --until: out of range")]
    Moment(#[source] jiff::Error),
    /// The window ends before it begins.
    #[error("the window ends at {until}, before it begins at {since}")]
    Window {
        /// Its begin.
        since: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// The report can't be written as JSON.
    #[error("the report can't be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Nobody takes what is told.
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

/// A report with what it is of, for programs: they don't read complaints.
#[derive(Serialize)]
struct Document<'report> {
    #[serde(flatten)]
    report: &'report Report,
    read: Read,
}

/// What is in the report, and what is not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    repeated_events: u64,
    foreign_lines: u64,
    damaged_lines: u64,
    missing_events: u64,
    lost_statuses: u64,
}

/// Reads the files and writes the report to `out`. What is damaged or missing goes to `complaints`, and is no error.
///
/// # Errors
/// When a file can't be read, when nothing in all of them is KULTA's (or of the Rollout that was asked for), and when there
/// is no such window.
pub fn run(
    arguments: &ReportArguments,
    now: Timestamp,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> Result<(), ReportError> {
    let stories = read(&arguments.files)?;
    complaints::of_lines(stories.left_out(), complaints)?;
    let chosen = choose(&stories, arguments.rollout.as_ref())?;
    complaints::of_gaps(&chosen, complaints)?;
    let told = Window::of(chosen.iter().copied()).ok_or(ReportError::Nothing)?;
    let window = window(arguments, told, now)?;
    complain_of_window(told, window, complaints)?;
    let report = dora::report(chosen.iter().copied(), window);
    match arguments.output {
        Format::Table => view::write(&report, out)?,
        Format::Json => {
            let read = Read::of(&stories, &chosen);
            let report = &report;
            serde_json::to_writer_pretty(&mut *out, &Document { report, read }).map_err(ReportError::Json)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// A window of which a part is in no file: its frequency is lower than it was.
fn complain_of_window(told: Window, window: Window, complaints: &mut dyn Write) -> io::Result<()> {
    if window.since < told.since {
        let since = whole_second(told.since);
        writeln!(
            complaints,
            "the window begins before the first event, which is of {since}"
        )?;
    }
    Ok(())
}

fn read(files: &[PathBuf]) -> Result<Stories, ReportError> {
    let mut reading = Reading::default();
    for path in files {
        let opened = open(path);
        let read = opened.and_then(|reader| reading.read(reader, &path.display().to_string()));
        read.map_err(|source| ReportError::Read {
            path: path.clone(),
            source,
        })?;
    }
    Ok(reading.finish())
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

fn choose<'stories>(
    stories: &'stories Stories,
    rollout: Option<&RolloutName>,
) -> Result<Vec<&'stories Story>, ReportError> {
    if stories.list().is_empty() {
        return Err(ReportError::Nothing);
    }
    match rollout {
        None => Ok(stories.list().iter().collect()),
        Some(name) => {
            let story = stories.of(name);
            let story = story.ok_or_else(|| ReportError::NoSuchRollout(name.clone()))?;
            Ok(vec![story])
        }
    }
}

/// The window that was asked for. Days without an event count where somebody says since when.
fn window(arguments: &ReportArguments, told: Window, now: Timestamp) -> Result<Window, ReportError> {
    let at = |moment: &Moment| moment.at(now).map_err(ReportError::Moment);
    let since = arguments.since.as_ref().map(at).transpose()?;
    let until = arguments.until.as_ref().map(at).transpose()?;
    let window = Window {
        since: since.unwrap_or(told.since),
        until: until.unwrap_or(if since.is_some() { now } else { told.until }),
    };
    let Window { since, until } = window;
    if until < since {
        return Err(ReportError::Window { since, until });
    }
    Ok(window)
}

impl Read {
    fn of(stories: &Stories, chosen: &[&Story]) -> Self {
        let left_out = stories.left_out();
        let numbers = || {
            let lives = chosen.iter().flat_map(|story| story.lives());
            lives.filter_map(|life| life.numbers())
        };
        Self {
            repeated_events: left_out.repeated,
            foreign_lines: left_out.foreign,
            damaged_lines: left_out.damaged,
            missing_events: numbers().fold(0, |sum, numbers| sum.saturating_add(numbers.missing)),
            lost_statuses: numbers().fold(0, |sum, numbers| sum.saturating_add(numbers.losses)),
        }
    }
}

#[cfg(test)]
mod tests;
