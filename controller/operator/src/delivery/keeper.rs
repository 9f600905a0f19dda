//! Keeps the inventory of Rollouts, and tells the sinks of those that are gone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use kulta_api::Group;
use kulta_api::names::FIELD_MANAGER;
use kulta_core::text::with_causes;
use serde_json::json;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::pace::Pace;
use super::Outbox;
use super::inventory::{Changes, Entries, Entry, Gone, Inventory, Room, facts_of};
use super::unheard::Unheard;
use crate::key::ObjectKey;
use crate::watch::Caches;

mod pace;

/// The ConfigMap with the inventory, in the controller's own namespace. It may be a megabyte: about 10,000 Rollouts, and
/// what those that are gone had to tell. So it is called where the controller has no instance id.
pub const CONFIG_MAP: &str = "kulta-inventory";

/// After a write, what comes meanwhile is gathered for so long: five writes a second at most, also where a namespace with
/// hundreds of Rollouts is deleted.
const WRITE_GAP: Duration = Duration::from_millis(200);

/// An answer takes milliseconds; without one the ends of Rollouts are told all the same, and the inventory is tried again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The inventory can't be read or written now.
#[derive(Debug, Error)]
enum KeeperError {
    #[error(transparent)]
    Api(#[from] Box<kube::Error>),
    #[error("no answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silence,
}

async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, KeeperError> {
    match timeout(ANSWERS_WITHIN, answer).await {
        Ok(answer) => answer.map_err(|error| Box::new(error).into()),
        Err(_) => Err(KeeperError::Silence),
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// Keeps the inventory.
pub struct Keeper {
    /// What the watches see.
    pub caches: Arc<Caches>,
    /// Where the ends of Rollouts are told.
    pub outbox: Outbox,
    /// The namespace whose Rollouts are watched; None: all.
    pub namespace: Option<String>,
    /// Whether those of `argoproj.io` are watched.
    pub argo_api: bool,
    /// The ConfigMap: each controller has one of its own.
    pub config_map: String,
    /// True once all Rollouts that there are were seen.
    pub ready: watch::Receiver<bool>,
    /// The API server; its default namespace is the controller's own.
    pub client: Client,
}

impl Keeper {
    /// Keeps it from the moment on when everything was seen, for ever.
    pub async fn run(mut self) -> Option<Infallible> {
        // The other end is gone when the process ends.
        self.ready.wait_for(|ready| *ready).await.ok()?;
        let mut inventory = Inventory::default();
        let mut is_recalled = false;
        let mut pace = Pace::default();
        loop {
            // Whoever comes while the inventory is written is not missed.
            let news = self.outbox.news();
            self.forget(&mut inventory);
            let mut gone = self.compare(&mut inventory);
            let is_urgent = !is_recalled || self.changes(&inventory).is_urgent();
            // What is stored has the time that is told: an event that is told twice is the same.
            let is_due = pace.is_due(is_urgent);
            if is_due {
                let is_kept = self.keep(&mut inventory, &mut is_recalled, &mut gone).await;
                pace.note(is_kept);
            } else if !self.changes(&inventory).is_empty() {
                pace.is_wanted();
            }
            for gone in gone {
                self.outbox.gone(&gone, inventory.unheard(&gone.uid), None);
            }
            if is_due {
                sleep(WRITE_GAP).await;
            }
            tokio::select! {
                () = news => {}
                () = pace.wait() => {}
            }
        }
    }

    /// Brings what is stored up to date. Whether it is. Those that went while nobody watched are added to `gone`.
    async fn keep(&self, inventory: &mut Inventory, is_recalled: &mut bool, gone: &mut Vec<Gone>) -> bool {
        if !*is_recalled {
            *is_recalled = self.recall(inventory).await;
            gone.extend(inventory.leaving());
            gone.extend(self.compare(inventory));
        }
        if !*is_recalled {
            // Where nobody is to be told anything, nothing is missed.
            return !self.outbox.has_sinks();
        }
        self.write(inventory).await
    }

    async fn recall(&self, inventory: &mut Inventory) -> bool {
        let config_maps = self.config_maps();
        match in_time(config_maps.get_opt(&self.config_map)).await {
            Ok(stored) => {
                let data = stored.and_then(|stored| stored.data).unwrap_or_default();
                let (facts, entries) = data.into_iter().partition(|(key, _)| facts_of(key).is_some());
                let entries = self.entries(entries);
                let unheard = unheard(facts, &entries);
                inventory.recall(entries, unheard);
                true
            }
            Err(error) => {
                self.complain("read", &error);
                false
            }
        }
    }

    /// Those of other namespaces are another controller's, and of a group that is not watched nobody knows whether they went.
    fn entries(&self, data: BTreeMap<String, String>) -> Entries {
        let entries = data.into_iter().filter_map(|(uid, text)| {
            let entry = text.parse::<Entry>().ok()?;
            Some((uid, entry))
        });
        let own = |entry: &Entry| {
            let is_watched = self.argo_api || entry.key.group == Group::Kulta;
            let namespace = self.namespace.as_ref();
            is_watched && namespace.is_none_or(|own| *own == entry.key.namespace)
        };
        entries.filter(|(_, entry)| own(entry)).collect()
    }

    /// Forgets those whose end all sinks have heard. One that was set up meanwhile hears it, too, for others may have lost
    /// with their former settings what they had to hear.
    fn forget(&self, inventory: &mut Inventory) {
        let set_up_anew = self.outbox.take_set_up_anew();
        if !set_up_anew.is_empty() {
            for gone in inventory.leaving() {
                let unheard = inventory.unheard(&gone.uid);
                self.outbox.gone(&gone, unheard, Some(&set_up_anew));
            }
        }
        self.outbox.while_told(|is_leaving| inventory.forget(is_leaving));
    }

    /// Those that are newly found to be gone; what they had to tell at their end is offered, and kept where a sink has not
    /// heard it.
    fn compare(&self, inventory: &mut Inventory) -> Vec<Gone> {
        let mut now = Timestamp::now();
        for (key, rollout) in self.caches.take_departed() {
            // No end is before what it ends, even if the clock was set back.
            now = rollout
                .status
                .history
                .last()
                .map_or(now, |last| last.time.max(now));
            self.outbox.offer(&key, &rollout.uid, &rollout.status);
            let unheard = self.outbox.unheard(&key, &rollout.uid, &rollout.status);
            if let Some(unheard) = unheard {
                inventory.keep(&rollout.uid, &key, unheard);
            }
        }
        let there: BTreeMap<String, ObjectKey> = self.caches.read(|tables| {
            let rollouts = tables.rollouts.iter();
            rollouts
                .map(|(key, rollout)| (rollout.uid.clone(), key.clone()))
                .collect()
        });
        let gone = inventory.compare(self.outbox.take_seen(), &there, now);
        for forgone in inventory.fit(Room::BOUND) {
            tracing::warn!(
                uid = forgone.uid,
                "no room for all that sinks have not heard of deleted Rollouts: the oldest of it is lost"
            );
            self.outbox.forgo(&forgone);
        }
        gone
    }

    /// What has to be written. Without sinks nobody is to be told anything, and nothing is stored.
    fn changes(&self, inventory: &Inventory) -> Changes {
        if self.outbox.has_sinks() {
            inventory.changes()
        } else {
            inventory.all_removed()
        }
    }

    async fn write(&self, inventory: &mut Inventory) -> bool {
        let changes = self.changes(inventory);
        if changes.is_empty() {
            return true;
        }
        let written = match self.patch(&changes).await {
            Err(KeeperError::Api(error)) if is_not_found(&error) => {
                inventory.nothing_is_stored();
                self.make(inventory).await
            }
            written => written.map(|()| changes),
        };
        match written {
            Ok(changes) => {
                inventory.stored(changes);
                true
            }
            Err(error) => {
                self.complain("written", &error);
                false
            }
        }
    }

    /// Makes the ConfigMap, with all that is known.
    async fn make(&self, inventory: &Inventory) -> Result<Changes, KeeperError> {
        let mut empty = ConfigMap::default();
        empty.metadata.name = Some(self.config_map.clone());
        let config_maps = self.config_maps();
        in_time(config_maps.create(&PostParams::default(), &empty)).await?;
        let changes = inventory.changes();
        self.patch(&changes).await?;
        Ok(changes)
    }

    async fn patch(&self, changes: &Changes) -> Result<(), KeeperError> {
        let patching = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let (config_maps, patch) = (self.config_maps(), Patch::Merge(json!({"data": changes.data()})));
        let patched = config_maps.patch_metadata(&self.config_map, &patching, &patch);
        in_time(patched).await.map(drop)
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::default_namespaced(self.client.clone())
    }

    fn complain(&self, what: &str, error: &KeeperError) {
        if !self.outbox.has_sinks() {
            return;
        }
        let namespace = self.client.default_namespace();
        let (error, name) = (with_causes(error), &self.config_map);
        tracing::warn!(
            namespace,
            error,
            "the ConfigMap {name} can't be {what}: the end of a Rollout that is deleted while no controller runs \
             would not be told, nor, after a restart, what a deleted one had left to tell"
        );
    }
}

/// What those that are gone had to tell, by UID; None: it can't be read.
fn unheard(facts: BTreeMap<String, String>, entries: &Entries) -> BTreeMap<String, Option<Unheard>> {
    let own = facts.into_iter().filter_map(|(key, text)| {
        let uid = facts_of(&key).filter(|uid| entries.contains_key(*uid))?;
        let unheard = serde_json::from_str(&text);
        if let Err(error) = &unheard {
            let error = with_causes(error);
            tracing::warn!(
                key,
                error,
                "the inventory has facts that can't be read: they are lost"
            );
        }
        Some((uid.to_owned(), unheard.ok()))
    });
    own.collect()
}

#[cfg(test)]
mod tests;
