//! Which Rollouts there are, so that the end of each is told, also of one that goes while nobody watches.
//!
//! No finalizer: Rollouts could then not be deleted any more once KULTA is uninstalled. What is known of them is kept in a
//! ConfigMap of the controller's own namespace ([`super::keeper`]) and compared with what is there. With the status of one
//! that is deleted goes what sinks have not heard of it, so that is kept there, too, within bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use kulta_api::Group;

use super::unheard::Unheard;
use crate::key::ObjectKey;

/// What stands between the name of a Rollout and the time when it was found to be gone: no name has one.
const GONE_AT: char = '@';

/// What the key of what a Rollout had to tell ends in.
const FACTS: &str = ".facts";

/// All that is stored, in bytes: below the megabyte that a ConfigMap may have, with room for what is around it.
const MOST_BYTES: usize = 1_000_000;
/// What an entry takes besides its texts: quotes and what is between them.
const ENTRY_BYTES: usize = 8;

/// How much is kept of Rollouts that are gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// So many bytes of what they had to tell.
    pub(super) unheard_bytes: usize,
    /// So many of them.
    pub(super) ends: usize,
    /// So many bytes of their names.
    pub(super) end_bytes: usize,
}

impl Room {
    /// A ConfigMap may have a megabyte, and shares it between what was not told and the names of the Rollouts that there are.
    /// Half of it is some 1,500 facts. An end takes some 100 bytes, up to 400 where names are long; many pile up only where a
    /// sink is down for very long, and each of them waits in memory, too.
    pub(super) const BOUND: Self = Self {
        unheard_bytes: 512 << 10,
        ends: 5_000,
        end_bytes: 192 << 10,
    };
}

/// A Rollout in the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: ObjectKey,
    /// When it was found to be gone, as is told until all sinks have heard it: an event that is told twice is the same.
    pub(super) gone: Option<Timestamp>,
}

/// A Rollout whose end is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) uid: String,
    pub(super) key: ObjectKey,
    pub(super) time: Timestamp,
}

/// By UID.
pub(super) type Entries = BTreeMap<String, Entry>;

/// What those that are gone had to tell, by UID.
type AllUnheard = BTreeMap<String, Kept>;

/// What one that is gone had to tell, and how many bytes that takes.
#[derive(Debug, Clone)]
struct Kept {
    unheard: Arc<Unheard>,
    text: Arc<str>,
}

impl Kept {
    fn new(unheard: Unheard) -> Self {
        // What can't be written takes nothing, and is not found by the next process.
        let text = unheard.text().unwrap_or_default().into();
        Self {
            unheard: Arc::new(unheard),
            text,
        }
    }
}

/// The inventory, and what of it is stored.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    known: Entries,
    stored: Entries,
    unheard: AllUnheard,
    stored_unheard: AllUnheard,
}

/// What has to be forgotten, for there is no room for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forgone {
    pub(super) uid: String,
    /// The first fact that is kept; None: not even the end of the Rollout is told.
    pub(super) first: Option<u64>,
}

/// What is to be changed in what is stored: entries to write, and (None) those to take away, by UID.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// So many Rollouts there is no room for.
    pub(super) left_out: usize,
    entries: BTreeMap<String, Option<Entry>>,
    unheard: BTreeMap<String, Option<Kept>>,
}

impl Changes {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.unheard.is_empty()
    }

    /// Whether something would be lost if it were not stored: what is only to be taken away can wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.entries.values().any(Option::is_some) || self.unheard.values().any(Option::is_some)
    }

    /// The same as a patch of the data of the ConfigMap.
    pub(super) fn data(&self) -> BTreeMap<String, Option<String>> {
        let entries = self
            .entries
            .iter()
            .map(|(uid, entry)| (uid.clone(), entry.as_ref().map(Entry::to_string)));
        let unheard = self.unheard.iter().map(|(uid, kept)| {
            let text = kept.as_ref().map(|kept| kept.text.to_string());
            (format!("{uid}{FACTS}"), text)
        });
        entries.chain(unheard).collect()
    }
}

impl Inventory {
    /// What was stored by the process before. Of `unheard`, None is what can't be read: it is taken away.
    pub(super) fn recall(&mut self, stored: Entries, unheard: BTreeMap<String, Option<Unheard>>) {
        for (uid, entry) in &stored {
            self.known.entry(uid.clone()).or_insert_with(|| entry.clone());
        }
        self.stored = stored;
        for (uid, unheard) in unheard {
            let kept = Kept::new(unheard.clone().unwrap_or_default());
            self.stored_unheard.insert(uid.clone(), kept.clone());
            let is_gone = self.known.get(&uid).is_some_and(|entry| entry.gone.is_some());
            if unheard.is_some() && is_gone {
                self.unheard.entry(uid).or_insert(kept);
            }
        }
    }

    /// What was stored is not there any more.
    pub(super) fn nothing_is_stored(&mut self) {
        self.stored.clear();
        self.stored_unheard.clear();
    }

    /// Keeps what one that is gone had to tell.
    pub(super) fn keep(&mut self, uid: &str, key: &ObjectKey, unheard: Unheard) {
        let entry = || Entry {
            key: key.clone(),
            gone: None,
        };
        self.known.entry(uid.to_owned()).or_insert_with(entry);
        self.unheard.insert(uid.to_owned(), Kept::new(unheard));
    }

    /// What one that is gone had to tell.
    pub(super) fn unheard(&self, uid: &str) -> Option<&Unheard> {
        self.unheard.get(uid).map(|kept| kept.unheard.as_ref())
    }

    /// Forgets what there is no room for, beginning with those that went first, and answers what that is.
    pub(super) fn fit(&mut self, room: Room) -> Vec<Forgone> {
        let known = &self.known;
        let is_gone = |uid: &String| known.get(uid).is_some_and(|entry| entry.gone.is_some());
        self.unheard.retain(|uid, _| is_gone(uid));
        let mut forgone = self.forget_ends(room);
        let mut bytes: usize = self.unheard.values().map(|kept| kept.text.len()).sum();
        if bytes <= room.unheard_bytes {
            return forgone;
        }
        for uid in self.longest_gone() {
            let Some(kept) = self.unheard.get(&uid) else {
                continue;
            };
            let before = kept.text.len();
            let left = kept.unheard.without(bytes.saturating_sub(room.unheard_bytes));
            let left = left.map(Kept::new);
            bytes = bytes.saturating_sub(before) + left.as_ref().map_or(0, |left| left.text.len());
            // All numbers are before the last one.
            let first = left.as_ref().and_then(|left| left.unheard.first());
            let first = Some(first.unwrap_or(u64::MAX));
            match left {
                Some(left) => self.unheard.insert(uid.clone(), left),
                None => self.unheard.remove(&uid),
            };
            forgone.push(Forgone { uid, first });
            if bytes <= room.unheard_bytes {
                break;
            }
        }
        forgone
    }

    fn forget_ends(&mut self, room: Room) -> Vec<Forgone> {
        let gone = self.known.iter().filter(|(_, entry)| entry.gone.is_some());
        let sizes: BTreeMap<String, usize> = gone
            .map(|(uid, entry)| (uid.clone(), uid.len() + entry.to_string().len()))
            .collect();
        let (mut number, mut bytes) = (sizes.len(), sizes.values().sum::<usize>());
        let mut forgone = Vec::new();
        for uid in self.longest_gone() {
            if number <= room.ends && bytes <= room.end_bytes {
                break;
            }
            number -= 1;
            bytes -= sizes.get(&uid).copied().unwrap_or_default();
            self.known.remove(&uid);
            self.unheard.remove(&uid);
            forgone.push(Forgone { uid, first: None });
        }
        forgone
    }

    /// Those that are gone, the first one first.
    fn longest_gone(&self) -> Vec<String> {
        let mut gone: Vec<(Timestamp, &String)> = self
            .known
            .iter()
            .filter_map(|(uid, entry)| Some((entry.gone?, uid)))
            .collect();
        gone.sort_unstable();
        gone.into_iter().map(|(_, uid)| uid.clone()).collect()
    }

    /// Those whose end not all sinks have heard.
    pub(super) fn leaving(&self) -> Vec<Gone> {
        let leaving = self.known.iter().filter_map(|(uid, entry)| {
            Some(Gone {
                uid: uid.clone(),
                key: entry.key.clone(),
                time: entry.gone?,
            })
        });
        leaving.collect()
    }

    /// Compares with what is there. `seen` were there a moment ago, and may be gone. Answers those that are newly found to
    /// be gone.
    pub(super) fn compare(
        &mut self,
        seen: BTreeMap<String, ObjectKey>,
        there: &BTreeMap<String, ObjectKey>,
        now: Timestamp,
    ) -> Vec<Gone> {
        let there_now = there.iter().map(|(uid, key)| (uid.clone(), key.clone()));
        for (uid, key) in seen.into_iter().chain(there_now) {
            self.known.entry(uid).or_insert(Entry { key, gone: None });
        }
        let missing = self
            .known
            .iter_mut()
            .filter(|(uid, entry)| entry.gone.is_none() && !there.contains_key(*uid));
        missing
            .map(|(uid, entry)| {
                entry.gone = Some(now);
                Gone {
                    uid: uid.clone(),
                    key: entry.key.clone(),
                    time: now,
                }
            })
            .collect()
    }

    /// Forgets those whose end nobody has to hear any more.
    pub(super) fn forget(&mut self, is_telling: impl Fn(&str) -> bool) {
        self.known
            .retain(|uid, entry| entry.gone.is_none() || is_telling(uid));
        let known = &self.known;
        self.unheard.retain(|uid, _| known.contains_key(uid));
    }

    /// Those that are there and for which there is no room, by UID: of the namespaces that take the most. No namespace keeps those of
    /// others from being stored.
    fn left_out(&self) -> BTreeSet<&String> {
        let size = |(uid, entry): (&String, &Entry)| uid.len() + entry.to_string().len() + ENTRY_BYTES;
        let unheard: usize = self.unheard.values().map(|kept| kept.text.len()).sum();
        let all = self.known.iter().map(size).sum::<usize>() + unheard;
        let mut over = all.saturating_sub(MOST_BYTES);
        let mut left_out = BTreeSet::new();
        if over == 0 {
            return left_out;
        }
        let mut by_namespace: BTreeMap<&str, Taken<'_>> = BTreeMap::new();
        for (uid, entry) in self.known.iter().filter(|(_, entry)| entry.gone.is_none()) {
            let size = size((uid, entry));
            let taken = by_namespace.entry(entry.key.namespace.as_str()).or_default();
            taken.bytes += size;
            taken.entries.push((uid, size));
        }
        while over > 0 {
            let most = by_namespace.values_mut().max_by_key(|taken| taken.bytes);
            let Some((taken, (uid, size))) =
                most.and_then(|taken| taken.entries.pop().map(|last| (taken, last)))
            else {
                break;
            };
            taken.bytes = taken.bytes.saturating_sub(size);
            over = over.saturating_sub(size);
            left_out.insert(uid);
        }
        left_out
    }

    /// What has to be changed in what is stored.
    pub(super) fn changes(&self) -> Changes {
        let left_out = self.left_out();
        let stays_out = |uid: &String| left_out.contains(uid);
        let is_stored = |uid: &String, kept: &Kept| {
            let stored = self.stored_unheard.get(uid);
            stored.is_some_and(|stored| Arc::ptr_eq(&stored.text, &kept.text))
        };
        Changes {
            left_out: left_out.len(),
            entries: changes(&self.known, &self.stored, stays_out, |uid, entry| {
                self.stored.get(uid) == Some(entry)
            }),
            unheard: changes(&self.unheard, &self.stored_unheard, |_| false, is_stored),
        }
    }

    /// The change that leaves nothing stored.
    pub(super) fn all_removed(&self) -> Changes {
        Changes {
            left_out: 0,
            entries: self.stored.keys().map(|uid| (uid.clone(), None)).collect(),
            unheard: self
                .stored_unheard
                .keys()
                .map(|uid| (uid.clone(), None))
                .collect(),
        }
    }

    /// The changes are stored.
    pub(super) fn stored(&mut self, changes: Changes) {
        store(&mut self.stored, changes.entries);
        store(&mut self.stored_unheard, changes.unheard);
    }
}

/// What the present Rollouts of a namespace take.
#[derive(Default)]
struct Taken<'known> {
    bytes: usize,
    entries: Vec<(&'known String, usize)>,
}

/// From `stored` to `known`, without those that stay out.
fn changes<T: Clone>(
    known: &BTreeMap<String, T>,
    stored: &BTreeMap<String, T>,
    stays_out: impl Fn(&String) -> bool,
    is_stored: impl Fn(&String, &T) -> bool,
) -> BTreeMap<String, Option<T>> {
    let written = known
        .iter()
        .filter(|(uid, one)| !is_stored(uid, one) && !stays_out(uid))
        .map(|(uid, one)| (uid.clone(), Some(one.clone())));
    let removed = stored
        .keys()
        .filter(|uid| !known.contains_key(*uid) || stays_out(uid))
        .map(|uid| (uid.clone(), None));
    written.chain(removed).collect()
}

fn store<T>(stored: &mut BTreeMap<String, T>, changes: BTreeMap<String, Option<T>>) {
    for (uid, change) in changes {
        match change {
            Some(one) => stored.insert(uid, one),
            None => stored.remove(&uid),
        };
    }
}

/// Whose facts the entry `key` of the ConfigMap has; None: it is an entry of another kind.
pub(super) fn facts_of(key: &str) -> Option<&str> {
    key.strip_suffix(FACTS)
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gone {
            Some(time) => write!(formatter, "{}{GONE_AT}{time}", self.key),
            None => write!(formatter, "{}", self.key),
        }
    }
}

/// No entry of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl FromStr for Entry {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (name, gone) = match text.split_once(GONE_AT) {
            Some((name, time)) => (name, Some(time.parse().map_err(|_| Unreadable)?)),
            None => (text, None),
        };
        let (first, rest) = name.split_once('/').ok_or(Unreadable)?;
        let key = match rest.split_once('/') {
            None => ObjectKey::new(first, rest),
            Some((namespace, name)) => {
                let group = Group::ALL.into_iter().find(|group| group.as_str() == first);
                ObjectKey::in_group(group.ok_or(Unreadable)?, namespace, name)
            }
        };
        Ok(Self { key, gone })
    }
}

#[cfg(test)]
mod tests;
