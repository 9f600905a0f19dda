//! Analysis: when to measure, and what the measurements mean together.
//!
//! An analysis is a list of [`metric::Metric`]s and the [`run::RunStatus`] that remembers their results. [`due()`] says
//! what to measure now; whoever measures hands what came of it to [`advance`], which answers with the new status and
//! the time to look again. The folding of measurements is that of Argo Rollouts (`analysis/analysis.go`).

mod advance;
mod bounds;
pub mod condition;
mod due;
pub mod finding;
pub mod gate;
pub mod metric;
pub mod run;
#[cfg(test)]
mod tests;
pub mod time_to_live;
pub mod verdict;

pub use advance::{Progress, Taken, advance};
pub use bounds::too_large;
pub use due::due;
