//! A case: what a plugin is asked, with everything that its answer may depend on, and what it has to answer.
//!
//! Open `case/file.rs` first: what people write. What is here has been checked.

mod file;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kulta_core::analysis::verdict::{NextStep, Past, Subject, Value};
use kulta_plugin_host::limits::{LimitError, Limits};
use kulta_plugin_host::metrics::QueryError;
use thiserror::Error;

pub use self::file::UnwritableError;
pub(super) use self::file::{Data, Recording, Word};

/// The time of a call where the case names none. It is a Monday.
const NOW: Timestamp = Timestamp::constant(1_767_614_400, 0);

/// What a question is about that does not say so.
pub(super) mod usual {
    /// The provider.
    pub(in crate::plugin) const PROVIDER: &str = "prometheus";
    /// The namespace of the Rollout.
    pub(in crate::plugin) const NAMESPACE: &str = "default";
    /// The Rollout.
    pub(in crate::plugin) const NAME: &str = "web";
    /// The metric or gate.
    pub(in crate::plugin) const METRIC: &str = "metric";
}

/// A case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) question: Question,
    pub(super) queries: Vec<Expected>,
    pub(super) expect: Expectation,
}

/// What a plugin is asked.
#[derive(Debug)]
pub(super) struct Question {
    /// JSON.
    pub(super) config: String,
    pub(super) now: Timestamp,
    pub(super) subject: Subject,
    /// What a gate is asked about; None: a metric is asked.
    pub(super) step: Option<NextStep>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) previous: Vec<Past>,
    pub(super) limits: Limits,
}

/// A query that is expected, and its answer.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) provider: String,
    pub(super) expression: String,
    pub(super) time: ExpectedTime,
    pub(super) reply: Result<Reply, QueryError>,
}

/// For when a query is expected; what is None can be any time.
#[derive(Debug, Clone)]
pub(super) enum ExpectedTime {
    Instant {
        at: Option<Timestamp>,
    },
    Range {
        start: Option<Timestamp>,
        end: Option<Timestamp>,
    },
}

/// An answer, before its samples have times: they follow from the query.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) data: Data,
    pub(super) warnings: Vec<String>,
}

/// What has to come of a case. What is None, or not there, can be anything.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) verdict: Word,
    pub(super) value: Option<Value>,
    /// A part of the summary, or of the error.
    pub(super) summary: Option<String>,
    pub(super) details: Vec<(String, String)>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) retry_at: Option<Timestamp>,
}

/// Cases can't be read.
#[derive(Debug, Error)]
pub enum CaseError {
    /// The file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{} has no cases: write some, each with `name` and `expect`, in files that end in .yaml", .0.display())]
    Empty(PathBuf),
    /// The file makes no sense.
    #[error("{} can't be used", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// The fields of a case don't fit together.
    #[error("{}, case {case:?}", path.display())]
    Case {
        /// The file.
        path: PathBuf,
        /// The name of the case.
        case: String,
        /// Which field, and what to do.
        #[source]
        problem: Problem,
    },
}

/// What is wrong with a field of a case.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// One of two fields is wanted.
    #[error("{path}: write either `{first}` or `{second}`")]
    Either {
        /// Where.
        path: String,
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A field is of no use here.
    #[error("{path}: only {of} have one, take it away")]
    Misplaced {
        /// Which.
        path: String,
        /// What it is for.
        of: &'static str,
    },
    /// A query is answered with what its kind never has.
    #[error("{path}: {kind} query is answered with {answers}")]
    Answer {
        /// Where.
        path: String,
        /// The kind of the query.
        kind: &'static str,
        /// What that kind is answered with.
        answers: &'static str,
    },
    /// A verdict that a plugin of this kind can't give.
    #[error("expect.verdict: {given} is no answer of a {kind}: {hint}")]
    Verdict {
        /// As given.
        given: &'static str,
        /// What is asked.
        kind: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A state is no base64.
    #[error("{path}: no base64: write it as the status of an AnalysisRun has it")]
    Base64 {
        /// Which.
        path: &'static str,
    },
    /// There is no such limit.
    #[error("limits.{name}: there is none of that name, only {known}")]
    UnknownLimit {
        /// As given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A limit can't be set to this.
    #[error("limits.{0}")]
    Limit(LimitError),
}

/// The cases in the file at `path`, or in all files of the folder.
pub(super) fn read(path: &Path) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for file in files(path)? {
        cases.extend(read_file(&file)?);
    }
    if cases.is_empty() {
        return Err(CaseError::Empty(path.to_owned()));
    }
    Ok(cases)
}

/// The file itself, or the files of a folder by their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, CaseError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = |source| CaseError::Read {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(read)? {
        let file = entry.map_err(read)?.path();
        if file.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<Case>, CaseError> {
    let text = std::fs::read_to_string(path).map_err(|source| CaseError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// The cases of `text`, which is or will be in the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Case>, CaseError> {
    let written: Vec<file::Case> = serde_saphyr::from_multiple(text).map_err(|source| CaseError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let checked = |case: file::Case| {
        let name = case.name.clone();
        case.check().map_err(|problem| CaseError::Case {
            path: path.to_owned(),
            case: name,
            problem,
        })
    };
    written.into_iter().map(checked).collect()
}

#[cfg(test)]
mod tests;
