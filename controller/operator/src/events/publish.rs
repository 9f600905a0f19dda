//! Sending Kubernetes Events, apart from the reconciles that tell them: an API server that is slow to take an Event
//! holds nobody up, and an Event that can't be sent is a warning and a number.
//!
//! kube's own recorder folds events of one reason into the first of them and loses the later texts; here every event
//! is an object of its own, because every one tells something else.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::core::ApiResource;
use kube::{Api, Client};
use kulta_api::names::{EVENT_REPORTER, FIELD_MANAGER};
use kulta_core::text::with_causes;
use thiserror::Error;
use tokio::sync::mpsc;

use super::Notice;
use crate::apply::write::WRITE_TIMEOUT;
use crate::context::Sighting;
use crate::key::ObjectKey;
use crate::metrics::{EventResult, Metrics};
use crate::permission::Permission;
use crate::terminating::is_namespace_terminating;

/// Events that may wait; at about 1 kB each they take 1 MB at most. Beyond that the API server is in trouble, and
/// Events are the least of it.
const QUEUE_LENGTH: usize = 1024;
/// The API server takes an Event in milliseconds; after this time the next one gets its chance. As for every other write: before
/// another replica may write.
const SEND_TIMEOUT: Duration = WRITE_TIMEOUT;
/// The API server refuses a longer `note`.
const NOTE_BYTES: usize = 1024;
/// The API server refuses a longer `reportingInstance`.
const INSTANCE_BYTES: usize = 128;

/// Takes events to be sent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Event>,
    metrics: Arc<Metrics>,
    instance: Arc<str>,
}

/// The object that an event is about.
#[derive(Debug, Clone)]
pub struct Regarding(ObjectReference);

impl Publisher {
    /// A publisher for this process (`instance`: the name of its pod), and the sending, which must be polled: it
    /// ends when the last clone of the publisher is gone and everything is sent.
    pub fn new(
        client: Client,
        metrics: Arc<Metrics>,
        permission: Permission,
        instance: &str,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (publisher, waiting) = Self::unsent(Arc::clone(&metrics), instance);
        (publisher, send_all(client, metrics, permission, waiting))
    }

    /// A publisher and the events that it takes.
    pub(crate) fn unsent(metrics: Arc<Metrics>, instance: &str) -> (Self, mpsc::Receiver<Event>) {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        (
            Self {
                queue,
                metrics,
                instance: truncated(instance, INSTANCE_BYTES).into(),
            },
            waiting,
        )
    }

    /// Tells `notices` about a Rollout, as [`Publisher::tell_about`] does.
    pub fn tell(&self, rollout: &Sighting, notices: impl IntoIterator<Item = Notice>) {
        let count = |notice: &Notice| {
            if let Some(counts) = &self.metrics.argo {
                counts.told(&rollout.key, (notice.reason.event_type(), notice.reason.as_str()));
            }
        };
        self.tell_about(
            &Regarding::of_rollout(rollout),
            notices.into_iter().inspect(count),
        );
    }

    /// Tells `notices` about an object; returns at once. When too many wait, the new ones are dropped and counted.
    pub fn tell_about(&self, regarding: &Regarding, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            let event = event(regarding, &notice, &self.instance, Timestamp::now());
            if self.queue.try_send(event).is_err() {
                self.metrics.events(EventResult::Dropped, 1);
                let Regarding(object) = regarding;
                tracing::warn!(
                    namespace = object.namespace,
                    name = object.name,
                    reason = notice.reason.as_str(),
                    "event dropped: too many wait"
                );
            }
        }
    }
}

impl Regarding {
    fn of_rollout(rollout: &Sighting) -> Self {
        Self::of_rollout_at(&rollout.key, &rollout.uid, &rollout.resource_version)
    }

    /// A Rollout, as it was read.
    #[must_use]
    pub fn of_rollout_at(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        let resource = kulta_api::rollout::api_resource(key.group);
        Self::of(resource, key, uid, resource_version)
    }

    /// An AnalysisRun, as it was read.
    #[must_use]
    pub fn of_analysis_run(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        let resource = kulta_api::analysis::api_resource(key.group);
        Self::of(resource, key, uid, resource_version)
    }

    /// An Experiment, as it was read.
    #[must_use]
    pub fn of_experiment(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        let resource = kulta_api::experiment::api_resource(key.group);
        Self::of(resource, key, uid, resource_version)
    }

    fn of(resource: ApiResource, key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self(ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            namespace: Some(key.namespace.clone()),
            name: Some(key.name.clone()),
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
            ..ObjectReference::default()
        })
    }
}

fn event(Regarding(regarding): &Regarding, notice: &Notice, instance: &str, now: Timestamp) -> Event {
    let name = regarding.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            namespace: regarding.namespace.clone(),
            // The API server shortens a long prefix and appends what makes it unique.
            generate_name: Some(format!("{name}-")),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(EVENT_REPORTER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        action: Some(notice.reason.as_str().to_owned()),
        reason: Some(notice.reason.as_str().to_owned()),
        regarding: Some(regarding.clone()),
        note: Some(truncated(&notice.note, NOTE_BYTES).to_owned()),
        type_: Some(notice.reason.event_type().to_owned()),
        ..Event::default()
    }
}

/// The first `bytes` bytes at most, whole characters only.
fn truncated(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

async fn send_all(
    client: Client,
    metrics: Arc<Metrics>,
    permission: Permission,
    mut waiting: mpsc::Receiver<Event>,
) {
    while let Some(event) = waiting.recv().await {
        // What it tells was so; but another replica works now, and this one keeps quiet.
        if !permission.holds_lead() {
            metrics.events(EventResult::Dropped, 1);
            continue;
        }
        let result = match send(&client, &event).await {
            Ok(()) => EventResult::Published,
            Err(SendError::Request(error)) if is_namespace_terminating(&error) => EventResult::Dropped,
            Err(error) => {
                let regarding = event.regarding.unwrap_or_default();
                tracing::warn!(
                    namespace = regarding.namespace,
                    name = regarding.name,
                    reason = event.reason,
                    problem = with_causes(&error),
                    "event not published"
                );
                EventResult::Failed
            }
        };
        metrics.events(result, 1);
    }
}

/// Why an event is not with the API server.
#[derive(Debug, Error)]
enum SendError {
    #[error("no answer within {} s", SEND_TIMEOUT.as_secs())]
    Timeout,
    #[error("refused, or out of reach")]
    Request(#[from] kube::Error),
}

async fn send(client: &Client, event: &Event) -> Result<(), SendError> {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match tokio::time::timeout(SEND_TIMEOUT, events.create(&parameters, event)).await {
        Err(_elapsed) => Err(SendError::Timeout),
        Ok(created) => Ok(created.map(drop)?),
    }
}

#[cfg(test)]
mod tests;
