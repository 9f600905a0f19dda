//! The story of rollouts as `CDEvents`: each fact of a history becomes one event, and an event becomes its fact again.
//!
//! Read [`render`] first. Nothing here reads a clock or sends anything: the same fact is the same event, byte for byte,
//! however often it is told.

mod artifact;
pub mod envelope;
mod identity;
mod links;
mod read;
mod render;

pub use artifact::package_url;
pub use identity::{chain_id, event_id};
pub use read::{ReadError, Told, read};
pub use render::{Event, Producer, Subject, removed, render};
