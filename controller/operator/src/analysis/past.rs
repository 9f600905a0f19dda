//! What a plugin is told of its earlier calls.

use kulta_core::analysis::run::{AnalysisPhase, Measurement, MetricResult};
use kulta_core::analysis::verdict::{Past, PastPhase, Reading, Value};

/// The earlier calls for a metric or a gate, newest first.
pub(super) fn of(result: &MetricResult, is_gate: bool) -> Vec<Past> {
    let measurements = result.measurements.iter().rev();
    measurements
        .map(|measurement| past(measurement, is_gate))
        .collect()
}

fn past(measurement: &Measurement, is_gate: bool) -> Past {
    Past {
        at: measurement.finished_at.unwrap_or(measurement.started_at),
        phase: match measurement.phase {
            AnalysisPhase::Pending | AnalysisPhase::Running if is_gate => PastPhase::Hold,
            AnalysisPhase::Successful if is_gate => PastPhase::Allow,
            AnalysisPhase::Failed if is_gate => PastPhase::Deny,
            AnalysisPhase::Pending | AnalysisPhase::Running => PastPhase::Running,
            AnalysisPhase::Successful => PastPhase::Pass,
            AnalysisPhase::Failed => PastPhase::Fail,
            AnalysisPhase::Error => PastPhase::Error,
            AnalysisPhase::Inconclusive => PastPhase::Inconclusive,
        },
        reading: Reading {
            value: value(&measurement.value),
            summary: measurement.message.clone(),
            details: measurement.metadata.clone().into_iter().collect(),
        },
    }
}

/// The value that was written as `text`: the status keeps its text only. One that was cut is a text, which says so by its
/// end: half a vector would be taken for the whole.
fn value(text: &str) -> Value {
    let numbers = |list: &str| list.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>();
    if text.is_empty() {
        return Value::None;
    }
    if let Ok(number) = text.parse() {
        return Value::Scalar(number);
    }
    let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match list.map(numbers) {
        Some(Ok(numbers)) => Value::Vector(numbers),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_gate_is_told_its_answers_in_its_own_words() {
        let phases = [
            AnalysisPhase::Running,
            AnalysisPhase::Successful,
            AnalysisPhase::Failed,
        ];
        let measurement = |phase| Measurement {
            phase,
            message: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
            value: String::new(),
            metadata: BTreeMap::new(),
            resume_at: None,
        };

        let told = phases.map(|phase| past(&measurement(phase), true).phase);

        assert_eq!(told, [PastPhase::Hold, PastPhase::Allow, PastPhase::Deny]);
    }

    #[test]
    fn a_vector_that_was_cut_is_no_vector() {
        for text in ["[0.5,0.25… (1,000 numbers)", "[0.5,0.2…"] {
            assert_eq!(value(text), Value::Text(text.to_owned()));
        }
    }

    #[test]
    fn values_are_read_back_as_they_were_written() {
        let values = [
            Value::None,
            Value::Scalar(0.5),
            Value::Scalar(-1e300),
            Value::Scalar(f64::INFINITY),
            Value::Vector(vec![0.5, 2.0]),
            Value::Text("ok".to_owned()),
        ];
        for written in values {
            assert_eq!(value(&written.to_string()), written, "{written}");
        }
    }
}
