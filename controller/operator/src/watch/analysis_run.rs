//! What is kept of an AnalysisRun: how it stands, not what it measures.

use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::names::{ANALYSIS_DEFINITION_ANNOTATION, HASH_LABEL};
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::Evidence;
use kulta_core::observed::{AnalysisRunView, Judge, Sharing};
use kulta_core::text;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::measures::{Measure, measures};
use super::metadata::Metadata;
use super::ownership::{Ownership, ownership};
use super::projection::{Projection, Undecodable};

/// An AnalysisRun.
#[derive(Debug, PartialEq)]
pub struct AnalysisRun {
    /// What decisions see of it.
    pub view: AnalysisRunView,
    /// Whose it is.
    pub ownership: Ownership,
    /// It is being deleted: it counts as gone.
    pub deleting: bool,
    /// Some metric is measured by Jobs: they may be left to be ended when it is complete.
    pub has_jobs: bool,
    /// It is to go some time after it is complete.
    pub is_temporary: bool,
    /// Its metrics.
    pub measures: Box<[Measure]>,
    /// Those of them that are known to be on trial.
    pub on_trial: Box<[Box<str>]>,
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
    #[serde(default, deserialize_with = "readable")]
    status: WrittenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenSpec {
    terminate: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct WrittenStatus {
    phase: AnalysisPhase,
    message: String,
    metric_results: Vec<WrittenResult>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct WrittenResult {
    name: String,
    phase: AnalysisPhase,
    dry_run: bool,
    measurements: Vec<WrittenMeasurement>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenMeasurement {
    value: String,
}

/// No value is kept longer: it is told on, not computed with.
const MOST_VALUE_BYTES: usize = 256;

/// The names of the metrics on trial.
fn on_trial(results: &[WrittenResult]) -> Box<[Box<str>]> {
    let on_trial = results.iter().filter(|result| result.dry_run);
    on_trial.map(|result| result.name.as_str().into()).collect()
}

/// What each metric measured last.
fn evidence(results: Vec<WrittenResult>) -> Vec<Evidence> {
    let of_result = |result: WrittenResult| {
        let last = result
            .measurements
            .last()
            .map(|measurement| measurement.value.as_str());
        Evidence {
            value: text::cut(last.unwrap_or_default(), MOST_VALUE_BYTES).into_owned(),
            metric: result.name,
            phase: result.phase,
        }
    };
    results.into_iter().map(of_result).collect()
}

/// A status that can't be read, such as one with a phase of a later version, counts as lost, as where the analysis goes
/// on: it begins anew, and its own status takes the place of that one. It must not make the object unreadable: its
/// Rollout would wait for it for ever. Nor is it an error, which would abort the rollout for somebody's slip.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WrittenStatus, D::Error> {
    let status = Value::deserialize(deserializer)?;
    Ok(WrittenStatus::deserialize(status).unwrap_or_default())
}

fn has_jobs(object: &Value) -> bool {
    let metrics = object.pointer("/spec/metrics").and_then(Value::as_array);
    let mut metrics = metrics.into_iter().flatten();
    metrics.any(|metric| metric.pointer("/provider/job").is_some())
}

impl Projection for AnalysisRun {
    fn api_resource(group: Group) -> ApiResource {
        kulta_api::analysis::api_resource(group)
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            metadata,
            spec,
            status,
        } = Written::deserialize(object)?;
        Ok(Self {
            deleting: metadata.is_being_deleted(),
            has_jobs: has_jobs(object),
            is_temporary: object
                .pointer("/spec/ttlStrategy")
                .is_some_and(|written| !written.is_null()),
            measures: measures(object.get("spec")),
            on_trial: on_trial(&status.metric_results),
            ownership: ownership(&metadata.owner_references),
            view: AnalysisRunView {
                judge: Judge::AnalysisRun,
                created: metadata.creation_timestamp,
                hash: metadata.labels.get(HASH_LABEL).cloned(),
                definition: metadata.annotation(ANALYSIS_DEFINITION_ANNOTATION),
                terminate: spec.terminate.unwrap_or(false),
                phase: status.phase,
                // What anybody writes there becomes part of the Rollout's status.
                message: text::message(&status.message),
                evidence: evidence(status.metric_results),
                sharing: Sharing::default(),
                name: metadata.name,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::samples;

    #[test]
    fn phase_message_and_owner_are_read() {
        let mut object = samples::analysis_run("web", "web-abc-2");
        object["status"] = json!({"phase": "Failed", "message": "5 % errors"});
        object["spec"]["terminate"] = json!(true);

        let run = AnalysisRun::project(&object).unwrap();

        assert_eq!(run.view.phase, AnalysisPhase::Failed);
        assert_eq!(run.view.message, "5 % errors");
        assert!(run.view.terminate);
        assert!(matches!(run.ownership, Ownership::Rollout { name, .. } if name == "web"));
    }

    #[test]
    fn a_message_of_any_length_is_cut() {
        let mut object = samples::analysis_run("web", "web-abc-2");
        object["status"] = json!({"phase": "Failed", "message": "x".repeat(100_000)});

        let run = AnalysisRun::project(&object).unwrap();

        assert!(run.view.message.len() <= text::MESSAGE_BYTES);
    }

    #[test]
    fn a_phase_that_is_not_known_counts_as_not_begun() {
        for status in [
            json!({"phase": "Dreaming", "message": "zzz"}),
            json!({"phase": 3}),
            json!(null),
        ] {
            let mut object = samples::analysis_run("web", "web-abc-2");
            object["status"] = status.clone();

            let run = AnalysisRun::project(&object).unwrap();

            let view = (run.view.phase, run.view.message.as_str());
            assert_eq!(view, (AnalysisPhase::Pending, ""), "{status}");
        }
    }

    #[test]
    fn one_without_a_status_is_pending() {
        let run = AnalysisRun::project(&samples::analysis_run("web", "web-abc-2")).unwrap();

        assert_eq!(run.view.phase, AnalysisPhase::Pending);
    }
}
