//! Plugins from text, by `tests/conformance`.

/// The text of a plugin in `tests/conformance/plugins`.
macro_rules! conformance {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/conformance/plugins/", $name, ".wat"))
    };
}
pub(crate) use conformance;

/// The core module of `source`, with the parts that it does not have itself, made for `world`.
pub(crate) fn core(source: &str, world: &str) -> Vec<u8> {
    kulta_conformance::core(source, world).unwrap()
}

/// As [`core`], for an interface of another version.
pub(crate) fn core_of_version(source: &str, world: &str, version: &str) -> Vec<u8> {
    kulta_conformance::core_of_version(source, world, version).unwrap()
}

/// A core module that measures, for an interface of version 1.9.0 in which a clock can be stopped.
pub(crate) fn core_of_the_future(source: &str) -> Vec<u8> {
    kulta_conformance::core_of_the_future(source).unwrap()
}

/// The component of a core module.
pub(crate) fn encoded(module: &[u8]) -> Vec<u8> {
    kulta_conformance::encoded(module).unwrap()
}

/// The component of `source`: a whole one, or one that measures.
pub(crate) fn component(source: &str) -> Vec<u8> {
    kulta_conformance::component(source).unwrap()
}
