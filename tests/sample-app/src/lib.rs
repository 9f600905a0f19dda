//! The application that the demo and the tests roll out: one small HTTP server that says which version it is, can be
//! told to fail or to be slow, and leaves without dropping a request.
//!
//! `settings` holds the flags, `behaviour` what can be changed while it runs, `routes` the answers, `metrics` what is
//! counted, `server` the connections and the drain.

mod behaviour;
mod error_rate;
mod metrics;
mod routes;
mod server;
mod settings;

#[cfg(test)]
mod client;

pub use behaviour::Control;
pub use error_rate::{ErrorRate, ErrorRateError};
pub use server::{Server, ServerError};
pub use settings::Settings;
