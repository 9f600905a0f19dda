//! Plugins that do harm when they are called.

use std::sync::Arc;

use kulta_core::analysis::verdict::Value;
use kulta_plugin_host::{CallError, InvalidAnswer, LoadError, Plugin, PluginError};

use crate::build::{component, conformance};
use crate::scene::{Counting, Silent, harm, host, plugin, refusal, request, value};

#[tokio::test]
async fn an_infinite_loop_uses_up_its_fuel() {
    let error = harm(conformance!("infinite-loop")).await;
    assert!(
        matches!(error, CallError::FuelExhausted { limit: 200_000_000 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn instructions_that_take_long_cost_what_they_take() {
    let error = harm(conformance!("memory-fill-loop")).await;
    assert!(matches!(error, CallError::FuelExhausted { .. }), "{error:?}");
}

#[tokio::test]
async fn an_infinite_loop_at_instantiation_uses_up_its_fuel() {
    let error = refusal(&component(conformance!("loop-in-start"))).await;
    assert!(
        matches!(
            error,
            LoadError::Describe(CallError::FuelExhausted { limit: 20_000_000 })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_allocation_bomb_is_stopped_at_its_limit() {
    let error = harm(conformance!("allocation-bomb")).await;
    assert!(
        matches!(
            error,
            CallError::MemoryExceeded {
                limit: 16_777_216,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_deep_recursion_uses_up_its_stack() {
    let error = harm(conformance!("deep-recursion")).await;
    assert!(matches!(error, CallError::StackExhausted), "{error:?}");
}

#[tokio::test]
async fn a_giant_summary_is_not_copied() {
    let error = harm(conformance!("giant-summary")).await;
    assert!(
        matches!(error, CallError::OutgoingExceeded { limit: 65_536 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_giant_list_is_not_copied() {
    let error = harm(conformance!("giant-list")).await;
    assert!(
        matches!(error, CallError::Crashed(_) | CallError::OutgoingExceeded { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn too_many_values_are_an_invalid_answer() {
    let error = harm(conformance!("too-many-values")).await;
    assert!(
        matches!(
            error,
            CallError::InvalidAnswer(InvalidAnswer::TooManyValues { count: 1001 })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_giant_state_is_an_invalid_answer() {
    let error = harm(conformance!("giant-state")).await;
    let too_large = matches!(
        error,
        CallError::InvalidAnswer(InvalidAnswer::StateTooLarge { bytes: 8193, .. })
    );
    assert!(too_large, "{error:?}");
}

#[tokio::test]
async fn json_that_is_none_is_an_invalid_answer() {
    let error = harm(conformance!("bad-json")).await;
    assert!(
        matches!(error, CallError::InvalidAnswer(InvalidAnswer::NotJson(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_a_crash() {
    let error = harm(conformance!("bad-text")).await;
    assert!(matches!(error, CallError::Crashed(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_beyond_the_memory_is_a_crash() {
    let error = harm(conformance!("bad-pointer")).await;
    assert!(matches!(error, CallError::Crashed(_)), "{error:?}");
}

#[tokio::test]
async fn a_panic_is_a_crash_with_its_message_and_place() {
    let error = harm(conformance!("panic")).await;

    let CallError::Crashed(crash) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        crash.message.as_deref(),
        Some("panicked at src/lib.rs:7:9: index out of bounds")
    );
    assert!(crash.reason.contains("unreachable"), "{crash:?}");
    assert!(crash.frames[0].ends_with("begin_panic"), "{crash:?}");
}

#[tokio::test]
async fn a_plugins_own_error_is_told_in_its_words() {
    let error = harm(conformance!("plugin-error")).await;

    let CallError::Plugin(told) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        *told,
        PluginError::InvalidConfig("limit: not a number".to_owned())
    );
    assert!(error.is_final());
}

#[tokio::test]
async fn endless_calls_of_the_host_are_stopped() {
    let error = harm(conformance!("host-call-loop")).await;
    assert!(matches!(error, CallError::HostCallsExhausted), "{error:?}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped_and_counted() {
    let host = host();
    let finished = plugin(&host, conformance!("log-flood"))
        .await
        .evaluate(request())
        .await;

    assert!(finished.result.is_ok(), "{finished:?}");
    assert_eq!(finished.report.dropped_lines, 4_900);
}

#[tokio::test]
async fn nan_is_a_value_of_one_form() {
    let Value::Scalar(number) = value(conformance!("not-a-number"), request()).await else {
        panic!("no number")
    };
    assert_eq!(number.to_bits(), f64::NAN.to_bits());
}

#[tokio::test]
async fn infinity_is_a_value() {
    assert_eq!(
        value(conformance!("infinite-value"), request()).await,
        Value::Scalar(f64::NEG_INFINITY)
    );
}

#[tokio::test]
async fn a_provider_that_was_not_granted_is_denied_without_being_asked() {
    let provider = Arc::new(Counting::default());
    let mut request = request();
    request.metrics = provider.clone();

    let denied = value(conformance!("ask-other-provider"), request).await;

    assert_eq!(
        denied,
        Value::Scalar(0.0),
        "`denied` is the first case of query-error"
    );
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn a_thousand_queries_reach_the_provider_eight_times() {
    let provider = Arc::new(Counting::default());
    let mut request = request();
    request.metrics = provider.clone();

    let answered = value(conformance!("thousand-queries"), request).await;

    assert_eq!(answered, Value::Scalar(8.0));
    assert_eq!(provider.asked(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_ends_the_call_in_time() {
    let asking = plugin_that_asks().await;
    let mut request = request();
    request.metrics = Arc::new(Silent);

    let error = asking.evaluate(request).await.result.unwrap_err().cause;

    assert!(
        matches!(error, CallError::Timeout { limit } if limit.as_secs() == 10),
        "{error:?}"
    );
}

/// Loaded with the clock running: a paused one skips the time that the trial takes.
async fn plugin_that_asks() -> Plugin {
    tokio::time::resume();
    let plugin = plugin(&host(), conformance!("thousand-queries")).await;
    tokio::time::pause();
    plugin
}
