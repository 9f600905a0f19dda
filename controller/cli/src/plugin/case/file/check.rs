//! From what people have written to what is meant: what does not fit together is refused with its field.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use kulta_core::analysis::verdict::{NextStep, Past, PastPhase, Reading, Subject, Value};
use kulta_plugin_host::limits::{Limit, Limits};
use kulta_plugin_host::metrics::QueryError;

use super::{Case, Data, Expect, Failure, PastFields, Phase, Query, Step, SubjectFields, ValueFields, Word};
use crate::plugin::case::{self, Expectation, Expected, ExpectedTime, NOW, Problem, Question, Reply, usual};

impl Case {
    /// What is meant.
    pub(in crate::plugin::case) fn check(self) -> Result<case::Case, Problem> {
        let now = self.now.unwrap_or(NOW);
        check_verdict(self.expect.verdict, self.step.is_some())?;
        let queries = self.queries.into_iter().enumerate();
        let queries = queries.map(|(index, query)| query.check(&format!("queries[{index}]")));
        let question = Question {
            config: serde_json::Value::Object(self.config).to_string(),
            now,
            subject: self.subject.complete(now),
            step: self.step.map(NextStep::from),
            state: decoded(self.state, "state")?,
            previous: self.previous.into_iter().map(Past::from).collect(),
            limits: limits(self.limits)?,
        };
        Ok(case::Case {
            name: self.name,
            question,
            queries: queries.collect::<Result<_, _>>()?,
            expect: self.expect.check()?,
        })
    }
}

fn check_verdict(verdict: Word, is_gate: bool) -> Result<(), Problem> {
    let given = verdict.as_str();
    let (kind, hint) = match (verdict.is_of_a_gate(), is_gate) {
        _ if verdict == Word::Error => return Ok(()),
        (true, true) | (false, false) => return Ok(()),
        (true, false) => (
            "metric",
            "add the `step` that a gate is asked about, such as {from: 10, to: 50}",
        ),
        (false, true) => (
            "gate",
            "it has allow, hold, deny and error; only gates are asked about a `step`",
        ),
    };
    Err(Problem::Verdict { given, kind, hint })
}

fn decoded(text: Option<String>, path: &'static str) -> Result<Option<Vec<u8>>, Problem> {
    let bytes = text.map(|text| BASE64_STANDARD.decode(text)).transpose();
    bytes.map_err(|_no_base64| Problem::Base64 { path })
}

fn limits(amounts: BTreeMap<String, u64>) -> Result<Limits, Problem> {
    let set = |limits: Limits, (name, amount): (String, u64)| {
        let limit = Limit::ALL.into_iter().find(|limit| limit.as_str() == name);
        let known = Limit::ALL.map(Limit::as_str).join(", ");
        let limit = limit.ok_or(Problem::UnknownLimit { name, known })?;
        limits.with(limit, amount).map_err(Problem::Limit)
    };
    amounts.into_iter().try_fold(Limits::default(), set)
}

impl SubjectFields {
    fn complete(self, now: Timestamp) -> Subject {
        let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
        Subject {
            namespace: or(self.namespace, usual::NAMESPACE),
            name: or(self.name, usual::NAME),
            metric: or(self.metric, usual::METRIC),
            started_at: self.started_at.unwrap_or(now),
            facts: self.facts,
        }
    }
}

impl From<Step> for NextStep {
    fn from(step: Step) -> Self {
        Self {
            from_weight: step.from,
            to_weight: step.to,
            is_last: step.last,
        }
    }
}

impl From<PastFields> for Past {
    fn from(past: PastFields) -> Self {
        Self {
            at: past.at,
            phase: match past.phase {
                Phase::Running => PastPhase::Running,
                Phase::Pass => PastPhase::Pass,
                Phase::Fail => PastPhase::Fail,
                Phase::Inconclusive => PastPhase::Inconclusive,
                Phase::Error => PastPhase::Error,
                Phase::Allow => PastPhase::Allow,
                Phase::Hold => PastPhase::Hold,
                Phase::Deny => PastPhase::Deny,
            },
            reading: Reading {
                value: past.value.into(),
                summary: past.summary,
                details: past.details.into_iter().collect(),
            },
        }
    }
}

impl From<ValueFields> for Value {
    fn from(value: ValueFields) -> Self {
        match value {
            ValueFields::None => Self::None,
            ValueFields::Scalar(number) => Self::Scalar(number),
            ValueFields::Vector(numbers) => Self::Vector(numbers),
            ValueFields::Text(text) => Self::Text(text),
            ValueFields::Json(document) => Self::Json(document.to_string()),
        }
    }
}

impl Query {
    fn check(self, path: &str) -> Result<Expected, Problem> {
        let either = |first, second| Problem::Either {
            path: path.to_owned(),
            first,
            second,
        };
        let misplaced = |field: &str, of| {
            let path = format!("{path}.{field}");
            Err(Problem::Misplaced { path, of })
        };
        let (expression, time) = match (self.instant, self.range) {
            (Some(_), None) if self.start.is_some() => return misplaced("start", "range queries"),
            (Some(_), None) if self.end.is_some() => return misplaced("end", "range queries"),
            (None, Some(_)) if self.at.is_some() => return misplaced("at", "instant queries"),
            (Some(expression), None) => (expression, ExpectedTime::Instant { at: self.at }),
            (None, Some(expression)) => {
                let (start, end) = (self.start, self.end);
                (expression, ExpectedTime::Range { start, end })
            }
            _ => return Err(either("instant", "range")),
        };
        let reply = match (self.answer, self.error) {
            (Some(data), None) => Ok(Reply {
                data: data.check(&time, path)?,
                warnings: self.warnings,
            }),
            (None, Some(_)) if !self.warnings.is_empty() => return misplaced("warnings", "answers"),
            (None, Some(error)) => Err(error.into()),
            _ => return Err(either("answer", "error")),
        };
        Ok(Expected {
            provider: self.provider.unwrap_or_else(|| usual::PROVIDER.to_owned()),
            expression,
            time,
            reply,
        })
    }
}

impl Data {
    /// A provider never answers an instant query with a matrix, nor a range query with anything else.
    fn check(self, time: &ExpectedTime, path: &str) -> Result<Self, Problem> {
        let (kind, answers) = match (time, &self) {
            (ExpectedTime::Instant { .. }, Self::Matrix(_)) => ("an instant", "scalar, vector or text"),
            (ExpectedTime::Range { .. }, Self::Scalar(_) | Self::Vector(_) | Self::Text(_)) => {
                ("a range", "matrix")
            }
            _ => return Ok(self),
        };
        let path = format!("{path}.answer");
        Err(Problem::Answer { path, kind, answers })
    }
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(text) => Self::Denied(text),
            Failure::TooLarge(bytes) => Self::TooLarge { bytes },
            Failure::Timeout => Self::Timeout,
            Failure::BadQuery(text) => Self::BadQuery(text),
            Failure::Unavailable(text) => Self::Unavailable(text),
            Failure::Other(text) => Self::Other(text),
        }
    }
}

impl Expect {
    fn check(self) -> Result<Expectation, Problem> {
        if self.verdict == Word::Error {
            let misplaced = |field: &str| Problem::Misplaced {
                path: format!("expect.{field}"),
                of: "answers",
            };
            if self.value.is_some() {
                return Err(misplaced("value"));
            }
            if !self.details.is_empty() {
                return Err(misplaced("details"));
            }
            if self.state.is_some() {
                return Err(misplaced("state"));
            }
            if self.retry_at.is_some() {
                return Err(misplaced("retryAt"));
            }
        }
        Ok(Expectation {
            verdict: self.verdict,
            value: self.value.map(Value::from),
            summary: self.summary,
            details: self.details.into_iter().collect(),
            state: decoded(self.state, "expect.state")?,
            retry_at: self.retry_at,
        })
    }
}
