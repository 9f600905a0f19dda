//! Asking, and what can be wrong with an answer.

use std::cell::RefCell;

use kulta_plugin_sdk::template;
use kulta_plugin_sdk::{Answer, Data, Host, Outcome, PluginError, QueryError, Subject, Timestamp, Verdict};

/// Asks one provider on behalf of one subject, and keeps what the provider warns of.
pub(crate) struct Asker<'a, H> {
    host: &'a H,
    provider: &'a str,
    subject: &'a Subject,
    warnings: RefCell<Vec<String>>,
}

/// An answer that should be one number that is 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    /// It is.
    Number(f64),
    /// It is not, by the nature of the data.
    Unusable(Reason),
}

/// Why an answer is no number that could be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no series.
    NoData,
    /// NaN: mostly nothing divided by nothing.
    NotANumber,
    /// Divided by nothing.
    Infinite,
    /// Less than 0.
    Negative,
    /// More than one series.
    Ambiguous,
}

impl Reason {
    /// What it is called in a measurement's details.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoData => "NoData",
            Self::NotANumber => "NotANumber",
            Self::Infinite => "Infinite",
            Self::Negative => "Negative",
            Self::Ambiguous => "Ambiguous",
        }
    }

    /// What it is in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NoData => "no data (where that means 0, write `or vector(0)`)",
            Self::NotANumber => "not a number",
            Self::Infinite => "infinite",
            Self::Negative => "negative",
            Self::Ambiguous => "more than one series (aggregate them, such as with sum())",
        }
    }
}

impl<'a, H: Host> Asker<'a, H> {
    pub(crate) const fn new(host: &'a H, provider: &'a str, subject: &'a Subject) -> Self {
        Self {
            host,
            provider,
            subject,
            warnings: RefCell::new(Vec::new()),
        }
    }

    /// The time of this call.
    pub(crate) fn now(&self) -> Timestamp {
        self.host.now()
    }

    /// The answer to the query at `path`, now.
    pub(crate) fn ask(&self, path: &str, query: &str) -> Result<Data, PluginError> {
        self.ask_wrapped(path, query, |filled| filled)
    }

    /// One number, answered to the query at `path`.
    pub(crate) fn read(&self, path: &str, query: &str) -> Result<Reading, PluginError> {
        self.read_wrapped(path, query, |filled| filled)
    }

    /// One number, answered to what `wrap` makes of the query at `path`.
    pub(crate) fn read_wrapped(
        &self,
        path: &str,
        query: &str,
        wrap: impl FnOnce(String) -> String,
    ) -> Result<Reading, PluginError> {
        reading(&self.ask_wrapped(path, query, wrap)?).ok_or_else(|| wrong_kind(path))
    }

    fn ask_wrapped(
        &self,
        path: &str,
        query: &str,
        wrap: impl FnOnce(String) -> String,
    ) -> Result<Data, PluginError> {
        let filled = wrap(template::fill(path, query, self.subject)?);
        let answer = self.host.query_instant(self.provider, &filled, self.now());
        let Answer { data, warnings } = answer.map_err(|error| unanswered(path, &error))?;
        self.warnings.borrow_mut().extend(warnings);
        Ok(data)
    }

    /// Puts what the provider has warned of into the details of what was found out.
    pub(crate) fn with_warnings(&self, verdict: Verdict) -> Verdict {
        let warned = |outcome: Outcome| {
            let warnings = self.warnings.borrow();
            let mut told: Vec<&String> = Vec::new();
            for warning in warnings.iter() {
                if !told.contains(&warning) {
                    told.push(warning);
                }
            }
            told.iter().fold(outcome, |outcome, warning| {
                outcome.with_detail("warning", warning)
            })
        };
        match verdict {
            Verdict::Measured(outcome) => Verdict::Measured(warned(outcome)),
            Verdict::Running(outcome) => Verdict::Running(warned(outcome)),
            Verdict::Pass(outcome) => Verdict::Pass(warned(outcome)),
            Verdict::Fail(outcome) => Verdict::Fail(warned(outcome)),
            Verdict::Inconclusive(outcome) => Verdict::Inconclusive(warned(outcome)),
        }
    }
}

/// Tried again, whatever it is: `PromQL` finds some faults of a query only in some data.
fn unanswered(path: &str, error: &QueryError) -> PluginError {
    PluginError::Upstream(format!("{path}: {error}"))
}

/// An answer's kind is the query's, so to ask again would not help.
pub(crate) fn wrong_kind(path: &str) -> PluginError {
    PluginError::InvalidConfig(format!(
        "{path}: the answer is neither a scalar nor an instant vector"
    ))
}

fn reading(data: &Data) -> Option<Reading> {
    let number = match data {
        Data::Scalar(sample) => sample.value,
        Data::Vector(series) => match series.as_slice() {
            [] => return Some(Reading::Unusable(Reason::NoData)),
            [only] => match only.samples.last() {
                Some(sample) => sample.value,
                None => return Some(Reading::Unusable(Reason::NoData)),
            },
            _ => return Some(Reading::Unusable(Reason::Ambiguous)),
        },
        Data::Matrix(_) | Data::Text(_) => return None,
    };
    Some(usable(number))
}

fn usable(number: f64) -> Reading {
    if number.is_nan() {
        Reading::Unusable(Reason::NotANumber)
    } else if number.is_infinite() {
        Reading::Unusable(Reason::Infinite)
    } else if number < 0.0 {
        Reading::Unusable(Reason::Negative)
    } else {
        Reading::Number(number)
    }
}
