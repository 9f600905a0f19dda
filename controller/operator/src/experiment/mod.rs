//! The work on Experiments: their pods, Services and analyses, and what comes of them.
//!
//! Read [`engine`] first. Core decides what is to be done; here it is seen ([`observed`]), made ([`manifest`]) and written.

pub mod engine;
pub(crate) mod manifest;
mod observed;
#[cfg(test)]
mod tests;

pub use engine::ExperimentEngine;
