//! Plugins that harm the compiler: small files that take it minutes and gigabytes. Each is a good plugin with a bomb
//! beside it.

use anyhow::Result;

use crate::{GOOD, METRIC_ANALYSIS, core};

/// A good plugin with `bomb` beside it.
///
/// # Errors
/// When the text is no part of a module.
pub fn with(bomb: &str) -> Result<Vec<u8>> {
    core(&format!("{GOOD}\n{bomb}"), METRIC_ANALYSIS)
}

/// The declaration of so many local variables.
#[must_use]
pub fn locals(count: usize) -> String {
    format!("(local {})", "i32 ".repeat(count))
}

/// `inside` within `depth` blocks that begin with `open`.
#[must_use]
pub fn nested(open: &str, depth: usize, inside: &str) -> String {
    format!(
        "{}{inside}{}",
        format!("({open} ").repeat(depth),
        ")".repeat(depth)
    )
}

/// A function with 500 loops in each other and 500 local variables.
#[must_use]
pub fn nested_loops() -> String {
    format!("(func {} {})", locals(500), nested("loop", 500, ""))
}

/// A function with 20,000 local variables.
#[must_use]
pub fn many_locals() -> String {
    format!("(func {})", locals(20_000))
}

/// A function with many blocks, each of which carries many variables.
#[must_use]
pub fn many_blocks() -> String {
    format!("(func {} {})", locals(1_000), "(loop)".repeat(501))
}

/// A function of 400,000 bytes.
#[must_use]
pub fn one_huge_function() -> String {
    format!("(func {})", "(drop (i32.const 0))".repeat(100_000))
}

/// More than 20,000 functions.
#[must_use]
pub fn many_functions() -> String {
    "(func)".repeat(20_001)
}

/// A function with 300 blocks in each other.
#[must_use]
pub fn deep_nesting() -> String {
    format!("(func {})", nested("block", 300, ""))
}

/// So many functions, each of which is as complex as it may be: only a trial tells it from a good plugin. A thousand take
/// a released compiler, too, more than the five seconds that it may compute.
#[must_use]
pub fn hidden(functions: usize) -> String {
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
    function.repeat(functions)
}
