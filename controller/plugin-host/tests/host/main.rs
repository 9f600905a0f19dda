//! The host against plugins, most of which mean harm: `tests/conformance/plugins`.
#![cfg(test)]

mod bombs;
mod build;
mod calls;
mod conditions;
mod fuzz;
mod hostile;
mod interface;
mod loading;
mod scene;
mod schedule;
mod schemas;
mod shares;
mod trial;
