//! The story of rollouts as `CDEvents`: each fact of a history becomes one event, and an event becomes its fact again.
//!
//! Read [`render()`] first. Nothing here reads a clock or sends anything: the same fact is the same event, byte for byte,
//! however often it is told. Whole files of events are read by [`replay`], and [`dora`] has the figures of their rollouts.

mod artifact;
pub mod dora;
pub mod envelope;
mod identity;
mod links;
mod read;
mod render;
pub mod replay;
#[cfg(test)]
mod scene;

pub use artifact::package_url;
pub use identity::{chain_id, event_id};
pub use read::{ReadError, Told, read};
pub use render::{Event, Producer, Subject, removal_type, removed, render, type_of};
