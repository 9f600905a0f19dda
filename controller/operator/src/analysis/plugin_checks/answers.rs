//! What was answered, kept within a bound.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::question::{Key, Refusal};

/// Answers are kept up to so much: some ten thousand, with few refusals among them. Beyond that, those that were not used
/// for longest are asked for again.
const KEPT_BYTES: usize = 4 << 20;
/// What an entry takes beside the words of a refusal.
const ENTRY_BYTES: usize = 256;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing is wrong that could be found now.
    Accepted,
    /// It has to be changed by people.
    Refused(Refusal),
    /// There was no room for the call.
    Unanswered {
        /// Whose call: others may have room.
        namespace: String,
        /// Until then it is left to the analysis.
        until: Instant,
    },
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    entries: BTreeMap<Key, Entry>,
    /// The questions in the order of their use, which is a number that rises.
    by_use: BTreeMap<u64, Key>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    used: u64,
}

impl Answer {
    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Accepted => 0,
                Self::Refused(refusal) => refusal.bytes(),
                Self::Unanswered { namespace, .. } => namespace.len(),
            }
    }

    fn holds(&self, for_namespace: &str, now: Instant) -> bool {
        match self {
            Self::Accepted | Self::Refused(_) => true,
            Self::Unanswered { namespace, until } => namespace == for_namespace && now < *until,
        }
    }
}

impl Answers {
    /// What was answered, as far as it holds for this namespace.
    pub(super) fn get(&mut self, key: &Key, namespace: &str, now: Instant) -> Option<&Answer> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        self.by_use.remove(&entry.used);
        entry.used = self.clock;
        self.by_use.insert(entry.used, *key);
        Some(&entry.answer).filter(|answer| answer.holds(namespace, now))
    }

    pub(super) fn keep(&mut self, key: Key, answer: Answer) {
        self.clock += 1;
        self.bytes += answer.bytes();
        let used = self.clock;
        if let Some(before) = self.entries.insert(key, Entry { answer, used }) {
            self.forget(&before);
        }
        self.by_use.insert(used, key);
        while self.bytes > KEPT_BYTES {
            let Some((_, unused)) = self.by_use.pop_first() else {
                return;
            };
            if let Some(entry) = self.entries.remove(&unused) {
                self.forget(&entry);
            }
        }
    }

    fn forget(&mut self, entry: &Entry) {
        self.by_use.remove(&entry.used);
        self.bytes = self.bytes.saturating_sub(entry.answer.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::of_condition(&number.to_string())
    }

    fn get(answers: &mut Answers, number: usize) -> Option<Answer> {
        answers.get(&key(number), "shop", Instant::now()).cloned()
    }

    fn refused(words: usize) -> Answer {
        Answer::Refused(Refusal::Other("x".repeat(words)))
    }

    #[test]
    fn the_latest_answer_counts() {
        let mut answers = Answers::default();

        answers.keep(key(1), refused(10));
        answers.keep(key(1), Answer::Accepted);

        assert_eq!(get(&mut answers, 1), Some(Answer::Accepted));
        assert_eq!(get(&mut answers, 2), None);
        assert_eq!(answers.bytes, ENTRY_BYTES);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let words = 1 << 10;
        let most = KEPT_BYTES / (ENTRY_BYTES + words);
        let mut answers = Answers::default();
        for number in 0..most {
            answers.keep(key(number), refused(words));
        }
        assert!(get(&mut answers, 0).is_some());

        answers.keep(key(most), refused(words));

        assert!(answers.bytes <= KEPT_BYTES);
        assert_eq!(answers.by_use.len(), answers.entries.len());
        let kept = [0, 1, most].map(|number| get(&mut answers, number).is_some());
        assert_eq!(kept, [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_want_of_room_holds_for_its_namespace_and_for_a_while() {
        let mut answers = Answers::default();
        let until = Instant::now() + std::time::Duration::from_mins(1);
        let namespace = "shop".to_owned();
        answers.keep(key(1), Answer::Unanswered { namespace, until });

        assert!(get(&mut answers, 1).is_some());
        assert!(answers.get(&key(1), "depot", Instant::now()).is_none());
        assert!(answers.get(&key(1), "shop", until).is_none());
    }
}
