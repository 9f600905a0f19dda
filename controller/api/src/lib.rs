//! The Kubernetes kinds of KULTA: names, types, validation, status shapes, CRD generation.
//!
//! Read [`rollout`] first: what users write, and [`rollout::parse`], which turns it into what decisions read.
//! [`status`] is the way back.

pub mod analysis;
pub mod crd;
mod duration;
pub mod experiment;
mod group;
pub mod injected;
pub mod names;
pub mod origin;
pub mod rollout;
pub mod selector;
pub mod status;

pub use group::{Group, VERSION};
