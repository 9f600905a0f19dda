//! The compiler's own process.

use std::time::Duration;

use kulta_plugin_host::{Host, LoadError, TrialError};

use crate::bombs::hidden_bomb;
use crate::build::{component, conformance};
use crate::scene::{load, refusal, trial};

#[tokio::test]
async fn a_compilation_that_takes_too_long_is_stopped() {
    let mut trial = trial();
    trial.time = Duration::ZERO;
    let host = Host::new(trial).unwrap();

    let error = load(&host, &component(conformance!("good")))
        .await
        .map(drop)
        .unwrap_err();

    assert!(
        matches!(error, LoadError::Trial(TrialError::TooSlow { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_compiler_that_can_not_be_started_is_a_fault_of_the_installation() {
    let mut trial = trial();
    trial.program = "/nonexistent/kulta".into();
    let host = Host::new(trial).unwrap();

    let error = load(&host, &component(conformance!("good")))
        .await
        .map(drop)
        .unwrap_err();

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
    let mut trial = trial();
    trial.time = Duration::from_secs(2);
    let host = Host::new(trial).unwrap();

    let error = load(&host, &hidden_bomb()).await.map(drop).unwrap_err();

    assert!(
        matches!(
            error,
            LoadError::Trial(TrialError::TooSlow { .. } | TrialError::Crashed { .. })
        ),
        "{error:?}"
    );
}
