//! Open-loop HTTP load with a strict count of what failed.
//!
//! Requests leave at a fixed rate whatever the answers do, and their latency counts from the moment they were meant to
//! leave, so a slow target cannot slow the load down and hide it. Nothing is retried and nothing is skipped: every
//! request ends up as a success or as a failure of one kind.
//!
//! `load` keeps the pace, `exchange` is one request, `connection` what it travels on, `counters` the count, `report`
//! its text; `split` judges whether a measured share matches a weight.

mod config;
mod connection;
mod counters;
mod exchange;
mod failure;
mod load;
mod report;
pub mod split;

#[cfg(test)]
mod scripted;

pub use config::{Config, ConfigError, Target};
pub use counters::{Snapshot, VersionCount};
pub use failure::FailureKind;
pub use hdrhistogram::Histogram;
pub use load::{Ended, Load, Report};
