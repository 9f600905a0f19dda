//! What plugins ask of providers of metrics. The host checks who asks what; who answers is the caller's choice.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// An answer that is still to come.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Answer, QueryError>> + Send + 'a>>;

/// Answers the queries of plugins. It is asked only for providers that the plugin was granted, and only as often as
/// the plugin may ask; the answer is dropped when it does not come in time.
pub trait MetricsProvider: Send + Sync {
    /// Answers one query.
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a>;
}

/// Who is asked where nobody may be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nobody;

impl MetricsProvider for Nobody {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        let message = format!("there is no provider {}", query.provider);
        Box::pin(async { Err(QueryError::Denied(message)) })
    }
}

/// A query within the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The name of the provider, as the operator has written it.
    pub provider: String,
    /// What is asked, in the provider's language. Written by the plugin: not to be trusted.
    pub expression: String,
    /// For which time.
    pub window: Window,
    /// An answer with more bytes need not be read to its end: it is refused. 1 to 1 MiB.
    pub answer_bytes: u64,
    /// No answer counts after so much time: at most 5 seconds.
    pub time: Duration,
}

/// The time that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The value at one time.
    Instant {
        /// When.
        at: Timestamp,
    },
    /// The values from one time to another.
    Range {
        /// The first time.
        start: Timestamp,
        /// The last time: not before the first, and at most 6 hours after it.
        end: Timestamp,
        /// From one value to the next: at least a millisecond, and at most 11,000 steps in all.
        step: SignedDuration,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What was asked for.
    pub data: Data,
    /// What the provider adds, such as that the answer is only partial.
    pub warnings: Vec<String>,
}

/// What a provider answers with.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// One number.
    Scalar(Sample),
    /// Series of one sample each.
    Vector(Vec<Series>),
    /// Series over time.
    Matrix(Vec<Series>),
    /// A text.
    Text(String),
}

/// One time series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What tells it from the others.
    pub labels: BTreeMap<String, String>,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// One value of a time series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub at: Timestamp,
    /// Any number.
    pub value: f64,
}

/// Why there is no answer: the plugin is told, and may go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The plugin, or the namespace it works for, may not use this provider, or not in this way.
    #[error("denied: {0}")]
    Denied(String),
    /// The answer has more bytes than allowed.
    #[error("the answer was given up after {bytes} bytes")]
    TooLarge {
        /// So many were read.
        bytes: u64,
    },
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Nobody was asked: as many queries as the provider is asked at once are under way. The plugin is not told, its call
    /// ends, to be made again when there is a place: it is at no fault, and has no use for a wait that is not its own.
    #[error("the provider is being asked as much as it may be at once")]
    NoPlace,
    /// The provider does not understand the query.
    #[error("bad query: {0}")]
    BadQuery(String),
    /// The provider can't be reached, or answers with an error of its own.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Answer {
    /// About the bytes that it takes in the plugin.
    pub(crate) fn bytes(&self) -> u64 {
        let data = match &self.data {
            Data::Scalar(_) => size_of::<Sample>(),
            Data::Vector(series) | Data::Matrix(series) => series.iter().map(Series::bytes).sum(),
            Data::Text(text) => text.len(),
        };
        let warnings: usize = self.warnings.iter().map(String::len).sum();
        u64::try_from(data.saturating_add(warnings)).unwrap_or(u64::MAX)
    }
}

impl Series {
    fn bytes(&self) -> usize {
        // In the plugin a label is two texts of a pointer and a length each.
        const LABEL: usize = 16;
        let labels: usize = self
            .labels
            .iter()
            .map(|(name, value)| LABEL + name.len() + value.len())
            .sum();
        labels.saturating_add(self.samples.len().saturating_mul(size_of::<Sample>()))
    }
}

impl fmt::Debug for dyn MetricsProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MetricsProvider")
    }
}
