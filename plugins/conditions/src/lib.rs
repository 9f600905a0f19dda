//! The conditions of metrics, evaluated as Argo Rollouts does: the language is Go's `expr`, and `result` is what was
//! measured.
//!
//! Conditions are users' code, and 500 bytes of it can ask for gigabytes. So all of this, from reading to evaluating,
//! runs as a plugin does, within a plugin's limits. The evaluating itself is done by the crate `expr-lang`; where that is
//! more lenient than Go, a broken condition would count as one that is false, and no failure would be seen: [`reader`]
//! and [`predicates`] close that.

mod functions;
mod kind;
mod plugin;
mod predicates;
mod reader;
mod token;
mod value;

#[cfg(test)]
mod tests;

use expr::{Context, Environment};
use thiserror::Error;

use crate::functions::environment;
use crate::reader::Readable;

pub use crate::plugin::{Conditions, Question};
pub use crate::value::Measured;

/// The texts of errors are no longer than this, in bytes.
const MESSAGE_BYTES: usize = 512;

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        let end = (0..=MESSAGE_BYTES.min(message.len()))
            .rev()
            .find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        Self(message)
    }
}

impl From<expr::Error> for Refusal {
    fn from(error: expr::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Whether a condition can be read, whatever is measured.
///
/// # Errors
/// When it can't: where, or what name it uses that there is not.
pub fn check(condition: &str) -> Result<(), Refusal> {
    let readable = Readable::read(condition, None)?;
    expr::compile(readable.text())?;
    Ok(())
}

/// Whether a condition is true of what was measured.
///
/// # Errors
/// When that can't be told: it can't be read, does not fit what was measured, or is neither true nor false.
pub fn evaluate(condition: &str, measured: &Measured) -> Result<bool, Refusal> {
    let result = measured.value()?;
    let readable = Readable::read(condition, Some(kind::Kind::of(measured, &result)))?;
    let program = expr::compile(readable.text())?;
    let environment: Environment<'_> = environment();
    let context = Context::from_iter([("result", result)]);
    match environment.run(&program, &context)? {
        expr::Value::Bool(answer) => Ok(answer),
        other => Err(Refusal::new(format!(
            "expected bool, but got {}",
            value::name_of(&other)
        ))),
    }
}
