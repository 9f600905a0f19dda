//! Cases as people write them, right and wrong.

use kulta_core::text::with_causes;

use super::*;

/// The cases of a text, or what is wrong with it.
fn parse(text: &str) -> Result<Vec<Case>, String> {
    super::parse(Path::new("cases.yaml"), text).map_err(|error| match error {
        CaseError::Case { problem, .. } => problem.to_string(),
        error => with_causes(&error),
    })
}

fn case(text: &str) -> Case {
    parse(text).unwrap().remove(0)
}

fn refusal(fields: &str) -> String {
    parse(&format!("name: one\n{fields}")).unwrap_err()
}

#[test]
fn what_is_left_out_has_a_default() {
    let case = case("{name: one, expect: {verdict: pass}}");

    assert_eq!(case.question.config, "{}");
    assert_eq!(case.question.now.to_string(), "2026-01-05T12:00:00Z");
    assert_eq!(case.question.subject.started_at, case.question.now);
    assert_eq!(case.question.limits, Limits::default());
    assert!(case.question.step.is_none() && case.queries.is_empty() && case.expect.value.is_none());
}

#[test]
fn a_file_may_have_several_cases() {
    let cases = parse("{name: one, expect: {verdict: pass}}\n---\n{name: two, expect: {verdict: fail}}\n");

    let names: Vec<_> = cases.unwrap().into_iter().map(|case| case.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn everything_that_an_answer_may_depend_on_can_be_written() {
    let case = case(
        r"
name: all
now: 2026-07-01T12:00:00Z
config: {limit: 0.5, nested: {list: [1, two]}}
subject: {namespace: shop, name: web, metric: errors, startedAt: 2026-07-01T11:00:00Z, facts: {canary-hash: 6d5f}}
state: AQc=
previous: [{at: 2026-07-01T11:59:00Z, phase: inconclusive, value: {scalar: .nan}, summary: odd, details: {unit: s}}]
queries:
  - {provider: thanos, instant: up, at: 2026-07-01T12:00:00Z, answer: {vector: [{labels: {pod: a}, value: 1}]}, warnings: [partial]}
  - {range: up, answer: {matrix: [{values: [1, 2]}]}}
  - {instant: down, error: {tooLarge: 300000}}
limits: {fuel: 7}
expect: {verdict: measured, value: {vector: [1, .inf]}, summary: a, details: {b: c}, state: AQg=, retryAt: 2026-07-01T12:05:00Z}
",
    );

    assert_eq!(
        case.question.config,
        r#"{"limit":0.5,"nested":{"list":[1,"two"]}}"#
    );
    assert_eq!(case.question.subject.facts["canary-hash"], "6d5f");
    assert_eq!(case.question.state, Some(vec![1, 7]));
    assert!(matches!(case.question.previous[0].reading.value, Value::Scalar(number) if number.is_nan()));
    assert_eq!(case.queries[0].provider, "thanos");
    assert_eq!(case.queries[0].reply.as_ref().unwrap().warnings, ["partial"]);
    assert_eq!(case.queries[1].provider, "prometheus");
    assert_eq!(
        case.queries[2].reply.as_ref().unwrap_err(),
        &QueryError::TooLarge { bytes: 300_000 }
    );
    assert_eq!(
        case.question
            .limits
            .amount(kulta_plugin_host::limits::Limit::Fuel),
        7
    );
    assert_eq!(case.expect.value, Some(Value::Vector(vec![1.0, f64::INFINITY])));
    assert_eq!(case.expect.state, Some(vec![1, 8]));
}

#[test]
fn a_step_makes_it_a_case_of_a_gate() {
    let case = case("{name: one, step: {from: 50, to: 100, last: true}, expect: {verdict: allow}}");

    assert_eq!(
        case.question.step,
        Some(NextStep {
            from_weight: 50,
            to_weight: 100,
            is_last: true
        })
    );
}

#[test]
fn a_field_that_nobody_knows_is_refused_with_its_line() {
    let refused = refusal("expect: {verdict: pass}\nqueries:\n  - {instant: up, anwser: {scalar: 1}}");

    assert!(refused.contains("anwser") && refused.contains('4'), "{refused}");
}

#[test]
fn a_verdict_belongs_to_a_metric_or_to_a_gate() {
    assert_eq!(
        refusal("expect: {verdict: hold}"),
        "expect.verdict: hold is no answer of a metric: add the `step` that a gate is asked about, such as {from: 10, \
         to: 50}"
    );
    assert_eq!(
        refusal("step: {from: 1, to: 2}\nexpect: {verdict: pass}"),
        "expect.verdict: pass is no answer of a gate: it has allow, hold, deny and error; only gates are asked about a \
         `step`"
    );
}

#[test]
fn a_query_is_of_one_kind_and_has_one_answer() {
    let query = |fields: &str| refusal(&format!("queries: [{{{fields}}}]\nexpect: {{verdict: pass}}"));

    let neither = "queries[0]: write either `instant` or `range`";
    assert_eq!(query("answer: {scalar: 1}"), neither);
    assert_eq!(query("instant: a, range: a, answer: {scalar: 1}"), neither);
    let unanswered = "queries[0]: write either `answer` or `error`";
    assert_eq!(query("instant: a"), unanswered);
    assert_eq!(
        query("instant: a, answer: {scalar: 1}, error: timeout"),
        unanswered
    );
    assert_eq!(
        query("instant: a, answer: {matrix: []}"),
        "queries[0].answer: an instant query is answered with scalar, vector or text"
    );
    assert_eq!(
        query("range: a, answer: {scalar: 1}"),
        "queries[0].answer: a range query is answered with matrix"
    );
    assert_eq!(
        query("range: a, at: 2026-07-01T12:00:00Z, answer: {matrix: []}"),
        "queries[0].at: only instant queries have one, take it away"
    );
    assert_eq!(
        query("instant: a, error: timeout, warnings: [partial]"),
        "queries[0].warnings: only answers have one, take it away"
    );
}

#[test]
fn an_error_has_no_value() {
    assert_eq!(
        refusal("expect: {verdict: error, value: none}"),
        "expect.value: only answers have one, take it away"
    );
}

#[test]
fn a_state_is_base64() {
    assert_eq!(
        refusal("state: '!'\nexpect: {verdict: pass}"),
        "state: no base64: write it as the status of an AnalysisRun has it"
    );
}

#[test]
fn a_limit_is_one_of_the_operators() {
    let refused = refusal("limits: {feul: 7}\nexpect: {verdict: pass}");
    assert!(
        refused.starts_with("limits.feul: there is none of that name, only memoryBytes, fuel,"),
        "{refused}"
    );

    assert_eq!(
        refusal("limits: {queries: 21}\nexpect: {verdict: pass}"),
        "limits.queries is 21: set it to 1 at least and 20 at most"
    );
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let refused = with_causes(&read(Path::new("/there/is/no/case.yaml")).unwrap_err());
    assert!(
        refused.starts_with("can't read /there/is/no/case.yaml: "),
        "{refused}"
    );
}

#[test]
fn a_folder_without_cases_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");

    let refused = with_causes(&read(&folder).unwrap_err());

    assert!(refused.contains("src has no cases: write some"), "{refused}");
}
