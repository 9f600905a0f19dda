//! What is in service at one moment, for whoever has to know of changes.

use std::collections::BTreeMap;

use kulta_plugin_host::Digest;
use tokio::sync::watch;

use super::Plugins;

/// Which versions are in service, and which configuration of the operator is in force.
#[derive(Debug, PartialEq, Eq)]
pub struct ServiceState {
    digests: BTreeMap<String, Digest>,
    changes: u64,
}

impl ServiceState {
    /// Whether something has become of the plugin `name`.
    #[must_use]
    pub fn differs_from(&self, before: &Self, name: &str) -> bool {
        self.changes != before.changes || self.digests.get(name) != before.digests.get(name)
    }
}

impl Plugins {
    /// Where it is told that other versions are in service, or that the operator says something else.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What is in service now.
    #[must_use]
    pub fn in_service(&self) -> ServiceState {
        let known = self.known.lock();
        let digests = known
            .iter()
            .filter_map(|(name, known)| Some((name.clone(), known.versions.latest()?)));
        ServiceState {
            digests: digests.collect(),
            changes: self.changes(),
        }
    }
}
