//! `kubectl kulta`: what users do with Rollouts from a command line, in the words of `kubectl argo rollouts`.
//!
//! Read [`run`] first: every verb begins there. What a verb asks of the API server is decided by pure functions
//! ([`promote`], [`undo`], [`image`], [`verdict`], [`tree`], [`lint`]); [`cluster`] sends it.

pub mod act;
mod age;
pub mod arguments;
pub mod cluster;
pub mod error;
pub mod get;
pub mod image;
pub mod lint;
pub mod list;
mod mark;
pub mod migrate;
pub mod output;
mod place;
pub mod promote;
pub mod rollout;
pub mod run;
pub mod status;
mod template;
pub mod tree;
pub mod undo;
pub mod verdict;
mod watch;
mod weight;

#[cfg(test)]
mod scenario;
