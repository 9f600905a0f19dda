//! What a plugin is handed, and what is made of its answers.

use kulta_core::analysis::verdict::{Decision, NextStep, Past, PastPhase, Reading, Value};
use kulta_plugin_host::limits::{Limit, Limits};
use kulta_plugin_host::{CallError, World};

use crate::build::{conformance, core, encoded};
use crate::scene::{host, load, measured, now, plugin, request, value};

fn to_weight(to_weight: u32) -> NextStep {
    NextStep {
        from_weight: 0,
        to_weight,
        is_last: false,
    }
}

#[tokio::test]
async fn what_is_handed_in_comes_back() {
    let mut request = request();
    request.config = r#"{"limit":0.01}"#.to_owned();
    request.state = Some(vec![1, 2, 3]);

    let outcome = measured(conformance!("echo"), request).await;

    assert_eq!(outcome.reading.value, Value::Text(r#"{"limit":0.01}"#.to_owned()));
    assert_eq!(outcome.reading.summary, "web");
    assert_eq!(outcome.next_state, Some(vec![1, 2, 3]));
    assert_eq!(outcome.retry_at, Some("2026-07-01T12:01:00Z".parse().unwrap()));
}

#[tokio::test]
async fn the_same_call_twice_is_the_same_to_the_last_instruction() {
    let host = host();
    let plugin = plugin(&host, conformance!("echo")).await;

    let first = plugin.evaluate(request()).await;
    let second = plugin.evaluate(request()).await;

    assert_eq!(first.result.unwrap(), second.result.unwrap());
    assert_eq!(first.report.fuel, second.report.fuel);
}

#[tokio::test]
async fn at_most_a_hundred_earlier_calls_are_told() {
    let past = Past {
        at: now(),
        phase: PastPhase::Pass,
        reading: Reading::default(),
    };
    let mut request = request();
    request.previous = vec![past; 150];

    assert_eq!(
        value(conformance!("count-history"), request).await,
        Value::Scalar(100.0)
    );
}

#[tokio::test]
async fn a_call_tells_what_it_has_used() {
    let host = host();
    let report = plugin(&host, conformance!("thousand-queries"))
        .await
        .evaluate(request())
        .await
        .report;

    assert!(report.fuel > 1_000, "{report:?}");
    assert!(report.memory_bytes >= 128 << 10, "{report:?}");
    assert_eq!(report.queries, 8);
}

#[tokio::test]
async fn a_gate_decides_by_the_step() {
    let host = host();
    let gate = load(&host, &encoded(&core(conformance!("gate"), "promotion-gate")))
        .await
        .unwrap();

    let small = gate.decide(request(), to_weight(50)).await.result.unwrap();
    let large = gate.decide(request(), to_weight(51)).await.result.unwrap();

    assert!(matches!(small, Decision::Allow(_)), "{small:?}");
    assert!(matches!(large, Decision::Hold(_)), "{large:?}");
}

#[tokio::test]
async fn a_gate_does_not_measure() {
    let host = host();
    let gate = load(&host, &encoded(&core(conformance!("gate"), "promotion-gate")))
        .await
        .unwrap();

    let error = gate.evaluate(request()).await.result.unwrap_err();

    assert!(
        matches!(
            error.cause,
            CallError::MissingWorld {
                missing: World::MetricAnalysis
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_metric_does_not_decide() {
    let host = host();
    let metric = plugin(&host, conformance!("good")).await;

    let error = metric.decide(request(), to_weight(10)).await.result.unwrap_err();

    assert!(
        matches!(
            error.cause,
            CallError::MissingWorld {
                missing: World::PromotionGate
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn one_plugin_can_do_both() {
    let host = host();
    let source = concat!(conformance!("good"), conformance!("gate"));
    let both = load(&host, &encoded(&core(source, "both"))).await.unwrap();

    assert_eq!(
        both.worlds(),
        [World::MetricAnalysis, World::PromotionGate].into()
    );
    assert!(both.evaluate(request()).await.result.is_ok());
    assert!(both.decide(request(), to_weight(10)).await.result.is_ok());
}

#[tokio::test]
async fn a_configuration_can_be_checked() {
    let host = host();
    let checked = plugin(&host, conformance!("good"))
        .await
        .check_config("shop", "{}", now(), &Limits::default())
        .await;
    assert!(checked.result.is_ok(), "{checked:?}");
}

#[tokio::test]
async fn a_configuration_that_is_too_long_is_not_handed_in() {
    let host = host();
    let mut request = request();
    request.config = " ".repeat((32 << 10) + 1);

    let error = plugin(&host, conformance!("good"))
        .await
        .evaluate(request)
        .await
        .result
        .unwrap_err();

    assert!(
        matches!(error.cause, CallError::ConfigTooLarge { bytes: 32_769 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_limit_that_was_set_holds() {
    let host = host();
    let mut request = request();
    request.limits = Limits::default().with(Limit::Queries, 3).unwrap();

    let report = plugin(&host, conformance!("thousand-queries"))
        .await
        .evaluate(request)
        .await
        .report;

    assert_eq!(report.queries, 3);
}

#[tokio::test]
async fn a_failure_names_the_plugin_and_its_bytes() {
    let host = host();
    let bad = plugin(&host, conformance!("infinite-loop")).await;

    let failure = bad.evaluate(request()).await.result.unwrap_err();

    let digest = bad.identity().digest.short();
    assert_eq!(failure.to_string(), format!("plugin test 0.1.0 ({digest})"));
}

#[tokio::test]
async fn calls_can_be_made_on_any_thread() {
    let host = host();
    let good = plugin(&host, conformance!("good")).await;

    let finished = tokio::spawn(async move { good.evaluate(request()).await })
        .await
        .unwrap();

    assert!(finished.result.is_ok(), "{finished:?}");
}
