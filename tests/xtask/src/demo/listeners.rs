//! The sinks of events, two of them not KULTA's own, and the story that all have heard, next to what was played.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, Result};
use jiff::Timestamp;
use kulta_core::history::{Fact, FactKind};
use kulta_e2e::{Heard, Independent, Installation, Receiver, Rollout, StageSettings};
use kulta_events::{Event, Producer, Subject, render};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::scene::Act;

/// The modes of `CloudEvents`.
const MODES: [&str; 2] = ["structured", "binary"];
/// What the types of all events begin with.
const TYPES: &str = "dev.cdevents";

/// What the cluster is called in events.
const ENVIRONMENT: &str = "demo";
/// The source of events where the configuration names none.
const SOURCE: &str = "/kulta/demo";

/// A server for each mode, and for each one made of the official SDK of `CloudEvents`.
pub(crate) struct Listeners {
    own: [Receiver; 2],
    independent: [Independent; 2],
}

/// What was heard of one Rollout.
pub(crate) struct Story {
    acts: Vec<(Timestamp, Act)>,
    events: Vec<Told>,
    /// Whether all have heard every fact of the history, in order, and nothing else.
    pub(crate) is_whole: bool,
}

/// An event, and its fact.
struct Told {
    kind: String,
    fact: Fact,
}

impl Listeners {
    /// Starts them where the cluster's Prometheus is, which pods reach; None where it is not ours.
    pub(crate) async fn start(settings: &StageSettings) -> Result<Option<Self>> {
        let host = settings.prometheus.as_deref().and_then(host);
        let (Some(host), Some(sdk)) = (host, settings.cloud_events_sdk.as_deref()) else {
            return Ok(None);
        };
        let own = [Receiver::start_at(host).await?, Receiver::start_at(host).await?];
        let independent = [
            Independent::start_at(host, sdk).await?,
            Independent::start_at(host, sdk).await?,
        ];
        Ok(Some(Self { own, independent }))
    }

    /// An installation that tells them.
    pub(crate) fn installed(&self, installation: Installation) -> Result<Installation> {
        let own = MODES.into_iter().zip(&self.own);
        let own = own.map(|(mode, receiver)| (mode.to_owned(), mode, receiver.address()));
        let independent = MODES.into_iter().zip(&self.independent);
        let independent =
            independent.map(|(mode, receiver)| (format!("independent-{mode}"), mode, receiver.address()));
        let sinks: Vec<_> = own.chain(independent).collect();
        installation.with_sinks(ENVIRONMENT, &sinks)
    }

    /// What they have heard of a Rollout, once they have heard the end of its history.
    pub(crate) async fn story(&self, rollout: &Rollout, acts: &[(Timestamp, Act)]) -> Result<Story> {
        let history = rollout.status().await?.history;
        let last = history.last().context("no history")?.sequence;
        let mut stories = Vec::new();
        for listener in &self.own {
            let told = |heard: &[Heard]| of(rollout, heard).iter().any(|told| told.fact.sequence == last);
            listener
                .until("a sink to hear the end of the history", told)
                .await?;
            let mut story = of(rollout, &listener.heard());
            // Whoever is told twice keeps the first.
            story.dedup_by_key(|told| told.fact.sequence);
            stories.push(story);
        }
        let events = events(rollout, &history).await?;
        for independent in &self.independent {
            independent.has_heard(&events).await?;
        }
        let is_whole = stories
            .iter()
            .all(|story| story.iter().map(|told| &told.fact).eq(&history));
        Ok(Story {
            acts: acts.to_vec(),
            events: stories.into_iter().next().unwrap_or_default(),
            is_whole,
        })
    }
}

/// What everybody has to hear of a Rollout.
async fn events(rollout: &Rollout, history: &[Fact]) -> Result<Vec<Event>> {
    let object = rollout.stage().rollouts().get(rollout.name()).await?;
    let subject = Subject {
        namespace: rollout.stage().namespace().to_owned(),
        name: rollout.name().to_owned(),
        uid: object.metadata.uid.context("no UID")?,
    };
    let producer = Producer {
        source: SOURCE.to_owned(),
        environment: ENVIRONMENT.to_owned(),
    };
    Ok(history
        .iter()
        .map(|fact| render(&producer, &subject, fact))
        .collect())
}

/// What was heard of a Rollout.
fn of(rollout: &Rollout, heard: &[Heard]) -> Vec<Told> {
    let meant = json!([rollout.stage().namespace(), rollout.name()]);
    let events = heard.iter().filter_map(|heard| {
        let told = heard.body.pointer("/customData/kulta")?;
        let about = |field: &str| told.pointer(&format!("/rollout/{field}"));
        if json!([about("namespace"), about("name")]) != meant {
            return None;
        }
        let kind = heard.body.pointer("/context/type").and_then(Value::as_str)?;
        Some(Told {
            kind: short(kind).to_owned(),
            fact: Fact::deserialize(told.get("fact")?).ok()?,
        })
    });
    events.collect()
}

/// The type of an event without what all of them have.
fn short(kind: &str) -> &str {
    let rest = kind.strip_prefix(TYPES).unwrap_or(kind);
    rest.trim_start_matches("x.").trim_start_matches('.')
}

/// The host of an address.
fn host(address: &str) -> Option<IpAddr> {
    let uri: http::Uri = address.parse().ok()?;
    uri.host()?.parse().ok()
}

/// What everybody can see: what lies between is in the history.
const fn is_shown(kind: FactKind) -> bool {
    !matches!(
        kind,
        FactKind::StepCompleted
            | FactKind::WeightRequested
            | FactKind::Paused
            | FactKind::Resumed
            | FactKind::PhaseChanged
    )
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.events.iter().filter(|told| is_shown(told.fact.kind));
        let mut act = None;
        for Told { kind, fact } in shown {
            let now = self.acts.iter().rfind(|(begin, _)| *begin <= fact.time);
            let now = now.map_or("v1 is deployed", |(_, act)| act.title);
            if act.replace(now) != Some(now) {
                writeln!(formatter, "{now}")?;
            }
            let time = fact.time.strftime("%H:%M:%S");
            let weight = fact
                .in_force
                .map_or_else(String::new, |weight| format!(" at {} %", weight.percent()));
            writeln!(formatter, "  {time}  {kind:<34} {:?}{weight}", fact.kind)?;
        }
        let events = self.events.len();
        let modes = MODES.join(" and ");
        if self.is_whole {
            write!(
                formatter,
                "events: {events} of {events} facts heard by four sinks ({modes}; two of them made of the CloudEvents SDK for \
                 Python), in order; those of steps, pauses and phases are not shown"
            )
        } else {
            write!(formatter, "events: {events} heard, NOT the facts of the history")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_without_what_all_have() {
        let types = [
            "dev.cdevents.service.upgraded.0.3.0",
            "dev.cdeventsx.kulta-deployment.started.0.1.0",
        ];

        assert_eq!(
            types.map(short),
            ["service.upgraded.0.3.0", "kulta-deployment.started.0.1.0"]
        );
    }

    #[test]
    fn the_host_of_an_address_is_told() {
        assert_eq!(host("http://198.18.0.1:9090"), Some([198, 18, 0, 1].into()));
        assert_eq!(host("http://prometheus:9090"), None);
    }
}
