//! How WebAssembly is compiled and run: one engine for the process.

use std::num::NonZeroUsize;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, OptLevel, WasmBacktraceDetails};

use crate::bindings::{clock, history, http, log, metrics, types};
use crate::guest::Guest;
use crate::limits;

/// What of WebAssembly is understood: what compilers of Rust and C make without asking, and nothing more.
fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(limits::WASM_STACK_BYTES)
        .async_stack_size(limits::FIBER_STACK_BYTES)
        // On trial and in earnest alike, or the one would not tell what the other takes. A call takes as long with code that
        // is not optimised, since most of it is its beginning; to compile takes a third less, by a smaller compiler.
        .cranelift_opt_level(OptLevel::None)
        // The same inputs give the same answer, bit by bit, on every processor.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // Vectors of the processor were in several escapes from the sandbox, and plugins have no use for them.
        .wasm_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .concurrency_support(false)
        // Address space for the largest memory that can be granted, not for 4 GiB.
        .memory_reservation(limits::MEMORY_MAXIMUM)
        .memory_guard_size(64 << 10)
        .memory_may_move(false)
        // Debug information is a stranger's, too, and whoever reads it can be kept busy by it.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(limits::FRAMES));
    config
}

/// The engine.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// What plugins can import: the interfaces of `kulta:analysis`, and nothing else.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    metrics::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    http::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    log::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    clock::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    history::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}
