//! What of Jobs and their pods is read: nothing more, so that no field of a later version can be in the way.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Why a container of a Job's pod waits, where it will not start by itself: as in Argo Rollouts, which rollouts then wait for
/// people instead of being aborted.
const IMAGE_PROBLEMS: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// A Job as it is now.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) metadata: Metadata,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) uid: Option<String>,
    #[serde(default)]
    owner_references: Vec<OwnerReference>,
}

#[derive(Debug, Deserialize)]
struct OwnerReference {
    uid: String,
    #[serde(default)]
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
struct JobStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

/// How a Job does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'seen> {
    /// It has done what it was to do.
    Complete,
    /// It has not, and won't.
    Failed(&'seen str),
    /// It is at it.
    Unfinished,
}

/// How the pods of a Job do that is at it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// They run, or will.
    Fine,
    /// One waits for what will not come by itself: why.
    CannotStart(String),
    /// They can't be seen: why.
    Unknown(String),
}

/// The pods of a Job.
#[derive(Debug, Deserialize)]
pub(super) struct PodList {
    #[serde(default)]
    items: Vec<Pod>,
}

#[derive(Debug, Deserialize)]
struct Pod {
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Deserialize)]
struct ContainerStatus {
    name: String,
    /// One of `waiting`, `running` and `terminated`.
    #[serde(default)]
    state: BTreeMap<String, ContainerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    reason: Option<String>,
    message: Option<String>,
}

impl Seen {
    /// Whether the object with this UID has made it.
    pub(super) fn belongs_to(&self, uid: &str) -> bool {
        let mut owners = self.metadata.owner_references.iter();
        owners.any(|owner| owner.controller && owner.uid == uid)
    }

    /// How it does. Conditions that only announce an end (`SuccessCriteriaMet`, `FailureTarget`) are none: pods may go on.
    pub(super) fn state(&self) -> State<'_> {
        let holds = |kind: &str| {
            let mut conditions = self.status.conditions.iter();
            conditions.find(|condition| condition.kind == kind && condition.status == "True")
        };
        if let Some(failed) = holds("Failed") {
            return State::Failed(&failed.message);
        }
        if holds("Complete").is_some() {
            return State::Complete;
        }
        State::Unfinished
    }
}

impl PodList {
    /// How they do.
    pub(super) fn running(&self) -> Running {
        let statuses = self.items.iter().map(|pod| &pod.status);
        let mut containers = statuses.flat_map(|status| {
            status
                .init_container_statuses
                .iter()
                .chain(&status.container_statuses)
        });
        let waits = containers.find_map(|container| {
            let waiting = container.state.get("waiting")?;
            let reason = waiting
                .reason
                .as_deref()
                .filter(|reason| IMAGE_PROBLEMS.contains(reason))?;
            let message = waiting.message.as_deref().unwrap_or_default();
            let separator = if message.is_empty() { "" } else { ": " };
            Some(format!(
                "its container {:?} waits ({reason}){separator}{message}",
                container.name
            ))
        });
        waits.map_or(Running::Fine, Running::CannotStart)
    }
}
