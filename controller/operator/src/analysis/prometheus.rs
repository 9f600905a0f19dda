//! What a Prometheus answers, as its HTTP API has it (`/api/v1/query`, `/api/v1/query_range`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use kulta_plugin_host::metrics::{Answer, Data, QueryError, Sample, Series};
use serde::Deserialize;

/// The body of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: Status,
    data: Option<Result_>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Result_ {
    Scalar(Point),
    String((f64, String)),
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
}

/// A time in seconds and a number as text.
#[derive(Deserialize)]
struct Point(f64, String);

#[derive(Deserialize)]
struct Instant {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Range {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

/// What `body` says.
///
/// # Errors
/// When it is an error, or no answer of a Prometheus.
pub(super) fn read(body: &[u8]) -> Result<Answer, QueryError> {
    let strange = |error: &dyn std::fmt::Display| {
        QueryError::Unavailable(format!("the answer is not one of a Prometheus: {error}"))
    };
    let body: Body = serde_json::from_slice(body).map_err(|error| strange(&error))?;
    if body.status == Status::Error {
        let message = format!("{}: {}", body.error_type, body.error);
        return Err(match body.error_type.as_str() {
            // Of an execution: what is wrong with a query shows only in the data, such as series that match twice.
            "bad_data" | "execution" => QueryError::BadQuery(message),
            "timeout" | "canceled" => QueryError::Timeout,
            _ => QueryError::Unavailable(message),
        });
    }
    let data = match body.data.ok_or_else(|| strange(&"it has no data"))? {
        Result_::Scalar(point) => {
            Data::Scalar(sample(&point).ok_or_else(|| strange(&"a value is no number"))?)
        }
        Result_::String((_, text)) => Data::Text(text),
        Result_::Vector(instants) => {
            let list = instants
                .into_iter()
                .map(|instant| series(instant.metric, &[instant.value]));
            Data::Vector(
                list.collect::<Option<_>>()
                    .ok_or_else(|| strange(&"a value is no number"))?,
            )
        }
        Result_::Matrix(ranges) => {
            let list = ranges
                .into_iter()
                .map(|range| series(range.metric, &range.values));
            Data::Matrix(
                list.collect::<Option<_>>()
                    .ok_or_else(|| strange(&"a value is no number"))?,
            )
        }
    };
    Ok(Answer {
        data,
        warnings: body.warnings,
    })
}

fn series(labels: BTreeMap<String, String>, points: &[Point]) -> Option<Series> {
    let samples = points.iter().map(sample).collect::<Option<_>>()?;
    Some(Series { labels, samples })
}

/// Rust reads the numbers of Go: `1e+06`, `NaN`, `+Inf`.
fn sample(Point(seconds, number): &Point) -> Option<Sample> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float of any size becomes one of the calendar, or None"
    )]
    let at = Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()?;
    let value = number.parse().ok()?;
    Some(Sample { at, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
    }

    #[test]
    fn a_vector_has_labels_and_values() {
        let body = vector(r#"[{"metric":{"pod":"a"},"value":[1700000000.781,"0.5"]}]"#);

        let answer = read(body.as_bytes()).unwrap();

        let Data::Vector(list) = answer.data else { panic!() };
        assert_eq!(list[0].labels["pod"], "a");
        assert!((list[0].samples[0].value - 0.5).abs() < f64::EPSILON);
        assert_eq!(
            list[0].samples[0].at,
            Timestamp::from_millisecond(1_700_000_000_781).unwrap()
        );
    }

    #[test]
    fn numbers_that_are_none_are_numbers() {
        for (text, is) in [
            ("NaN", f64::is_nan as fn(f64) -> bool),
            ("+Inf", f64::is_infinite),
            ("-Inf", f64::is_infinite),
        ] {
            let body = vector(&format!(r#"[{{"metric":{{}},"value":[1,"{text}"]}}]"#));
            let Data::Vector(list) = read(body.as_bytes()).unwrap().data else {
                panic!()
            };
            assert!(is(list[0].samples[0].value), "{text}");
        }
    }

    #[test]
    fn scalars_matrices_and_warnings_are_read() {
        let scalar =
            r#"{"status":"success","warnings":["partial"],"data":{"resultType":"scalar","result":[1,"2"]}}"#;
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"],[2,"3"]]}]}}"#;

        let scalar = read(scalar.as_bytes()).unwrap();
        let matrix = read(matrix.as_bytes()).unwrap();

        assert_eq!(scalar.warnings, ["partial"]);
        assert!(matches!(scalar.data, Data::Scalar(_)));
        assert!(matches!(matrix.data, Data::Matrix(list) if list[0].samples.len() == 2));
    }

    #[test]
    fn a_query_that_is_not_understood_is_told_in_the_words_of_prometheus() {
        let body = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}"#;

        let error = read(body.as_bytes()).unwrap_err();

        assert_eq!(
            error,
            QueryError::BadQuery("bad_data: parse error: unexpected end".to_owned())
        );
    }

    #[test]
    fn garbage_is_no_answer() {
        let garbage = [
            "",
            "<html>",
            "{}",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"many"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}}"#,
        ];
        for body in garbage {
            assert!(
                matches!(read(body.as_bytes()), Err(QueryError::Unavailable(_))),
                "{body}"
            );
        }
    }
}
