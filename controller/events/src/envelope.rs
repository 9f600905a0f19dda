//! The envelope: an event as a `CloudEvents` message, structured (one JSON document) or binary (attributes beside the
//! body).

use cloudevents::{AttributesReader as _, EventBuilder as _, EventBuilderV10};
use serde::Deserialize;
use thiserror::Error;

use crate::render::Event;

/// The media type of a structured message.
pub const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json";
/// The media type of the body of a binary message.
pub const BINARY_CONTENT_TYPE: &str = "application/json";

/// How an event is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// One JSON document with everything in it.
    #[default]
    Structured,
    /// The event is the body; what identifies it is in headers `ce-*`.
    Binary,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Headers, the media type among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An event that fits into no envelope.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// An attribute is not what the specification wants.
    #[error("the event is no CloudEvents event")]
    Attribute(#[source] Box<cloudevents::event::EventBuilderError>),
    /// It can't be written as JSON.
    #[error("the event can't be written")]
    Json(#[from] serde_json::Error),
}

/// The event as `CloudEvents` has it.
///
/// # Errors
/// When its source is no URI reference.
fn envelope(event: &Event) -> Result<cloudevents::Event, EnvelopeError> {
    EventBuilderV10::new()
        .id(event.id.to_string())
        .source(event.source.clone())
        .ty(event.kind.clone())
        .subject(event.subject.clone())
        .time(event.time.to_string())
        .data(BINARY_CONTENT_TYPE, event.body.clone())
        .build()
        .map_err(|error| EnvelopeError::Attribute(Box::new(error)))
}

/// The event as one line of JSON, structured.
///
/// # Errors
/// When it fits into no envelope.
pub fn line(event: &Event) -> Result<String, EnvelopeError> {
    Ok(serde_json::to_string(&envelope(event)?)?)
}

/// The event as a message.
///
/// # Errors
/// When it fits into no envelope.
pub fn message(event: &Event, mode: Mode) -> Result<Message, EnvelopeError> {
    let envelope = envelope(event)?;
    Ok(match mode {
        Mode::Structured => Message {
            headers: vec![("content-type".to_owned(), STRUCTURED_CONTENT_TYPE.to_owned())],
            body: serde_json::to_vec(&envelope)?,
        },
        Mode::Binary => Message {
            headers: binary_headers(&envelope),
            body: serde_json::to_vec(&event.body)?,
        },
    })
}

fn binary_headers(envelope: &cloudevents::Event) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type".to_owned(), BINARY_CONTENT_TYPE.to_owned()),
        ("ce-specversion".to_owned(), envelope.specversion().to_string()),
        ("ce-id".to_owned(), envelope.id().to_owned()),
        ("ce-source".to_owned(), envelope.source().clone()),
        ("ce-type".to_owned(), envelope.ty().to_owned()),
    ];
    headers.extend(
        envelope
            .subject()
            .map(|subject| ("ce-subject".to_owned(), subject.to_owned())),
    );
    headers.extend(
        envelope
            .time()
            .map(|time| ("ce-time".to_owned(), time.to_rfc3339())),
    );
    headers
}
