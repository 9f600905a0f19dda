//! The `CustomResourceDefinition`s, generated from the Rust types.

pub(crate) mod schema;
mod template;
