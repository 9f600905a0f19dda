//! The commands beside the controller: those of plugin authors (`kulta plugin new`, `build`, `inspect`, `record` and
//! `test`), and those that look back (`kulta history`, `kulta report`).
//!
//! A library, so that the `kulta` binary has them without a second program: what is tested here is loaded, limited and
//! called by the very host that the controller has.

mod complaints;
pub mod format;
pub mod history;
pub mod moment;
pub mod plugin;
pub mod report;
mod table;
