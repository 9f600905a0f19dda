//! The answers of a case: every query is expected, and every expected one is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kulta_plugin_host::metrics::{
    Answer, Data, MetricsProvider, Pending, Query, QueryError, Sample, Series, Window,
};

use crate::plugin::case::{self, Expected, ExpectedTime, Reply};

/// Answers what a case expects, and remembers the rest.
#[derive(Debug)]
pub(super) struct Provider {
    expected: Vec<(Expected, AtomicBool)>,
    unexpected: Mutex<Vec<String>>,
}

impl Provider {
    pub(super) fn new(expected: &[Expected]) -> Self {
        let unasked = |query: &Expected| (query.clone(), AtomicBool::new(false));
        Self {
            expected: expected.iter().map(unasked).collect(),
            unexpected: Mutex::default(),
        }
    }

    /// Queries that are not expected, and expected ones that were not asked.
    pub(super) fn differences(&self) -> Vec<String> {
        let unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
        let unasked = self.expected.iter().enumerate();
        let unasked = unasked.filter(|(_, (_, asked))| !asked.load(Ordering::Relaxed));
        let unasked = unasked.map(|(index, (query, _))| {
            format!(
                "queries[{index}] was not asked, take it away or mend it: {}",
                query.described()
            )
        });
        unexpected.iter().cloned().chain(unasked).collect()
    }

    fn answer(&self, query: &Query) -> Result<Answer, QueryError> {
        let Some((expected, asked)) = self.expected.iter().find(|(expected, _)| expected.fits(query)) else {
            let mut unexpected = self.unexpected.lock().unwrap_or_else(PoisonError::into_inner);
            unexpected.push(self.unexpected(query));
            return Err(QueryError::Other(
                "the case does not expect this query".to_owned(),
            ));
        };
        asked.store(true, Ordering::Relaxed);
        let reply = expected.reply.as_ref().map_err(Clone::clone)?;
        Ok(reply.at(query.window))
    }

    /// What to say of a query that nobody expects: the nearest expected one is the one that was meant.
    fn unexpected(&self, query: &Query) -> String {
        let asked = described(
            &query.provider,
            kind(query.window),
            &query.expression,
            &times(query.window),
        );
        let expected = self.expected.iter().map(|(expected, _)| expected.described());
        match expected.min_by_key(|expected| strsim::levenshtein(&asked, expected)) {
            Some(nearest) => format!("unexpected query {asked}\n        the nearest is {nearest}"),
            None => format!("unexpected query {asked}\n        `queries` has none: add it there"),
        }
    }
}

impl MetricsProvider for Provider {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        let answer = self.answer(query);
        Box::pin(async { answer })
    }
}

fn described(provider: &str, kind: &str, expression: &str, times: &[(&str, Timestamp)]) -> String {
    let mut described = format!("{{provider: {provider}, {kind}: {expression:?}");
    for (name, time) in times {
        // Writing to a text can't fail.
        let _written = write!(described, ", {name}: {time}");
    }
    described.push('}');
    described
}

const fn kind(window: Window) -> &'static str {
    match window {
        Window::Instant { .. } => "instant",
        Window::Range { .. } => "range",
    }
}

fn times(window: Window) -> Vec<(&'static str, Timestamp)> {
    match window {
        Window::Instant { at } => vec![("at", at)],
        Window::Range { start, end, .. } => vec![("start", start), ("end", end)],
    }
}

impl Expected {
    fn fits(&self, query: &Query) -> bool {
        let is = |expected: Option<Timestamp>, time| expected.is_none_or(|expected| expected == time);
        let fits = match (&self.time, query.window) {
            (ExpectedTime::Instant { at }, Window::Instant { at: time }) => is(*at, time),
            (
                ExpectedTime::Range { start, end },
                Window::Range {
                    start: from, end: to, ..
                },
            ) => is(*start, from) && is(*end, to),
            _ => false,
        };
        fits && self.provider == query.provider && self.expression == query.expression
    }

    fn described(&self) -> String {
        let (kind, times) = match self.time {
            ExpectedTime::Instant { at } => ("instant", [("at", at), ("", None)]),
            ExpectedTime::Range { start, end } => ("range", [("start", start), ("end", end)]),
        };
        let times: Vec<_> = times
            .into_iter()
            .filter_map(|(name, time)| Some((name, time?)))
            .collect();
        described(&self.provider, kind, &self.expression, &times)
    }
}

impl Reply {
    /// The answer for that time: samples are measured when they are asked for.
    fn at(&self, window: Window) -> Answer {
        let (start, step) = match window {
            Window::Instant { at } => (at, SignedDuration::ZERO),
            Window::Range { start, step, .. } => (start, step),
        };
        let line = |labels: &BTreeMap<_, _>, values: &[Option<f64>]| Series {
            labels: labels.clone(),
            samples: samples(start, step, values),
        };
        let data = match &self.data {
            case::Data::Scalar(value) => Data::Scalar(Sample {
                at: start,
                value: *value,
            }),
            case::Data::Vector(points) => Data::Vector(
                points
                    .iter()
                    .map(|point| line(&point.labels, &[Some(point.value)]))
                    .collect(),
            ),
            case::Data::Matrix(lines) => Data::Matrix(
                lines
                    .iter()
                    .map(|series| line(&series.labels, &series.values))
                    .collect(),
            ),
            case::Data::Text(text) => Data::Text(text.clone()),
        };
        let warnings = self.warnings.clone();
        Answer { data, warnings }
    }
}

fn samples(start: Timestamp, step: SignedDuration, values: &[Option<f64>]) -> Vec<Sample> {
    let mut next = start;
    let sample = |value: &Option<f64>| {
        let at = next;
        // At the end of all calendars time stands still.
        next = at.saturating_add(step).unwrap_or(at);
        value.map(|value| Sample { at, value })
    };
    values.iter().filter_map(sample).collect()
}

#[cfg(test)]
mod tests;
