//! Error rates, with every shape of a bad answer.

use kulta_plugin_sdk::mock::{MockHost, matrix, scalar, text, vector, warned};
use kulta_plugin_sdk::{Answer, PluginError, QueryError, Value, Verdict};
use serde_json::{Value as Json, json};

use super::{NOW, detail, evaluate, host, verdict};

fn absolute() -> Json {
    json!({"errorRate": {"bad": "bad", "total": "total", "limit": 0.01}})
}

fn relative() -> Json {
    json!({"errorRate": {
        "bad": "bad{h=\"$(canary-hash)\"}",
        "total": "total{h=\"$(canary-hash)\"}",
        "relativeToStable": {"factor": 2, "slack": 0.001},
    }})
}

fn both() -> Json {
    let mut config = relative();
    config["errorRate"]["limit"] = json!(0.05);
    config
}

fn answers(bad: f64, total: f64) -> MockHost {
    host()
        .instant("bad", vector(&[bad]))
        .instant("total", vector(&[total]))
}

fn sides(canary: (f64, f64), stable: (f64, f64)) -> MockHost {
    host()
        .instant("bad{h=\"6d5f\"}", scalar(canary.0))
        .instant("total{h=\"6d5f\"}", scalar(canary.1))
        .instant("bad{h=\"77aa\"}", scalar(stable.0))
        .instant("total{h=\"77aa\"}", scalar(stable.1))
}

fn is_pass(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Pass(_))
}

fn is_fail(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Fail(_))
}

#[test]
fn below_the_limit_it_passes() {
    let verdict = verdict(&absolute(), &answers(6.0, 1234.0));
    assert!(is_pass(&verdict));
    assert_eq!(
        verdict.summary(),
        "error rate 0.486 % of 1,234 requests, limit 1 %"
    );
}

#[test]
fn at_the_limit_it_passes() {
    assert!(is_pass(&verdict(&absolute(), &answers(1.0, 100.0))));
}

#[test]
fn above_the_limit_it_fails() {
    let verdict = verdict(&absolute(), &answers(64.0, 1234.0));
    assert!(is_fail(&verdict));
    assert_eq!(
        verdict.summary(),
        "error rate 5.186 % of 1,234 requests, limit 1 %"
    );
    assert_eq!(verdict.outcome().measurement.value, Value::Scalar(64.0 / 1234.0));
}

#[test]
fn scalars_are_as_good_as_vectors() {
    let host = host().instant("bad", scalar(0.0)).instant("total", scalar(100.0));
    assert!(is_pass(&verdict(&absolute(), &host)));
}

#[test]
fn too_few_requests_are_waited_for() {
    let verdict = verdict(&absolute(), &answers(0.0, 99.9));
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert_eq!(verdict.summary(), "99 of 100 requests needed");
    assert_eq!(detail(&verdict, "reason"), Some("TooFewRequests"));
    assert!(verdict.outcome().retry_at.is_some_and(|at| at > NOW));
}

#[test]
fn too_few_requests_do_not_fail_either() {
    let verdict = verdict(&absolute(), &answers(9.0, 9.0));
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
}

#[test]
fn the_minimum_of_requests_is_the_users() {
    let mut config = absolute();
    config["errorRate"]["minimumRequests"] = json!(5);
    assert!(is_fail(&verdict(&config, &answers(5.0, 5.0))));
}

#[test]
fn no_requests_at_all_are_too_few() {
    let host = host().instant("total", vector(&[]));
    let verdict = verdict(&absolute(), &host);
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert_eq!(verdict.summary(), "0 of 100 requests needed");
}

#[test]
fn a_total_that_is_no_number_is_inconclusive_under_a_name() {
    let cases: [(Answer, &str); 4] = [
        (vector(&[f64::NAN]), "NotANumber"),
        (scalar(f64::INFINITY), "Infinite"),
        (vector(&[-1.0]), "Negative"),
        (vector(&[1.0, 2.0]), "Ambiguous"),
    ];
    for (answer, name) in cases {
        let verdict = verdict(&absolute(), &host().instant("total", answer));
        assert!(matches!(verdict, Verdict::Inconclusive(_)), "{verdict:?}");
        assert_eq!(detail(&verdict, "reason"), Some(name));
        assert_eq!(detail(&verdict, "query"), Some("total"));
    }
}

#[test]
fn a_count_of_errors_that_is_no_number_is_inconclusive_under_a_name() {
    let cases: [(Answer, &str); 6] = [
        (vector(&[]), "NoData"),
        (scalar(f64::NAN), "NotANumber"),
        (vector(&[f64::INFINITY]), "Infinite"),
        (vector(&[f64::NEG_INFINITY]), "Infinite"),
        (scalar(-0.5), "Negative"),
        (vector(&[0.0, 0.0]), "Ambiguous"),
    ];
    for (answer, name) in cases {
        let host = host().instant("total", scalar(500.0)).instant("bad", answer);
        let verdict = verdict(&absolute(), &host);
        assert!(matches!(verdict, Verdict::Inconclusive(_)), "{verdict:?}");
        assert_eq!(detail(&verdict, "reason"), Some(name));
        assert_eq!(detail(&verdict, "query"), Some("bad"));
    }
}

#[test]
fn no_data_of_errors_says_what_to_write() {
    let host = host().instant("total", scalar(500.0)).instant("bad", vector(&[]));
    assert_eq!(
        verdict(&absolute(), &host).summary(),
        "error rate: bad: no data (where that means 0, write `or vector(0)`)"
    );
}

#[test]
fn other_kinds_of_answers_are_faults_of_the_configuration() {
    for answer in [matrix(Vec::new()), text("many")] {
        let host = host().instant("total", answer);
        let error = evaluate(&absolute(), &host).unwrap_err();
        assert_eq!(
            error,
            PluginError::InvalidConfig(
                "errorRate.total: the answer is neither a scalar nor an instant vector".to_owned()
            )
        );
    }
}

#[test]
fn more_errors_than_requests_are_all_of_them() {
    let verdict = verdict(&absolute(), &answers(101.5, 100.0));
    assert!(is_fail(&verdict));
    assert_eq!(verdict.summary(), "error rate 100 % of 100 requests, limit 1 %");
}

#[test]
fn no_answer_is_an_error_that_names_the_query() {
    let host = host().instant("total", QueryError::Timeout);
    assert_eq!(
        evaluate(&absolute(), &host),
        Err(PluginError::Upstream(
            "errorRate.total: no answer in time".to_owned()
        ))
    );
}

#[test]
fn warnings_of_every_query_are_told() {
    let host = host()
        .instant("total", warned(scalar(500.0), "first"))
        .instant("bad", warned(scalar(0.0), "second"));
    let verdict = verdict(&absolute(), &host);
    let details = &verdict.outcome().measurement.details;
    let told: Vec<&str> = details.iter().map(|detail| detail.value.as_str()).collect();
    assert_eq!(told, ["first", "second"]);
}

#[test]
fn a_rate_like_the_stable_versions_passes() {
    let verdict = verdict(&relative(), &sides((2.0, 100.0), (10.0, 1000.0)));
    assert!(is_pass(&verdict));
    assert_eq!(
        verdict.summary(),
        "error rate 2 % of 100 requests, limit 2.1 % (stable version: 1 %)"
    );
}

#[test]
fn a_rate_much_above_the_stable_versions_fails() {
    let verdict = verdict(&relative(), &sides((3.0, 100.0), (10.0, 1000.0)));
    assert!(is_fail(&verdict));
    assert_eq!(detail(&verdict, "stable"), Some("1 %"));
    assert_eq!(detail(&verdict, "stableRequests"), Some("1,000"));
}

#[test]
fn a_stable_version_without_errors_leaves_the_slack() {
    assert!(is_pass(&verdict(
        &relative(),
        &sides((1.0, 1000.0), (0.0, 1000.0))
    )));
    assert!(is_fail(&verdict(
        &relative(),
        &sides((2.0, 1000.0), (0.0, 1000.0))
    )));
}

#[test]
fn a_stable_version_of_too_few_requests_is_waited_for() {
    let verdict = verdict(&relative(), &sides((0.0, 100.0), (0.0, 99.0)));
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "error rate 0 % of 100 requests; stable version: 99 of 100 requests needed"
    );
}

#[test]
fn a_stable_version_that_is_no_number_is_inconclusive() {
    let verdict = verdict(&relative(), &sides((0.0, 100.0), (f64::NAN, 1000.0)));
    assert!(matches!(verdict, Verdict::Inconclusive(_)), "{verdict:?}");
    assert_eq!(verdict.outcome().measurement.value, Value::Scalar(0.0));
    assert_eq!(detail(&verdict, "reason"), Some("NotANumber"));
}

#[test]
fn of_two_limits_both_must_hold() {
    assert!(is_fail(&verdict(&both(), &sides((3.0, 100.0), (10.0, 1000.0)))));
    assert!(is_pass(&verdict(&both(), &sides((4.0, 100.0), (30.0, 1000.0)))));
    assert!(is_fail(&verdict(&both(), &sides((6.0, 100.0), (500.0, 1000.0)))));
}

#[test]
fn an_absolute_limit_that_is_broken_needs_no_stable_version() {
    let host = host()
        .instant("bad{h=\"6d5f\"}", scalar(6.0))
        .instant("total{h=\"6d5f\"}", scalar(100.0));
    assert!(is_fail(&verdict(&both(), &host)));
}

#[test]
fn the_stable_version_can_have_queries_of_its_own() {
    let config = json!({"errorRate": {
        "bad": "bad", "total": "total",
        "relativeToStable": {"factor": 1, "bad": "bad_before", "total": "total_before"},
    }});
    let host = answers(1.0, 100.0)
        .instant("bad_before", scalar(1.0))
        .instant("total_before", scalar(100.0));
    assert!(is_pass(&verdict(&config, &host)));
}
