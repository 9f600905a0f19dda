//! A small Prometheus with two versions of pods, which the plugin is called for again and again.

use std::cell::RefCell;
use std::time::Duration;

use kulta_plugin_sdk::mock::{matrix, series};
use kulta_plugin_sdk::{
    Answer, Host, Level, LocalTime, MetricPlugin, Past, Plugin, PluginError, QueryError, Sample, Series,
    State, Subject, Timestamp, Verdict, ZoneError,
};
use serde_json::Value;

use crate::Sequential;

/// All of the canary's requests, as the queries of the tests are with their facts.
pub(super) const CANARY: &str = "requests{h=\"6d5f\"}";
pub(super) const CANARY_BAD: &str = "requests{h=\"6d5f\", code=\"500\"}";
pub(super) const STABLE: &str = "requests{h=\"77aa\"}";
pub(super) const STABLE_BAD: &str = "requests{h=\"77aa\", code=\"500\"}";

/// How long a Prometheus shows a value after it was scraped.
const LOOK_BACK: Duration = Duration::from_mins(5);
/// A look is at so long ago.
const SETTLING: Duration = Duration::from_secs(5);

/// One series: its labels, and what was scraped, where none is a scrape that failed.
type Line = (Vec<(String, String)>, Vec<(Timestamp, Option<f64>)>);

/// The small Prometheus.
pub(super) struct Cluster {
    config: Value,
    subject: Subject,
    now: Timestamp,
    /// By their query.
    lines: Vec<(String, Line)>,
    pub(super) state: Option<State>,
    pub(super) fault: Option<QueryError>,
    pub(super) asked: RefCell<Vec<(String, Timestamp, Timestamp, Duration)>>,
}

impl Cluster {
    pub(super) fn new(config: Value) -> Self {
        Self {
            config,
            subject: Subject::new("shop", "web", "errors")
                .with_fact("canary-hash", "6d5f")
                .with_fact("stable-hash", "77aa"),
            now: Timestamp::from_milliseconds(1_700_000_000_000),
            lines: Vec::new(),
            state: None,
            fault: None,
            asked: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn weight(&mut self, weight: u32) {
        self.subject.facts.retain(|fact| fact.name != "weight");
        self.subject = self.subject.clone().with_fact("weight", &weight.to_string());
    }

    pub(super) fn canary_hash(&mut self, hash: &str) {
        self.subject.facts.retain(|fact| fact.name != "canary-hash");
        self.subject = self.subject.clone().with_fact("canary-hash", hash);
    }

    /// What the series of this query and pod is scraped as; none: the scrape fails.
    pub(super) fn scrape(&mut self, query: &str, pod: &str, value: impl Into<Option<f64>>) {
        self.scrape_labels(query, &[("pod", pod)], value.into());
    }

    pub(super) fn scrape_labels(&mut self, query: &str, labels: &[(&str, &str)], value: Option<f64>) {
        let labels: Vec<(String, String)> = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let known = self
            .lines
            .iter_mut()
            .find(|(of, line)| of == query && line.0 == labels);
        let sample = (self.now, value);
        match known {
            Some((_, line)) => line.1.push(sample),
            None => self.lines.push((query.to_owned(), (labels, vec![sample]))),
        }
    }

    /// All four counters of one pod each.
    pub(super) fn counters(&mut self, canary: (f64, f64), stable: (f64, f64)) {
        for (query, pod, value) in [
            (CANARY, "c", canary.0),
            (CANARY_BAD, "c", canary.1),
            (STABLE, "s", stable.0),
            (STABLE_BAD, "s", stable.1),
        ] {
            self.scrape(query, pod, value);
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Calls the plugin.
    pub(super) fn try_look(&mut self) -> Result<Verdict, PluginError> {
        let config = Sequential::configure(&self.config.to_string())?;
        let verdict = Sequential::evaluate(&config, &self.subject, self)?;
        let state = verdict.outcome().next_state.clone();
        self.state = state.and_then(|state| State::from_bytes(&state.to_bytes()));
        Ok(verdict)
    }

    pub(super) fn look(&mut self) -> Verdict {
        self.try_look().unwrap()
    }

    fn at(line: &Line, time: Timestamp) -> Option<f64> {
        let (_, samples) = line;
        let (at, value) = samples.iter().rev().find(|(at, _)| *at <= time)?;
        value.filter(|_| time.since(*at) < LOOK_BACK)
    }
}

pub(super) fn detail<'v>(verdict: &'v Verdict, name: &str) -> &'v str {
    let details = &verdict.outcome().measurement.details;
    let detail = details.iter().find(|detail| detail.name == name);
    detail.map_or("", |detail| &detail.value)
}

impl Host for Cluster {
    fn query_instant(&self, _: &str, _: &str, _: Timestamp) -> Result<Answer, QueryError> {
        Err(QueryError::Other("not expected".to_owned()))
    }

    fn query_range(
        &self,
        _: &str,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.asked.borrow_mut().push((expr.to_owned(), start, end, step));
        let mut answer: Vec<Series> = Vec::new();
        for (_, line) in self.lines.iter().filter(|(of, _)| of == expr) {
            let labels: Vec<(&str, &str)> = line
                .0
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let mut one = series(&labels, &[]);
            let mut at = start;
            while at <= end {
                one.samples
                    .extend(Self::at(line, at).map(|value| Sample { at, value }));
                at = at.plus(step);
            }
            if !one.samples.is_empty() {
                answer.push(one);
            }
        }
        Ok(matrix(answer))
    }

    fn log(&self, _: Level, _: &str) {}

    fn now(&self) -> Timestamp {
        self.now.plus(SETTLING)
    }

    fn local(&self, zone: &str, _: Timestamp) -> Result<LocalTime, ZoneError> {
        Err(ZoneError(zone.to_owned()))
    }

    fn previous(&self, _: u32) -> Vec<Past> {
        Vec::new()
    }

    fn state(&self) -> Option<State> {
        self.state.clone()
    }
}
