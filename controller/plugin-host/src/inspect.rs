//! What is looked at before a plugin is compiled: the engine guards the run of a plugin, and nobody its compilation.
//!
//! Small files can take minutes and gigabytes to compile (500 nested loops with 500 locals are 7,785 bytes and took 213
//! seconds), so it is the shape of the code that is limited, not its size alone.

mod code;
mod delivery;
mod error;
mod interface;
mod scan;

pub use delivery::Delivery;
pub use error::InspectError;

use std::collections::BTreeSet;

use wit_component::ComponentEncoder;

use crate::plugin::World;
use crate::{limits, text};

/// A component within the limits.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// Its bytes: as delivered, or what a core module was encoded to.
    pub(crate) component: Vec<u8>,
    /// What it imports.
    pub(crate) imports: BTreeSet<String>,
    /// What it is made for.
    pub(crate) worlds: BTreeSet<World>,
}

/// As much of [`inspect`] as can be done without the encoder, which is a compiler, too.
pub(crate) fn before_trial(delivery: &Delivery, memory_bytes: u64) -> Result<(), InspectError> {
    let bytes = delivery.bytes();
    if wasmparser::Parser::is_core_wasm(bytes) {
        scan::scan(bytes, memory_bytes).map(drop)
    } else if wasmparser::Parser::is_component(bytes) {
        named(bytes, memory_bytes).map(drop)
    } else {
        Err(InspectError::NotWasm)
    }
}

/// Looks at everything in `delivery`, which may have `memory_bytes` of memory, and makes a component of it.
///
/// The bytes are a stranger's: nothing here trusts a length, and the core module is looked at before it is encoded.
pub(crate) fn inspect(delivery: &Delivery, memory_bytes: u64) -> Result<Inspected, InspectError> {
    before_trial(delivery, memory_bytes)?;
    let bytes = delivery.bytes();
    let component = if wasmparser::Parser::is_core_wasm(bytes) {
        encode(bytes)?
    } else {
        bytes.to_vec()
    };
    let (imports, worlds) = named(&component, memory_bytes)?;
    Ok(Inspected {
        component,
        imports,
        worlds,
    })
}

/// What a component imports, and what it is made for.
fn named(component: &[u8], memory_bytes: u64) -> Result<(BTreeSet<String>, BTreeSet<World>), InspectError> {
    let found = scan::scan(component, memory_bytes)?;
    Ok((
        interface::imports(found.imports)?,
        interface::worlds(&found.exports)?,
    ))
}

/// The component of a core module that `wit-bindgen` has made.
fn encode(module: &[u8]) -> Result<Vec<u8>, InspectError> {
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|reason| InspectError::Encode {
            reason: text::line(&format!("{reason:#}"), limits::ERROR_BYTES),
        })
}
