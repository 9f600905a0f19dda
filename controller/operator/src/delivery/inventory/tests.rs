use super::*;
use crate::delivery::unheard::tests::unheard;

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
    assert_eq!(changes.data()[UID].as_deref(), Some("shop/web"));
    inventory.stored(changes);
    assert!(inventory.changes().is_empty());
}

#[test]
fn a_namespace_that_fills_what_can_be_stored_keeps_nobody_else_out() {
    let mut inventory = Inventory::default();
    let loud = (0..4_000).map(|number| {
        let name = format!("{number:04}{}", "w".repeat(249));
        (format!("{UID}-{number}"), ObjectKey::new("loud", &name))
    });
    let mut all: BTreeMap<_, _> = loud.collect();
    all.insert(UID.to_owned(), web());

    inventory.compare(nobody(), &all, time(1));

    let changes = inventory.changes();
    let data = changes.data();
    let bytes: usize = data
        .iter()
        .map(|(uid, text)| uid.len() + text.as_ref().unwrap().len())
        .sum();
    assert!((MOST_BYTES - 50_000..MOST_BYTES).contains(&bytes), "{bytes}");
    assert_eq!(data[UID].as_deref(), Some("shop/web"));
    inventory.stored(changes);
    assert!(inventory.changes().is_empty());
}

#[test]
fn one_that_went_while_nobody_watched_is_found_gone_once() {
    let mut inventory = Inventory::default();
    inventory.recall(stored(&[UID]).stored, BTreeMap::new());

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
    let text = changes.data()[UID].clone().unwrap();
    assert_eq!(text, "shop/web@1970-01-01T00:00:07Z");
    inventory.stored(changes);

    inventory.forget(|_| false);
    let changes = inventory.changes();
    assert_eq!(changes.data(), BTreeMap::from([(UID.to_owned(), None)]));
    assert!(!changes.is_urgent());
}

#[test]
fn whoever_is_leaving_is_told_again_with_the_same_time_by_the_next_process() {
    let mut before = stored(&[UID]);
    before.compare(nobody(), &nobody(), time(7));
    let changes = before.changes();
    before.stored(changes);

    let mut inventory = Inventory::default();
    inventory.recall(before.stored, BTreeMap::new());

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

/// An inventory of Rollouts that went one after the other, each with five facts that were not heard, all of it stored.
fn with_unheard(uids: &[&str]) -> Inventory {
    let mut inventory = Inventory::default();
    for (uid, second) in uids.iter().zip(1..) {
        inventory.keep(uid, &web(), unheard(1..=5, 0).unwrap());
        inventory.compare(nobody(), &nobody(), time(second));
    }
    let changes = inventory.changes();
    inventory.stored(changes);
    inventory
}

/// Bytes of five facts, as they are stored.
fn bytes() -> usize {
    unheard(1..=5, 0).unwrap().text().unwrap().len()
}

#[test]
fn what_one_had_to_tell_is_stored_with_its_end_and_goes_with_it() {
    let mut inventory = Inventory::default();
    inventory.keep(UID, &web(), unheard(1..=5, 2).unwrap());
    assert_eq!(inventory.compare(nobody(), &nobody(), time(7)), [gone(7)]);

    let changes = inventory.changes();
    assert!(changes.is_urgent());
    let facts = format!("{UID}.facts");
    assert_eq!(facts_of(&facts), Some(UID));
    assert_eq!(changes.data()[&facts], unheard(1..=5, 2).unwrap().text().ok());
    inventory.stored(changes);
    inventory.forget(|_| false);

    let changes = inventory.changes();
    assert_eq!(
        changes.data(),
        BTreeMap::from([(UID.to_owned(), None), (facts, None)])
    );
    assert!(!changes.is_urgent());
}

#[test]
fn the_next_process_knows_what_was_not_told() {
    let before = with_unheard(&[UID]);
    let mut inventory = Inventory::default();

    inventory.recall(
        before.stored,
        BTreeMap::from([(UID.to_owned(), unheard(1..=5, 0))]),
    );

    assert_eq!(inventory.leaving(), [gone(1)]);
    assert_eq!(inventory.unheard(UID), unheard(1..=5, 0).as_ref());
    assert!(inventory.changes().is_empty());
}

#[test]
fn what_can_not_be_read_is_taken_away() {
    let mut inventory = Inventory::default();

    inventory.recall(
        with_unheard(&[UID]).stored,
        BTreeMap::from([(UID.to_owned(), None)]),
    );

    assert_eq!(inventory.unheard(UID), None);
    assert_eq!(
        inventory.changes().data(),
        BTreeMap::from([(format!("{UID}.facts"), None)])
    );
}

#[test]
fn one_that_is_there_after_all_has_left_nothing() {
    let mut inventory = Inventory::default();
    inventory.compare(nobody(), &there(&[UID]), time(0));
    inventory.keep(UID, &web(), unheard(1..=5, 0).unwrap());

    assert_eq!(inventory.fit(Room::BOUND), []);

    assert_eq!(inventory.unheard(UID), None);
}

#[test]
fn where_there_is_no_room_the_facts_of_those_that_went_first_are_forgotten() {
    let mut inventory = with_unheard(&["z-first", "second", "third"]);
    let room = Room {
        unheard_bytes: 2 * bytes() - 1,
        ..Room::BOUND
    };

    let forgone = inventory.fit(room);

    let forgotten = |uid: &str, first| Forgone {
        uid: uid.to_owned(),
        first,
    };
    assert_eq!(
        forgone,
        [forgotten("z-first", Some(u64::MAX)), forgotten("second", Some(2))]
    );
    assert_eq!(inventory.unheard("third"), unheard(1..=5, 0).as_ref());
    assert_eq!(inventory.leaving().len(), 3);
    assert_eq!(inventory.fit(room), []);
    let data = inventory.changes().data();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["second.facts", "z-first.facts"]);
}

#[test]
fn no_more_names_of_ends_are_kept_than_there_is_room_for() {
    let mut inventory = with_unheard(&["first", "second"]);
    let room = Room {
        end_bytes: 50,
        ..Room::BOUND
    };

    let forgone = inventory.fit(room);

    let uid = "first".to_owned();
    assert_eq!(forgone, [Forgone { uid, first: None }]);
    assert_eq!(inventory.leaving().len(), 1);
}

#[test]
fn no_more_ends_are_kept_than_there_is_room_for() {
    let mut inventory = with_unheard(&["first", "second"]);
    let room = Room {
        ends: 1,
        ..Room::BOUND
    };

    let forgone = inventory.fit(room);

    let uid = "first".to_owned();
    assert_eq!(forgone, [Forgone { uid, first: None }]);
    assert_eq!(inventory.leaving().len(), 1);
    assert_eq!(inventory.unheard("first"), None);
}
