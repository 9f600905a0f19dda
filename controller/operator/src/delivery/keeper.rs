//! Keeps the inventory of Rollouts, and tells the sinks of those that are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
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
use crate::expectations::Kind;
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::observe::read::{self, ReadError};
use crate::permission::{Begun, Permission};
use crate::watch::Caches;

mod pace;

/// The ConfigMap with the inventory, in the controller's own namespace. It may be a megabyte: about 10,000 Rollouts, and
/// what those that are gone had to tell. So it is called where the controller has no instance id.
const CONFIG_MAP: &str = "kulta-inventory";

/// After a write, what comes meanwhile is gathered for so long: five writes a second at most, also where a namespace with
/// hundreds of Rollouts is deleted.
const WRITE_GAP: Duration = Duration::from_millis(200);

/// An answer takes milliseconds; without one the ends of Rollouts are told all the same, and the inventory is tried again.
/// What was begun while this replica led has been given up when another one may.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// The inventory can't be read or written now.
#[derive(Debug, Error)]
enum KeeperError {
    #[error(transparent)]
    Api(#[from] Box<kube::Error>),
    #[error("no answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silence,
    #[error("another replica leads")]
    Follows,
    #[error("whether Rollouts are gone can't be asked")]
    Read(#[from] ReadError),
    #[error("the Rollout {0} is there, and no watch shows it yet")]
    Overlooked(ObjectKey),
}

/// The ConfigMap, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Stored {
    /// It is to be read.
    #[default]
    Unread,
    /// There is none.
    Missing,
    /// Its version: precondition of each write, so that nothing is written over what another replica has written since.
    At(String),
}

impl Stored {
    fn of(metadata: &ObjectMeta) -> Self {
        Self::At(metadata.resource_version.clone().unwrap_or_default())
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, KeeperError> {
    match timeout(ANSWERS_WITHIN, answer).await {
        Ok(answer) => answer.map_err(|error| Box::new(error).into()),
        Err(_) => Err(KeeperError::Silence),
    }
}

fn is_conflict(error: &KeeperError) -> bool {
    matches!(error, KeeperError::Api(error) if matches!(&**error, kube::Error::Api(status) if status.is_conflict()))
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

/// Departed Rollouts that another replica tells of are forgotten after this time, or twice as much: far longer than it takes to
/// lead in its place.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// Keeps the inventory.
#[derive(Clone)]
pub struct Keeper {
    /// What the watches see.
    pub caches: Arc<Caches>,
    /// Where the ends of Rollouts are told.
    pub outbox: Outbox,
    /// The namespace whose Rollouts are watched; None: all.
    pub namespace: Option<String>,
    /// Whether those of `argoproj.io` are watched.
    pub argo_api: bool,
    /// Whose Rollouts are watched. Each has a ConfigMap of its own.
    pub instance: Instance,
    /// Whether this replica leads: the others write nothing.
    pub permission: Permission,
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
        let mut stored = Stored::default();
        let mut pace = Pace::default();
        loop {
            // Whoever comes while the inventory is written is not missed.
            let news = self.outbox.news();
            self.forget(&mut inventory);
            let mut gone = self.compare(&mut inventory);
            let is_urgent = stored == Stored::Unread || self.changes(&inventory).is_urgent();
            // What is stored has the time that is told: an event that is told twice is the same.
            let is_due = pace.is_due(is_urgent);
            if is_due {
                let is_kept = self.keep(&mut inventory, &mut stored, &mut gone).await;
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

    /// Has nothing to do while another replica leads: which Rollouts go is that one's to tell. What has gone in the last minute
    /// is kept all the same: that one may be gone itself, and not have told it.
    pub async fn forget_departed(&self) {
        let mut known = 0;
        loop {
            known = self.caches.forget_departed(known);
            sleep(FORGET_EVERY).await;
        }
    }

    /// Brings what is stored up to date. Whether it is. Those that went while nobody watched are added to `gone`.
    async fn keep(&self, inventory: &mut Inventory, stored: &mut Stored, gone: &mut Vec<Gone>) -> bool {
        if *stored == Stored::Unread {
            *stored = self.recall(inventory).await;
            gone.extend(inventory.leaving());
            gone.extend(self.compare(inventory));
        }
        if *stored == Stored::Unread {
            // Where nobody is to be told anything, nothing is missed.
            return !self.outbox.has_sinks();
        }
        self.write(inventory, stored).await
    }

    async fn recall(&self, inventory: &mut Inventory) -> Stored {
        let config_maps = self.config_maps();
        match in_time(config_maps.get_opt(&self.config_map())).await {
            Ok(found) => {
                let version = found.as_ref().map(|found| Stored::of(&found.metadata));
                let data = found.and_then(|found| found.data).unwrap_or_default();
                let (facts, entries) = data.into_iter().partition(|(key, _)| facts_of(key).is_some());
                let entries = self.entries(entries);
                if let Err(error) = self.none_is_overlooked(&entries).await {
                    self.complain("believed", &error);
                    return Stored::Unread;
                }
                let unheard = unheard(facts, &entries);
                inventory.recall(entries, unheard);
                version.unwrap_or(Stored::Missing)
            }
            Err(error) => {
                self.complain("read", &error);
                Stored::Unread
            }
        }
    }

    /// Refuses entries of Rollouts that no watch shows but that are there: the replica that led before has noted them while a watch
    /// of this one was cut off. Their end would be told, and the real one later would be no news.
    async fn none_is_overlooked(&self, entries: &Entries) -> Result<(), KeeperError> {
        let there: BTreeSet<String> = self.caches.read(|tables| {
            let rollouts = tables.rollouts.iter();
            rollouts.map(|(_, rollout)| rollout.uid.clone()).collect()
        });
        for (uid, entry) in entries.iter().filter(|(uid, _)| !there.contains(*uid)) {
            let (kind, key) = (Kind::Rollout, &entry.key);
            let found = read::version(&self.client, &self.caches, &self.instance, kind, key).await?;
            if found.is_some_and(|found| found.uid == *uid) {
                return Err(KeeperError::Overlooked(entry.key.clone()));
            }
        }
        Ok(())
    }

    fn config_map(&self) -> String {
        self.instance.own_name(CONFIG_MAP)
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

    async fn write(&self, inventory: &mut Inventory, stored: &mut Stored) -> bool {
        let changes = self.changes(inventory);
        if changes.is_empty() {
            return true;
        }
        if changes.left_out > 0 {
            tracing::warn!(
                left_out = changes.left_out,
                "there are more Rollouts than {} has room for: the end of some that are deleted while no controller runs would not be told",
                self.config_map()
            );
        }
        let written = match stored {
            Stored::At(version) => self.patch(version, &changes).await,
            Stored::Missing | Stored::Unread => self.make(&changes).await,
        };
        let written = match written {
            Err(KeeperError::Api(error)) if is_not_found(&error) => {
                // Somebody has deleted it: all that is known is written.
                inventory.nothing_is_stored();
                let all = inventory.changes();
                self.make(&all).await.map(|version| (version, all))
            }
            written => written.map(|version| (version, changes)),
        };
        match written {
            Ok((version, changes)) => {
                *stored = version;
                inventory.stored(changes);
                true
            }
            Err(error) => {
                if is_conflict(&error) {
                    *stored = Stored::Unread;
                }
                self.complain("written", &error);
                false
            }
        }
    }

    /// Makes the ConfigMap, and then changes it: what can be made is not told by name.
    async fn make(&self, changes: &Changes) -> Result<Stored, KeeperError> {
        let mut empty = ConfigMap::default();
        empty.metadata.name = Some(self.config_map());
        let config_maps = self.config_maps();
        let _under_way = self.begin()?;
        let made = in_time(config_maps.create(&PostParams::default(), &empty)).await?;
        let version = made.metadata.resource_version.unwrap_or_default();
        self.patch(&version, changes).await
    }

    async fn patch(&self, version: &str, changes: &Changes) -> Result<Stored, KeeperError> {
        let patching = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = json!({"metadata": {"resourceVersion": version}, "data": changes.data()});
        let (config_maps, patch) = (self.config_maps(), Patch::Merge(patch));
        let _under_way = self.begin()?;
        let name = self.config_map();
        let patched = config_maps.patch_metadata(&name, &patching, &patch);
        Ok(Stored::of(&in_time(patched).await?.metadata))
    }

    fn begin(&self) -> Result<Begun, KeeperError> {
        self.permission.begin(Group::Kulta).ok_or(KeeperError::Follows)
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::default_namespaced(self.client.clone())
    }

    fn complain(&self, what: &str, error: &KeeperError) {
        if !self.outbox.has_sinks() {
            return;
        }
        let namespace = self.client.default_namespace();
        let (error, name) = (with_causes(error), self.config_map());
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
