//! A controller that dies again and again, anywhere in its plans, leads to the same ends as one that does not.

use super::schedule::{Event, Perils, Schedule};
use crate::simulation::controller::Faults;
use crate::simulation::world::World;

/// Where the Rollout rests after each event of `schedule`, with a controller that dies in so many percent of its plans.
fn rests(schedule: &Schedule, death: u8) -> Result<Vec<String>, String> {
    let mut world: World = super::run::start(schedule, Vec::new, false);
    world.controller.faults = Faults {
        death,
        ..Faults::default()
    };
    world.settle()?;
    let mut states = vec![world.end_state()];
    for (_, event) in &schedule.events {
        super::run::happen(&mut world, event);
        world.settle()?;
        states.push(world.end_state());
    }
    Ok(states)
}

/// Compares both controllers over `seeds`.
///
/// # Panics
/// When they come to different ends.
pub(crate) fn check(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut schedule = Schedule::of(seed, Perils::default());
        schedule
            .events
            .retain(|(_, event)| matches!(event, Event::User(_)));
        let undisturbed = rests(&schedule, 0);
        for death in [20, 60] {
            let disturbed = rests(&schedule, death);
            assert_eq!(
                undisturbed, disturbed,
                "seed {seed}, dying in {death} % of all plans: {:#?}",
                schedule.events
            );
        }
    }
}
