//! The commands of plugin authors: `kulta plugin new`, `build`, `inspect`, `record` and `test`.
//!
//! A library, so that the `kulta` binary has them without a second program: what is tested here is loaded, limited and
//! called by the very host that the controller has.

pub mod plugin;
