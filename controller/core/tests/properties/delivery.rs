//! Whatever dies and whenever: a sink gets every fact that was stored, in order, and those only.

use super::run;
use super::schedule::{Perils, Schedule};
use crate::simulation::delivery::Delivery;

/// All perils but the loss of the status: what is wiped before it was told can't be told any more.
const PERILS: Perils = Perils {
    losses: false,
    ..Perils::ALL
};
/// The delivery dies in so many percent of all events, each before or after the sink has it.
const DEATHS: u8 = 10;
/// More restarts than any delivery dies at the end.
const MOST_TICKS: u32 = 10_000;

/// Plays `seeds` with a sink that is there from the beginning, and down for half of the time.
///
/// # Panics
/// When the sink has other facts than those that were stored, or in another order.
pub(crate) fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let schedule = Schedule::of(seed, PERILS);
        let mut world = run::start(&schedule, Vec::new, false);
        let mut delivery = Delivery::new(&mut world.cluster, DEATHS, seed);
        delivery.is_up = seed % 2 == 0;
        world.delivery = Some(delivery);

        run::play(&mut world, &schedule).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        // Pods that crash for ever give rise to facts for ever.
        world.heal();
        let mut told = Vec::new();
        for _ in 0..MOST_TICKS {
            let delivery = world.delivery.as_mut().expect("it was put there");
            delivery.is_up = true;
            told = delivery.distinct();
            if told.last() == world.cluster.stored.last().map(|fact| &fact.sequence) {
                break;
            }
            world
                .tick()
                .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        }

        let stored: Vec<u64> = world.cluster.stored.iter().map(|fact| fact.sequence).collect();
        let alike = told
            .iter()
            .zip(&stored)
            .take_while(|(told, stored)| told == stored)
            .count();
        assert!(
            told == stored,
            "seed {seed}: {} of {} facts are told, the first {alike} in order: {schedule:#?}",
            told.len(),
            stored.len()
        );
    }
}
