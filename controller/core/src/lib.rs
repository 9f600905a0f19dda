//! Every decision of KULTA, pure: no client, no clock, no randomness; the time is an argument.
//!
//! Read [`decide`] first: the whole product is that function. Its input is [`observed::Observed`], its answer a
//! [`plan::Plan`].

pub mod history;
pub mod observed;
pub mod plan;
pub mod revision;
pub mod spec;
pub mod status;
