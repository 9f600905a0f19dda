//! Analysis: what plugins answer, and what their answers mean.
//!
//! Open [`verdict`] first: the words that a plugin and a decision share.

pub mod verdict;
