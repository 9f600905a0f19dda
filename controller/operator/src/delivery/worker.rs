//! Those who send: several for a sink, each with one Rollout at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kulta_api::Group;
use kulta_events::{Event, Producer, removed, render};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lane::{Ending, Job, Lane};
use super::sink::{Outcome, Sink};
use crate::key::ObjectKey;
use crate::queue::Requests;

/// What is delivered is noted in the status after this time, together with what other sinks get meanwhile.
const NOTE_AFTER: Duration = Duration::from_secs(1);

/// One who sends.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) lane: Arc<Lane>,
    pub(super) sink: Arc<Sink>,
    pub(super) producer: Producer,
    pub(super) requests: Requests,
    /// Told when the end of a Rollout was told.
    pub(super) news: Arc<Notify>,
}

impl Worker {
    /// Starts so many of them. They end when the set is dropped.
    pub(super) fn start(&self, number: NonZeroUsize) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        for _ in 0..number.get() {
            workers.spawn(self.clone().run());
        }
        workers
    }

    async fn run(self) {
        loop {
            let job = self.lane.next().await;
            let ending = self.send(&job).await;
            if self.lane.end(&job, ending) {
                // Of which group the Rollout is, is not told to sinks; where there is none, there is nothing to do.
                for group in Group::ALL {
                    let key = ObjectKey::in_group(group, &job.subject.namespace, &job.subject.name);
                    self.requests.at(Instant::now() + NOTE_AFTER, key);
                }
            }
            if job.removed.is_some() {
                self.news.notify_one();
            }
        }
    }

    async fn send(&self, job: &Job) -> Ending {
        let uid = &job.subject.uid;
        for fact in &job.facts {
            if self.lane.is_paused() {
                return Ending::Interrupted;
            }
            if !self.lane.has(uid, fact.sequence) {
                continue;
            }
            let event = render(&self.producer, &job.subject, fact);
            match self.deliver(&event).await {
                Outcome::Delivered => self.lane.done(uid, fact.sequence, None),
                Outcome::Refused { message } => self.lane.done(uid, fact.sequence, Some(&message)),
                Outcome::Unavailable { wait, .. } => return Ending::Stopped(wait),
            }
        }
        if job.removed.is_some() && self.lane.is_paused() {
            return Ending::Interrupted;
        }
        let gone = job
            .removed
            .filter(|_| self.lane.is_leaving(uid))
            .map(|time| removed(&self.producer, &job.subject, time));
        let wanted = gone.filter(|event| self.lane.filter.wants(&job.subject.namespace, &event.kind));
        match wanted {
            Some(event) => match self.deliver(&event).await {
                Outcome::Unavailable { wait, .. } => Ending::Stopped(wait),
                Outcome::Delivered | Outcome::Refused { .. } => Ending::Done,
            },
            None => Ending::Done,
        }
    }

    async fn deliver(&self, event: &Event) -> Outcome {
        let outcome = self.sink.deliver(event).await;
        self.lane.count(&outcome);
        let sink = &self.lane.name;
        match &outcome {
            Outcome::Delivered => {}
            Outcome::Refused { message } => {
                tracing::warn!(sink, event = %event.id, kind = event.kind, message, "event refused");
            }
            Outcome::Unavailable { message, .. } => tracing::warn!(sink, message, "sink takes no events"),
        }
        outcome
    }
}

#[cfg(test)]
pub(super) mod tests {
    use kulta_core::history::{Cause, Fact, FactKind};
    use kulta_events::Subject;

    use super::*;

    pub(in crate::delivery) fn subject() -> Subject {
        Subject {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05".to_owned(),
        }
    }

    pub(in crate::delivery) fn fact(sequence: u64) -> Fact {
        Fact {
            sequence,
            ..Fact::new(
                FactKind::WeightRequested,
                Cause::Controller,
                "2026-03-01T12:00:00Z".parse().unwrap(),
            )
        }
    }

    pub(in crate::delivery) fn event(sequence: u64) -> Event {
        let producer = Producer {
            source: "/kulta/test".to_owned(),
            environment: "test".to_owned(),
        };
        render(&producer, &subject(), &fact(sequence))
    }
}
