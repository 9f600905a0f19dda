//! The kinds of failure, and which error is of which kind.

use std::error::Error;
use std::fmt;
use std::io;

/// How a request failed. The kinds are told apart by what the client saw, in the order of a request's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Not sent: too many requests were in flight already.
    Overload,
    /// No connection.
    Connect,
    /// The connection was reset before the head of an answer was complete.
    Reset,
    /// The connection was closed before the head of an answer was complete.
    Closed,
    /// What came back is not HTTP.
    Malformed,
    /// The body ended early, by a close or a reset.
    CutShort,
    /// No complete answer in time.
    Timeout,
    /// A complete head with a status code outside 200 to 299.
    Status(u16),
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` and not `write_str`: the report puts the kinds into a column.
        match self {
            Self::Overload => formatter.pad("overload"),
            Self::Connect => formatter.pad("connect"),
            Self::Reset => formatter.pad("reset"),
            Self::Closed => formatter.pad("closed"),
            Self::Malformed => formatter.pad("malformed"),
            Self::CutShort => formatter.pad("cut-short"),
            Self::Timeout => formatter.pad("timeout"),
            Self::Status(code) => formatter.pad(&format!("status-{code}")),
        }
    }
}

/// One failure: its kind and what was seen, for the one who reads the report.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn connect(error: &io::Error) -> Self {
        Self::new(FailureKind::Connect, error.to_string())
    }

    /// An error before the head of the answer was complete.
    pub(crate) fn before_head(error: &hyper::Error) -> Self {
        let kind = if has_io_source(error) {
            FailureKind::Reset
        } else if error.is_parse() {
            FailureKind::Malformed
        } else {
            FailureKind::Closed
        };
        Self::new(kind, chain(error))
    }

    /// An error while the body was read.
    pub(crate) fn in_body(error: &hyper::Error) -> Self {
        Self::new(FailureKind::CutShort, chain(error))
    }
}

fn has_io_source(error: &hyper::Error) -> bool {
    std::iter::successors(error.source(), |inner| (*inner).source()).any(<dyn Error>::is::<io::Error>)
}

/// The error with everything that led to it, on one line.
fn chain(error: &hyper::Error) -> String {
    std::iter::successors(error.source(), |inner| (*inner).source())
        .fold(error.to_string(), |text, inner| format!("{text}: {inner}"))
}
