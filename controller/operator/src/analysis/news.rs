//! What is new of an analysis, as lines of the log: a line for each metric or gate that has come to something else.

use kulta_core::analysis::run::{AnalysisPhase, MetricResult, RunStatus};

/// Tells what each metric has come to, where that is not what it was.
pub(super) fn tell(before: &RunStatus, after: &RunStatus) {
    for (result, phase, message) in news(before, after) {
        tracing::info!(
            metric = result.name,
            phase = phase.as_str(),
            message,
            "measured, or asked"
        );
    }
}

/// The results that are others than before. One that is well is told once, the same words otherwise, too.
fn news<'after>(
    before: &RunStatus,
    after: &'after RunStatus,
) -> Vec<(&'after MetricResult, AnalysisPhase, &'after str)> {
    let results = after.metric_results.iter().filter_map(|result| {
        let (phase, message) = latest(result)?;
        let mut known = before.metric_results.iter();
        let known = known.find(|known| known.name == result.name).and_then(latest);
        let is_same = known.is_some_and(|(known, words)| {
            known == phase && (phase == AnalysisPhase::Successful || words == message)
        });
        (!is_same).then_some((result, phase, message))
    });
    results.collect()
}

fn latest(result: &MetricResult) -> Option<(AnalysisPhase, &str)> {
    let last = result.measurements.last()?;
    Some((last.phase, &last.message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A run whose metric was measured last with this outcome.
    fn run(phase: &str, message: &str) -> RunStatus {
        let measurement = json!({"phase": phase, "message": message, "startedAt": "2026-03-01T12:00:00Z"});
        serde_json::from_value(json!({
            "phase": "Running",
            "metricResults": [{"name": "errors", "phase": "Running", "measurements": [measurement]}],
        }))
        .unwrap()
    }

    #[test]
    fn a_metric_that_comes_to_another_result_is_told_with_its_words() {
        let after = run("Failed", "0.2 is above 0.1");

        let told = news(&run("Successful", "0.01"), &after);

        let told: Vec<_> = told
            .iter()
            .map(|(result, phase, message)| (result.name.as_str(), *phase, *message))
            .collect();
        assert_eq!(told, [("errors", AnalysisPhase::Failed, "0.2 is above 0.1")]);
    }

    #[test]
    fn a_metric_that_stays_well_is_told_once() {
        assert!(news(&run("Successful", "0.01"), &run("Successful", "0.02")).is_empty());
    }

    #[test]
    fn a_gate_that_holds_for_another_reason_is_told_again() {
        let night = run("Inconclusive", "held: at night");

        assert!(news(&night, &night).is_empty());
        assert_eq!(news(&night, &run("Inconclusive", "held: Christmas")).len(), 1);
        assert_eq!(news(&RunStatus::default(), &night).len(), 1);
    }
}
