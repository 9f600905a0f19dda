//! Plugins that behave badly, as files: [`component`] builds those of `plugins/`, [`bombs`] makes those that harm the
//! compiler, [`damage`] files that are none.

pub mod bombs;
pub mod damage;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The oldest interface that was released: what is made for it is served by every later version.
const WIT: &str = include_str!("../../../plugin-sdk/wit/released/1.0.0/analysis.wit");
const MEMORY: &str = include_str!("../plugins/parts/memory.wat");
const PLUGIN: &str = include_str!("../plugins/parts/plugin.wat");
const GOOD: &str = include_str!("../plugins/good.wat");

/// The version of the interface that the texts are written for.
const VERSION: &str = "1.0.0";
/// The world of plugins that measure.
const METRIC_ANALYSIS: &str = "metric-analysis";

/// Both worlds in one.
const BOTH: &str = "package test:both; world both {
    include kulta:analysis/metric-analysis@1.0.0;
    include kulta:analysis/promotion-gate@1.0.0;
}";

/// The text of the plugin `name` in `plugins/`.
///
/// # Errors
/// When there is none.
pub fn text(name: &str) -> Result<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins"));
    let file = folder.join(format!("{name}.wat"));
    fs::read_to_string(&file).with_context(|| file.display().to_string())
}

/// The core module of `source`, with the parts that it does not have itself, made for `world`.
///
/// # Errors
/// When the text is no module.
pub fn core(source: &str, world: &str) -> Result<Vec<u8>> {
    core_of_version(source, world, VERSION)
}

/// As [`core`], for an interface of another version.
///
/// # Errors
/// When the text is no module.
pub fn core_of_version(source: &str, world: &str, version: &str) -> Result<Vec<u8>> {
    core_of_interface(source, world, version, WIT)
}

/// A core module that measures, for an interface of version 1.9.0 in which a clock can be stopped.
///
/// # Errors
/// When the text is no module.
pub fn core_of_the_future(source: &str) -> Result<Vec<u8>> {
    let wit = WIT.replace(
        "now: func() -> timestamp;",
        "now: func() -> timestamp; stop: func();",
    );
    core_of_interface(source, METRIC_ANALYSIS, "1.9.0", &wit)
}

/// The component of a core module.
///
/// # Errors
/// When it fits no interface.
pub fn encoded(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.encode()
}

/// The component of `source`: a whole one, or one that measures.
///
/// # Errors
/// When the text is no module.
pub fn component(source: &str) -> Result<Vec<u8>> {
    if source.contains("(component") {
        Ok(wat::parse_str(source)?)
    } else {
        encoded(&core(source, METRIC_ANALYSIS)?)
    }
}

fn core_of_interface(source: &str, world: &str, version: &str, wit: &str) -> Result<Vec<u8>> {
    let plugin = if source.contains("#describe\"") {
        ""
    } else {
        PLUGIN
    };
    let memory = if source.contains("(memory (") { "" } else { MEMORY };
    let versioned = |text: &str| text.replace(&format!("@{VERSION}"), &format!("@{version}"));
    let mut module = wat::parse_str(versioned(&format!("(module {source}\n{memory}\n{plugin})")))?;
    let mut resolve = Resolve::default();
    let interface = resolve.push_str("analysis.wit", &versioned(wit))?;
    let both = resolve.push_str("both.wit", &versioned(BOTH))?;
    let package = if world == "both" { both } else { interface };
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    Ok(module)
}
