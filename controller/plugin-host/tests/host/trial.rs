//! The compiler's own process.

use std::time::Duration;

use kulta_plugin_host::{Host, LoadError, Trial, TrialError};

use crate::bombs::hidden_bomb;
use crate::build::{component, conformance};
use crate::scene::{load, refusal, trial};

/// The error of loading a plugin with another trial than the usual one.
async fn refusal_by(change: impl FnOnce(&mut Trial), bytes: &[u8]) -> LoadError {
    let mut trial = trial();
    change(&mut trial);
    let host = Host::new(trial).unwrap();
    load(&host, bytes).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_compilation_that_takes_too_long_is_stopped() {
    let good = component(conformance!("good"));

    let error = refusal_by(|trial| trial.time = Duration::ZERO, &good).await;

    assert!(
        matches!(error, LoadError::Trial(TrialError::TooSlow { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_compiler_that_can_not_be_started_is_a_fault_of_the_installation() {
    let good = component(conformance!("good"));

    let error = refusal_by(|trial| trial.program = "/nonexistent/kulta".into(), &good).await;

    assert!(
        matches!(error, LoadError::Trial(TrialError::Start { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn code_with_wrong_types_is_refused_by_the_compiler() {
    let module = wat::parse_str("(module (func (result i32) i64.const 0))").unwrap();
    let error = refusal(&module).await;
    assert!(
        matches!(error, LoadError::Trial(TrialError::Refused { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_bomb_within_the_limits_of_shape_is_stopped_by_the_trial() {
    let error = refusal_by(|trial| trial.time = Duration::from_secs(2), &hidden_bomb()).await;

    assert!(
        matches!(
            error,
            LoadError::Trial(TrialError::TooSlow { .. } | TrialError::Crashed { .. })
        ),
        "{error:?}"
    );
}
