//! From what was asked and answered to the text of a case.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use kulta_core::analysis::verdict::{Outcome, Value};
use kulta_plugin_host::metrics::{self, Answer, QueryError, Series, Window};
use thiserror::Error;

use super::{Case, Data, Expect, Failure, Line, Point, Query, Step, SubjectFields, ValueFields, Word};
use crate::plugin::call;
use crate::plugin::case::Question;

/// No line is so long that it is folded: queries are searched for as they are.
const LINE_CHARACTERS: usize = usize::MAX;

/// A call that was made, with every answer that it got. There were none before it, and its limits are the usual ones.
pub(in crate::plugin) struct Recording<'a> {
    /// What the case will be called.
    pub(in crate::plugin) name: String,
    /// The configuration that is in the question.
    pub(in crate::plugin) config: serde_json::Map<String, serde_json::Value>,
    pub(in crate::plugin) question: &'a Question,
    pub(in crate::plugin) queries: Vec<(metrics::Query, Result<Answer, QueryError>)>,
    pub(in crate::plugin) answer: &'a call::Answer,
}

/// What happened can't be written as a case.
#[derive(Debug, Error)]
pub enum UnwritableError {
    /// There are no words for an answer.
    #[error("the answer to {expression:?} can't be written into a case: {reason}")]
    Answer {
        /// The query.
        expression: String,
        /// What of it.
        reason: &'static str,
    },
    /// The whole can't be written.
    #[error("the case can't be written")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

impl Recording<'_> {
    /// The text of the case.
    pub(in crate::plugin) fn text(self) -> Result<String, UnwritableError> {
        let options = serde_saphyr::ser_options! { folded_wrap_chars: LINE_CHARACTERS };
        let mut text = String::new();
        serde_saphyr::to_fmt_writer_with_options(&mut text, &self.case()?, options)
            .map_err(UnwritableError::Yaml)?;
        Ok(text)
    }

    fn case(self) -> Result<Case, UnwritableError> {
        let subject = &self.question.subject;
        let queries = self.queries.into_iter();
        let queries = queries.map(|(query, answer)| Query::of(query, answer));
        Ok(Case {
            name: self.name,
            config: self.config,
            now: Some(self.question.now),
            subject: SubjectFields {
                namespace: Some(subject.namespace.clone()),
                name: Some(subject.name.clone()),
                metric: Some(subject.metric.clone()),
                started_at: Some(subject.started_at),
                facts: subject.facts.clone(),
            },
            step: self.question.step.map(|step| Step {
                from: step.from_weight,
                to: step.to_weight,
                last: step.is_last,
            }),
            state: encoded(self.question.state.as_ref()),
            previous: Vec::new(),
            queries: queries.collect::<Result<_, _>>()?,
            limits: BTreeMap::new(),
            expect: Expect::of(self.answer),
        })
    }
}

fn encoded(state: Option<&Vec<u8>>) -> Option<String> {
    state.map(|bytes| BASE64_STANDARD.encode(bytes))
}

impl Query {
    fn of(asked: metrics::Query, answer: Result<Answer, QueryError>) -> Result<Self, UnwritableError> {
        let unwritable = |reason| UnwritableError::Answer {
            expression: asked.expression.clone(),
            reason,
        };
        let (answer, warnings, error) = match answer {
            Ok(Answer { data, warnings }) => {
                let data = Data::of(data, asked.window).map_err(unwritable)?;
                (Some(data), warnings, None)
            }
            Err(error) => (None, Vec::new(), Some(error.into())),
        };
        let (mut instant, mut range, mut at, mut start, mut end) = (None, None, None, None, None);
        match asked.window {
            Window::Instant { at: time } => (instant, at) = (Some(asked.expression), Some(time)),
            Window::Range {
                start: from, end: to, ..
            } => {
                (range, start, end) = (Some(asked.expression), Some(from), Some(to));
            }
        }
        Ok(Self {
            provider: Some(asked.provider),
            instant,
            range,
            at,
            start,
            end,
            answer,
            warnings,
            error,
        })
    }
}

impl Data {
    /// What a provider has answered, without the times: they follow from the query. Or what can't be written of it.
    fn of(answered: metrics::Data, window: Window) -> Result<Self, &'static str> {
        match (answered, window) {
            (metrics::Data::Scalar(sample), _) => Ok(Self::Scalar(sample.value)),
            (metrics::Data::Text(text), _) => Ok(Self::Text(text)),
            (metrics::Data::Vector(all), _) => {
                let points = all.into_iter().map(Point::of).collect::<Option<_>>();
                points
                    .map(Self::Vector)
                    .ok_or("a series has not one value but several, or none")
            }
            (metrics::Data::Matrix(all), Window::Range { start, end, step }) => {
                let line = |series| Line::of(series, start, end, step);
                let lines = all.into_iter().map(line).collect::<Option<_>>();
                lines
                    .map(Self::Matrix)
                    .ok_or("a value is not of a time that was asked for")
            }
            (metrics::Data::Matrix(_), Window::Instant { .. }) => {
                Err("many values for one time: let the plugin make a range query of it")
            }
        }
    }
}

impl Point {
    fn of(series: Series) -> Option<Self> {
        let [sample] = series.samples.as_slice() else {
            return None;
        };
        Some(Self {
            value: sample.value,
            labels: series.labels,
        })
    }
}

impl Line {
    /// One value for each step, and nothing where there was none; None: a value is of no step.
    fn of(series: Series, start: Timestamp, end: Timestamp, step: SignedDuration) -> Option<Self> {
        let mut values = Vec::new();
        let mut samples = series.samples.iter().peekable();
        let mut at = start;
        while samples.peek().is_some() && at <= end {
            values.push(
                samples
                    .next_if(|sample| sample.at == at)
                    .map(|sample| sample.value),
            );
            at = at.checked_add(step).ok()?;
        }
        let labels = series.labels;
        samples.peek().is_none().then_some(Self { labels, values })
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Denied(text) => Self::Denied(text),
            QueryError::TooLarge { bytes } => Self::TooLarge(bytes),
            QueryError::Timeout => Self::Timeout,
            QueryError::BadQuery(text) => Self::BadQuery(text),
            QueryError::Unavailable(text) => Self::Unavailable(text),
            QueryError::Other(text) => Self::Other(text),
            QueryError::NoPlace => Self::Unavailable(QueryError::NoPlace.to_string()),
        }
    }
}

impl Expect {
    /// All that there is of an answer.
    fn of(answer: &call::Answer) -> Self {
        match &answer.outcome {
            Ok(outcome) => Self::of_outcome(answer.word, outcome),
            Err(error) => Self {
                verdict: answer.word,
                value: None,
                summary: Some(error.clone()),
                details: BTreeMap::new(),
                state: None,
                retry_at: None,
            },
        }
    }

    fn of_outcome(verdict: Word, outcome: &Outcome) -> Self {
        let reading = &outcome.reading;
        Self {
            verdict,
            value: Some(ValueFields::of(&reading.value)),
            summary: Some(reading.summary.clone()),
            // Of two by the same name, the first is the one that is compared.
            details: reading.details.iter().rev().cloned().collect(),
            state: encoded(outcome.next_state.as_ref()),
            retry_at: outcome.retry_at,
        }
    }
}

impl ValueFields {
    fn of(value: &Value) -> Self {
        match value {
            Value::None => Self::None,
            Value::Scalar(number) => Self::Scalar(*number),
            Value::Vector(numbers) => Self::Vector(numbers.clone()),
            Value::Text(text) => Self::Text(text.clone()),
            // The host takes no value for JSON that is none.
            Value::Json(document) => Self::Json(serde_json::from_str(document).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
