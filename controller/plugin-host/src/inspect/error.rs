//! Why a plugin is refused before it is compiled: what was found, what is allowed, and what to do.

use std::io;

use thiserror::Error;
use wasmparser::BinaryReaderError;

use super::code;
use super::scan;
use crate::limits;

/// A plugin is refused.
#[derive(Debug, Error)]
pub enum InspectError {
    /// The compressed file is too large.
    #[error(
        "{bytes} bytes compressed, at most {}: build it with `strip = true` and `opt-level = \"s\"`",
        limits::COMPRESSED_BYTES
    )]
    CompressedTooLarge {
        /// As delivered.
        bytes: usize,
    },
    /// The file is too large.
    #[error(
        "more than {} bytes decompressed: build it with `strip = true` and `opt-level = \"s\"`",
        limits::RAW_BYTES
    )]
    TooLarge,
    /// The file can't be decompressed.
    #[error("it begins as gzip and can't be decompressed: deliver it again")]
    Gzip(#[source] io::Error),
    /// The file is something else.
    #[error("it is neither a WebAssembly component nor a core module: deliver what the build has made")]
    NotWasm,
    /// The file is damaged.
    #[error("it is not well-formed WebAssembly: deliver it again")]
    Malformed(#[source] BinaryReaderError),
    /// A function has too many variables.
    #[error(
        "function {function} has {locals} locals and parameters, at most {}: split it up",
        code::LOCALS
    )]
    TooManyLocals {
        /// Which, counted in its module from the first that has a body.
        function: u32,
        /// As found.
        locals: u64,
    },
    /// A function has too many loops in each other.
    #[error(
        "function {function} has more than {} loops in each other: split it up",
        code::LOOP_DEPTH
    )]
    LoopsTooDeep {
        /// Which.
        function: u32,
    },
    /// A function has too many blocks in each other.
    #[error(
        "function {function} has more than {} blocks in each other: split it up",
        code::BLOCK_DEPTH
    )]
    NestedTooDeep {
        /// Which.
        function: u32,
    },
    /// A function takes too long to compile.
    #[error(
        "function {function} is too complex: its blocks and branches times the values that they carry are more than {}; \
         split it up",
        code::COMPLEXITY
    )]
    TooComplex {
        /// Which.
        function: u32,
    },
    /// A function is too long.
    #[error(
        "function {function} has {bytes} bytes, at most {}: split it up",
        code::BODY_BYTES
    )]
    BodyTooLarge {
        /// Which.
        function: u32,
        /// As found.
        bytes: usize,
    },
    /// There are too many functions.
    #[error(
        "more than {} functions: leave out dependencies, and build it with `lto = true`",
        scan::FUNCTIONS
    )]
    TooManyFunctions,
    /// There are too many modules.
    #[error("more than {} core modules: link them into one", scan::MODULES)]
    TooManyModules,
    /// A module is hidden.
    #[error("a core module in a component within the component: compose nothing, deliver one component")]
    ModuleInNested,
    /// Texts in another encoding, which have been a way out of the sandbox.
    #[error("texts in {found}: build it for UTF-8, as Rust does")]
    Encoding {
        /// As found.
        found: &'static str,
    },
    /// Something of the component model that the interface has no need for.
    #[error("{found}: the interface has only plain functions, export those of kulta:analysis")]
    Unsupported {
        /// As found.
        found: &'static str,
    },
    /// The plugin begins with too much memory.
    #[error(
        "{bytes} bytes of memory to begin with, at most {limit}: use less static data, or raise the limit memoryBytes"
    )]
    MemoryTooLarge {
        /// As found.
        bytes: u64,
        /// As allowed.
        limit: u64,
    },
    /// The plugin wants an operating system.
    #[error("it imports {import}: plugins have no WASI, build it for the target wasm32-unknown-unknown")]
    Wasi {
        /// What it wants.
        import: String,
    },
    /// The plugin wants something that is not there.
    #[error(
        "it imports {import}: only metrics, http, log, clock, history and types of kulta:analysis@1 are there"
    )]
    UnknownImport {
        /// What it wants.
        import: String,
    },
    /// The plugin is made for another interface.
    #[error("it is made for {interface}: this version of KULTA has kulta:analysis@1, build it for that")]
    WrongVersion {
        /// What it is made for.
        interface: String,
    },
    /// The plugin is made for nothing that could be called.
    #[error(
        "it exports {exports:?}: a plugin exports kulta:analysis/plugin@1 and kulta:analysis/metric@1, or gate@1, or \
         both"
    )]
    WrongWorld {
        /// What it exports.
        exports: Vec<String>,
    },
    /// A core module can't be made a component.
    #[error("the core module can't be encoded as a component ({reason}): build it with the plugin SDK")]
    Encode {
        /// In the encoder's words.
        reason: String,
    },
}
