//! The seam: the words of the interface to those of the core and back, with every cap on what plugins answer.
//!
//! A later version of the interface changes this module and not the decisions.

use std::time::Duration;

use jiff::Timestamp;
use kulta_core::analysis::verdict::{
    Decision, NextStep, Outcome, Past, PastPhase, Reading, Subject, Value, Verdict,
};
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::bindings::gate::exports::kulta::analysis::gate;
use crate::bindings::{history, http as wit_http, metrics as wit, types};
use crate::http::{Method, Request, RequestError, Response};
use crate::limits::{self, Limit, Limits};
use crate::metrics::{Answer, Data, QueryError, Sample, Series};
use crate::redaction::Redaction;
use crate::text;

/// An answer that can't be taken. What is merely too long is cut instead.
#[derive(Debug, Error)]
pub enum InvalidAnswer {
    /// A state that is cut would be worse than none.
    #[error("a state of {bytes} bytes, at most {limit}: keep less of it, or raise the limit stateBytes")]
    StateTooLarge {
        /// As handed back.
        bytes: usize,
        /// As allowed.
        limit: usize,
    },
    /// Conditions judge all of the values or none.
    #[error("{count} values, at most {}: measure fewer", limits::VECTOR_VALUES)]
    TooManyValues {
        /// As handed back.
        count: usize,
    },
    /// A JSON document that is cut is none.
    #[error(
        "a JSON document of {bytes} bytes, at most {}: hand back less of it",
        limits::VALUE_BYTES
    )]
    JsonTooLarge {
        /// As handed back.
        bytes: usize,
    },
    /// It says that it is JSON, and is not.
    #[error("a JSON document that is none")]
    NotJson(#[source] serde_json::Error),
    /// A text that must not be told would be written down.
    #[error("a text of a Secret in the state: keep it out of what the next call is handed")]
    SecretInState,
    /// The schema of the configuration is too long to keep.
    #[error(
        "a schema of {bytes} bytes, at most {}: leave out what only describes",
        limits::SCHEMA_BYTES
    )]
    SchemaTooLarge {
        /// As handed back.
        bytes: usize,
    },
    /// The schema of the configuration can't be read.
    #[error("a schema that is not JSON")]
    SchemaNotJson(#[source] serde_json::Error),
}

/// What a plugin says is wrong, in its own words: one line, cut at 1 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PluginError {
    /// The configuration makes no sense. To be mended by people: trying again is of no use.
    #[error("the configuration is invalid: {0}")]
    InvalidConfig(String),
    /// Something that was asked did not answer.
    #[error("no answer from what it depends on: {0}")]
    Upstream(String),
    /// A fault of the plugin.
    #[error("a fault of the plugin: {0}")]
    Internal(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What a time is to a plugin. Times before 1970 are its beginning.
pub(crate) fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// The time of `millis`; None: beyond all calendars.
pub(crate) fn timestamp(millis: u64) -> Option<Timestamp> {
    i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

pub(crate) fn subject(subject: &Subject) -> types::Subject {
    types::Subject {
        namespace: subject.namespace.clone(),
        name: subject.name.clone(),
        metric: subject.metric.clone(),
        started_at: millis(subject.started_at),
        facts: subject
            .facts
            .iter()
            .map(|(name, value)| label(name, value))
            .collect(),
    }
}

fn label(name: &str, value: &str) -> types::Label {
    types::Label {
        name: text::cut(name.to_owned(), limits::DETAIL_BYTES),
        value: text::cut(value.to_owned(), limits::LABEL_VALUE_BYTES),
    }
}

pub(crate) fn step(next: NextStep) -> gate::Step {
    gate::Step {
        from_weight: next.from_weight,
        to_weight: next.to_weight,
        is_last: next.is_last,
    }
}

pub(crate) fn past(past: &Past) -> history::Past {
    history::Past {
        at: millis(past.at),
        phase: match past.phase {
            PastPhase::Running => history::Phase::Running,
            PastPhase::Pass => history::Phase::Pass,
            PastPhase::Fail => history::Phase::Fail,
            PastPhase::Inconclusive => history::Phase::Inconclusive,
            PastPhase::Error => history::Phase::Error,
            PastPhase::Allow => history::Phase::Allow,
            PastPhase::Hold => history::Phase::Hold,
            PastPhase::Deny => history::Phase::Deny,
        },
        measurement: measurement(&past.reading),
    }
}

fn measurement(reading: &Reading) -> types::Measurement {
    types::Measurement {
        value: match &reading.value {
            Value::None => types::Value::None,
            Value::Scalar(number) => types::Value::Scalar(*number),
            Value::Vector(numbers) => types::Value::Vector(numbers.clone()),
            Value::Text(text) => types::Value::Text(text.clone()),
            Value::Json(document) => types::Value::Json(document.clone()),
        },
        summary: reading.summary.clone(),
        details: reading
            .details
            .iter()
            .map(|(name, value)| label(name, value))
            .collect(),
    }
}

pub(crate) fn answer(answer: Answer) -> wit::Answer {
    wit::Answer {
        data: match answer.data {
            Data::Scalar(one) => wit::Data::Scalar(sample(one)),
            Data::Vector(all) => wit::Data::Vector(all.into_iter().map(series).collect()),
            Data::Matrix(all) => wit::Data::Matrix(all.into_iter().map(series).collect()),
            Data::Text(text) => wit::Data::Text(text),
        },
        warnings: answer.warnings,
    }
}

fn series(series: Series) -> types::Series {
    types::Series {
        labels: series
            .labels
            .iter()
            .map(|(name, value)| label(name, value))
            .collect(),
        samples: series.samples.into_iter().map(sample).collect(),
    }
}

fn sample(sample: Sample) -> types::Sample {
    types::Sample {
        at: millis(sample.at),
        value: sample.value,
    }
}

pub(crate) fn query_error(error: QueryError) -> wit::QueryError {
    let words = |text: String| text::cut(text, limits::ERROR_BYTES);
    match error {
        QueryError::Denied(text) => wit::QueryError::Denied(words(text)),
        QueryError::TooLarge { bytes } => wit::QueryError::TooLarge(bytes),
        QueryError::Timeout => wit::QueryError::Timeout,
        QueryError::BadQuery(text) => wit::QueryError::BadQuery(words(text)),
        QueryError::Unavailable(text) => wit::QueryError::Unavailable(words(text)),
        QueryError::Other(text) => wit::QueryError::Other(words(text)),
        // It ends the call instead, and is put into words here for completeness only.
        QueryError::NoPlace => wit::QueryError::Unavailable(QueryError::NoPlace.to_string()),
    }
}

/// A request that may take no time and no answer yet.
pub(crate) fn request(request: wit_http::Request) -> Request {
    let header = |header: wit_http::Header| (header.name, header.value);
    Request {
        method: match request.method {
            wit_http::Method::Get => Method::Get,
            wit_http::Method::Post => Method::Post,
            wit_http::Method::Put => Method::Put,
        },
        url: request.url,
        headers: request.headers.into_iter().map(header).collect(),
        body: request.body,
        answer_bytes: 0,
        time: Duration::ZERO,
    }
}

pub(crate) fn response(response: Response) -> wit_http::Response {
    let header = |(name, value)| wit_http::Header { name, value };
    wit_http::Response {
        status: response.status,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body,
    }
}

pub(crate) fn request_error(error: RequestError) -> wit_http::RequestError {
    let words = |text: String| text::cut(text, limits::ERROR_BYTES);
    match error {
        RequestError::Denied(text) => wit_http::RequestError::Denied(words(text)),
        RequestError::TooLarge { bytes } => wit_http::RequestError::TooLarge(bytes),
        RequestError::Timeout => wit_http::RequestError::Timeout,
        RequestError::BadRequest(text) => wit_http::RequestError::BadRequest(words(text)),
        RequestError::Unavailable(text) => wit_http::RequestError::Unavailable(words(text)),
        // It ends the call instead, and is put into words here for completeness only.
        RequestError::NoPlace => wit_http::RequestError::Unavailable(RequestError::NoPlace.to_string()),
    }
}

pub(crate) fn plugin_error(error: &types::PluginError) -> PluginError {
    let words = |text: &str| text::line(text, limits::ERROR_BYTES);
    match error {
        types::PluginError::InvalidConfig(text) => PluginError::InvalidConfig(words(text)),
        types::PluginError::Upstream(text) => PluginError::Upstream(words(text)),
        types::PluginError::Internal(text) => PluginError::Internal(words(text)),
        types::PluginError::Other(text) => PluginError::Other(words(text)),
    }
}

/// How the answer of a call is taken.
pub(crate) struct Taking {
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) redaction: Redaction,
}

pub(crate) fn verdict(answered: types::Verdict, taking: &Taking) -> Result<Verdict, InvalidAnswer> {
    let take = |answered| outcome(answered, taking);
    Ok(match answered {
        types::Verdict::Measured(answered) => Verdict::Measured(take(answered)?),
        types::Verdict::Running(answered) => Verdict::Running(take(answered)?),
        types::Verdict::Pass(answered) => Verdict::Pass(take(answered)?),
        types::Verdict::Fail(answered) => Verdict::Fail(take(answered)?),
        types::Verdict::Inconclusive(answered) => Verdict::Inconclusive(take(answered)?),
    })
}

pub(crate) fn decision(answered: gate::Decision, taking: &Taking) -> Result<Decision, InvalidAnswer> {
    let take = |answered| outcome(answered, taking);
    Ok(match answered {
        gate::Decision::Allow(answered) => Decision::Allow(take(answered)?),
        gate::Decision::Hold(answered) => Decision::Hold(take(answered)?),
        gate::Decision::Deny(answered) => Decision::Deny(take(answered)?),
    })
}

fn outcome(answered: types::Outcome, taking: &Taking) -> Result<Outcome, InvalidAnswer> {
    let Taking {
        now,
        limits,
        redaction,
    } = taking;
    let limit = limits.size(Limit::StateBytes);
    if let Some(state) = answered.next_state.as_ref().filter(|state| state.len() > limit) {
        return Err(InvalidAnswer::StateTooLarge {
            bytes: state.len(),
            limit,
        });
    }
    let answered = redaction.outcome(answered)?;
    Ok(Outcome {
        reading: reading(answered.measurement)?,
        next_state: answered.next_state,
        retry_at: answered.retry_at.map(|wish| retry_at(wish, *now)),
    })
}

fn reading(answered: types::Measurement) -> Result<Reading, InvalidAnswer> {
    let detail = |label: types::Label| {
        let short = |words: &str| text::line(words, limits::DETAIL_BYTES);
        (short(&label.name), short(&label.value))
    };
    Ok(Reading {
        value: value(answered.value)?,
        summary: text::line(&answered.summary, limits::SUMMARY_BYTES),
        details: answered
            .details
            .into_iter()
            .take(limits::DETAILS)
            .map(detail)
            .collect(),
    })
}

fn value(answered: types::Value) -> Result<Value, InvalidAnswer> {
    match answered {
        types::Value::None => Ok(Value::None),
        types::Value::Scalar(number) => Ok(Value::Scalar(one_nan(number))),
        types::Value::Vector(numbers) if numbers.len() > limits::VECTOR_VALUES => {
            Err(InvalidAnswer::TooManyValues { count: numbers.len() })
        }
        types::Value::Vector(numbers) => Ok(Value::Vector(numbers.into_iter().map(one_nan).collect())),
        types::Value::Text(words) => Ok(Value::Text(text::cut(words, limits::VALUE_BYTES))),
        types::Value::Json(document) => json(document),
    }
}

/// There are as many forms of NaN as there are ways to make one; the decision and its evidence know one.
fn one_nan(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number }
}

fn json(document: String) -> Result<Value, InvalidAnswer> {
    if document.len() > limits::VALUE_BYTES {
        return Err(InvalidAnswer::JsonTooLarge {
            bytes: document.len(),
        });
    }
    serde_json::from_str::<IgnoredAny>(&document).map_err(InvalidAnswer::NotJson)?;
    Ok(Value::Json(document))
}

/// A wish brought into its limits: neither at once nor never.
fn retry_at(wish: u64, now: Timestamp) -> Timestamp {
    let (shortest, longest) = limits::RETRY_MILLIS;
    let base = millis(now);
    let millis = wish.clamp(base.saturating_add(shortest), base.saturating_add(longest));
    timestamp(millis).unwrap_or(Timestamp::MAX)
}

/// What a plugin tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name, for people: one line of at most 64 bytes.
    pub name: String,
    /// Its version, for people: one line of at most 64 bytes.
    pub version: String,
    /// A JSON Schema of its configuration, as JSON of at most 32 KiB; None: it has none.
    pub config_schema: Option<String>,
}

/// Takes a description.
///
/// # Errors
/// When the schema is too long, or not JSON.
pub(crate) fn description(name: &str, version: &str, schema: String) -> Result<Description, InvalidAnswer> {
    if schema.len() > limits::SCHEMA_BYTES {
        return Err(InvalidAnswer::SchemaTooLarge { bytes: schema.len() });
    }
    let config_schema = Some(schema).filter(|schema| !schema.is_empty());
    if let Some(schema) = &config_schema {
        serde_json::from_str::<IgnoredAny>(schema).map_err(InvalidAnswer::SchemaNotJson)?;
    }
    Ok(Description {
        name: text::line(name, limits::NAME_BYTES),
        version: text::line(version, limits::NAME_BYTES),
        config_schema,
    })
}

#[cfg(test)]
mod tests;
