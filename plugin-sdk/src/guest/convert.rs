//! From the native types to those of the bindings, and back.

use crate::time::milliseconds;
use crate::{
    Answer, Data, Decision, Header, Label, Level, LocalTime, Measurement, Method, Outcome, Past, Phase,
    PluginError, QueryError, Request, RequestError, Response, Sample, Series, State, Step, Subject,
    Timestamp, Value, Verdict,
};

use super::gate::exports::kulta::analysis::gate;
use super::plugin::kulta::analysis::{clock, history, http, log, metrics, types};

fn all<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}

impl From<types::Label> for Label {
    fn from(label: types::Label) -> Self {
        Self {
            name: label.name,
            value: label.value,
        }
    }
}

impl From<Label> for types::Label {
    fn from(label: Label) -> Self {
        Self {
            name: label.name,
            value: label.value,
        }
    }
}

impl From<types::Subject> for Subject {
    fn from(subject: types::Subject) -> Self {
        Self {
            namespace: subject.namespace,
            name: subject.name,
            metric: subject.metric,
            started_at: Timestamp::from_milliseconds(subject.started_at),
            facts: all(subject.facts),
        }
    }
}

impl From<types::Sample> for Sample {
    fn from(sample: types::Sample) -> Self {
        Self {
            at: Timestamp::from_milliseconds(sample.at),
            value: sample.value,
        }
    }
}

impl From<types::Series> for Series {
    fn from(series: types::Series) -> Self {
        Self {
            labels: all(series.labels),
            samples: all(series.samples),
        }
    }
}

impl From<metrics::Answer> for Answer {
    fn from(answer: metrics::Answer) -> Self {
        Self {
            data: match answer.data {
                metrics::Data::Scalar(sample) => Data::Scalar(sample.into()),
                metrics::Data::Vector(series) => Data::Vector(all(series)),
                metrics::Data::Matrix(series) => Data::Matrix(all(series)),
                metrics::Data::Text(text) => Data::Text(text),
            },
            warnings: answer.warnings,
        }
    }
}

impl From<metrics::QueryError> for QueryError {
    fn from(error: metrics::QueryError) -> Self {
        match error {
            metrics::QueryError::Denied(why) => Self::Denied(why),
            metrics::QueryError::BudgetExhausted => Self::BudgetExhausted,
            metrics::QueryError::TooLarge(bytes) => Self::TooLarge(bytes),
            metrics::QueryError::Timeout => Self::Timeout,
            metrics::QueryError::BadQuery(why) => Self::BadQuery(why),
            metrics::QueryError::Unavailable(why) => Self::Unavailable(why),
            metrics::QueryError::Other(why) => Self::Other(why),
        }
    }
}

impl From<http::Header> for Header {
    fn from(header: http::Header) -> Self {
        Self {
            name: header.name,
            value: header.value,
        }
    }
}

impl From<Header> for http::Header {
    fn from(header: Header) -> Self {
        Self {
            name: header.name,
            value: header.value,
        }
    }
}

impl From<Request> for http::Request {
    fn from(request: Request) -> Self {
        Self {
            method: match request.method {
                Method::Get => http::Method::Get,
                Method::Post => http::Method::Post,
                Method::Put => http::Method::Put,
            },
            url: request.url,
            headers: all(request.headers),
            body: request.body,
            timeout_ms: milliseconds(request.timeout),
        }
    }
}

impl From<http::Response> for Response {
    fn from(response: http::Response) -> Self {
        Self {
            status: response.status,
            headers: all(response.headers),
            body: response.body,
        }
    }
}

impl From<http::RequestError> for RequestError {
    fn from(error: http::RequestError) -> Self {
        match error {
            http::RequestError::Denied(why) => Self::Denied(why),
            http::RequestError::BudgetExhausted => Self::BudgetExhausted,
            http::RequestError::TooLarge(bytes) => Self::TooLarge(bytes),
            http::RequestError::Timeout => Self::Timeout,
            http::RequestError::BadRequest(why) => Self::BadRequest(why),
            http::RequestError::Unavailable(why) => Self::Unavailable(why),
            http::RequestError::Other(why) => Self::Other(why),
        }
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl From<clock::LocalTime> for LocalTime {
    fn from(local: clock::LocalTime) -> Self {
        Self {
            year: local.year,
            month: local.month,
            day: local.day,
            weekday: local.weekday,
            hour: local.hour,
            minute: local.minute,
            offset_seconds: local.offset_seconds,
            next_change: local.next_change.map(Timestamp::from_milliseconds),
        }
    }
}

impl From<history::Past> for Past {
    fn from(past: history::Past) -> Self {
        Self {
            at: Timestamp::from_milliseconds(past.at),
            phase: match past.phase {
                history::Phase::Running => Phase::Running,
                history::Phase::Pass => Phase::Pass,
                history::Phase::Fail => Phase::Fail,
                history::Phase::Inconclusive => Phase::Inconclusive,
                history::Phase::Error => Phase::Error,
                history::Phase::Allow => Phase::Allow,
                history::Phase::Hold => Phase::Hold,
                history::Phase::Deny => Phase::Deny,
            },
            measurement: past.measurement.into(),
        }
    }
}

impl From<types::Measurement> for Measurement {
    fn from(measurement: types::Measurement) -> Self {
        Self {
            value: match measurement.value {
                types::Value::None => Value::None,
                types::Value::Scalar(number) => Value::Scalar(number),
                types::Value::Vector(numbers) => Value::Vector(numbers),
                types::Value::Text(text) => Value::Text(text),
                types::Value::Json(json) => Value::Json(json),
            },
            summary: measurement.summary,
            details: all(measurement.details),
        }
    }
}

impl From<Measurement> for types::Measurement {
    fn from(measurement: Measurement) -> Self {
        Self {
            value: match measurement.value {
                Value::None => types::Value::None,
                Value::Scalar(number) => types::Value::Scalar(number),
                Value::Vector(numbers) => types::Value::Vector(numbers),
                Value::Text(text) => types::Value::Text(text),
                Value::Json(json) => types::Value::Json(json),
            },
            summary: measurement.summary,
            details: all(measurement.details),
        }
    }
}

impl From<Outcome> for types::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            measurement: outcome.measurement.into(),
            next_state: outcome.next_state.as_ref().map(State::to_bytes),
            retry_at: outcome.retry_at.map(Timestamp::milliseconds),
        }
    }
}

impl From<Verdict> for types::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Measured(outcome) => Self::Measured(outcome.into()),
            Verdict::Running(outcome) => Self::Running(outcome.into()),
            Verdict::Pass(outcome) => Self::Pass(outcome.into()),
            Verdict::Fail(outcome) => Self::Fail(outcome.into()),
            Verdict::Inconclusive(outcome) => Self::Inconclusive(outcome.into()),
        }
    }
}

impl From<PluginError> for types::PluginError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::InvalidConfig(why) => Self::InvalidConfig(why),
            PluginError::Upstream(why) => Self::Upstream(why),
            PluginError::Internal(why) => Self::Internal(why),
            PluginError::Other(why) => Self::Other(why),
        }
    }
}

impl From<gate::Step> for Step {
    fn from(step: gate::Step) -> Self {
        Self {
            from_weight: step.from_weight,
            to_weight: step.to_weight,
            is_last: step.is_last,
        }
    }
}

impl From<Decision> for gate::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow(outcome) => Self::Allow(outcome.into()),
            Decision::Hold(outcome) => Self::Hold(outcome.into()),
            Decision::Deny(outcome) => Self::Deny(outcome.into()),
        }
    }
}
