//! What a plugin of KULTA is written with.
//!
//! A plugin implements [`Plugin`] (who it is, and what users configure) and [`MetricPlugin`] or [`GatePlugin`] (what it
//! does); [`export_metric`] or [`export_gate`] makes the crate a WebAssembly component. What it can ask while it is
//! called is [`Host`]. The README of this folder has a whole plugin, from the first line to the component.
//!
//! Everything here is the same natively and under WebAssembly, so a plugin's unit tests are plain `cargo test`, with a
//! `MockHost` for KULTA.

// The bindings name this crate, here as well as where the macros put them into a plugin.
#[cfg(target_arch = "wasm32")]
extern crate self as kulta_plugin_sdk;

mod configuration;
mod export;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod host;
mod http;
mod measurement;
mod metrics;
#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
mod plugin;
pub mod quantity;
#[cfg(not(target_arch = "wasm32"))]
pub mod schema;
mod subject;
pub mod template;
mod time;
mod verdict;

pub use configuration::{ConfigError, read_json};
pub use host::{Host, Level, Past, Phase, ZoneError};
pub use http::{Header, Method, Request, RequestError, Response};
pub use measurement::{Measurement, Outcome, State, Value};
pub use metrics::{Answer, Data, Label, QueryError, Sample, Series};
pub use plugin::{Description, GatePlugin, MetricPlugin, Plugin};
pub use subject::Subject;
pub use time::{LocalTime, Timestamp};
pub use verdict::{Decision, PluginError, Step, Verdict};
