//! Why a call has no answer.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::convert::{InvalidAnswer, PluginError};
use crate::guest::{Guest, HostCallsExhausted, NoPlace};
use crate::limits::{self, Limit, Limits};
use crate::memory::Refused;
use crate::{Digest, World, text};

/// Who a plugin is, in texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name that it was loaded under: that of its file.
    pub name: Arc<str>,
    /// Its version, as it says.
    pub version: String,
    /// Its bytes.
    pub digest: Digest,
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} ({})",
            self.name,
            self.version,
            self.digest.short()
        )
    }
}

/// A call has no answer.
#[derive(Debug, Error)]
#[error("plugin {plugin}")]
pub struct CallFailure {
    /// Whose call.
    pub plugin: Identity,
    /// Why.
    #[source]
    pub cause: CallError,
}

/// Why a call has no answer. Never to be taken for a verdict.
#[derive(Debug, Error)]
pub enum CallError {
    /// The plugin, or what it waited for, took too long.
    #[error("no answer within {limit:?}: ask for less in one call, or raise the limit callMillis")]
    Timeout {
        /// The whole time of the call.
        limit: Duration,
    },
    /// The plugin computed too long.
    #[error("the fuel of {limit} is used up: an endless loop, or too much work for one call (limit fuel)")]
    FuelExhausted {
        /// The fuel of the call.
        limit: u64,
    },
    /// The plugin wanted too much memory.
    #[error("{wanted} bytes of memory wanted, at most {limit}: use less, or raise the limit memoryBytes")]
    MemoryExceeded {
        /// With what it had.
        wanted: usize,
        /// What it may have.
        limit: u64,
    },
    /// The plugin wanted too large a table.
    #[error(
        "a table of {wanted} elements wanted, at most {}: the plugin has too many functions",
        limits::TABLE_ELEMENTS
    )]
    TableExceeded {
        /// With what it had.
        wanted: usize,
    },
    /// Plugins hold too much memory at the moment, this one or others: to be tried again.
    #[error(
        "the calls of plugins hold {} MiB together, or {} MiB for this namespace: tried again later",
        limits::TOTAL_MEMORY_BYTES >> 20,
        limits::NAMESPACE_MEMORY_BYTES >> 20
    )]
    Busy,
    /// A provider is asked as much as it may be at the moment: to be tried again.
    #[error("a provider that it asks is being asked as much as it may be at once: tried again later")]
    NoPlace,
    /// The plugin called itself too deeply.
    #[error("the stack of {} KiB is used up: an endless recursion", limits::WASM_STACK_BYTES >> 10)]
    StackExhausted,
    /// The plugin handed out too much at once.
    #[error(
        "more than {limit} bytes handed to the controller at once: answer less, or raise the limit outgoingBytes"
    )]
    OutgoingExceeded {
        /// What it may hand out at once.
        limit: u64,
    },
    /// The plugin called the host too often.
    #[error(
        "more than {} calls of the host in one call: an endless loop",
        limits::HOST_CALLS
    )]
    HostCallsExhausted,
    /// The plugin crashed.
    #[error(transparent)]
    Crashed(Crash),
    /// The plugin says what is wrong.
    #[error(transparent)]
    Plugin(PluginError),
    /// The plugin answered with what can't be taken.
    #[error("the answer is invalid")]
    InvalidAnswer(#[source] InvalidAnswer),
    /// The plugin is not made for what it is asked.
    #[error("it does not export {}: use it where it belongs, or build it for that world", missing.as_str())]
    MissingWorld {
        /// What it would have to be made for.
        missing: World,
    },
    /// The configuration is too long.
    #[error(
        "a configuration of {bytes} bytes, at most {}: shorten it",
        limits::CONFIG_BYTES
    )]
    ConfigTooLarge {
        /// As given.
        bytes: usize,
    },
}

/// How a plugin crashed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Crash {
    /// What stopped it.
    pub reason: String,
    /// Its last words: the line at level error that it wrote before, which is where a panic is told.
    pub message: Option<String>,
    /// Where it was: the innermost functions first, at most eight.
    pub frames: Vec<String>,
}

impl fmt::Display for Crash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it crashed: {}", self.reason)?;
        if let Some(message) = &self.message {
            write!(formatter, "; its last words: {message}")?;
        }
        if !self.frames.is_empty() {
            write!(formatter, "; in {}", self.frames.join(" < "))?;
        }
        formatter.write_str("; tell whoever wrote it")
    }
}

impl CallError {
    /// Its kind in one word, for the labels of metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::FuelExhausted { .. } => "fuel",
            Self::MemoryExceeded { .. } | Self::TableExceeded { .. } => "memory",
            Self::Busy | Self::NoPlace => "busy",
            Self::StackExhausted => "stack",
            Self::OutgoingExceeded { .. } => "outgoing",
            Self::HostCallsExhausted => "host-calls",
            Self::Crashed(_) => "crashed",
            Self::Plugin(PluginError::InvalidConfig(_)) | Self::ConfigTooLarge { .. } => "invalid-config",
            Self::Plugin(PluginError::Upstream(_)) => "upstream",
            Self::Plugin(PluginError::Internal(_)) => "internal",
            Self::Plugin(PluginError::Other(_)) => "other",
            Self::InvalidAnswer(_) => "invalid-answer",
            Self::MissingWorld { .. } => "missing-world",
        }
    }

    /// The same call can only fail again: the configuration or the plugin has to be changed by people.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Plugin(PluginError::InvalidConfig(_))
                | Self::ConfigTooLarge { .. }
                | Self::MissingWorld { .. }
        )
    }

    /// There was no memory or no place at a provider for it at the moment: neither the plugin nor what it asks is at fault.
    #[must_use]
    pub const fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Busy | Self::NoPlace)
    }

    /// What ended a call.
    pub(crate) fn ended(error: &wasmtime::Error, limits: &Limits, guest: &mut Guest) -> Self {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Self::refused(*refused, limits);
        }
        if error.is::<NoPlace>() {
            return Self::NoPlace;
        }
        if error.is::<HostCallsExhausted>() {
            return Self::HostCallsExhausted;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::FuelExhausted {
                limit: limits.amount(Limit::Fuel),
            },
            Some(Trap::StackOverflow) => Self::StackExhausted,
            _ if is_outgoing(error) => Self::OutgoingExceeded {
                limit: limits.amount(Limit::OutgoingBytes),
            },
            _ => Self::Crashed(Crash {
                reason: text::line(&error.root_cause().to_string(), limits::ERROR_BYTES),
                message: guest.logbook.take_last_error(),
                frames: frames(error),
            }),
        }
    }

    fn refused(refused: Refused, limits: &Limits) -> Self {
        match refused {
            Refused::Memory { wanted } => Self::MemoryExceeded {
                wanted,
                limit: limits.amount(Limit::MemoryBytes),
            },
            Refused::Table { wanted } => Self::TableExceeded { wanted },
            Refused::TotalMemory => Self::Busy,
        }
    }
}

/// Whether too many bytes were handed out: the engine's error has a type of its own, but keeps it to itself.
fn is_outgoing(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .contains("fuel allocated for hostcalls")
}

/// The functions of a trap, innermost first.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    trace.frames().iter().take(limits::FRAMES).map(function).collect()
}

fn function(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => text::line(&readable(name), limits::DETAIL_BYTES),
        None => format!("function {}", frame.func_index()),
    }
}

/// A function's name as it is written in Rust, where it is one of Rust's. Names are the plugin's own words: a short one may stand
/// for a text of any length, of which no more than can be told is ever made.
fn readable(name: &str) -> String {
    let name = name
        .get(..name.floor_char_boundary(limits::SYMBOL_BYTES))
        .unwrap_or_default();
    let Ok(symbol) = rustc_demangle::try_demangle(name) else {
        return name.to_owned();
    };
    let mut readable = Beginning::default();
    // It ends where there is enough of it. The alternate form is without the hash at the end.
    let _ = write!(readable, "{symbol:#}");
    readable.0
}

/// The beginning of a text, somewhat more of it than is told: that there is more is seen then.
#[derive(Default)]
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = (2 * limits::DETAIL_BYTES).saturating_sub(self.0.len());
        let kept = text.get(..text.floor_char_boundary(left)).unwrap_or_default();
        self.0.push_str(kept);
        if kept.len() < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_rust_is_made_readable() {
        assert_eq!(
            readable("_ZN4core9panicking5panic17h0123456789abcdefE"),
            "core::panicking::panic"
        );
        assert_eq!(readable("begin_panic"), "begin_panic");
    }

    /// Each level stands for eight of the level below.
    #[test]
    fn a_name_that_stands_for_a_text_without_end_is_told_as_it_is() {
        let levels = (0..12).map(|level| format!("IS{level}_S{level}_S{level}_S{level}_E"));
        let name = format!("_Z1f1AIiiiiiiiiE{}", levels.collect::<Vec<_>>().concat());

        assert_eq!(readable(&name), name);
    }

    #[test]
    fn no_more_of_a_name_is_made_than_can_be_told() {
        let long = "x".repeat(900);
        let name = format!("_ZN{}{long}17h0123456789abcdefE", long.len());

        assert_eq!(readable(&name).len(), 2 * limits::DETAIL_BYTES);
        assert_eq!(readable(&"x".repeat(1 << 20)).len(), limits::SYMBOL_BYTES);
    }
}
