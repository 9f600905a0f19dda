//! What counts as a panic in the controller's log.

use super::*;

const ORDINARY: &str = r#"{"level":"INFO","message":"decided","name":"shop"}"#;

#[test]
fn a_panic_is_found_in_rusts_own_words() {
    let log = format!("{ORDINARY}\nthread 'main' (7) panicked at src/main.rs:1:1:\n{ORDINARY}");
    assert_eq!(
        panic_in(&log),
        Some("thread 'main' (7) panicked at src/main.rs:1:1:")
    );
}

#[test]
fn a_reconcile_that_ended_early_is_found() {
    let line = r#"{"level":"ERROR","message":"reconcile ended early","rollout":"e2e-1/shop"}"#;
    assert_eq!(panic_in(&format!("{ORDINARY}\n{line}")), Some(line));
}

#[test]
fn what_a_plugin_says_of_its_own_panic_is_none_of_the_controller() {
    let line = r#"{"message":"panicked at src/lib.rs:7:9","target":"kulta_plugin_host::logbook"}"#;
    assert_eq!(panic_in(line), None);
}

#[test]
fn what_the_controller_tells_of_a_plugins_panic_is_none_of_its_own() {
    let line = r#"{"level":"INFO","message":"measured, or asked","words":"panicked at src/lib.rs:7:9"}"#;
    assert_eq!(panic_in(line), None);
}

#[test]
fn an_ordinary_log_has_no_panic() {
    assert_eq!(panic_in(ORDINARY), None);
}
