//! A strategy that is changed in place.

use kulta_core::spec::{Method, Step};
use kulta_core::status::{ConditionType, Phase, Truth};

use super::hash;
use crate::simulation::builder::{
    RolloutBuilder, basic, blue_green, canary_pods, header_route, pause, routed, weight,
};
use crate::simulation::cluster::{ACTIVE, CANARY, STABLE};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

fn steps() -> Vec<Step> {
    vec![weight(20), pause()]
}

impl World {
    fn changes_to(&mut self, other: RolloutBuilder) {
        let spec = other.spec;
        self.user(&UserAction::SetStrategy(Box::new(spec.method), spec.steps));
    }

    fn has_services(&mut self, names: &[&str]) {
        for name in names {
            self.user(&UserAction::CreateService((*name).to_owned()));
        }
    }

    fn is_invalid(&self) -> bool {
        self.condition(ConditionType::InvalidSpec).map(|(truth, _)| truth) == Some(Truth::True)
    }
}

fn canary_with(stable: &str, canary: &str) -> RolloutBuilder {
    let mut builder = basic(1, 0);
    if let Method::Basic {
        stable_service,
        canary_service,
        ..
    } = &mut builder.spec.method
    {
        *stable_service = Some(stable.to_owned());
        *canary_service = Some(canary.to_owned());
    }
    builder
}

/// Blue-green with the Services of a canary.
fn blue_green_with(active: &str, preview: &str) -> RolloutBuilder {
    blue_green().blue_green(|blue_green| {
        active.clone_into(&mut blue_green.active_service);
        blue_green.preview_service = Some(preview.to_owned());
    })
}

#[test]
fn a_weight_that_routes_still_carry_holds_everything_until_the_old_strategy_has_brought_it_home() {
    for other in [blue_green_with(STABLE, CANARY), canary_with(STABLE, CANARY)] {
        let old = routed().steps(steps());
        let mut world = old.clone().paused_at_version_2();

        world.changes_to(other.clone());
        world.rests();
        let held = (world.phase(), world.weight(), world.pods(1), world.pods(2));
        assert_eq!(held, (Phase::Degraded, 20, 10, 2));
        let message = &world.status().message;
        assert!(message.contains("still send 20 % of the traffic"), "{message}");

        world.changes_to(old);
        world.rests();
        let again = (world.phase(), world.step(), world.weight());
        assert_eq!(again, (Phase::Paused, Some(1), 20));

        world.user(&UserAction::Abort);
        world.rests();
        world.changes_to(other);
        world.rests();
        assert!(!world.is_invalid() && world.is_stable(2), "{}", world.describe());
        assert_eq!((world.phase(), world.weight()), (Phase::Healthy, 0));
    }
}

#[test]
fn an_abort_is_kept_for_the_strategy_that_knows_the_routes() {
    let old = routed().steps(steps());
    let mut world = old.clone().paused_at_version_2();
    world.changes_to(blue_green_with(STABLE, CANARY));
    world.rests();

    world.user(&UserAction::Abort);
    world.rests();
    let held = world.weight();
    world.changes_to(old);
    world.rests();

    assert_eq!((held, world.weight(), world.pods(2)), (20, 0, 0));
}

#[test]
fn with_all_traffic_at_home_the_strategy_can_be_changed_at_once() {
    let mut world = routed().steps(steps()).deployed();

    world.changes_to(blue_green_with(STABLE, CANARY));
    world.rests();
    world.applies(2);
    world.rests();

    assert_eq!(
        (world.phase(), world.selects(STABLE)),
        (Phase::Healthy, Some(hash(2).as_str()))
    );
}

#[test]
fn a_canary_that_lacks_a_service_moves_no_user_of_a_blue_green_rollout() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.rests();
    assert_eq!((world.pods(2), world.phase()), (10, Phase::Paused));

    world.changes_to(canary_with(ACTIVE, CANARY));
    world.rests();
    assert!(world.is_invalid() && world.is_stable(1), "{}", world.describe());
    assert_eq!(world.selects(ACTIVE), Some(hash(1).as_str()));
    assert_eq!((world.pods(1), world.pods(2)), (10, 10));

    world.has_services(&[CANARY]);
    world.rests();
    assert_eq!((world.phase(), world.is_stable(2)), (Phase::Healthy, true));
}

#[test]
fn a_canary_that_loses_a_service_moves_nobody_to_the_new_version() {
    let mut world = canary_with(STABLE, CANARY)
        .spec(|spec| spec.min_ready_seconds = 10)
        .deployed();
    world.applies(2);
    world.reaches("most pods of the new version", |world| world.pods(2) >= 8);

    world.user(&UserAction::DeleteService(CANARY.to_owned()));
    world.rests();

    assert_eq!(
        world.selects(STABLE),
        Some(hash(1).as_str()),
        "{}",
        world.describe()
    );
}

#[test]
fn a_blue_green_rollout_becomes_a_canary_with_steps() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.rests();

    world.has_services(&[CANARY]);
    world.changes_to(canary_with(ACTIVE, CANARY).steps(steps()));
    world.rests();

    assert_eq!((world.phase(), world.step()), (Phase::Paused, Some(1)));
    assert_eq!(
        (world.selects(ACTIVE), world.pods(2)),
        (Some(hash(1).as_str()), 2)
    );
}

#[test]
fn a_rule_of_the_controllers_own_holds_another_strategy_as_a_weight_does() {
    let steps = [canary_pods(2), header_route("testers", "alice"), pause()];
    for other in [blue_green_with(STABLE, CANARY), canary_with(STABLE, CANARY)] {
        let mut world = routed().steps(steps.clone()).paused_at_version_2();

        world.changes_to(other);
        world.rests();

        let held = (world.phase(), world.managed_rules(), world.pods(2));
        assert_eq!(held, (Phase::Degraded, vec!["testers"], 2));
        let message = &world.status().message;
        assert!(message.contains("managed routes [\"testers\"]"), "{message}");
    }
}
