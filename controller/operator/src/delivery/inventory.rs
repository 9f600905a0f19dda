//! Which Rollouts there are, so that the end of each is told, also of one that goes while nobody watches.
//!
//! No finalizer: Rollouts could then not be deleted any more once KULTA is uninstalled. What is known of them is kept in a
//! ConfigMap of the controller's own namespace ([`super::keeper`]) and compared with what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use kulta_api::Group;

use crate::key::ObjectKey;

/// What stands between the name of a Rollout and the time when it was found to be gone: no name has one.
const GONE_AT: char = '@';

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

/// Entries to write, and (None) those to take away, by UID.
pub(super) type Changes = BTreeMap<String, Option<Entry>>;

/// The inventory, and what of it is stored.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    known: Entries,
    stored: Entries,
}

impl Inventory {
    /// What was stored by the process before.
    pub(super) fn recall(&mut self, stored: Entries) {
        for (uid, entry) in &stored {
            self.known.entry(uid.clone()).or_insert_with(|| entry.clone());
        }
        self.stored = stored;
    }

    /// What was stored is not there any more.
    pub(super) fn nothing_is_stored(&mut self) {
        self.stored.clear();
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
    }

    /// What has to be changed in what is stored: the entries to write, and (None) those to take away.
    pub(super) fn changes(&self) -> Changes {
        let written = self
            .known
            .iter()
            .filter(|(uid, entry)| self.stored.get(*uid) != Some(*entry))
            .map(|(uid, entry)| (uid.clone(), Some(entry.clone())));
        let removed = self
            .stored
            .keys()
            .filter(|uid| !self.known.contains_key(*uid))
            .map(|uid| (uid.clone(), None));
        written.chain(removed).collect()
    }

    /// The change that leaves nothing stored.
    pub(super) fn all_removed(&self) -> Changes {
        self.stored.keys().map(|uid| (uid.clone(), None)).collect()
    }

    /// The changes are stored.
    pub(super) fn stored(&mut self, changes: Changes) {
        for (uid, entry) in changes {
            match entry {
                Some(entry) => self.stored.insert(uid, entry),
                None => self.stored.remove(&uid),
            };
        }
    }
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
mod tests {
    use super::*;

    const UID: &str = "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05";

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn web() -> ObjectKey {
        ObjectKey::new("shop", "web")
    }

    fn there(uids: &[&str]) -> BTreeMap<String, ObjectKey> {
        uids.iter().map(|uid| ((*uid).to_owned(), web())).collect()
    }

    fn nobody() -> BTreeMap<String, ObjectKey> {
        BTreeMap::new()
    }

    fn gone(second: i64) -> Gone {
        Gone {
            uid: UID.to_owned(),
            key: web(),
            time: time(second),
        }
    }

    /// An inventory that has stored all that it knows.
    fn stored(uids: &[&str]) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.compare(nobody(), &there(uids), time(0));
        let changes = inventory.changes();
        inventory.stored(changes);
        inventory
    }

    #[test]
    fn what_is_there_is_stored_once() {
        let mut inventory = Inventory::default();

        assert_eq!(inventory.compare(nobody(), &there(&[UID]), time(1)), []);

        let changes = inventory.changes();
        assert_eq!(changes[UID].as_ref().unwrap().to_string(), "shop/web");
        inventory.stored(changes);
        assert_eq!(inventory.changes(), BTreeMap::new());
    }

    #[test]
    fn one_that_went_while_nobody_watched_is_found_gone_once() {
        let mut inventory = Inventory::default();
        inventory.recall(stored(&[UID]).stored);

        assert_eq!(inventory.compare(nobody(), &nobody(), time(7)), [gone(7)]);
        assert_eq!(inventory.compare(nobody(), &nobody(), time(8)), []);
    }

    #[test]
    fn one_that_came_and_went_between_two_looks_is_found_gone() {
        let mut inventory = Inventory::default();

        let found = inventory.compare(there(&[UID]), &nobody(), time(7));

        assert_eq!(found, [gone(7)]);
    }

    #[test]
    fn one_that_is_gone_is_kept_with_the_time_until_all_have_heard_it() {
        let mut inventory = stored(&[UID]);
        inventory.compare(nobody(), &nobody(), time(7));

        inventory.forget(|_| true);
        let changes = inventory.changes();
        let text = changes[UID].as_ref().unwrap().to_string();
        assert_eq!(text, "shop/web@1970-01-01T00:00:07Z");
        inventory.stored(changes);

        inventory.forget(|_| false);
        assert_eq!(inventory.changes(), BTreeMap::from([(UID.to_owned(), None)]));
    }

    #[test]
    fn whoever_is_leaving_is_told_again_with_the_same_time_by_the_next_process() {
        let mut before = stored(&[UID]);
        before.compare(nobody(), &nobody(), time(7));
        let changes = before.changes();
        before.stored(changes);

        let mut inventory = Inventory::default();
        inventory.recall(before.stored);

        assert_eq!(inventory.leaving(), [gone(7)]);
        assert_eq!(inventory.compare(nobody(), &nobody(), time(9)), []);
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for group in Group::ALL {
            let key = ObjectKey::in_group(group, "shop", "web");
            let entries = [None, Some(time(7))].map(|gone| Entry {
                key: key.clone(),
                gone,
            });
            for entry in entries {
                assert_eq!(entry.to_string().parse(), Ok(entry));
            }
        }
        for text in ["", "web", "apps/shop/web", "shop/web@", "shop/web@noon"] {
            assert_eq!(text.parse::<Entry>(), Err(Unreadable), "{text}");
        }
    }
}
