//! Which numbers of facts are known, and how many are missing between them.

use kulta_core::history::Fact;

/// Facts come more slowly than one a millisecond; those of one decision have one time, and are at most so many.
const MOST_OF_ONE_DECISION: u64 = 1_000;

/// The numbers of the facts of one Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The first that is known. What was before it was before the sink, or is in an older file.
    pub first: u64,
    /// The last that is known.
    pub last: u64,
    /// How many between the two are not known.
    pub missing: u64,
    /// How often the status of the Rollout was lost, so that counting went on from the time in milliseconds. How many facts
    /// were lost with it nobody knows.
    pub losses: u64,
}

impl Numbers {
    /// The numbers of `facts`, which are in order; None without a fact.
    pub(super) fn of(facts: &[Fact]) -> Option<Self> {
        let mut numbers = Self {
            first: facts.first()?.sequence,
            last: facts.last()?.sequence,
            missing: 0,
            losses: 0,
        };
        for (before, after) in facts.iter().zip(facts.iter().skip(1)) {
            let step = after.sequence.saturating_sub(before.sequence);
            let missing = step.saturating_sub(1);
            if missing > 0 && counts_from_time(before, after, missing) {
                numbers.losses = numbers.losses.saturating_add(1);
            } else {
                numbers.missing = numbers.missing.saturating_add(missing);
            }
        }
        Some(numbers)
    }
}

/// Whether counting has begun anew between two facts: the later one has the time as its number, or more numbers lie between
/// the two than facts can have been.
fn counts_from_time(before: &Fact, after: &Fact, missing: u64) -> bool {
    let time = u64::try_from(after.time.as_millisecond()).unwrap_or_default();
    let passed = after
        .time
        .as_millisecond()
        .saturating_sub(before.time.as_millisecond());
    let passed = u64::try_from(passed).unwrap_or_default();
    after.sequence == time || missing > passed.saturating_add(MOST_OF_ONE_DECISION)
}
