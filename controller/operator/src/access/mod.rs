//! Access to servers that the operator has set up: providers of metrics and sinks of events.

mod address;
mod connection;
mod credentials;
#[cfg(test)]
pub(crate) mod https_server;
mod reach;
mod settings;

pub use address::{Address, Allowed};
pub(crate) use connection::Connection;
pub(crate) use credentials::Credentials;
pub(crate) use reach::Reach;
pub(crate) use settings::Problems;
pub use settings::{Access, BasicAuth, Header, Hidden};
