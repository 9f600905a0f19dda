//! Plugins that harm the compiler: small files that take it minutes and gigabytes.

use kulta_plugin_host::{InspectError, LoadError};

use crate::build::{conformance, core};
use crate::scene::refusal;

/// A good plugin with `bomb` beside it.
fn with(bomb: &str) -> Vec<u8> {
    core(&format!("{}\n{bomb}", conformance!("good")), "metric-analysis")
}

fn locals(count: usize) -> String {
    format!("(local {})", "i32 ".repeat(count))
}

/// `inside` within `depth` blocks that begin with `open`.
fn nested(open: &str, depth: usize, inside: &str) -> String {
    format!(
        "{}{inside}{}",
        format!("({open} ").repeat(depth),
        ")".repeat(depth)
    )
}

/// A hundred functions, each of which is as complex as it may be.
pub(crate) fn hidden_bomb() -> Vec<u8> {
    let variables = 980;
    let step =
        |from: usize, to: usize| format!("(local.set {to} (i32.add (local.get {from}) (i32.const 1)))");
    let steps = [
        step(0, 1),
        step(160, 2),
        step(320, 3),
        step(480, 4),
        step(640, 5),
        step(800, 6),
    ]
    .concat();
    let loops = nested(
        "loop",
        16,
        &format!("{steps} (br_if 0 (local.get 0)) (br_if 15 (local.get 1))"),
    );
    let function = format!("(func {} {})", locals(variables), loops.repeat(31));
    with(&function.repeat(100))
}

async fn refused(bomb: &str) -> InspectError {
    match refusal(&with(bomb)).await {
        LoadError::Inspect(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nested_loops_with_many_locals() {
    let error = refused(&format!("(func {} {})", locals(500), nested("loop", 500, ""))).await;
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
    let error = refused(&format!("(func {})", locals(20_000))).await;
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
    let error = refused(&format!("(func {} {})", locals(1_000), "(loop)".repeat(501))).await;
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
    let error = refused(&format!("(func {})", "(drop (i32.const 0))".repeat(100_000))).await;
    assert!(matches!(error, InspectError::BodyTooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn many_functions() {
    let error = refused(&"(func)".repeat(20_001)).await;
    assert!(matches!(error, InspectError::TooManyFunctions), "{error:?}");
}

#[tokio::test]
async fn deep_nesting() {
    let error = refused(&format!("(func {})", nested("block", 300, ""))).await;
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
