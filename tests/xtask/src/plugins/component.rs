//! From what the compiler makes to what KULTA loads.

use anyhow::{Context, Result, ensure};
use kulta_test_cluster::digest::sha256;
use wit_component::{ComponentEncoder, DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem, WorldKey};

/// All that a plugin may import is in this package.
const INTERFACE: &str = "kulta:analysis/";

/// A WebAssembly component, and what it wants and offers.
#[derive(Debug)]
pub(super) struct Component {
    bytes: Vec<u8>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Component {
    /// Makes a component of a core module, which names its interfaces in sections of its own.
    pub(super) fn encode(module: &[u8]) -> Result<Self> {
        let bytes = ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .encode()
            .context("the module is no plugin")?;
        Self::read(bytes)
    }

    /// Reads a component.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self> {
        let DecodedWasm::Component(resolve, world) = decode(&bytes)? else {
            anyhow::bail!("not a component");
        };
        let world = resolve.worlds.get(world).context("a component without a world")?;
        let component = Self {
            imports: named(&resolve, world.imports.iter()),
            exports: named(&resolve, world.exports.iter()),
            bytes,
        };
        for import in &component.imports {
            ensure!(
                import.starts_with(INTERFACE),
                "imports {import}, which KULTA does not have"
            );
        }
        Ok(component)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What KULTA knows it by.
    pub(super) fn digest(&self) -> String {
        sha256(&self.bytes)
    }

    /// The interfaces that it uses.
    pub(super) fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces that it has.
    pub(super) fn exports(&self) -> &[String] {
        &self.exports
    }
}

fn named<'w>(resolve: &Resolve, items: impl Iterator<Item = (&'w WorldKey, &'w WorldItem)>) -> Vec<String> {
    items.map(|(key, _)| resolve.name_world_key(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(Component::read(b"#!/bin/sh".to_vec()).is_err());
    }
}
