//! How many pods each version has, and for how long.

use jiff::SignedDuration;
use kulta_core::status::Phase;

use crate::simulation::builder::blue_green;
use crate::simulation::user::UserAction;

#[test]
fn the_old_version_keeps_its_pods_for_the_delay() {
    let mut world = blue_green().deployed();
    world.applies(2);
    world.reaches("the promotion", |world| world.is_stable(2));

    world.passes(25);
    let before = world.pods(1);
    world.passes(10);

    assert_eq!((before, world.pods(1)), (10, 0));
}

#[test]
fn the_old_version_follows_the_size_while_it_waits() {
    let long = SignedDuration::from_secs(500);
    let mut world = blue_green()
        .blue_green(|blue_green| blue_green.scale_down_delay = long)
        .deployed();
    world.applies(2);
    world.reaches("the promotion", |world| world.is_stable(2));

    world.user(&UserAction::Scale(14));
    world.passes(10);

    assert_eq!((world.pods(1), world.pods(2)), (14, 14));
}

#[test]
fn no_more_old_versions_wait_than_the_limit_allows() {
    let mut world = blue_green()
        .blue_green(|blue_green| {
            blue_green.scale_down_delay = SignedDuration::from_secs(500);
            blue_green.scale_down_delay_revision_limit = Some(1);
        })
        .deployed();
    for version in [2, 3] {
        world.applies(version);
        world.reaches("the promotion", |world| world.is_stable(version));
    }

    world.passes(10);

    assert_eq!((world.pods(1), world.pods(2), world.pods(3)), (0, 10, 10));
}

#[test]
fn a_preview_has_its_own_number_of_pods_until_the_checkpoint() {
    let mut world = blue_green()
        .by_hand()
        .blue_green(|blue_green| blue_green.preview_replicas = Some(2))
        .deployed();
    world.applies(2);
    world.waits_for_the_switch();
    let (before, checkpoint) = (world.pods(2), world.blue_green().checkpoint);

    world.user(&UserAction::Resume);
    world.reaches("the switch", |world| world.serves(2));

    assert_eq!((before, checkpoint), (2, false));
    assert_eq!((world.pods(2), world.blue_green().checkpoint), (10, true));
}

#[test]
fn a_preview_of_no_pods_comes_up_after_the_checkpoint() {
    let mut world = blue_green()
        .by_hand()
        .blue_green(|blue_green| blue_green.preview_replicas = Some(0))
        .deployed();
    world.applies(2);
    world.waits_for_the_switch();
    assert_eq!((world.pods(2), world.previews(1)), (0, true));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.phase(), world.pods(2), world.serves(2)),
        (Phase::Healthy, 10, true)
    );
}

#[test]
fn scaling_half_way_sizes_both_versions() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::Scale(4));
    world.rests();

    assert_eq!((world.pods(1), world.pods(2)), (4, 4));
}

#[test]
fn a_preview_that_is_to_have_no_pods_any_more_is_looked_away_from_first() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    let none = |blue_green: &mut kulta_core::spec::BlueGreen| blue_green.preview_replicas = Some(0);
    if let kulta_core::spec::Method::BlueGreen(blue_green) = &mut world.cluster.rollout.spec.method {
        none(blue_green);
    }
    world.user(&UserAction::Scale(10));
    world.reaches("no pods", |world| world.pods(2) == 0);

    assert!(world.previews(1), "{}", world.describe());
}
