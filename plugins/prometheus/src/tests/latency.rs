//! Latencies.

use kulta_plugin_sdk::mock::{MockHost, matrix, scalar, vector};
use kulta_plugin_sdk::{PluginError, Value, Verdict};
use serde_json::{Value as Json, json};

use super::{detail, evaluate, host, verdict};

fn histogram() -> Json {
    json!({"latency": {"quantile": 0.99, "buckets": "buckets", "total": "total", "limitSeconds": 0.3}})
}

fn relative() -> Json {
    json!({"latency": {
        "query": "slow{h=\"$(canary-hash)\"}", "total": "total{h=\"$(canary-hash)\"}",
        "relativeToStable": {"factor": 1.5, "slackSeconds": 0.05},
    }})
}

fn answers(seconds: f64) -> MockHost {
    host()
        .instant("histogram_quantile(0.99, buckets\n)", vector(&[seconds]))
        .instant("total", scalar(1234.0))
}

fn sides(canary: f64, stable: f64) -> MockHost {
    host()
        .instant("slow{h=\"6d5f\"}", scalar(canary))
        .instant("slow{h=\"77aa\"}", scalar(stable))
        .instant("total{h=\"6d5f\"}", scalar(100.0))
        .instant("total{h=\"77aa\"}", scalar(1000.0))
}

#[test]
fn a_quantile_below_the_limit_passes() {
    let verdict = verdict(&histogram(), &answers(0.25));
    assert!(matches!(verdict, Verdict::Pass(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "p99 latency 250 ms of 1,234 requests, limit 300 ms"
    );
    assert_eq!(verdict.outcome().measurement.value, Value::Scalar(0.25));
}

#[test]
fn a_quantile_above_the_limit_fails() {
    let verdict = verdict(&histogram(), &answers(1.5));
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "p99 latency 1.5 s of 1,234 requests, limit 300 ms"
    );
}

#[test]
fn a_comment_at_the_end_of_a_query_hides_nothing() {
    let config = json!({"latency": {
        "quantile": 0.5, "buckets": "buckets # all", "total": "total", "limitSeconds": 1,
    }});
    let host = host()
        .instant("histogram_quantile(0.5, buckets # all\n)", scalar(0.5))
        .instant("total", scalar(100.0));
    assert!(matches!(verdict(&config, &host), Verdict::Pass(_)));
}

#[test]
fn a_latency_can_be_a_query_of_its_own() {
    let config = json!({"latency": {"query": "slow", "total": "total", "limitSeconds": 0.3}});
    let host = host()
        .instant("slow", scalar(0.3))
        .instant("total", scalar(100.0));
    let verdict = verdict(&config, &host);
    assert_eq!(verdict.summary(), "latency 300 ms of 100 requests, limit 300 ms");
    assert!(matches!(verdict, Verdict::Pass(_)), "{verdict:?}");
}

#[test]
fn too_few_requests_are_waited_for_and_nothing_more_is_asked() {
    let host = host().instant("total", scalar(7.0));
    let verdict = verdict(&histogram(), &host);
    assert!(matches!(verdict, Verdict::Running(_)), "{verdict:?}");
    assert_eq!(host.asked().len(), 1);
}

#[test]
fn a_latency_that_is_no_number_is_inconclusive_under_a_name() {
    let cases = [
        (f64::NAN, "NotANumber"),
        (f64::INFINITY, "Infinite"),
        (-1.0, "Negative"),
    ];
    for (seconds, name) in cases {
        let verdict = verdict(&histogram(), &answers(seconds));
        assert!(matches!(verdict, Verdict::Inconclusive(_)), "{verdict:?}");
        assert_eq!(detail(&verdict, "reason"), Some(name));
        assert_eq!(detail(&verdict, "query"), Some("buckets"));
    }
}

#[test]
fn a_histogram_without_data_is_inconclusive() {
    let host = host()
        .instant("histogram_quantile(0.99, buckets\n)", vector(&[]))
        .instant("total", scalar(500.0));
    let verdict = verdict(&histogram(), &host);
    assert!(matches!(verdict, Verdict::Inconclusive(_)), "{verdict:?}");
    assert_eq!(detail(&verdict, "reason"), Some("NoData"));
}

#[test]
fn a_range_vector_is_a_fault_of_the_configuration() {
    let host = host()
        .instant("histogram_quantile(0.99, buckets\n)", matrix(Vec::new()))
        .instant("total", scalar(500.0));
    let error = evaluate(&histogram(), &host).unwrap_err();
    assert!(
        matches!(&error, PluginError::InvalidConfig(why) if why.starts_with("latency.buckets: ")),
        "{error:?}"
    );
}

#[test]
fn a_latency_like_the_stable_versions_passes() {
    let verdict = verdict(&relative(), &sides(0.3, 0.2));
    assert!(matches!(verdict, Verdict::Pass(_)), "{verdict:?}");
    assert_eq!(
        verdict.summary(),
        "latency 300 ms of 100 requests, limit 350 ms (stable version: 200 ms)"
    );
}

#[test]
fn a_latency_much_above_the_stable_versions_fails() {
    assert!(matches!(
        verdict(&relative(), &sides(0.36, 0.2)),
        Verdict::Fail(_)
    ));
}

#[test]
fn the_stable_version_can_have_a_histogram_of_its_own() {
    let config = json!({"latency": {
        "quantile": 0.99, "buckets": "buckets", "total": "total",
        "relativeToStable": {"factor": 1, "buckets": "before", "total": "total_before"},
    }});
    let host = answers(0.2)
        .instant("histogram_quantile(0.99, before\n)", scalar(0.2))
        .instant("total_before", scalar(100.0));
    assert!(matches!(verdict(&config, &host), Verdict::Pass(_)));
}
