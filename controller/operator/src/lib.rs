//! The `kulta` binary: observe, decide, apply, report.
//!
//! Read [`reconcile`] first: one Rollout, one direction, four steps. [`watch`] is what is seen, [`controller`] is how
//! the parts run together.

pub mod access;
pub mod analysis;
pub mod apply;
pub mod argo;
pub mod argo_metrics;
pub mod arguments;
pub mod backoff;
pub mod context;
pub mod controller;
pub mod delivery;
pub mod doctor;
pub mod events;
pub mod expectations;
pub mod experiment;
pub mod history_api;
pub mod history_command;
pub mod instance;
pub mod key;
pub mod leader;
pub mod lease;
pub mod metrics;
pub mod observe;
mod owner;
pub mod permission;
pub mod plugin_commands;
mod pods;
pub mod queue;
pub mod reconcile;
mod release;
pub mod replica_set;
pub mod report;
pub mod run;
#[cfg(test)]
mod scenario;
pub mod server;
pub mod signals;
pub mod telemetry;
mod terminating;
pub mod traces;
pub mod watch;
