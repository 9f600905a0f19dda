//! An analysis, with the metrics and gates that it has.

use jiff::Timestamp;
use kube::api::DynamicObject;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::text::cut;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Node, age, named};
use crate::age::since;
use crate::mark::Mark;
use crate::output::{Cell, Paint};

/// A value, and the words beside it, are at most so long: it is a line of a tree.
const MOST_BYTES: usize = 80;

pub(super) fn node(run: &DynamicObject, now: Timestamp) -> Node {
    let status = run.data.get("status").unwrap_or(&Value::Null);
    let phase = phase(status);
    let gates = names(run, "/spec/gates");
    let results = status.get("metricResults").and_then(Value::as_array);
    let results = results.into_iter().flatten();
    let paint = if phase.completed() {
        Paint::Plain
    } else {
        Paint::Moving
    };
    let summary = status.get("runSummary").unwrap_or(&Value::Null);
    let message = words(status, "message");
    Node {
        name: named("α", run, paint),
        kind: "AnalysisRun",
        status: Mark::from(phase).with(phase.as_str()),
        age: age(run, now),
        info: Cell::joined(counts(summary).chain(message), " "),
        children: results.map(|result| metric(result, &gates, now)).collect(),
    }
}

/// A metric or a gate: what came of its last measurement.
fn metric(result: &Value, gates: &[&str], now: Timestamp) -> Node {
    let name = result.get("name").and_then(Value::as_str).unwrap_or_default();
    let phase = phase(result);
    let measurements = result.get("measurements").and_then(Value::as_array);
    let last = measurements
        .and_then(|measurements| measurements.last())
        .unwrap_or(&Value::Null);
    let time = ["finishedAt", "startedAt"].iter().find_map(|field| {
        let time = last.get(field)?.as_str()?;
        time.parse::<Timestamp>().ok()
    });
    let value = words(last, "value").map(|value| Cell::from("= ").and(value));
    let message = words(last, "message").or_else(|| words(result, "message"));
    let dry_run = result.get("dryRun").and_then(Value::as_bool) == Some(true);
    let dry_run = dry_run.then(|| Cell::from("(dry-run)"));
    Node {
        name: name.into(),
        kind: if gates.contains(&name) { "Gate" } else { "Metric" },
        status: Mark::from(phase).with(phase.as_str()),
        age: time.map_or_else(String::new, |time| since(time, now)),
        info: Cell::joined(counts(result).chain(value).chain(message).chain(dry_run), " "),
        children: Vec::new(),
    }
}

/// The phase of an AnalysisRun or an Experiment.
pub(crate) fn phase_of(object: &DynamicObject) -> AnalysisPhase {
    phase(object.data.get("status").unwrap_or(&Value::Null))
}

/// A phase that nobody knows is one that is not there yet.
fn phase(status: &Value) -> AnalysisPhase {
    let phase = status.get("phase").unwrap_or(&Value::Null);
    AnalysisPhase::deserialize(phase).unwrap_or_default()
}

/// How often what came of it.
fn counts(result: &Value) -> impl Iterator<Item = Cell> {
    let kinds = [
        ("successful", Mark::Good),
        ("failed", Mark::Bad),
        ("inconclusive", Mark::Unknown),
        ("error", Mark::Warning),
    ];
    let count = |field: &str| {
        result
            .get(field)
            .and_then(Value::as_u64)
            .filter(|count| *count > 0)
    };
    let counts = kinds.map(|(field, mark)| count(field).map(|count| mark.with(&count.to_string())));
    counts.into_iter().flatten()
}

pub(super) fn words(object: &Value, field: &str) -> Option<Cell> {
    let text = object.get(field)?.as_str().filter(|text| !text.is_empty())?;
    Some(cut(text, MOST_BYTES).into_owned().into())
}

fn names<'r>(run: &'r DynamicObject, pointer: &str) -> Vec<&'r str> {
    let list = run.data.pointer(pointer).and_then(Value::as_array);
    let names = list
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("name")?.as_str());
    names.collect()
}
