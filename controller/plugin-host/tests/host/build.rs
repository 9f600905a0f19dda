//! Plugins from text.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../../../../plugin-sdk/wit/analysis.wit");
const MEMORY: &str = include_str!("../../../../tests/conformance/plugins/parts/memory.wat");
const PLUGIN: &str = include_str!("../../../../tests/conformance/plugins/parts/plugin.wat");

/// Both worlds in one.
const BOTH: &str = "package test:both; world both {
    include kulta:analysis/metric-analysis@1.0.0;
    include kulta:analysis/promotion-gate@1.0.0;
}";

/// The text of a plugin in `tests/conformance/plugins`.
macro_rules! conformance {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/conformance/plugins/", $name, ".wat"))
    };
}
pub(crate) use conformance;

/// The core module of `source`, with the parts that it does not have itself, made for `world`.
pub(crate) fn core(source: &str, world: &str) -> Vec<u8> {
    core_of_version(source, world, "1.0.0")
}

/// As [`core`], for an interface of another version.
pub(crate) fn core_of_version(source: &str, world: &str, version: &str) -> Vec<u8> {
    core_of_interface(source, world, version, WIT)
}

/// A core module that measures, for an interface of version 1.9.0 in which a clock can be stopped.
pub(crate) fn core_of_the_future(source: &str) -> Vec<u8> {
    let wit = WIT.replace(
        "now: func() -> timestamp;",
        "now: func() -> timestamp; stop: func();",
    );
    core_of_interface(source, "metric-analysis", "1.9.0", &wit)
}

fn core_of_interface(source: &str, world: &str, version: &str, wit: &str) -> Vec<u8> {
    let plugin = if source.contains("#describe\"") {
        ""
    } else {
        PLUGIN
    };
    let memory = if source.contains("(memory (") { "" } else { MEMORY };
    let versioned = |text: &str| text.replace("@1.0.0", &format!("@{version}"));
    let mut module = wat::parse_str(versioned(&format!("(module {source}\n{memory}\n{plugin})"))).unwrap();
    let mut resolve = Resolve::default();
    let interface = resolve.push_str("analysis.wit", &versioned(wit)).unwrap();
    let both = resolve.push_str("both.wit", &versioned(BOTH)).unwrap();
    let package = if world == "both" { both } else { interface };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// The component of a core module.
pub(crate) fn encoded(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default()
        .module(module)
        .unwrap()
        .encode()
        .unwrap()
}

/// The component of `source`: a whole one, or one that measures.
pub(crate) fn component(source: &str) -> Vec<u8> {
    if source.contains("(component") {
        wat::parse_str(source).unwrap()
    } else {
        encoded(&core(source, "metric-analysis"))
    }
}
