//! Free queries.

use kulta_plugin_sdk::mock::{QueryTime, matrix, scalar, text, vector, warned};
use kulta_plugin_sdk::{PluginError, QueryError, Value, Verdict};
use serde_json::json;

use super::{NOW, detail, evaluate, host, verdict};

fn measured(verdict: &Verdict) -> &Value {
    assert!(matches!(verdict, Verdict::Measured(_)), "{verdict:?}");
    &verdict.outcome().measurement.value
}

#[test]
fn a_scalar_is_measured_as_a_scalar() {
    let verdict = verdict(
        &json!({"query": "scalar(up)"}),
        &host().instant("scalar(up)", scalar(1.5)),
    );
    assert_eq!(measured(&verdict), &Value::Scalar(1.5));
    assert_eq!(verdict.summary(), "1.5");
}

#[test]
fn an_instant_vector_is_measured_as_a_vector() {
    let verdict = verdict(
        &json!({"query": "up"}),
        &host().instant("up", vector(&[1.0, 0.0])),
    );
    assert_eq!(measured(&verdict), &Value::Vector(vec![1.0, 0.0]));
    assert_eq!(verdict.summary(), "1, 0");
}

#[test]
fn a_vector_of_one_stays_a_vector() {
    let verdict = verdict(&json!({"query": "up"}), &host().instant("up", vector(&[1.0])));
    assert_eq!(measured(&verdict), &Value::Vector(vec![1.0]));
}

#[test]
fn no_series_are_an_empty_vector_that_is_called_no_data() {
    let verdict = verdict(&json!({"query": "up"}), &host().instant("up", vector(&[])));
    assert_eq!(measured(&verdict), &Value::Vector(Vec::new()));
    assert_eq!(verdict.summary(), "no data");
}

#[test]
fn numbers_that_are_none_are_left_to_the_conditions() {
    let answer = vector(&[f64::NAN, f64::INFINITY, -2.0]);
    let verdict = verdict(&json!({"query": "up"}), &host().instant("up", answer));
    assert_eq!(verdict.summary(), "NaN, infinite, -2");
}

#[test]
fn of_many_values_the_first_are_shown() {
    let answer = vector(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let verdict = verdict(&json!({"query": "up"}), &host().instant("up", answer));
    assert_eq!(verdict.summary(), "1, 2, 3, 4, 5, ...");
}

#[test]
fn more_values_than_a_measurement_has_room_for_are_an_error() {
    let host = host().instant("up", vector(&[1.0; 1001]));
    let error = evaluate(&json!({"query": "up"}), &host).unwrap_err();
    assert!(matches!(error, PluginError::Other(_)), "{error:?}");
}

#[test]
fn a_range_vector_is_a_fault_of_the_configuration() {
    let host = host().instant("up[5m]", matrix(Vec::new()));
    let error = evaluate(&json!({"query": "up[5m]"}), &host).unwrap_err();
    assert_eq!(
        error,
        PluginError::InvalidConfig("query: the answer is neither a scalar nor an instant vector".to_owned())
    );
}

#[test]
fn a_text_is_a_fault_of_the_configuration() {
    let host = host().instant("'up'", text("up"));
    let error = evaluate(&json!({"query": "'up'"}), &host).unwrap_err();
    assert!(matches!(error, PluginError::InvalidConfig(_)), "{error:?}");
}

#[test]
fn a_query_is_asked_for_the_time_of_the_call() {
    let host = host().instant("up", scalar(1.0));
    verdict(&json!({"query": "up"}), &host);
    assert_eq!(host.asked()[0].time, QueryTime::Instant(NOW));
}

#[test]
fn another_provider_is_asked_by_its_name() {
    let host = host().provider("thanos").instant("up", scalar(1.0));
    verdict(&json!({"query": "up", "provider": "thanos"}), &host);
    assert_eq!(host.asked()[0].provider, "thanos");
}

#[test]
fn facts_are_put_into_the_query() {
    let host = host().instant("up{hash=\"6d5f\"}", scalar(1.0));
    verdict(&json!({"query": "up{hash=\"$(canary-hash)\"}"}), &host);
    assert_eq!(host.asked().len(), 1);
}

#[test]
fn a_fact_that_is_absent_is_named() {
    let error = evaluate(&json!({"query": "up * $(weight)"}), &host()).unwrap_err();
    assert_eq!(
        error,
        PluginError::InvalidConfig("query: $(weight): there is no such fact here".to_owned())
    );
}

#[test]
fn warnings_are_told_once_each() {
    let answer = warned(warned(scalar(1.0), "partial"), "partial");
    let verdict = verdict(&json!({"query": "up"}), &host().instant("up", answer));
    assert_eq!(detail(&verdict, "warning"), Some("partial"));
    assert_eq!(verdict.outcome().measurement.details.len(), 1);
}

#[test]
fn no_answer_is_an_error_that_is_tried_again() {
    let errors = [
        QueryError::Denied("no grant".to_owned()),
        QueryError::BudgetExhausted,
        QueryError::TooLarge(300_000),
        QueryError::Timeout,
        QueryError::BadQuery("parse error".to_owned()),
        QueryError::Unavailable("503".to_owned()),
        QueryError::Other("odd".to_owned()),
    ];
    for error in errors {
        let answer = evaluate(&json!({"query": "up"}), &host().instant("up", error.clone()));
        assert_eq!(answer, Err(PluginError::Upstream(format!("query: {error}"))));
    }
}
