//! An experiment: its versions, which run side by side, and its analyses.

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::Value;

use super::{Belongings, Node, Role, age, analysis, drawn, named, owned, replica_set, row};
use crate::mark::Mark;
use crate::output::{Cell, Paint};

/// The facts above the tree of an experiment.
#[must_use]
pub fn facts(experiment: &DynamicObject) -> Vec<Vec<Cell>> {
    let metadata = &experiment.metadata;
    let phase = analysis::phase_of(experiment);
    let mut rows = vec![
        row("Name:", metadata.name.clone().unwrap_or_default()),
        row("Namespace:", metadata.namespace.clone().unwrap_or_default()),
        row("Status:", Mark::from(phase).with(phase.as_str())),
    ];
    rows.extend(message(experiment).map(|message| row("Message:", message)));
    let mut label = "Images:";
    let templates = experiment
        .data
        .pointer("/spec/templates")
        .and_then(Value::as_array);
    for template in templates.into_iter().flatten() {
        let name = template.get("name").and_then(Value::as_str).unwrap_or_default();
        let containers = template
            .pointer("/template/spec/containers")
            .and_then(Value::as_array);
        let images = containers.into_iter().flatten();
        for image in images.filter_map(|container| container.get("image")?.as_str()) {
            rows.push(row(label, format!("{image} ({name})")));
            label = "";
        }
    }
    rows
}

/// The tree of an experiment, its header first.
#[must_use]
pub fn rows(experiment: &DynamicObject, belongings: &Belongings, now: Timestamp) -> Vec<Vec<Cell>> {
    drawn(&node(experiment, belongings, now))
}

pub(super) fn node(experiment: &DynamicObject, belongings: &Belongings, now: Timestamp) -> Node {
    let phase = analysis::phase_of(experiment);
    let uid = experiment.metadata.uid.as_deref().unwrap_or_default();
    let versions = by_name(&belongings.replica_sets, uid).into_iter();
    let versions = versions.map(|version| replica_set::node(version, Role::Former, &belongings.pods, now));
    let runs = by_name(&belongings.analysis_runs, uid).into_iter();
    let runs = runs.map(|run| analysis::node(run, now));
    let paint = if phase.completed() {
        Paint::Plain
    } else {
        Paint::Moving
    };
    Node {
        name: named("Σ", experiment, paint),
        kind: "Experiment",
        status: Mark::from(phase).with(phase.as_str()),
        age: age(experiment, now),
        info: message(experiment).unwrap_or_default(),
        children: versions.chain(runs).collect(),
    }
}

fn by_name<'o>(objects: &'o [DynamicObject], owner: &str) -> Vec<&'o DynamicObject> {
    let mut found = owned(objects, owner);
    found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    found
}

fn message(experiment: &DynamicObject) -> Option<Cell> {
    analysis::words(experiment.data.get("status")?, "message")
}
