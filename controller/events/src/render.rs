//! From a fact to its event: which type, about what, with which links.

use jiff::Timestamp;
use kulta_core::history::{Fact, FactKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::identity::{chain_id, event_id, removal_id};
use crate::{artifact, links};

/// The version of the specification that the events keep to.
const SPECIFICATION: &str = "0.5.1";
/// The version of the types of services in it.
const SERVICE_VERSION: &str = "0.3.0";
/// The version of KULTA's own types; `deploy/cdevents` has their schema.
const DEPLOYMENT_VERSION: &str = "0.1.0";

/// Who tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// `context.source`: a URI reference that tells one cluster's controller from another's.
    pub source: String,
    /// The id of the environment that the Rollouts run in.
    pub environment: String,
}

/// What is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The Rollout's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Subject {
    /// The id of the subject: the same over the whole chain, and over all of them.
    fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// An event, ready to be put into an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// Its type, such as `dev.cdevents.service.upgraded.0.3.0`.
    pub kind: String,
    /// When it happened.
    pub time: Timestamp,
    /// Who tells.
    pub source: String,
    /// The id of what it is about.
    pub subject: String,
    /// The whole `CDEvents` event.
    pub body: Value,
}

/// The type of the event of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of the vocabulary of `CDEvents`: something became of the service.
    Service(&'static str),
    /// KULTA's own: something happened on the way.
    Deployment(&'static str),
}

impl Kind {
    /// An outcome is told by the event of the service, so that whoever knows only the standard is told all that matters.
    const fn of(fact: &Fact) -> Self {
        match fact.kind {
            FactKind::Started | FactKind::Retried => Self::Deployment("started"),
            FactKind::Promoted if fact.from.is_none() => Self::Service("deployed"),
            FactKind::Promoted => Self::Service("upgraded"),
            FactKind::Published => Self::Service("published"),
            FactKind::Restored => Self::Service("rolledback"),
            FactKind::Finished | FactKind::Superseded => Self::Deployment("finished"),
            FactKind::Aborted => Self::Deployment("failed"),
            // Going back after an abort fails nothing that has not failed already.
            FactKind::RolledBack if fact.chain.is_some() => Self::Deployment("failed"),
            FactKind::RolledBack
            | FactKind::StepsChanged
            | FactKind::StepsSkipped
            | FactKind::StepCompleted
            | FactKind::WeightRequested
            | FactKind::WeightInForce
            | FactKind::Switched
            | FactKind::Paused
            | FactKind::Resumed
            | FactKind::AnalysisStarted
            | FactKind::AnalysisCompleted
            | FactKind::PhaseChanged
            | FactKind::Unknown => Self::Deployment("progressed"),
        }
    }

    fn full_name(self) -> String {
        match self {
            Self::Service(predicate) => format!("dev.cdevents.service.{predicate}.{SERVICE_VERSION}"),
            Self::Deployment(predicate) => {
                format!("dev.cdeventsx.kulta-deployment.{predicate}.{DEPLOYMENT_VERSION}")
            }
        }
    }
}

/// The type of the event of a fact.
#[must_use]
pub fn type_of(fact: &Fact) -> String {
    Kind::of(fact).full_name()
}

/// The type of the event that tells that a Rollout is gone.
#[must_use]
pub fn removal_type() -> String {
    Kind::Service("removed").full_name()
}

/// What an event says of itself.
struct Head {
    id: Uuid,
    kind: Kind,
    time: Timestamp,
    chain: Option<Uuid>,
    links: Vec<Value>,
}

/// The event of one fact.
#[must_use]
pub fn render(producer: &Producer, subject: &Subject, fact: &Fact) -> Event {
    let kind = Kind::of(fact);
    let head = Head {
        id: event_id(&subject.uid, fact.sequence),
        kind,
        time: fact.time,
        chain: fact.chain.map(|first| chain_id(&subject.uid, first)),
        links: links::of(&subject.uid, fact),
    };
    let content = match kind {
        Kind::Service("published") => json!({"environment": {"id": producer.environment}}),
        Kind::Service(_) => json!({
            "environment": {"id": producer.environment},
            "artifactId": artifact_of(subject, fact),
        }),
        Kind::Deployment(_) => deployment(producer, subject, fact),
    };
    let mut data = json!({"rollout": rollout(subject), "fact": fact});
    if let (Some(start), Some(data)) = (links::start(&subject.uid, fact), data.as_object_mut()) {
        data.insert("startLink".to_owned(), start);
    }
    event(producer, subject, head, &content, &data)
}

/// The event that tells that a Rollout is gone, and its service with it.
#[must_use]
pub fn removed(producer: &Producer, subject: &Subject, time: Timestamp) -> Event {
    let head = Head {
        id: removal_id(&subject.uid),
        kind: Kind::Service("removed"),
        time,
        chain: None,
        links: Vec::new(),
    };
    let content = json!({"environment": {"id": producer.environment}});
    event(
        producer,
        subject,
        head,
        &content,
        &json!({"rollout": rollout(subject)}),
    )
}

fn event(producer: &Producer, subject: &Subject, head: Head, content: &Value, data: &Value) -> Event {
    let kind = head.kind.full_name();
    let mut told = json!({
        "specversion": SPECIFICATION,
        "id": head.id.to_string(),
        "source": producer.source,
        "type": kind,
        "timestamp": head.time.to_string(),
    });
    if let Some(fields) = told.as_object_mut() {
        fields.extend(
            head.chain
                .map(|chain| ("chainId".to_owned(), json!(chain.to_string()))),
        );
        let links = Some(head.links).filter(|links| !links.is_empty());
        fields.extend(links.map(|links| ("links".to_owned(), Value::Array(links))));
    }
    Event {
        id: head.id,
        kind,
        time: head.time,
        source: producer.source.clone(),
        subject: subject.id(),
        body: json!({
            "context": told,
            "subject": {"id": subject.id(), "source": producer.source, "content": content},
            "customData": {"kulta": data},
            "customDataContentType": "application/json",
        }),
    }
}

fn rollout(subject: &Subject) -> Value {
    json!({"namespace": subject.namespace, "name": subject.name, "uid": subject.uid})
}

fn artifact_of(subject: &Subject, fact: &Fact) -> String {
    let unknown = || artifact::unknown(&subject.id(), fact.revision.as_deref());
    fact.image.as_deref().map_or_else(unknown, artifact::package_url)
}

/// The content of an event on the way, as the schema in `deploy/cdevents` has it.
fn deployment(producer: &Producer, subject: &Subject, fact: &Fact) -> Value {
    let mut content = json!({
        "environment": {"id": producer.environment},
        "service": {"id": subject.id()},
        "change": fact.kind,
        "cause": fact.cause,
    });
    let optional = [
        ("outcome", outcome(fact).map(Value::from)),
        (
            "artifactId",
            fact.image.as_ref().map(|_| json!(artifact_of(subject, fact))),
        ),
        ("revision", fact.revision.as_ref().map(|revision| json!(revision))),
        (
            "stableRevision",
            fact.stable.as_ref().map(|revision| json!(revision)),
        ),
        ("phase", fact.phase.map(|phase| json!(phase))),
        ("step", fact.step.map(|step| json!(step))),
        ("weight", weight(fact)),
        (
            "measurements",
            (!fact.evidence.is_empty()).then(|| json!(fact.evidence)),
        ),
        ("message", (!fact.message.is_empty()).then(|| json!(fact.message))),
    ];
    if let Some(fields) = content.as_object_mut() {
        let set = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(set);
    }
    content
}

fn weight(fact: &Fact) -> Option<Value> {
    let requested = fact.weight?;
    Some(match fact.in_force {
        Some(in_force) => json!({"requested": requested, "inForce": in_force}),
        None => json!({"requested": requested}),
    })
}

/// What became of an attempt, in a word.
const fn outcome(fact: &Fact) -> Option<&'static str> {
    match fact.kind {
        FactKind::Finished => Some("promoted"),
        FactKind::Superseded => Some("superseded"),
        FactKind::Aborted => Some("aborted"),
        FactKind::RolledBack => Some("rolledback"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
