//! The delivery of events as the controller does it, with everything that can go wrong on the way: the sink is down, the
//! answer gets lost, the process dies and forgets all that was not written.

use super::cluster::Cluster;

/// The name of the sink.
pub(crate) const SINK: &str = "dashboard";

/// So many facts are delivered within a second, at most: the controller can note them while it lives.
const BATCH: usize = 4;

/// A delivery to one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    random: fastrand::Rng,
    /// How often the process dies, in percent of all events.
    death: u8,
    /// Whether the sink takes anything now.
    pub(crate) is_up: bool,
    /// The numbers of the facts that the sink has got, in the order in which it got them.
    pub(crate) received: Vec<u64>,
    /// How far it is, by what the process knows.
    done: u64,
}

impl Delivery {
    /// A delivery that dies in so many percent of all events.
    pub(crate) fn new(cluster: &mut Cluster, death: u8, seed: u64) -> Self {
        cluster.sinks.acknowledged.insert(SINK.to_owned(), 0);
        Self {
            random: fastrand::Rng::with_seed(seed),
            death,
            is_up: true,
            received: Vec::new(),
            done: 0,
        }
    }

    /// Delivers a part of what is stored and not delivered, and asks the controller to note it.
    pub(crate) fn step(&mut self, cluster: &mut Cluster) {
        let status = &cluster.rollout.status;
        let Some(noted) = status.delivered.get(SINK).copied() else {
            return;
        };
        self.done = self.done.max(noted);
        let waiting: Vec<u64> = status
            .history
            .iter()
            .map(|fact| fact.sequence)
            .filter(|next| *next > self.done)
            .take(BATCH)
            .collect();
        for sequence in waiting {
            if !self.is_up {
                return;
            }
            if self.dies() {
                return self.restart(cluster);
            }
            self.received.push(sequence);
            // The sink has it, and nobody knows.
            if self.dies() {
                return self.restart(cluster);
            }
            self.done = sequence;
        }
        if self.done > noted
            && cluster.sinks.acknowledged.insert(SINK.to_owned(), self.done) != Some(self.done)
        {
            cluster.changed();
        }
    }

    fn dies(&mut self) -> bool {
        self.random.u8(0..100) < self.death
    }

    fn restart(&mut self, cluster: &mut Cluster) {
        self.done = 0;
        cluster.sinks.acknowledged.insert(SINK.to_owned(), 0);
    }

    /// What the sink has, once each: a fact that comes again is known by its number.
    pub(crate) fn distinct(&self) -> Vec<u64> {
        let mut seen = std::collections::BTreeSet::new();
        self.received
            .iter()
            .copied()
            .filter(|number| seen.insert(*number))
            .collect()
    }
}
