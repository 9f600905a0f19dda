//! The status of an AnalysisRun as each group keeps it.
//!
//! Argo Rollouts has no field for a plugin's version and state, but a map of texts beside the measurements of each metric
//! (`metricResults[].metadata`): they stand there on `argoproj.io`, so that its own definitions keep them, too.

use kulta_core::analysis::run::RunStatus;
use serde_json::{Map, Value, json};

use crate::Group;

/// Fields of a result that Argo Rollouts does not have, and the keys that they have in its metadata there.
const IN_METADATA: [(&str, &str); 2] = [
    ("pluginDigest", "kulta.io/plugin-digest"),
    ("state", "kulta.io/state"),
];
/// The map of texts.
pub(crate) const METADATA: &str = "metadata";

/// The names of the fields that only `kulta.io` has in a result.
pub(crate) fn own_fields() -> impl Iterator<Item = &'static str> {
    IN_METADATA.into_iter().map(|(field, _)| field)
}

/// The status as decisions read it. One that can't be read counts as lost: the analysis begins anew.
#[must_use]
pub fn read_status(status: Option<&Value>) -> RunStatus {
    let mut status = status.cloned().unwrap_or_default();
    for result in results(&mut status) {
        let mut metadata = result.remove(METADATA);
        let metadata = metadata.as_mut().and_then(Value::as_object_mut);
        for (field, key) in IN_METADATA {
            if let Some(value) = metadata.as_ref().and_then(|metadata| metadata.get(key)) {
                result.entry(field).or_insert_with(|| value.clone());
            }
        }
    }
    serde_json::from_value(status).unwrap_or_default()
}

/// The status as written into the AnalysisRun.
#[must_use]
pub fn write_status(group: Group, status: &RunStatus) -> Value {
    // Texts, numbers, and lists and maps of them: nothing in it can fail to be written.
    let mut written = serde_json::to_value(status).unwrap_or_default();
    if group == Group::Kulta {
        return written;
    }
    for result in results(&mut written) {
        let own = IN_METADATA
            .into_iter()
            .filter_map(|(field, key)| Some((key.to_owned(), result.remove(field)?)));
        let own: Map<_, _> = own.collect();
        if !own.is_empty() {
            result.insert(METADATA.to_owned(), Value::Object(own));
        }
    }
    written
}

fn results(status: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let results = status.get_mut("metricResults").and_then(Value::as_array_mut);
    results.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The schema of that map.
pub(crate) fn metadata_schema() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

#[cfg(test)]
mod tests {
    use kulta_core::analysis::run::MetricResult;

    use super::*;

    fn status() -> RunStatus {
        RunStatus {
            metric_results: vec![
                MetricResult {
                    name: "errors".to_owned(),
                    plugin_digest: Some("sha256:1".to_owned()),
                    state: Some(vec![1, 2]),
                    ..MetricResult::default()
                },
                MetricResult {
                    name: "job".to_owned(),
                    ..MetricResult::default()
                },
            ],
            ..RunStatus::default()
        }
    }

    #[test]
    fn what_a_plugin_keeps_comes_back_in_either_group() {
        for group in Group::ALL {
            assert_eq!(
                read_status(Some(&write_status(group, &status()))),
                status(),
                "{group}"
            );
        }
    }

    #[test]
    fn argo_rollouts_definitions_have_every_field_of_a_result() {
        let written = write_status(Group::Argo, &status());

        let result = &written["metricResults"][0];
        assert_eq!((result.get("state"), result.get("pluginDigest")), (None, None));
        let metadata = json!({"kulta.io/plugin-digest": "sha256:1", "kulta.io/state": "AQI="});
        assert_eq!(result["metadata"], metadata);
        assert_eq!(written["metricResults"][1].get("metadata"), None);
    }

    #[test]
    fn status_that_is_missing_or_spoilt_begins_anew() {
        assert_eq!(read_status(None), RunStatus::default());
        assert_eq!(
            read_status(Some(&json!({"metricResults": 1}))),
            RunStatus::default()
        );
    }
}
