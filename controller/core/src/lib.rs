//! Every decision of KULTA, pure: no client, no clock, no randomness; the time is an argument.
//!
//! Read [`decide`] first: the whole product is that function. Its input is [`observed::Observed`], its answer a
//! [`plan::Plan`].

pub mod acceptance;
mod analyses;
pub mod analysis;
mod basic;
mod blue_green;
mod cleanup;
mod condition;
mod decide;
mod draft;
mod duration;
pub mod experiment;
mod gates;
pub mod history;
mod intent;
mod managed;
mod metadata;
pub mod observed;
mod outbox;
pub mod plan;
mod progress;
mod reference;
pub mod restart;
pub mod revision;
mod revisions;
mod rollback;
mod routed;
pub mod run_name;
mod scale;
mod service;
pub mod spec;
pub mod status;
mod step;
pub mod text;
mod traffic;
mod transition;
mod weight;
mod workload;

pub use decide::decide;
pub use traffic::FIELD_MANAGER;
