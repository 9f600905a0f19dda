//! The way back: what an event of KULTA's tells.

use kulta_core::history::Fact;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::render::Subject;

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The Rollout.
    pub subject: Subject,
    /// What happened; None when the Rollout is gone.
    pub fact: Option<Fact>,
}

/// An event that KULTA did not tell, or that is damaged.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is no JSON.
    #[error("no JSON")]
    Json(#[source] serde_json::Error),
    /// It is none of KULTA's.
    #[error("no event of KULTA's: customData.kulta is missing or damaged")]
    Foreign(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Written {
    rollout: WrittenRollout,
    fact: Option<Fact>,
}

#[derive(Deserialize)]
struct WrittenRollout {
    namespace: String,
    name: String,
    uid: String,
}

/// What an event tells: a `CDEvents` event, bare or in a structured envelope.
///
/// # Errors
/// When it is no event of KULTA's.
pub fn read(text: &str) -> Result<Told, ReadError> {
    let message: Value = serde_json::from_str(text).map_err(ReadError::Json)?;
    let event = message.get("data").unwrap_or(&message);
    let data = event.pointer("/customData/kulta").unwrap_or(&Value::Null);
    let Written { rollout, fact } = Written::deserialize(data).map_err(ReadError::Foreign)?;
    let WrittenRollout { namespace, name, uid } = rollout;
    let subject = Subject { namespace, name, uid };
    Ok(Told { subject, fact })
}
