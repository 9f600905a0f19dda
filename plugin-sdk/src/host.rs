//! Everything that a plugin can ask of KULTA while it is called.

use std::time::Duration;

use thiserror::Error;

use crate::{Answer, LocalTime, Measurement, QueryError, Request, RequestError, Response, State, Timestamp};

/// What a plugin can ask while it is called. There is nothing else: no network but for what is asked here, no file, no
/// environment, no entropy and no other clock, so the same answers give the same verdict.
///
/// In a unit test it is a `MockHost`.
pub trait Host {
    /// The value of `expr` at `at`, from a provider that the operator has set up.
    ///
    /// # Errors
    /// When there is no answer; each query counts, answered or not.
    fn query_instant(&self, provider: &str, expr: &str, at: Timestamp) -> Result<Answer, QueryError>;

    /// The values of `expr` from `start` to `end` (at most 6 hours), every `step` (whole milliseconds; at most 11,000
    /// steps).
    ///
    /// # Errors
    /// When there is no answer; each query counts, answered or not.
    fn query_range(
        &self,
        provider: &str,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryError>;

    /// Sends a request to a server that the operator lets this plugin ask, and follows no redirect.
    ///
    /// # Errors
    /// When there is no answer; each request counts, answered or not. An answer with any status is an answer.
    fn send(&self, _request: &Request) -> Result<Response, RequestError> {
        Err(RequestError::Denied("no server can be asked here".to_owned()))
    }

    /// Writes one line for the operator into the controller's log. At most 100 lines of 512 bytes in a call.
    fn log(&self, level: Level, message: &str);

    /// The time of this call: the same however often it is asked for.
    fn now(&self) -> Timestamp;

    /// `at` as shown in `zone`, a name of the time zone database such as `Europe/Rome`.
    ///
    /// # Errors
    /// When there is no such zone.
    fn local(&self, zone: &str, at: Timestamp) -> Result<LocalTime, ZoneError>;

    /// The latest calls for the same metric or gate in the same analysis, newest first; at most `limit`, and at most
    /// 100.
    fn previous(&self, limit: u32) -> Vec<Past>;

    /// The state that the latest outcome handed back.
    fn state(&self) -> Option<State>;
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// For who wonders what goes on.
    Info,
    /// For who looks after the cluster.
    Warn,
    /// Something is broken.
    Error,
}

/// What is wrong with a time zone, in KULTA's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ZoneError(pub String);

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A metric that is not finished.
    Running,
    /// A metric that is well.
    Pass,
    /// A metric that is not well.
    Fail,
    /// A metric that can't be told.
    Inconclusive,
    /// A call without an answer.
    Error,
    /// A gate that let the rollout go on.
    Allow,
    /// A gate that let it wait.
    Hold,
    /// A gate that ended it.
    Deny,
}

/// One earlier call.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// When it was made.
    pub at: Timestamp,
    /// What came of it, with the conditions' judgement where they judged.
    pub phase: Phase,
    /// What it measured. Details are kept of the latest only.
    pub measurement: Measurement,
}
