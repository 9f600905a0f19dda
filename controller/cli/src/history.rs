//! `kulta history`: what happened to a Rollout, and what was true of it at an instant; from the cluster, or from a file of
//! events for any length of time.

mod view;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use kulta_core::history::Fact;
use kulta_core::history::past::{OutOfRange, state_at};
use kulta_events::replay::{Reading, RolloutName, Story};
use serde_json::json;
use thiserror::Error;

use crate::complaints;
use crate::format::Format;
use crate::moment::Moment;

/// Of which Rollout, and from where.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// The Rollout
    #[arg(value_name = "NAMESPACE/NAME")]
    pub rollout: RolloutName,
    /// What was true then, such as 2026-03-01T00:00:00Z or "10m ago". Default: everything that is known
    #[arg(long, value_name = "TIME")]
    pub at: Option<Moment>,
    /// A file of events, as a sink writes it; may be given several times. Default: the Rollout's status, in the cluster of the
    /// current kubeconfig
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t)]
    pub output: Format,
}

/// What is known of a Rollout.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its UID.
    pub uid: String,
    /// Its history, oldest first.
    pub history: Vec<Fact>,
    /// Until when nothing else has happened.
    pub until: Timestamp,
}

/// Asks the cluster.
pub type Ask = fn(&RolloutName) -> Result<Known, Box<dyn Error + Send + Sync>>;

/// There is no answer.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The files tell of others.
    #[error("{files} has no event of the Rollout {rollout}")]
    NoSuchRollout {
        /// The names of the files.
        files: String,
        /// Whom was asked about.
        rollout: RolloutName,
    },
    /// It was gone at that instant.
    #[error("the Rollout {rollout} was removed at {time}")]
    Removed {
        /// Whom was asked about.
        rollout: RolloutName,
        /// When.
        time: Timestamp,
    },
    /// The cluster has no answer.
    #[error("the cluster does not tell of the Rollout {rollout}")]
    Cluster {
        /// Whom was asked about.
        rollout: RolloutName,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A time that no calendar has.
    #[error("--at: out of range")]
    Moment(#[source] jiff::Error),
    /// A time of which the history does not tell.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The answer can't be written as JSON.
    #[error("the answer can't be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Nobody takes what is told.
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

/// Writes the history, or what was true at an instant, to `out`. What is missing in a file goes to `complaints`.
///
/// # Errors
/// When nothing is known of the Rollout, or of the instant.
pub fn run(
    arguments: &HistoryArguments,
    now: Timestamp,
    ask: Ask,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> Result<(), HistoryError> {
    let rollout = &arguments.rollout;
    let at = arguments.at.map(|at| at.at(now)).transpose();
    let at = at.map_err(HistoryError::Moment)?;
    let known = if arguments.files.is_empty() {
        ask(rollout).map_err(|source| HistoryError::Cluster {
            rollout: rollout.clone(),
            source,
        })?
    } else {
        replay(&arguments.files, rollout, at, complaints)?
    };
    let Known { uid, history, until } = &known;
    let state = at.map(|at| state_at(history, at, *until)).transpose()?;
    match (arguments.output, &state) {
        (Format::Table, Some(state)) => view::state(rollout, state, out)?,
        (Format::Table, None) => view::history(history, out)?,
        (Format::Json, _) => {
            let (namespace, name) = (&rollout.namespace, &rollout.name);
            let mut answer = json!({
                "rollout": {"namespace": namespace, "name": name, "uid": uid},
                "until": until,
            });
            if let Some(answer) = answer.as_object_mut() {
                answer.extend(match &state {
                    Some(state) => [("state".to_owned(), json!(state))],
                    None => [("history".to_owned(), json!(history))],
                });
            }
            serde_json::to_writer_pretty(&mut *out, &answer).map_err(HistoryError::Json)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// What files know, until the last event in them: of what came later they say nothing.
fn replay(
    paths: &[PathBuf],
    rollout: &RolloutName,
    at: Option<Timestamp>,
    complaints: &mut dyn Write,
) -> Result<Known, HistoryError> {
    let mut reading = Reading::default();
    for path in paths {
        let name = path.display().to_string();
        let read = File::open(path).and_then(|file| reading.read(BufReader::new(file), &name));
        read.map_err(|source| HistoryError::Read {
            path: path.clone(),
            source,
        })?;
    }
    let stories = reading.finish();
    complaints::of_lines(stories.left_out(), complaints)?;
    let story = stories.of(rollout).ok_or_else(|| HistoryError::NoSuchRollout {
        files: names_of(paths),
        rollout: rollout.clone(),
    })?;
    complaints::of_gaps(&[story], complaints)?;
    let until = stories.list().iter().filter_map(last_told).max();
    let (uid, history) = life(story, at)?;
    Ok(Known {
        uid,
        history,
        until: until.unwrap_or_default(),
    })
}

fn names_of(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

fn last_told(story: &Story) -> Option<Timestamp> {
    let times = story
        .lives()
        .filter_map(|life| life.removed.max(life.facts.last().map(|fact| fact.time)));
    times.max()
}

/// The Rollout that had the name at the instant; all of them where there is none.
fn life(story: &Story, at: Option<Timestamp>) -> Result<(String, Vec<Fact>), HistoryError> {
    let lives: Vec<_> = story.lives().collect();
    // Of one whose end alone is told nobody knows when it began.
    let has_begun = |facts: &[Fact], at| facts.first().is_some_and(|fact| fact.time <= at);
    let begun = |at| lives.iter().rev().find(|life| has_begun(life.facts, at));
    let life = match at {
        Some(at) => begun(at).or(lives.first()),
        None => None,
    };
    let Some(life) = life else {
        let uid = lives.last().map_or("", |life| life.uid);
        return Ok((uid.to_owned(), story.facts().to_vec()));
    };
    match life.removed {
        Some(time) if at >= Some(time) => Err(HistoryError::Removed {
            rollout: story.name().clone(),
            time,
        }),
        _ => Ok((life.uid.to_owned(), life.facts.to_vec())),
    }
}

#[cfg(test)]
mod tests;
