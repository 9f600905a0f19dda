//! The way back: what an event of KULTA's tells.

use jiff::Timestamp;
use kulta_core::history::Fact;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::render::Subject;

/// What the type of the event begins with that tells of a Rollout's end, in whatever version.
const REMOVED: &str = "dev.cdevents.service.removed.";

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The Rollout.
    pub subject: Subject,
    /// When it happened.
    pub time: Timestamp,
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
    #[error("no event of KULTA's: customData.kulta is missing")]
    Foreign,
    /// It is one of KULTA's, and something in it is not what it was.
    #[error("customData.kulta is damaged")]
    Damaged(#[source] serde_json::Error),
    /// It is one of KULTA's, and tells nothing.
    #[error("an event of KULTA's without a fact, which is no service.removed with a timestamp")]
    Untold,
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
/// When it is no event of KULTA's, or a damaged one.
pub fn read(text: &str) -> Result<Told, ReadError> {
    let message: Value = serde_json::from_str(text).map_err(ReadError::Json)?;
    let event = message.get("data").unwrap_or(&message);
    let data = event.pointer("/customData/kulta").ok_or(ReadError::Foreign)?;
    let Written { rollout, fact } = Written::deserialize(data).map_err(ReadError::Damaged)?;
    let WrittenRollout { namespace, name, uid } = rollout;
    let subject = Subject { namespace, name, uid };
    let time = match &fact {
        Some(fact) => fact.time,
        None => removal(event).ok_or(ReadError::Untold)?,
    };
    Ok(Told { subject, time, fact })
}

/// When the Rollout was gone, if it is that what the event tells.
fn removal(event: &Value) -> Option<Timestamp> {
    let context = event.get("context")?;
    let kind = context.get("type")?.as_str()?;
    let time = context.get("timestamp")?.as_str()?;
    kind.starts_with(REMOVED).then(|| time.parse().ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::removed;
    use crate::scene::{UID, producer, subject};

    fn gone() -> Value {
        let time = "2026-03-01T12:00:00.5Z".parse().unwrap();
        removed(&producer(), &subject("web", UID), time).body
    }

    #[test]
    fn a_removal_has_its_time() {
        let told = read(&gone().to_string()).unwrap();

        assert_eq!(told.fact, None);
        assert_eq!(told.subject, subject("web", UID));
        assert_eq!(told.time.to_string(), "2026-03-01T12:00:00.5Z");
    }

    #[test]
    fn a_lost_fact_is_no_removal() {
        let mut event = gone();
        event["context"]["type"] = json!("dev.cdevents.service.upgraded.0.3.0");

        assert!(matches!(read(&event.to_string()), Err(ReadError::Untold)));
    }

    #[test]
    fn an_event_of_somebody_else_is_not_damaged() {
        let event = json!({"context": {"type": "dev.cdevents.service.removed.0.3.0"}, "customData": {}});

        assert!(matches!(read(&event.to_string()), Err(ReadError::Foreign)));
    }

    #[test]
    fn an_event_with_half_a_rollout_is_damaged() {
        let mut event = gone();
        event["customData"]["kulta"]["rollout"] = json!({"namespace": "shop"});

        assert!(matches!(read(&event.to_string()), Err(ReadError::Damaged(_))));
    }
}
