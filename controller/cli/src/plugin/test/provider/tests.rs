//! Queries, and what a case answers to them.

use std::time::Duration;

use super::*;

fn noon() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn expected(expression: &str, data: case::Data) -> Expected {
    Expected {
        provider: "prometheus".to_owned(),
        expression: expression.to_owned(),
        time: ExpectedTime::Instant { at: None },
        reply: Ok(Reply {
            data,
            warnings: Vec::new(),
        }),
    }
}

fn query(expression: &str, window: Window) -> Query {
    Query {
        provider: "prometheus".to_owned(),
        expression: expression.to_owned(),
        window,
        answer_bytes: 1_000,
        time: Duration::from_secs(5),
    }
}

fn instant(expression: &str) -> Query {
    query(expression, Window::Instant { at: noon() })
}

#[test]
fn an_expected_query_is_answered_as_of_when_it_is_asked_for() {
    let provider = Provider::new(&[expected("up", case::Data::Scalar(1.0))]);

    let answer = provider.answer(&instant("up")).unwrap();

    let sample = Sample {
        at: noon(),
        value: 1.0,
    };
    assert_eq!(answer.data, Data::Scalar(sample));
    assert!(provider.differences().is_empty());
}

#[test]
fn the_values_of_a_range_are_a_step_apart() {
    let matrix = serde_json::from_str(r#"{"matrix": [{"values": [1, 2]}]}"#).unwrap();
    let mut up = expected("up", matrix);
    up.time = ExpectedTime::Range {
        start: None,
        end: Some(noon()),
    };
    let step = SignedDuration::from_secs(15);
    let start = noon() - step;

    let answer = Provider::new(&[up]).answer(&query(
        "up",
        Window::Range {
            start,
            end: noon(),
            step,
        },
    ));

    let Data::Matrix(lines) = answer.unwrap().data else {
        panic!()
    };
    let times: Vec<_> = lines[0].samples.iter().map(|sample| sample.at).collect();
    assert_eq!(times, [start, noon()]);
}

#[test]
fn where_a_range_has_no_value_there_is_no_sample() {
    let values = [Some(1.0), None, Some(3.0)];

    let samples = samples(noon(), SignedDuration::from_secs(15), &values);

    let seconds: Vec<_> = samples
        .iter()
        .map(|sample| (sample.at - noon()).get_seconds())
        .collect();
    assert_eq!(seconds, [0, 30]);
}

#[test]
fn a_query_that_is_misspelt_is_told_with_the_one_that_was_meant() {
    let sum = expected("sum(rate(errors[5m]))", case::Data::Scalar(1.0));
    let provider = Provider::new(&[expected("up", case::Data::Scalar(1.0)), sum]);

    let answer = provider.answer(&instant("sum(rate(error[5m]))"));

    assert!(answer.is_err());
    assert_eq!(
        provider.differences()[0],
        "unexpected query {provider: prometheus, instant: \"sum(rate(error[5m]))\", at: 2026-07-01T12:00:00Z}\n        \
         the nearest is {provider: prometheus, instant: \"sum(rate(errors[5m]))\"}"
    );
}

#[test]
fn a_query_for_another_time_is_unexpected() {
    let mut early = expected("up", case::Data::Scalar(1.0));
    early.time = ExpectedTime::Instant {
        at: Some(noon() - SignedDuration::from_hours(1)),
    };

    let provider = Provider::new(&[early]);

    assert!(provider.answer(&instant("up")).is_err());
}

#[test]
fn a_query_that_was_not_asked_is_told() {
    let provider = Provider::new(&[expected("up", case::Data::Scalar(1.0))]);

    assert_eq!(
        provider.differences(),
        ["queries[0] was not asked, take it away or mend it: {provider: prometheus, instant: \"up\"}"]
    );
}
