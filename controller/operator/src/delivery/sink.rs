//! What all sinks have in common: an event goes in, and what became of it comes out.

use std::time::Duration;

use kulta_events::Event;

use super::configuration::Target;
use super::file::FileSink;
use super::http::HttpSink;
use crate::metrics::delivery::DeliveryResult;

/// A sink.
pub(super) enum Sink {
    /// A server.
    Http(Box<HttpSink>),
    /// A file.
    File(FileSink),
    /// A sink as a test wants it.
    #[cfg(test)]
    Scripted(std::sync::Arc<parking_lot::Mutex<super::crashes::ScriptedSink>>),
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The sink has it.
    Delivered,
    /// The sink will never take this one: it is set aside.
    Refused {
        /// What the sink said.
        message: String,
    },
    /// The sink takes nothing now.
    Unavailable {
        /// What went wrong.
        message: String,
        /// How long the sink asks to be left alone.
        wait: Option<Duration>,
    },
}

impl Outcome {
    /// The same, as it is counted.
    pub(super) fn result(&self) -> DeliveryResult {
        match self {
            Self::Delivered => DeliveryResult::Delivered,
            Self::Refused { .. } => DeliveryResult::Refused,
            Self::Unavailable { .. } => DeliveryResult::Unavailable,
        }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            message: message.into(),
            wait: None,
        }
    }
}

impl Sink {
    pub(super) fn new(target: &Target) -> Self {
        match target {
            Target::Http(target) => Self::Http(Box::new(HttpSink::new(target.clone()))),
            Target::File(target) => Self::File(FileSink::new(target.path.clone())),
        }
    }

    pub(super) async fn deliver(&self, event: &Event) -> Outcome {
        match self {
            Self::Http(sink) => sink.deliver(event).await,
            Self::File(sink) => sink.deliver(event).await,
            #[cfg(test)]
            Self::Scripted(sink) => super::crashes::ScriptedSink::deliver(sink, event).await,
        }
    }
}
