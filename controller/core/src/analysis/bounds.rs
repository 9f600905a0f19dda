//! How large the status of an analysis may become. An object of Kubernetes has about 1.5 MiB, its spec included: a
//! status that outgrows it could not be written any more, not even the end of the analysis.

use jiff::Timestamp;

use super::run::{AnalysisPhase, Measurement, MetricResult, RunStatus};
use super::verdict::Value;
use crate::text;

/// JSON of a status is at most so long: a third of what an object may have, the rest is the spec's.
const STATUS_BYTES: usize = 512 << 10;
/// The text of a value is at most so long: as long as a text or a document that a plugin measures.
const VALUE_BYTES: usize = 4 << 10;
/// The text of the value of an earlier measurement is at most so long: a number, or a few.
const EARLIER_VALUE_BYTES: usize = 256;

/// The text of a value as it is written in a status.
pub(super) fn value_text(value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::Vector(numbers) if text.len() > VALUE_BYTES => {
            let mark = format!("… ({} numbers)", text::grouped(numbers.len()));
            let head = text::head(&text, VALUE_BYTES - mark.len());
            // Half a number would be another number.
            let head = head.rsplit_once(',').map_or(head, |(whole, _)| whole);
            format!("{head}{mark}")
        }
        _ => text::cut(&text, VALUE_BYTES).into_owned(),
    }
}

/// Forgets what is kept of the latest measurement only.
pub(super) fn make_earlier(measurement: &mut Measurement) {
    measurement.metadata.clear();
    shorten_value(measurement);
}

fn shorten_value(measurement: &mut Measurement) {
    if measurement.value.len() > EARLIER_VALUE_BYTES {
        measurement.value = text::cut(&measurement.value, EARLIER_VALUE_BYTES).into_owned();
    }
}

/// Makes a status fit: the oldest measurements go first, and where that is not enough, the rest becomes short. What
/// plugins keep is left to them: without it they would begin anew.
pub(super) fn fit(status: &mut RunStatus) {
    let surplus = surplus_of(status);
    if surplus == 0 {
        return;
    }
    drop_oldest(status, surplus);
    if surplus_of(status) > 0 {
        let all = status.metric_results.iter_mut();
        all.flat_map(|result| &mut result.measurements)
            .for_each(make_earlier);
    }
}

/// The end of an analysis whose status the API server does not take, for its size: phase, counts and names are left.
#[must_use]
pub fn too_large(status: &RunStatus, refusal: &str, now: Timestamp) -> RunStatus {
    let without_measurements = |result: &MetricResult| MetricResult {
        message: String::new(),
        state: None,
        measurements: Vec::new(),
        ..result.clone()
    };
    let message = format!(
        "The status of the analysis is too large to be written: use fewer metrics, shorter arguments or plugins that \
         keep less state: {refusal}"
    );
    RunStatus {
        phase: AnalysisPhase::Error,
        message: text::message(&message),
        completed_at: Some(now),
        metric_results: status.metric_results.iter().map(without_measurements).collect(),
        ..status.clone()
    }
}

fn surplus_of(status: &RunStatus) -> usize {
    bytes_of(status).saturating_sub(STATUS_BYTES)
}

/// Drops so many of the oldest measurements, but never the latest of a metric, that `surplus` bytes are gone.
fn drop_oldest(status: &mut RunStatus, surplus: usize) {
    let mut earlier: Vec<(Timestamp, usize, usize)> = Vec::new();
    for (index, result) in status.metric_results.iter().enumerate() {
        if let Some((_latest, before)) = result.measurements.split_last() {
            earlier.extend(
                before
                    .iter()
                    .map(|measurement| (measurement.started_at, index, bytes_of(measurement))),
            );
        }
    }
    earlier.sort_unstable();
    let mut gone = 0;
    let oldest = earlier.iter().take_while(|(_, _, bytes)| {
        let more = gone < surplus;
        gone += bytes;
        more
    });
    let mut numbers = vec![0; status.metric_results.len()];
    for (_, index, _) in oldest {
        if let Some(number) = numbers.get_mut(*index) {
            *number += 1;
        }
    }
    for (result, number) in status.metric_results.iter_mut().zip(numbers) {
        result.measurements.drain(..number);
    }
}

/// Its length as JSON.
fn bytes_of(part: &impl serde::Serialize) -> usize {
    serde_json::to_string(part).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(second: usize) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + i64::try_from(second).unwrap()).unwrap()
    }

    fn measurement(second: usize, value: &str) -> Measurement {
        Measurement {
            phase: AnalysisPhase::Successful,
            message: String::new(),
            started_at: at(second),
            finished_at: Some(at(second)),
            value: value.to_owned(),
            metadata: BTreeMap::from([("pods".to_owned(), "2".to_owned())]),
            resume_at: None,
        }
    }

    /// So many metrics, each with so many measurements of a value.
    fn status(metrics: usize, measurements: usize, value: &str) -> RunStatus {
        let result = |index| MetricResult {
            name: format!("metric-{index}"),
            state: Some(vec![1; 64]),
            measurements: (0..measurements)
                .map(|second| measurement(second, value))
                .collect(),
            ..MetricResult::default()
        };
        RunStatus {
            metric_results: (0..metrics).map(result).collect(),
            ..RunStatus::default()
        }
    }

    #[test]
    fn a_vector_that_is_too_long_is_cut_after_a_whole_number_and_says_how_many_there_are() {
        let text = value_text(&Value::Vector(vec![0.125; 1_000]));

        assert!(text.len() <= VALUE_BYTES, "{}", text.len());
        assert!(
            text.starts_with("[0.125,0.125") && text.ends_with("0.125… (1,000 numbers)"),
            "{text}"
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        let text = value_text(&Value::Text("é".repeat(VALUE_BYTES)));

        assert!(text.len() <= VALUE_BYTES && text.ends_with('…'));
    }

    #[test]
    fn a_status_that_fits_stays_as_it_is() {
        let mut kept = status(3, 10, "0.5");

        fit(&mut kept);

        assert_eq!(kept, status(3, 10, "0.5"));
    }

    #[test]
    fn a_status_that_is_too_large_loses_the_oldest_measurements_of_all_metrics() {
        let mut fitted = status(4, 1_000, &"9".repeat(200));

        fit(&mut fitted);

        assert!(bytes_of(&fitted) <= STATUS_BYTES);
        for result in &fitted.metric_results {
            let left = result.measurements.len();
            assert!((300..700).contains(&left), "{left}");
            assert_eq!(result.measurements.last().unwrap().started_at, at(999));
        }
    }

    #[test]
    fn what_is_left_of_many_metrics_becomes_short_and_their_state_stays() {
        let mut fitted = status(150, 1, &"9".repeat(VALUE_BYTES));

        fit(&mut fitted);

        assert!(bytes_of(&fitted) <= STATUS_BYTES);
        let result = &fitted.metric_results[0];
        assert_eq!(result.measurements.len(), 1);
        assert!(result.measurements[0].value.len() <= EARLIER_VALUE_BYTES);
        assert_eq!(result.state, Some(vec![1; 64]));
    }

    #[test]
    fn one_that_can_not_be_written_ends_with_its_counts_and_the_reason() {
        let mut large = status(2, 10, "0.5");
        large.metric_results[0].failed = 3;

        let ended = too_large(&large, "limit is 3145728", at(60));

        assert_eq!(
            (ended.phase, ended.completed_at),
            (AnalysisPhase::Error, Some(at(60)))
        );
        assert!(ended.message.ends_with("limit is 3145728"), "{}", ended.message);
        assert_eq!(ended.metric_results[0].failed, 3);
        assert!(ended.metric_results[0].measurements.is_empty());
        assert_eq!(ended.metric_results[0].state, None);
    }

    #[test]
    fn what_fits_once_fits_for_good() {
        let mut once = status(4, 1_000, &"9".repeat(200));
        fit(&mut once);
        let mut twice = once.clone();

        fit(&mut twice);

        assert_eq!(twice, once);
    }
}
