//! Whether an answer is the one that was expected, and where not.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kulta_core::analysis::verdict::{Outcome, Value};

use crate::plugin::call::Answer;
use crate::plugin::case::Expectation;

/// Numbers are alike that differ by less than this part of themselves: people write down ten digits of a quotient, and
/// sums in another order differ in the last ones.
const TOLERANCE: f64 = 1e-9;

/// What differs, each with the path of the field in the case. Where the verdict differs, all else follows from that: its
/// summary tells more.
pub(super) fn differences(expected: &Expectation, answer: &Answer) -> Vec<String> {
    let said = match &answer.outcome {
        Ok(outcome) => &outcome.reading.summary,
        Err(error) => error,
    };
    if expected.verdict != answer.word {
        let (expected, word) = (expected.verdict.as_str(), answer.word.as_str());
        return vec![format!("expect.verdict: {expected}, and it is {word}: {said:?}")];
    }
    let mut differences = Vec::new();
    if let Some(part) = expected
        .summary
        .as_ref()
        .filter(|part| !said.contains(part.as_str()))
    {
        differences.push(format!("expect.summary: {part:?}, which is not in {said:?}"));
    }
    if let Ok(outcome) = &answer.outcome {
        compare(expected, outcome, &mut differences);
    }
    differences
}

fn compare(expected: &Expectation, outcome: &Outcome, differences: &mut Vec<String>) {
    let mut differ = |path: &str, expected: &str, is: &str| {
        differences.push(format!("expect.{path}: {expected}, and it is {is}"));
    };
    let reading = &outcome.reading;
    if let Some(value) = expected
        .value
        .as_ref()
        .filter(|value| !is_alike(value, &reading.value))
    {
        differ("value", &written(value), &written(&reading.value));
    }
    for (name, value) in &expected.details {
        let detail = reading.details.iter().find(|(given, _)| given == name);
        match detail {
            Some((_, is)) if is == value => {}
            Some((_, is)) => differ(
                &format!("details.{name}"),
                &format!("{value:?}"),
                &format!("{is:?}"),
            ),
            None => {
                let names: Vec<_> = reading.details.iter().map(|(name, _)| name.as_str()).collect();
                let is = format!("not among the details, which are [{}]", names.join(", "));
                differ(&format!("details.{name}"), &format!("{value:?}"), &is);
            }
        }
    }
    if expected.state.is_some() && expected.state != outcome.next_state {
        let state = |state: &Option<Vec<u8>>| {
            state
                .as_ref()
                .map_or_else(|| "none".to_owned(), |bytes| BASE64_STANDARD.encode(bytes))
        };
        differ("state", &state(&expected.state), &state(&outcome.next_state));
    }
    if let Some(time) = expected.retry_at.filter(|time| outcome.retry_at != Some(*time)) {
        let is = outcome
            .retry_at
            .map_or_else(|| "none".to_owned(), |time| time.to_string());
        differ("retryAt", &time.to_string(), &is);
    }
}

fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Scalar(one), Value::Scalar(other)) => is_near(*one, *other),
        (Value::Vector(one), Value::Vector(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_near(*one, *other))
        }
        (Value::Json(one), Value::Json(other)) => {
            let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
            read(one) == read(other)
        }
        _ => one == other,
    }
}

fn is_near(one: f64, other: f64) -> bool {
    if !one.is_finite() || !other.is_finite() {
        return one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan());
    }
    (one - other).abs() <= TOLERANCE * one.abs().max(other.abs())
}

/// As it is written in a case.
fn written(value: &Value) -> String {
    match value {
        Value::None => "none".to_owned(),
        Value::Scalar(number) => format!("{{scalar: {number}}}"),
        Value::Vector(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(f64::to_string).collect();
            format!("{{vector: [{}]}}", numbers.join(", "))
        }
        Value::Text(text) => format!("{{text: {text:?}}}"),
        Value::Json(document) => format!("{{json: {document}}}"),
    }
}

#[cfg(test)]
mod tests;
