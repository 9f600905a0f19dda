//! The compiler's own process.

use std::time::Duration;

use kulta_conformance::bombs;
use kulta_plugin_host::{Host, LoadError, Trial, TrialError};

use crate::bombs::with;
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
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_compiler_that_can_not_be_started_is_a_fault_of_the_installation() {
    let good = component(conformance!("good"));

    let error = refusal_by(|trial| trial.program = "/nonexistent/kulta".into(), &good).await;

    assert!(
        matches!(error, LoadError::Trial(TrialError::Start { .. })),
        "{error:?}"
    );
    assert!(!error.is_passing());
}

#[tokio::test]
async fn code_with_wrong_types_is_refused_by_the_compiler() {
    let module = wat::parse_str("(module (func (result i32) i64.const 0))").unwrap();
    let error = refusal(&module).await;
    assert!(
        matches!(error, LoadError::Trial(TrialError::Refused { .. })),
        "{error:?}"
    );
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_bomb_within_the_limits_of_shape_is_stopped_by_the_trial() {
    let error = refusal_by(
        |trial| trial.time = Duration::from_secs(2),
        &with(&bombs::hidden(500)),
    )
    .await;

    assert!(
        matches!(
            error,
            LoadError::Trial(TrialError::TooSlow { .. } | TrialError::Crashed { .. })
        ),
        "{error:?}"
    );
}

/// The error of a trial whose process does what `script` says.
async fn refusal_of(script: &str) -> LoadError {
    let by_shell = |trial: &mut Trial| {
        trial.program = "/bin/sh".into();
        trial.arguments = vec!["-c".into(), script.into()];
    };
    refusal_by(by_shell, &component(conformance!("good"))).await
}

#[tokio::test]
async fn a_compiler_that_computes_too_long_is_at_fault_however_busy_the_machine_is() {
    let error = refusal_of("kill -XCPU $$").await;

    assert!(
        matches!(error, LoadError::Trial(TrialError::TooMuchWork)),
        "{error:?}"
    );
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_compiler_that_is_killed_or_gets_nothing_to_work_with_is_at_no_fault() {
    for script in ["kill -KILL $$", "echo no thread >&2; exit 75"] {
        let error = refusal_of(script).await;

        assert!(
            matches!(error, LoadError::Trial(TrialError::NotHeld { .. })),
            "{error:?}"
        );
        assert!(error.is_passing());
    }
}

#[tokio::test]
async fn a_compiler_that_ends_itself_for_want_of_memory_is_at_fault() {
    let error = refusal_of("kill -ABRT $$").await;

    assert!(
        matches!(error, LoadError::Trial(TrialError::Crashed { .. })),
        "{error:?}"
    );
    assert!(!error.is_passing());
}

/// The limit of computing, and no clock, ends it: the clock has a minute here.
#[tokio::test]
async fn a_bomb_ends_by_what_it_computes_or_wants_of_memory() {
    let error = refusal_by(|_| (), &with(&bombs::hidden(1000))).await;

    assert!(
        matches!(
            error,
            LoadError::Trial(TrialError::TooMuchWork | TrialError::Crashed { .. })
        ),
        "{error:?}"
    );
    assert!(!error.is_passing());
}
