//! The Job of a measurement: what users have written, with the names, labels and annotations of Argo Rollouts.

use kulta_api::analysis::{Measured, api_resource};
use kulta_plugin_host::Digest;
use serde_json::{Map, Value, json};

use crate::key::ObjectKey;

/// The name of a Job is also a label of its pods.
const NAME_BYTES: usize = 63;
/// So many digits tell two metrics apart whose names are the same in the name of a Job.
const MARK_DIGITS: usize = 6;
/// With this field the API server deletes a Job some time after its end, which may be before it was looked at: how it ended
/// would be lost. Its owner and the metric's retention see to its deletion.
const TTL_FIELD: &str = "ttlSecondsAfterFinished";
/// The AnalysisRun that a Job, and each of its pods, is of.
const UID_LABEL: &str = "analysisrun.argoproj.io/uid";
/// The same for people.
const NAME_ANNOTATION: &str = "analysisrun.argoproj.io/name";
const NAMESPACE_ANNOTATION: &str = "analysisrun.argoproj.io/namespace";
const METRIC_ANNOTATION: &str = "analysisrun.argoproj.io/metric-name";

/// The AnalysisRun that Jobs are of.
#[derive(Clone, Copy)]
pub(super) struct Owner<'run> {
    pub(super) key: &'run ObjectKey,
    pub(super) uid: &'run str,
}

impl Owner<'_> {
    /// The name of the Job of a measurement: `<uid>.<metric>.<number>`.
    pub(super) fn job(&self, metric: &str, number: u32) -> String {
        let (begin, end) = (format!("{}.", self.uid), format!(".{number}"));
        let room = NAME_BYTES.saturating_sub(begin.len() + end.len());
        format!("{begin}{}{end}", of_metric(metric, room))
    }

    /// The Job of a measurement.
    pub(super) fn manifest(&self, measured: &Measured, number: u32) -> Value {
        let resource = api_resource(self.key.group);
        let written = |pointer: &str| {
            let found = measured.configuration.pointer(pointer).and_then(Value::as_object);
            found.cloned().unwrap_or_default()
        };
        let metric = &measured.metric.name;
        let (mut labels, mut annotations) = (written("/metadata/labels"), written("/metadata/annotations"));
        set(&mut labels, UID_LABEL, self.uid);
        set(&mut annotations, NAME_ANNOTATION, &self.key.name);
        set(&mut annotations, NAMESPACE_ANNOTATION, &self.key.namespace);
        set(&mut annotations, METRIC_ANNOTATION, metric);
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": self.job(metric, number),
                "namespace": self.key.namespace,
                "labels": labels,
                "annotations": annotations,
                // It does not block the deletion of its owner, for which another right would be needed.
                "ownerReferences": [{
                    "apiVersion": resource.api_version,
                    "kind": resource.kind,
                    "name": self.key.name,
                    "uid": self.uid,
                    "controller": true,
                }],
            },
            "spec": self.spec(written("/spec")),
        })
    }

    /// What users have written, with the label on the pods, and without an end that nobody would see.
    fn spec(&self, mut spec: Map<String, Value>) -> Value {
        spec.remove(TTL_FIELD);
        if let Some(template) = spec.get_mut("template").and_then(Value::as_object_mut) {
            let mut metadata = taken(template, "metadata");
            let mut labels = taken(&mut metadata, "labels");
            set(&mut labels, UID_LABEL, self.uid);
            metadata.insert("labels".to_owned(), Value::Object(labels));
            template.insert("metadata".to_owned(), Value::Object(metadata));
        }
        Value::Object(spec)
    }
}

/// The object in a field; an empty one where it has none.
fn taken(fields: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match fields.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    }
}

fn set(fields: &mut Map<String, Value>, name: &str, value: &str) {
    fields.insert(name.to_owned(), Value::from(value));
}

/// The name of a metric as a part of the name of a Job. One that has to be cut, or has letters that can't be in it, ends in a
/// mark, so that no two are the same.
fn of_metric(metric: &str, room: usize) -> String {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let fits = metric.len() <= room
        && metric.chars().all(|letter| plain(letter) || letter == '-')
        && metric.starts_with(plain)
        && metric.ends_with(plain);
    if fits {
        return metric.to_owned();
    }
    let digest = Digest::of(metric.as_bytes()).to_string();
    let digits = digest.rsplit(':').next().unwrap_or_default();
    let mark = digits.get(..MARK_DIGITS).unwrap_or(digits);
    let letters = metric.chars().map(|letter| {
        let small = letter.to_ascii_lowercase();
        if plain(small) { small } else { '-' }
    });
    let readable: String = letters.take(room.saturating_sub(MARK_DIGITS + 1)).collect();
    match readable.trim_matches('-') {
        "" => mark.to_owned(),
        readable => format!("{readable}-{mark}"),
    }
}
