//! Pods, as far as anything is decided about single ones: while a restart is due.

use jiff::{SignedDuration, Timestamp};

/// The pods of the ReplicaSets that the Rollout owns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pods {
    /// Nobody has asked: no restart is due.
    #[default]
    NotListed,
    /// The API server does not say.
    Unknown {
        /// Its message.
        message: String,
    },
    /// As they were just listed, but for those that have ended.
    Listed(Vec<PodView>),
}

impl Pods {
    /// The pods, if they are known.
    #[must_use]
    pub fn listed(&self) -> Option<&[PodView]> {
        match self {
            Self::Listed(pods) => Some(pods),
            Self::NotListed | Self::Unknown { .. } => None,
        }
    }
}

/// A pod that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID: precondition of writes.
    pub uid: String,
    /// Its version, too: what another one has written since is not undone.
    pub resource_version: String,
    /// The name of its ReplicaSet.
    pub replica_set: String,
    /// Creation time.
    pub created: Timestamp,
    /// Since when it is ready; None: it is not.
    pub ready_since: Option<Timestamp>,
    /// It is being deleted.
    pub deleting: bool,
}

impl PodView {
    /// Whether it is ready and there to stay.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready_since.is_some() && !self.deleting
    }

    /// Whether it has been ready for so many seconds, and is there to stay.
    #[must_use]
    pub fn is_available(&self, now: Timestamp, min_ready_seconds: u32) -> bool {
        let Some(since) = self.ready_since.filter(|_| !self.deleting) else {
            return false;
        };
        let needed = SignedDuration::from_secs(i64::from(min_ready_seconds));
        needed.is_zero() || now.duration_since(since) >= needed
    }
}
