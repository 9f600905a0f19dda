//! Plugins that harm the compiler: small files that take it minutes and gigabytes.

use kulta_conformance::bombs::{self, locals, nested};
use kulta_plugin_host::{InspectError, LoadError};

use crate::build::core;
use crate::scene::refusal;

/// A good plugin with `bomb` beside it.
pub(crate) fn with(bomb: &str) -> Vec<u8> {
    bombs::with(bomb).unwrap()
}

async fn refused(bomb: &str) -> InspectError {
    match refusal(&with(bomb)).await {
        LoadError::Inspect(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nested_loops_with_many_locals() {
    let error = refused(&bombs::nested_loops()).await;
    assert!(
        matches!(
            error,
            InspectError::NestedTooDeep { .. } | InspectError::LoopsTooDeep { .. }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn seventeen_nested_loops() {
    let error = refused(&format!("(func {})", nested("loop", 17, ""))).await;
    assert!(matches!(error, InspectError::LoopsTooDeep { .. }), "{error:?}");
}

#[tokio::test]
async fn many_locals() {
    let error = refused(&bombs::many_locals()).await;
    assert!(
        matches!(error, InspectError::TooManyLocals { locals: 20_000, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn parameters_are_locals_too() {
    let error = refused(&format!("(func (param {}) {})", "i32 ".repeat(600), locals(401))).await;
    assert!(
        matches!(error, InspectError::TooManyLocals { locals: 1001, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn many_blocks_with_many_locals() {
    let error = refused(&bombs::many_blocks()).await;
    assert!(matches!(error, InspectError::TooComplex { .. }), "{error:?}");
}

#[tokio::test]
async fn many_branches_that_carry_many_values() {
    let bomb = format!(
        "(func (result {}) {} unreachable)",
        "i32 ".repeat(900),
        "(br 0)".repeat(600)
    );
    let error = refused(&bomb).await;
    assert!(matches!(error, InspectError::TooComplex { .. }), "{error:?}");
}

#[tokio::test]
async fn one_huge_function() {
    let error = refused(&bombs::one_huge_function()).await;
    assert!(matches!(error, InspectError::BodyTooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn many_functions() {
    let error = refused(&bombs::many_functions()).await;
    assert!(matches!(error, InspectError::TooManyFunctions), "{error:?}");
}

#[tokio::test]
async fn deep_nesting() {
    let error = refused(&bombs::deep_nesting()).await;
    assert!(matches!(error, InspectError::NestedTooDeep { .. }), "{error:?}");
}

#[tokio::test]
async fn too_much_memory_to_begin_with() {
    let module = core(
        concat!(
            "(memory (export \"memory\") 257) (func $realloc (export \"cabi_realloc\")",
            "(param i32 i32 i32 i32) (result i32) (i32.const 0))",
            include_str!("../../../../tests/conformance/plugins/good.wat")
        ),
        "metric-analysis",
    );
    let error = refusal(&module).await;
    assert!(
        matches!(
            error,
            LoadError::Inspect(InspectError::MemoryTooLarge {
                bytes: 16_842_752,
                limit: 16_777_216
            })
        ),
        "{error:?}"
    );
}
