//! Answers, and what was expected instead.

use kulta_core::analysis::verdict::Reading;

use super::*;
use crate::plugin::case::Word;

fn expected(verdict: Word) -> Expectation {
    Expectation {
        verdict,
        value: None,
        summary: None,
        details: Vec::new(),
        state: None,
        retry_at: None,
    }
}

fn answer(value: Value) -> Answer {
    Answer {
        word: Word::Pass,
        outcome: Ok(Outcome {
            reading: Reading {
                value,
                summary: "0.2 % of all".to_owned(),
                details: vec![
                    ("unit".to_owned(), "s".to_owned()),
                    ("limit".to_owned(), "1".to_owned()),
                ],
            },
            next_state: Some(vec![1, 7]),
            retry_at: None,
        }),
    }
}

#[test]
fn what_is_not_expected_can_be_anything() {
    assert!(differences(&expected(Word::Pass), &answer(Value::Scalar(1.0))).is_empty());
}

#[test]
fn another_verdict_is_told_with_what_the_plugin_says() {
    let differences = differences(&expected(Word::Fail), &answer(Value::None));

    assert_eq!(
        differences,
        [r#"expect.verdict: fail, and it is pass: "0.2 % of all""#]
    );
}

#[test]
fn an_error_is_told_in_its_words() {
    let answer = Answer {
        word: Word::Error,
        outcome: Err("no answer in time".to_owned()),
    };

    let unexpected = differences(&expected(Word::Pass), &answer);
    let expected = Expectation {
        summary: Some("in time".to_owned()),
        ..expected(Word::Error)
    };

    assert_eq!(
        unexpected,
        [r#"expect.verdict: pass, and it is error: "no answer in time""#]
    );
    assert!(differences(&expected, &answer).is_empty());
}

#[test]
fn everything_that_differs_is_told() {
    let expected = Expectation {
        value: Some(Value::Scalar(0.5)),
        summary: Some("5 %".to_owned()),
        details: vec![
            ("unit".to_owned(), "ms".to_owned()),
            ("pod".to_owned(), "a".to_owned()),
        ],
        state: Some(vec![1, 8]),
        retry_at: Some("2026-07-01T12:00:00Z".parse().unwrap()),
        ..expected(Word::Pass)
    };

    let differences = differences(&expected, &answer(Value::Vector(vec![0.5, f64::NAN])));

    assert_eq!(
        differences,
        [
            r#"expect.summary: "5 %", which is not in "0.2 % of all""#,
            "expect.value: {scalar: 0.5}, and it is {vector: [0.5, NaN]}",
            r#"expect.details.unit: "ms", and it is "s""#,
            r#"expect.details.pod: "a", and it is not among the details, which are [unit, limit]"#,
            "expect.state: AQg=, and it is AQc=",
            "expect.retryAt: 2026-07-01T12:00:00Z, and it is none",
        ]
    );
}

#[test]
fn numbers_are_alike_up_to_their_last_digits() {
    assert!(is_near(0.1 + 0.2, 0.3));
    assert!(is_near(5.0 / 3.0, 1.666_666_666_7));
    assert!(!is_near(0.3, 0.300_001));
    assert!(is_near(0.0, 0.0));
}

#[test]
fn numbers_that_are_none_are_only_like_themselves() {
    assert!(is_near(f64::NAN, -f64::NAN));
    assert!(is_near(f64::INFINITY, f64::INFINITY));
    assert!(!is_near(f64::INFINITY, f64::NEG_INFINITY));
    assert!(!is_near(f64::INFINITY, 1.0));
    assert!(!is_near(f64::NAN, 1.0));
}

#[test]
fn documents_are_alike_whatever_their_spaces_and_order() {
    let json = |text: &str| Value::Json(text.to_owned());
    assert!(is_alike(&json(r#"{"a": 1, "b": 2}"#), &json(r#"{"b":2,"a":1}"#)));
    assert!(!is_alike(&json("[1]"), &json("[2]")));
}
