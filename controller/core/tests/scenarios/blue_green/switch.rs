//! The way to the switch, and what holds it.

use jiff::SignedDuration;
use kulta_core::history::FactKind;
use kulta_core::spec::Promotion;
use kulta_core::status::{Phase, Truth};

use super::super::hash;
use crate::simulation::builder::blue_green;
use crate::simulation::cluster::{ACTIVE, PREVIEW};
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;

#[test]
fn a_first_deploy_is_served_by_both_services() {
    let world = blue_green().deployed();

    assert!(world.serves(1) && world.previews(1), "{}", world.describe());
    assert_eq!((world.pods(1), world.is_stable(1)), (10, true));
}

#[test]
fn a_new_version_takes_all_users_once_it_is_whole() {
    let mut world = blue_green().deployed();

    world.applies(2);
    world.reaches("the switch", |world| world.serves(2));
    let at_the_switch = world.of_version(2).map(ReplicaSet::available);
    world.rests();

    assert_eq!(at_the_switch, Some(10));
    assert_eq!(
        (world.phase(), world.is_stable(2), world.previews(2)),
        (Phase::Healthy, true, true)
    );
}

/// K9: the flip is made by every version, not once in a life.
#[test]
fn every_new_version_is_switched_to() {
    let mut world = blue_green().deployed();

    for version in [2, 3, 1, 4] {
        world.applies(version);
        world.rests();
        assert!(
            world.serves(version) && world.is_stable(version),
            "{}",
            world.describe()
        );
    }
}

#[test]
fn the_preview_shows_the_new_version_while_users_meet_the_old_one() {
    let mut world = blue_green().by_hand().deployed();

    world.applies(2);
    world.waits_for_the_switch();

    assert!(world.serves(1) && world.previews(2), "{}", world.describe());
    assert_eq!((world.pods(1), world.pods(2), world.is_stable(1)), (10, 10, true));
}

#[test]
fn the_switch_by_hand_waits_for_ever_and_then_goes_on() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.passes(5_000);
    assert!(world.serves(1));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(
        (world.phase(), world.serves(2), world.is_stable(2)),
        (Phase::Healthy, true, true)
    );
}

#[test]
fn the_switch_waits_for_its_time() {
    let timed = |seconds| Promotion::After(SignedDuration::from_secs(seconds));
    let mut world = blue_green()
        .blue_green(|blue_green| blue_green.promotion = timed(60))
        .deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.passes(50);
    let before = world.serves(1);
    world.passes(20);

    assert!(before && world.serves(2), "{}", world.describe());
}

#[test]
fn a_resume_ends_the_time_before_the_switch() {
    let long = Promotion::After(SignedDuration::from_secs(3_000));
    let mut world = blue_green()
        .blue_green(|blue_green| blue_green.promotion = long)
        .deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::Resume);
    world.passes(10);

    assert!(world.serves(2), "{}", world.describe());
}

#[test]
fn a_version_that_never_becomes_ready_is_never_switched_to() {
    let mut world = blue_green().deployed();
    let pending = Behaviour {
        fate: Fate::Pending,
        ..Behaviour::default()
    };
    world.cluster.behave(2, pending);

    world.applies(2);
    world.passes(2_000);

    assert!(world.serves(1) && world.previews(1), "{}", world.describe());
    assert_eq!((world.phase(), world.pods(1)), (Phase::Degraded, 10));
}

#[test]
fn without_a_preview_service_the_switch_is_made_all_the_same() {
    let mut world = blue_green()
        .blue_green(|blue_green| blue_green.preview_service = None)
        .deployed();

    world.applies(2);
    world.rests();

    assert!(world.serves(2) && world.is_stable(2));
}

#[test]
fn a_missing_preview_service_holds_the_switch() {
    let mut world = blue_green().deployed();
    world.user(&UserAction::DeleteService(PREVIEW.to_owned()));

    world.applies(2);
    world.rests();

    assert!(world.serves(1));
    let message = &world.status().message;
    assert!(
        message.contains("spec.strategy.blueGreen.previewService"),
        "{message}"
    );
}

#[test]
fn a_pause_of_the_user_holds_the_switch() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.user(&UserAction::Pause(true));
    world.user(&UserAction::Scale(12));
    world.rests();
    assert_eq!((world.pods(1), world.pods(2), world.serves(1)), (12, 12, true));

    world.user(&UserAction::Resume);
    world.rests();

    assert!(world.serves(2) && world.is_stable(2));
}

#[test]
fn full_promotion_skips_the_pause() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert!(world.serves(2) && world.is_stable(2) && !world.status().promote_full);
}

#[test]
fn a_template_that_is_changed_half_way_replaces_the_preview() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.applies(3);
    world.waits_for_the_switch();
    world.reaches("the version between is gone", |world| world.pods(2) == 0);

    assert!(world.serves(1) && world.previews(3), "{}", world.describe());
}

#[test]
fn a_version_between_that_is_looked_at_goes_although_the_next_one_never_comes() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();
    world.cluster.behave(
        3,
        Behaviour {
            fate: Fate::Pending,
            ..Behaviour::default()
        },
    );

    world.applies(3);
    world.reaches("the version between is gone", |world| world.pods(2) == 0);

    assert!(world.serves(1) && world.previews(1), "{}", world.describe());
}

#[test]
fn a_lost_status_is_found_out_from_the_active_service() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::WipeStatus);
    world.rests();

    assert!(world.is_stable(1) && world.serves(1), "{}", world.describe());
}

#[test]
fn an_active_service_that_is_made_again_goes_to_the_stable_version() {
    let mut world = blue_green().by_hand().deployed();
    world.applies(2);
    world.waits_for_the_switch();

    world.user(&UserAction::DeleteService(ACTIVE.to_owned()));
    world.rests();
    world.user(&UserAction::CreateService(ACTIVE.to_owned()));
    world.rests();

    assert!(world.serves(1), "{}", world.describe());
}

#[test]
fn the_autoscaler_counts_what_users_meet() {
    let mut world = blue_green().by_hand().deployed();

    world.applies(2);
    world.waits_for_the_switch();

    let status = world.status();
    let selector = format!("app=web,rollouts-pod-template-hash={}", hash(1));
    assert_eq!(
        (status.replicas, status.hpa_replicas, status.available_replicas),
        (20, 10, 10)
    );
    assert_eq!(status.selector, selector);
    assert_eq!(
        world
            .condition(kulta_core::status::ConditionType::Available)
            .map(|it| it.0),
        Some(Truth::True)
    );
}

#[test]
fn with_no_pods_wanted_a_version_waits_and_meets_users_when_it_is_scaled() {
    let mut world = blue_green().deployed();
    world.user(&UserAction::Scale(0));
    world.rests();

    world.applies(2);
    world.rests();
    assert!(world.is_stable(1), "{}", world.describe());
    world.user(&UserAction::Scale(3));
    world.rests();

    assert_eq!(
        (world.phase(), world.serves(2), world.pods(2)),
        (Phase::Healthy, true, 3)
    );
}

#[test]
fn the_history_tells_of_the_switch() {
    let mut world = blue_green().deployed();

    world.applies(2);
    world.rests();

    let history = &world.status().history;
    let told: Vec<_> = history
        .iter()
        .filter(|fact| fact.kind == FactKind::Switched)
        .collect();
    let last = told.last().expect("a switch");
    assert_eq!(
        (last.from.clone(), last.revision.clone()),
        (Some(hash(1)), Some(hash(2)))
    );
    let kinds: Vec<_> = history.iter().map(|fact| fact.kind).collect();
    let position = |kind| kinds.iter().rposition(|other| *other == kind);
    assert!(position(FactKind::Started) < position(FactKind::Switched));
    assert!(
        position(FactKind::Switched) <= position(FactKind::Promoted),
        "{kinds:?}"
    );
    assert!(
        position(FactKind::Promoted) < position(FactKind::Finished),
        "{kinds:?}"
    );
}
