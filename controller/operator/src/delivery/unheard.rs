//! What a Rollout had to tell when it was deleted, and some sink has not heard: its status is gone, and with it the queue.

use std::collections::BTreeMap;

use kulta_core::history::Fact;
use kulta_core::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::Error;

/// What stands between two facts.
const SEPARATOR_BYTES: usize = 1;

/// What a Rollout that is gone had to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unheard {
    /// By the names of the sinks that have not heard all of it: the number of the last fact that each has heard.
    delivered: BTreeMap<String, u64>,
    /// What the last of them has not heard, oldest first.
    facts: Vec<Fact>,
}

impl Unheard {
    /// What of `history` sinks have not heard; None where they have heard everything.
    pub(super) fn of(history: &[Fact], mut delivered: BTreeMap<String, u64>) -> Option<Self> {
        let newest = history.last()?.sequence;
        delivered.retain(|_, done| *done < newest);
        let done = delivered.values().min().copied()?;
        let facts = history.iter().filter(|fact| fact.sequence > done);
        Some(Self {
            facts: facts.cloned().collect(),
            delivered,
        })
    }

    /// The same, as it is offered to sinks.
    pub(super) fn status(&self) -> Status {
        Status {
            history: self.facts.clone(),
            delivered: self.delivered.clone(),
            ..Status::default()
        }
    }

    /// The number of the first fact.
    pub(super) fn first(&self) -> Option<u64> {
        self.facts.first().map(|fact| fact.sequence)
    }

    /// What is left without the oldest facts, where these are at least `surplus` bytes; None where it is nothing.
    pub(super) fn without(&self, surplus: usize) -> Option<Self> {
        let mut freed = 0;
        let kept = self.facts.iter().skip_while(|fact| {
            let is_too_much = freed < surplus;
            if is_too_much {
                freed += serde_json::to_string(fact).map_or(0, |text| text.len()) + SEPARATOR_BYTES;
            }
            is_too_much
        });
        let facts: Vec<Fact> = kept.cloned().collect();
        let delivered = self.delivered.clone();
        (!facts.is_empty()).then_some(Self { delivered, facts })
    }

    /// As it is stored.
    pub(super) fn text(&self) -> Result<String, Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::delivery::worker::tests::fact;

    /// The facts of these numbers, of which `dashboard` has heard those up to `done`.
    pub(in crate::delivery) fn unheard(facts: std::ops::RangeInclusive<u64>, done: u64) -> Option<Unheard> {
        let history: Vec<Fact> = facts.map(fact).collect();
        Unheard::of(&history, BTreeMap::from([("dashboard".to_owned(), done)]))
    }

    fn numbers(unheard: &Unheard) -> Vec<u64> {
        unheard.facts.iter().map(|fact| fact.sequence).collect()
    }

    #[test]
    fn what_the_slowest_sink_has_not_heard_is_kept() {
        let history: Vec<Fact> = (1..=5).map(fact).collect();
        let delivered = [("slow", 2), ("fast", 4), ("done", 5)].map(|(sink, done)| (sink.to_owned(), done));

        let unheard = Unheard::of(&history, delivered.into()).unwrap();

        assert_eq!(numbers(&unheard), [3, 4, 5]);
        assert_eq!(
            unheard.status().delivered.into_keys().collect::<Vec<_>>(),
            ["fast", "slow"]
        );
    }

    #[test]
    fn nothing_is_kept_of_what_all_have_heard() {
        assert_eq!(unheard(1..=5, 5), None);
        assert_eq!(Unheard::of(&[fact(1)], BTreeMap::new()), None);
        assert_eq!(
            Unheard::of(&[], BTreeMap::from([("dashboard".to_owned(), 0)])),
            None
        );
    }

    #[test]
    fn the_oldest_facts_go_first_and_no_more_than_needed() {
        let all = unheard(1..=5, 0).unwrap();
        let one = serde_json::to_string(&fact(1)).unwrap().len();

        let left = |surplus| all.without(surplus).map(|left| numbers(&left));

        assert_eq!(left(0), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(left(1), Some(vec![2, 3, 4, 5]));
        assert_eq!(left(one + 2), Some(vec![3, 4, 5]));
        assert_eq!(left(100 * one), None);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let unheard = unheard(1..=3, 1).unwrap();

        let read: Unheard = serde_json::from_str(&unheard.text().unwrap()).unwrap();

        assert_eq!(read, unheard);
    }
}
