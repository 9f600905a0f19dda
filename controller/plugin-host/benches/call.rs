//! What a plugin costs: to load it, and to call it in a fresh instance. After each measurement stand its median and
//! its 99th percentile, because it is the slow calls that count.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark that can't be set up has nothing to say"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use kulta_core::analysis::verdict::{Subject, Value};
use kulta_plugin_host::limits::Limits;
use kulta_plugin_host::metrics::{Answer, Data, MetricsProvider, Pending, Query, Sample, Series};
use kulta_plugin_host::{Conditions, Delivery, Host, Plugin, Redaction, Request, Trial};
use tokio::runtime::{Builder, Runtime};

/// The plugins that are bundled: of usual size, and in Rust.
const PROMETHEUS: &[u8] = include_bytes!("../../../plugins/dist/prometheus.wasm");
const SCHEDULE: &[u8] = include_bytes!("../../../plugins/dist/schedule.wasm");
const SEQUENTIAL: &[u8] = include_bytes!("../../../plugins/dist/sequential.wasm");
const WEB: &[u8] = include_bytes!("../../../plugins/dist/web.wasm");
/// What compiles on trial.
const COMPILER: &str = env!("CARGO_BIN_EXE_kulta-plugin-trial");

/// Answers at once.
struct Fixed;

impl MetricsProvider for Fixed {
    fn query<'a>(&'a self, _query: &'a Query) -> Pending<'a> {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let samples = vec![Sample {
            at: Timestamp::UNIX_EPOCH,
            value: 0.5,
        }];
        let data = Data::Vector(vec![Series { labels, samples }]);
        Box::pin(async {
            Ok(Answer {
                data,
                warnings: Vec::new(),
            })
        })
    }
}

fn request() -> Request {
    Request {
        config: r#"{"query":"sum(rate(requests_total[1m]))"}"#.to_owned(),
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            metric: "errors".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            facts: BTreeMap::new(),
        },
        now: Timestamp::UNIX_EPOCH,
        previous: Vec::new(),
        state: None,
        metrics: Arc::new(Fixed),
        http: None,
        grants: ["prometheus".to_owned()].into(),
        limits: Limits::default(),
        redaction: Redaction::default(),
    }
}

fn host() -> Host {
    Host::new(Trial::new(COMPILER.into(), Vec::new())).expect("a host")
}

fn load(runtime: &Runtime, host: &Host) -> Plugin {
    let delivery = Delivery::read(PROMETHEUS).expect("a file");
    runtime
        .block_on(host.load("prometheus", &delivery, &Limits::default()))
        .expect("a plugin")
}

/// Measures `call`, and tells the median and the 99th percentile.
fn measure(criterion: &mut Criterion, name: &str, mut call: impl FnMut()) {
    let mut times = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let mut sum = Duration::ZERO;
            for _ in 0..count {
                let began = Instant::now();
                call();
                let time = began.elapsed();
                times.push(time);
                sum += time;
            }
            sum
        });
    });
    times.sort_unstable();
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    let line = format!("{name}: p50 {:?}, p99 {:?} of {}\n", at(50), at(99), times.len());
    io::stdout().write_all(line.as_bytes()).expect("standard output");
}

fn calls(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let host = host();
    let plugin = load(&runtime, &host);
    measure(criterion, "evaluate", || {
        let finished = runtime.block_on(plugin.evaluate(request()));
        black_box(finished.result.expect("a verdict"));
    });
}

/// A batch of evaluations one after the other, on one thread: how many a core does in a second.
fn batches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let host = host();
    let plugin = load(&runtime, &host);
    measure(criterion, "1,000 evaluations on one core", || {
        runtime.block_on(async {
            for _ in 0..1000 {
                black_box(plugin.evaluate(request()).await.result.expect("a verdict"));
            }
        });
    });
}

/// A plugin as a ConfigMap delivers it, from its file to the first call: inspected, compiled on trial, compiled, described.
/// Then the stages: the trial, and all the rest, which is what a bundled plugin takes.
fn loads(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let host = host();
    let plugins = [
        ("prometheus", PROMETHEUS),
        ("schedule", SCHEDULE),
        ("sequential", SEQUENTIAL),
        ("web", WEB),
    ];
    for (name, bytes) in plugins {
        let delivery = Delivery::read(bytes).expect("a file");
        let limits = Limits::default();
        measure(criterion, &format!("load {name}"), || {
            let loaded = runtime.block_on(host.load(name, &delivery, &limits));
            black_box(loaded.expect("a plugin"));
        });
        measure(criterion, &format!("load {name}, the trial"), || try_out(bytes));
        measure(criterion, &format!("load {name}, without the trial"), || {
            let loaded = runtime.block_on(host.load_bundled(name, &delivery, &limits));
            black_box(loaded.expect("a plugin"));
        });
    }
}

/// Compiles a plugin on trial, as the host does before it compiles it in earnest.
fn try_out(bytes: &[u8]) {
    let mut compiler = Command::new(COMPILER)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut input = compiler.stdin.take().expect("its input");
    input.write_all(bytes).expect("a process that reads");
    drop(input);
    assert!(compiler.wait().expect("an end").success());
}

fn evaluations(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let conditions = Conditions::new(Arc::new(host()));
    let value = Value::Vector(vec![0.01, 0.02]);
    measure(criterion, "condition", || {
        let condition = "len(result) > 0 && all(result, # < 0.05)";
        let (answer, _report) = runtime.block_on(conditions.evaluate("shop", condition, &value));
        assert!(answer.expect("an answer"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = calls, batches, loads, evaluations
}
criterion_main!(benches);
