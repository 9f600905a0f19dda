//! Hosts, plugins and requests, as most tests want them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kulta_core::analysis::verdict::{Outcome, Subject, Value, Verdict};
use kulta_plugin_host::limits::Limits;
use kulta_plugin_host::metrics::{Answer, Data, MetricsProvider, Pending, Query, Sample};
use kulta_plugin_host::{CallError, Delivery, Host, LoadError, Plugin, Redaction, Request, Trial};

use crate::build::{component, conformance};

/// Answers every query with 1, and counts them.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Counting {
    pub(crate) fn asked(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl MetricsProvider for Counting {
    fn query<'a>(&'a self, _query: &'a Query) -> Pending<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let data = Data::Scalar(Sample {
            at: now(),
            value: 1.0,
        });
        Box::pin(async {
            Ok(Answer {
                data,
                warnings: Vec::new(),
            })
        })
    }
}

/// Never answers.
pub(crate) struct Silent;

impl MetricsProvider for Silent {
    fn query<'a>(&'a self, _query: &'a Query) -> Pending<'a> {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

/// The trial with the compiler of this build, which is much slower than the released one.
pub(crate) fn trial() -> Trial {
    let mut trial = Trial::new(env!("CARGO_BIN_EXE_kulta-plugin-trial").into(), Vec::new());
    trial.time = Duration::from_mins(1);
    trial
}

pub(crate) fn host() -> Host {
    Host::new(trial()).unwrap()
}

/// A request with nothing special in it.
pub(crate) fn request() -> Request {
    Request {
        config: "{}".to_owned(),
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            metric: "errors".to_owned(),
            started_at: now(),
            facts: BTreeMap::from([("canary-hash".to_owned(), "abc".to_owned())]),
        },
        now: now(),
        previous: Vec::new(),
        state: None,
        metrics: Arc::new(Counting::default()),
        http: None,
        grants: ["prometheus".to_owned()].into(),
        limits: Limits::default(),
        redaction: Redaction::default(),
    }
}

pub(crate) async fn load(host: &Host, bytes: &[u8]) -> Result<Plugin, LoadError> {
    let delivery = Delivery::read(bytes)?;
    host.load("test", &delivery, &Limits::default())
        .await
        .map_err(|failure| failure.cause)
}

/// The plugin of a text.
pub(crate) async fn plugin(host: &Host, source: &str) -> Plugin {
    load(host, &component(source)).await.unwrap()
}

/// The error of calling a plugin that does harm, after which a good one is called on the same host: it answers as if
/// nothing had happened.
pub(crate) async fn harm(source: &str) -> CallError {
    let host = host();
    let bad = plugin(&host, source).await;
    let good = plugin(&host, conformance!("good")).await;

    let error = bad.evaluate(request()).await.result.unwrap_err().cause;

    assert_good(&good).await;
    error
}

/// The error of loading a plugin that does harm, after which a good one is loaded and called on the same host.
pub(crate) async fn refusal(bytes: &[u8]) -> LoadError {
    let host = host();

    let error = load(&host, bytes).await.map(drop).unwrap_err();

    assert_good(&plugin(&host, conformance!("good")).await).await;
    error
}

pub(crate) async fn assert_good(good: &Plugin) {
    let verdict = good.evaluate(request()).await.result.unwrap();
    let Verdict::Pass(outcome) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(outcome.reading.value, Value::Scalar(0.5));
}

/// The value that a plugin measures.
pub(crate) async fn value(source: &str, request: Request) -> Value {
    measured(source, request).await.reading.value
}

/// What a plugin hands back that measures.
pub(crate) async fn measured(source: &str, request: Request) -> Outcome {
    let host = host();
    let verdict = plugin(&host, source)
        .await
        .evaluate(request)
        .await
        .result
        .unwrap();
    let Verdict::Measured(outcome) = verdict else {
        panic!("{verdict:?}")
    };
    outcome
}
