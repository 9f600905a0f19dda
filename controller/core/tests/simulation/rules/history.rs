//! The history of a Rollout is complete, in order, and bounded.

use jiff::Timestamp;
use kulta_core::history::{Fact, MAX_BYTES};
use kulta_core::observed::Observed;
use kulta_core::plan::Plan;

use crate::simulation::cluster::Cluster;
use crate::simulation::controller::Witness;

/// Numbers rise by one, times never fall, nothing is lost between two status writes unless the bound forces it out.
#[derive(Default)]
pub(crate) struct History {
    /// The highest number that was ever stored: it survives the loss of the status.
    highest: u64,
}

impl Witness for History {
    fn plan(&mut self, observed: &Observed, _now: Timestamp, plan: &Plan) -> Result<(), String> {
        let (before, after) = (&observed.status.history, &plan.status.history);
        let stored = before.last().map_or(0, |fact| fact.sequence);
        self.highest = self.highest.max(stored);
        in_order(after)?;
        // A Rollout that lost its status before it had a single ReplicaSet looks like a new one.
        if before.is_empty() && observed.replica_sets.is_empty() && observed.rollout.revision.is_none() {
            self.highest = 0;
        }
        if let Some(first) = plan
            .transitions
            .first()
            .filter(|first| first.sequence <= self.highest)
        {
            return Err(format!(
                "number {} was given before: {} is the highest",
                first.sequence, self.highest
            ));
        }
        let whole: Vec<&Fact> = before.iter().chain(&plan.transitions).collect();
        let dropped = whole.len().checked_sub(after.len()).ok_or("facts from nowhere")?;
        if whole[dropped..].iter().copied().ne(after.iter()) {
            return Err("the history is not the one before with the transitions at its end".to_owned());
        }
        if size(after.iter()) > MAX_BYTES {
            return Err(format!("{} bytes of history", size(after.iter())));
        }
        if dropped > 0 && size(whole[dropped - 1..].iter().copied()) <= MAX_BYTES {
            return Err("a fact was dropped that still had room".to_owned());
        }
        Ok(())
    }

    fn second(&mut self, _cluster: &Cluster) -> Result<(), String> {
        Ok(())
    }
}

fn in_order(history: &[Fact]) -> Result<(), String> {
    for (one, next) in history.iter().zip(history.iter().skip(1)) {
        if next.sequence != one.sequence + 1 {
            return Err(format!("number {} follows {}", next.sequence, one.sequence));
        }
        if next.time < one.time {
            return Err(format!("fact {} is before the one ahead of it", next.sequence));
        }
    }
    Ok(())
}

fn size<'a>(facts: impl Iterator<Item = &'a Fact>) -> usize {
    serde_json::to_vec(&facts.collect::<Vec<_>>())
        .expect("facts are JSON")
        .len()
}
