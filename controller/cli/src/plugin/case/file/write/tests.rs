//! Calls as they are written down: what is read again is what was meant.

use std::path::Path;
use std::time::Duration;

use kulta_core::analysis::verdict::{NextStep, Reading, Subject};
use kulta_plugin_host::limits::Limits;

use super::*;
use crate::plugin::case::{self, ExpectedTime};

const STEP: SignedDuration = SignedDuration::from_secs(15);

fn noon() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn question() -> Question {
    Question {
        config: "{}".to_owned(),
        now: noon(),
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            metric: "errors".to_owned(),
            started_at: noon() - STEP,
            // It would be a number without quotes.
            facts: [("step-started-at".to_owned(), "1782907440000".to_owned())].into(),
        },
        step: None,
        state: Some(vec![1, 7]),
        previous: Vec::new(),
        limits: Limits::default(),
    }
}

fn asked(expression: &str, window: Window) -> metrics::Query {
    metrics::Query {
        provider: "thanos".to_owned(),
        expression: expression.to_owned(),
        window,
        answer_bytes: 1_000,
        time: Duration::from_secs(5),
    }
}

fn instant(data: metrics::Data) -> (metrics::Query, Result<Answer, QueryError>) {
    let warnings = vec!["partial".to_owned()];
    let query = asked("up", Window::Instant { at: noon() });
    (query, Ok(Answer { data, warnings }))
}

/// Three times, of which these have a value.
fn range(samples: &[(Timestamp, f64)]) -> (metrics::Query, Result<Answer, QueryError>) {
    let window = Window::Range {
        start: noon() - STEP - STEP,
        end: noon(),
        step: STEP,
    };
    let data = metrics::Data::Matrix(vec![series(samples)]);
    let answer = Answer {
        data,
        warnings: Vec::new(),
    };
    (asked("rate(up[1m])", window), Ok(answer))
}

fn series(samples: &[(Timestamp, f64)]) -> Series {
    let samples = samples.iter().map(|&(at, value)| metrics::Sample { at, value });
    Series {
        labels: [("pod".to_owned(), "a".to_owned())].into(),
        samples: samples.collect(),
    }
}

fn answer(value: Value) -> call::Answer {
    let reading = Reading {
        value,
        summary: "a summary: of more words than stand in one line of a text that is folded after eighty"
            .to_owned(),
        details: vec![("unit".to_owned(), "s".to_owned())],
    };
    let outcome = Outcome {
        reading,
        next_state: Some(vec![1, 8]),
        retry_at: Some(noon()),
    };
    call::Answer {
        word: Word::Pass,
        outcome: Ok(outcome),
    }
}

fn text(
    question: &Question,
    queries: Vec<(metrics::Query, Result<Answer, QueryError>)>,
    answer: &call::Answer,
) -> Result<String, UnwritableError> {
    let name = "a case".to_owned();
    let config = serde_json::from_str(r#"{"query": "sum(up)\n/ 2", "limit": 0.5}"#).unwrap();
    Recording {
        name,
        config,
        question,
        queries,
        answer,
    }
    .text()
}

fn case(queries: Vec<(metrics::Query, Result<Answer, QueryError>)>, answer: &call::Answer) -> case::Case {
    let text = text(&question(), queries, answer).unwrap();
    let parsed = case::parse(Path::new("case.yaml"), &text);
    parsed
        .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
        .remove(0)
}

#[test]
fn the_question_is_read_again_as_it_was() {
    let case = case(Vec::new(), &answer(Value::None));

    let expected = question();
    assert_eq!(case.name, "a case");
    assert_eq!(case.question.subject, expected.subject);
    assert_eq!(
        (case.question.now, case.question.state),
        (expected.now, expected.state)
    );
    assert_eq!(case.question.config, r#"{"limit":0.5,"query":"sum(up)\n/ 2"}"#);
}

#[test]
fn a_step_is_read_again_as_it_was() {
    let step = NextStep {
        from_weight: 50,
        to_weight: 100,
        is_last: true,
    };
    let question = Question {
        step: Some(step),
        ..question()
    };
    let allowed = call::Answer {
        word: Word::Allow,
        ..answer(Value::None)
    };

    let text = text(&question, Vec::new(), &allowed).unwrap();

    let case = case::parse(Path::new("case.yaml"), &text).unwrap().remove(0);
    assert_eq!(case.question.step, Some(step));
}

#[test]
fn everything_of_an_answer_is_expected() {
    for value in [
        Value::None,
        Value::Scalar(0.1 + 0.2),
        Value::Vector(vec![1e300, f64::NEG_INFINITY]),
        Value::Text("true".to_owned()),
        Value::Json(r#"{"a":[1,null]}"#.to_owned()),
    ] {
        let given = answer(value.clone());

        let expect = case(Vec::new(), &given).expect;

        let outcome = given.outcome.unwrap();
        assert_eq!(expect.value, Some(value));
        assert_eq!(expect.summary, Some(outcome.reading.summary));
        assert_eq!(expect.details, outcome.reading.details);
        assert_eq!(
            (expect.state, expect.retry_at),
            (outcome.next_state, outcome.retry_at)
        );
    }
}

#[test]
fn an_error_is_expected_with_its_text() {
    let failed = call::Answer {
        word: Word::Error,
        outcome: Err("no answer: \"timeout\"".to_owned()),
    };

    let expect = case(Vec::new(), &failed).expect;

    assert_eq!(expect.verdict, Word::Error);
    assert_eq!(expect.summary.as_deref(), Some("no answer: \"timeout\""));
}

#[test]
fn queries_are_expected_for_their_times_with_what_was_answered() {
    let vector = instant(metrics::Data::Vector(vec![series(&[(noon(), f64::NAN)])]));
    let failed = (
        asked("down", vector.0.window),
        Err(QueryError::TooLarge { bytes: 7 }),
    );

    let queries = case(vec![vector, failed], &answer(Value::None)).queries;

    assert_eq!(
        (queries[0].provider.as_str(), queries[0].expression.as_str()),
        ("thanos", "up")
    );
    assert!(matches!(queries[0].time, ExpectedTime::Instant { at: Some(at) } if at == noon()));
    let reply = queries[0].reply.as_ref().unwrap();
    assert_eq!(reply.warnings, ["partial"]);
    assert!(
        matches!(&reply.data, Data::Vector(points) if points[0].value.is_nan() && points[0].labels["pod"] == "a")
    );
    assert_eq!(
        queries[1].reply.as_ref().unwrap_err(),
        &QueryError::TooLarge { bytes: 7 }
    );
}

#[test]
fn a_series_with_gaps_has_a_place_for_each_step_until_its_last_value() {
    let queries = case(vec![range(&[(noon() - STEP, 2.0)])], &answer(Value::None)).queries;

    let Data::Matrix(lines) = &queries[0].reply.as_ref().unwrap().data else {
        panic!()
    };
    assert_eq!(lines[0].values, [None, Some(2.0)]);
}

#[test]
fn a_value_between_two_steps_is_refused() {
    let between = range(&[(noon() - SignedDuration::from_secs(7), 2.0)]);

    let refused = text(&question(), vec![between], &answer(Value::None)).unwrap_err();

    assert_eq!(
        refused.to_string(),
        "the answer to \"rate(up[1m])\" can't be written into a case: a value is not of a time that was asked for"
    );
}

#[test]
fn many_values_for_one_time_are_refused() {
    let matrix = instant(metrics::Data::Matrix(vec![series(&[(noon(), 1.0)])]));

    let refused = text(&question(), vec![matrix], &answer(Value::None)).unwrap_err();

    assert!(
        refused
            .to_string()
            .ends_with("let the plugin make a range query of it")
    );
}
