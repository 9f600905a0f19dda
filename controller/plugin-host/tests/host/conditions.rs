//! Conditions, evaluated in the sandbox: what they mean (`tests/conformance/conditions.json`), and what they can't do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kulta_core::analysis::condition::Conditions as Written;
use kulta_core::analysis::finding::Finding;
use kulta_core::analysis::verdict::{Outcome, Value, Verdict};
use kulta_plugin_host::{CallReport, ConditionError, ConditionFault, Conditions};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::scene::host;

const TABLE: &str = include_str!("../../../../tests/conformance/conditions.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The rule of Go's `expr` 1.17 or of Argo Rollouts.
    why: String,
    result: Measured,
    condition: String,
    expect: Expected,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Expected {
    Answer(bool),
    Error(IsError),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum IsError {
    Error,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Measured {
    None(()),
    Scalar(Number),
    Vector(Vec<Number>),
    Text(String),
    Json(serde_json::Value),
}

/// A number, or the name of what JSON has no number for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(String),
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(number) => number,
            Number::Named(name) => name.parse().unwrap(),
        }
    }
}

impl From<Measured> for Value {
    fn from(measured: Measured) -> Self {
        match measured {
            Measured::None(()) => Self::None,
            Measured::Scalar(number) => Self::Scalar(number.into()),
            Measured::Vector(numbers) => Self::Vector(numbers.into_iter().map(f64::from).collect()),
            Measured::Text(text) => Self::Text(text),
            Measured::Json(json) => Self::Json(json.to_string()),
        }
    }
}

/// Compiled once for all tests.
async fn conditions() -> &'static Conditions {
    static CONDITIONS: OnceCell<Conditions> = OnceCell::const_new();
    CONDITIONS
        .get_or_init(async || Conditions::new(Arc::new(host())))
        .await
}

async fn evaluate(condition: &str, value: &Value) -> (Result<bool, ConditionError>, CallReport) {
    conditions().await.evaluate("shop", condition, value).await
}

async fn fault(condition: &str) -> ConditionError {
    evaluate(condition, &Value::Scalar(0.5)).await.0.unwrap_err()
}

/// A bomb ends in an error which names the condition, within the limits; and the next condition is answered.
async fn bomb(condition: &str) -> ConditionFault {
    assert!(condition.len() <= 1 << 10, "{} bytes", condition.len());
    let began = Instant::now();
    let (result, report) = evaluate(condition, &Value::Scalar(0.5)).await;
    let error = result.unwrap_err();

    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(report.memory_bytes <= 16 << 20, "{report:?}");
    assert!(report.fuel <= 200_000_000, "{report:?}");
    assert_eq!(error.condition, condition);
    assert!(evaluate("result == 0.5", &Value::Scalar(0.5)).await.0.unwrap());
    error.cause
}

#[tokio::test]
async fn conditions_mean_what_they_mean_in_argo_rollouts() {
    let cases: Vec<Case> = serde_json::from_str(TABLE).unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let value = Value::from(case.result);
        let (result, _report) = evaluate(&case.condition, &value).await;
        let answered = match &result {
            Ok(answer) => Expected::Answer(*answer),
            Err(error) => match &error.cause {
                ConditionFault::Refused(_) => Expected::Error(IsError::Error),
                other => panic!("{}: {other}", case.condition),
            },
        };
        if answered != case.expect {
            let (condition, why) = (&case.condition, &case.why);
            let expected = &case.expect;
            wrong.push(format!(
                "{condition} of {value:?}: {result:?}, not {expected:?}: {why}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_same_evaluation_twice_is_the_same_to_the_last_instruction() {
    let value = Value::Vector(vec![0.5, f64::NAN]);
    let (_, first) = evaluate("any(result, isNaN(#))", &value).await;
    let (_, second) = evaluate("any(result, isNaN(#))", &value).await;
    assert_eq!(first.fuel, second.fuel);
}

#[tokio::test]
async fn a_condition_can_be_checked_before_anything_is_measured() {
    let conditions = conditions().await;
    assert!(
        conditions
            .check("shop", "result[0] < 0.05 && result.x == 'a'")
            .await
            .is_ok()
    );
    let error = conditions.check("shop", "result[0] < ").await.unwrap_err();
    assert!(matches!(error.cause, ConditionFault::Refused(_)), "{error:?}");
    assert_eq!(error.to_string(), "the condition \"result[0] < \"");
}

#[tokio::test]
async fn nested_variables_run_out_of_something() {
    let mut condition = "let a = [1,1,1,1,1,1,1,1,1,1];".to_owned();
    for (from, to) in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi", "ij"]
        .iter()
        .map(|pair| pair.split_at(1))
    {
        let ten = [from; 10].join(",");
        condition = format!("{condition}let {to} = [{ten}];");
    }
    let cause = bomb(&(condition + "len(j) > 0")).await;
    assert!(
        matches!(cause, ConditionFault::MemoryExceeded { limit: 16_777_216 }),
        "{cause:?}"
    );
}

#[tokio::test]
async fn a_long_range_runs_out_of_memory() {
    let cause = bomb("len(0..10000000) > 0").await;
    assert!(
        matches!(cause, ConditionFault::MemoryExceeded { limit: 16_777_216 }),
        "{cause:?}"
    );
}

#[tokio::test]
async fn an_endless_range_runs_out_of_memory() {
    let cause = bomb("any(0..9223372036854775807, # < 0)").await;
    assert!(
        matches!(cause, ConditionFault::MemoryExceeded { .. }),
        "{cause:?}"
    );
}

#[tokio::test]
async fn ranges_in_each_other_run_out_of_fuel() {
    let cause = bomb("all(0..9999, {all(0..9999, {all(0..9999, {# >= 0})})})").await;
    assert!(
        matches!(cause, ConditionFault::FuelExhausted { limit: 200_000_000 }),
        "{cause:?}"
    );
}

#[tokio::test]
async fn many_operators_in_a_row_are_answered_or_run_out_of_stack() {
    let condition = format!("1{} > 0", "+1".repeat(500));
    let (result, report) = evaluate(&condition, &Value::None).await;
    assert!(report.memory_bytes <= 16 << 20, "{report:?}");
    let is_stack = |error: &ConditionError| matches!(error.cause, ConditionFault::StackExhausted);
    assert!(
        result.as_ref().map_or_else(is_stack, |answer| *answer),
        "{result:?}"
    );
}

#[tokio::test]
async fn brackets_in_each_other_are_refused() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}"), ("len(", ")")] {
        let condition = format!("{}1{}", open.repeat(200), close.repeat(200));
        let condition = condition.get(..1024).unwrap_or(&condition);
        let cause = bomb(condition).await;
        let ConditionFault::Refused(message) = cause else {
            panic!("{cause:?}")
        };
        assert_eq!(message, "more than 32 brackets in each other");
    }
}

#[tokio::test]
async fn signs_in_a_row_end_in_an_error() {
    for sign in ["-", "!", "not "] {
        let cause = bomb(&format!("{}1", sign.repeat(250))).await;
        assert!(
            matches!(cause, ConditionFault::Refused(_) | ConditionFault::StackExhausted),
            "{cause:?}"
        );
    }
}

#[tokio::test]
async fn a_regular_expression_of_great_size_ends_in_an_error() {
    for pattern in ["(((a{99}){99}){99}){99}", r"(\\pL{99}){99}", "(x+x+)+y"] {
        let text = Value::Text("x".repeat(4 << 10));
        let condition = format!("result matches '{pattern}'");
        let (result, report) = evaluate(&condition, &text).await;
        assert!(report.memory_bytes <= 16 << 20, "{report:?}");
        // The last one is slow elsewhere only: here, time is linear.
        assert!(pattern == "(x+x+)+y" || result.is_err(), "{pattern}: {result:?}");
    }
}

#[tokio::test]
async fn a_huge_text_runs_out_of_memory() {
    for condition in [
        "len(repeat('x', 1000000000)) > 0",
        "let a = repeat('x', 1000); let b = repeat(a, 1000); let c = repeat(b, 1000); len(c) > 0",
    ] {
        let cause = bomb(condition).await;
        assert!(
            matches!(
                cause,
                ConditionFault::MemoryExceeded { .. }
                    | ConditionFault::FuelExhausted { .. }
                    | ConditionFault::Refused(_)
            ),
            "{cause:?}"
        );
    }
}

#[tokio::test]
async fn choices_in_each_other_end_in_an_answer_or_an_error() {
    let condition = format!("{}true", "result > 1 ? false : ".repeat(40));
    let (result, report) = evaluate(&condition, &Value::Scalar(0.5)).await;
    assert!(report.fuel <= 200_000_000, "{report:?}");
    assert!(!matches!(result, Ok(false)), "{result:?}");
}

#[tokio::test]
async fn a_condition_that_is_too_long_is_not_looked_at() {
    let error = fault(&" ".repeat((1 << 10) + 1)).await;
    assert!(
        matches!(error.cause, ConditionFault::TooLong { bytes: 1025 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn verdicts_come_of_the_conditions_of_the_metric() {
    let measured = Verdict::Measured(Outcome {
        reading: kulta_core::analysis::verdict::Reading {
            value: Value::Vector(vec![0.2]),
            ..Default::default()
        },
        ..Outcome::default()
    });
    let written = |success: Option<&str>, failure: Option<&str>| Written {
        success: success.map(str::to_owned),
        failure: failure.map(str::to_owned),
    };
    let conditions = conditions().await;
    let judge = async |written: Written| {
        conditions
            .judge("shop", &written, measured.clone())
            .await
            .unwrap()
    };

    let well = judge(written(Some("result[0] < 0.5"), Some("result[0] > 0.9"))).await;
    let between = judge(written(Some("result[0] < 0.1"), Some("result[0] > 0.9"))).await;
    let broken = judge(written(None, Some("result[1] > 0.9"))).await;

    assert!(matches!(well, Finding::Successful(_)), "{well:?}");
    assert!(matches!(between, Finding::Inconclusive(_)), "{between:?}");
    let message =
        "failureCondition: the condition \"result[1] > 0.9\": index out of range: 1 (array length is 1)";
    assert_eq!(broken, Finding::Error(message.to_owned()));
}
