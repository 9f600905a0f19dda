//! What is taken of an answer, what is cut, and what is refused.

use super::*;

fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn answered(value: types::Value) -> types::Outcome {
    types::Outcome {
        measurement: types::Measurement {
            value,
            summary: "fine".to_owned(),
            details: Vec::new(),
        },
        next_state: None,
        retry_at: None,
    }
}

fn taken(answered: types::Outcome) -> Result<Outcome, InvalidAnswer> {
    let taking = Taking {
        now: now(),
        limits: Limits::default(),
        redaction: Redaction::default(),
    };
    outcome(answered, &taking)
}

fn retried(wish: u64) -> Option<Timestamp> {
    taken(types::Outcome {
        retry_at: Some(wish),
        ..answered(types::Value::None)
    })
    .unwrap()
    .retry_at
}

#[test]
fn a_state_within_its_limit_is_kept() {
    let state = vec![7; 8 << 10];
    let kept = taken(types::Outcome {
        next_state: Some(state.clone()),
        ..answered(types::Value::None)
    })
    .unwrap();
    assert_eq!(kept.next_state, Some(state));
}

#[test]
fn a_larger_state_is_an_error() {
    let state = Some(vec![7; (8 << 10) + 1]);
    let refused = taken(types::Outcome {
        next_state: state,
        ..answered(types::Value::None)
    });
    assert!(
        matches!(
            refused,
            Err(InvalidAnswer::StateTooLarge {
                bytes: 8193,
                limit: 8192
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn a_wish_to_be_called_at_once_waits_a_second() {
    assert_eq!(retried(0), Some("2026-07-01T12:00:01Z".parse().unwrap()));
}

#[test]
fn a_wish_never_to_be_called_waits_an_hour() {
    assert_eq!(retried(u64::MAX), Some("2026-07-01T13:00:00Z".parse().unwrap()));
}

#[test]
fn a_wish_within_an_hour_is_granted() {
    let wish = "2026-07-01T12:05:00Z".parse().unwrap();
    assert_eq!(retried(millis(wish)), Some(wish));
}

#[test]
fn a_thousand_values_are_taken_and_one_more_is_an_error() {
    assert!(taken(answered(types::Value::Vector(vec![0.5; 1000]))).is_ok());
    let refused = taken(answered(types::Value::Vector(vec![0.5; 1001])));
    assert!(
        matches!(refused, Err(InvalidAnswer::TooManyValues { count: 1001 })),
        "{refused:?}"
    );
}

#[test]
fn infinity_is_a_value() {
    let outcome = taken(answered(types::Value::Scalar(f64::INFINITY))).unwrap();
    assert_eq!(outcome.reading.value, Value::Scalar(f64::INFINITY));
}

#[test]
fn json_that_is_none_is_an_error() {
    let refused = taken(answered(types::Value::Json("{".to_owned())));
    assert!(matches!(refused, Err(InvalidAnswer::NotJson(_))), "{refused:?}");
}

#[test]
fn json_is_never_cut() {
    let refused = taken(answered(types::Value::Json(format!("\"{}\"", "x".repeat(4096)))));
    assert!(
        matches!(refused, Err(InvalidAnswer::JsonTooLarge { bytes: 4098 })),
        "{refused:?}"
    );
}

#[test]
fn a_long_text_is_cut() {
    let outcome = taken(answered(types::Value::Text("x".repeat(5000)))).unwrap();
    let Value::Text(text) = outcome.reading.value else {
        panic!("another kind")
    };
    assert_eq!(text.len(), 4096);
    assert!(text.ends_with('…'));
}

#[test]
fn only_the_first_details_are_kept_and_they_are_short() {
    let detail = types::Label {
        name: "n".repeat(200),
        value: "line\nbreak".to_owned(),
    };
    let mut long = answered(types::Value::None);
    long.measurement.details = vec![detail; 40];

    let details = taken(long).unwrap().reading.details;

    assert_eq!(details.len(), 16);
    assert_eq!(details[0].0.len(), 128);
    assert_eq!(details[0].1, "line break");
}

#[test]
fn a_description_without_schema_has_none() {
    assert_eq!(description("a", "1", String::new()).unwrap().config_schema, None);
}

#[test]
fn a_schema_that_is_not_json_is_an_error() {
    assert!(matches!(
        description("a", "1", "type: object".to_owned()),
        Err(InvalidAnswer::SchemaNotJson(_))
    ));
}

#[test]
fn times_before_1970_are_its_beginning() {
    assert_eq!(millis(Timestamp::MIN), 0);
}
