//! Blue-green: the new version whole beside the old one, and all users switched at once.

mod back;
mod by_route;
mod evidence;
mod sizes;
mod switch;
mod to_nothing;

use kulta_core::status::{BlueGreenState, PauseReason, Phase};

use super::hash;
use crate::simulation::cluster::{ACTIVE, PREVIEW};
use crate::simulation::world::World;

impl World {
    /// Whether all users meet `version`.
    fn serves(&self, version: u32) -> bool {
        self.selects(ACTIVE) == Some(hash(version).as_str())
    }

    /// Whether `version` can be looked at.
    fn previews(&self, version: u32) -> bool {
        self.selects(PREVIEW) == Some(hash(version).as_str())
    }

    fn blue_green(&self) -> BlueGreenState {
        self.status().blue_green.clone().unwrap_or_default()
    }

    /// Lets time pass until the switch waits for somebody.
    fn waits_for_the_switch(&mut self) {
        self.reaches("the pause before the switch", |world| {
            world.status().pause_for(PauseReason::BlueGreenPause).is_some()
        });
        assert_eq!(self.phase(), Phase::Paused, "{}", self.describe());
    }
}
