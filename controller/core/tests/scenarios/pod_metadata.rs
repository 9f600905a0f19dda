//! Labels and annotations of pods by the part of their version, and how versions are kept apart (argo-behaviour.md 2.15).

use kulta_core::decide;
use kulta_core::observed::{ApplyFailure, FailureKind};
use kulta_core::plan::ApartFrom;
use kulta_core::spec::{AntiAffinity, PodMetadata};
use kulta_core::status::{ConditionType, Phase, Truth};

use super::hash;
use crate::simulation::builder::{basic, blue_green, pause, role, routed, weight};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// What the pods of `version` bear, the same on each.
fn of(world: &World, version: u32) -> PodMetadata {
    let replica_set = world.of_version(version).expect("a revision");
    let mut pods = replica_set.pods.iter().map(|pod| pod.metadata.clone());
    let first = pods.next().expect("a pod");
    assert!(pods.all(|other| other == first), "{:?}", replica_set.pods);
    first
}

fn none() -> PodMetadata {
    PodMetadata::default()
}

#[test]
fn the_first_version_bears_that_of_the_stable_one_from_the_beginning() {
    let mut world = routed().with_roles().new_rollout();

    world.reaches("pods", |world| {
        world.of_version(1).is_some_and(|one| !one.pods.is_empty())
    });

    assert_eq!(of(&world, 1), role("stable"));
}

#[test]
fn a_canary_bears_its_own_until_it_is_stable() {
    let mut world = routed()
        .with_roles()
        .steps([weight(50), pause()])
        .paused_at_version_2();
    assert_eq!((of(&world, 1), of(&world, 2)), (role("stable"), role("new")));

    world.user(&UserAction::Resume);
    world.reaches("version 2 is stable", |world| world.is_stable(2));
    world.passes(5);

    assert_eq!((of(&world, 1), of(&world, 2)), (none(), role("stable")));
    world.rests();
    assert_eq!(world.phase(), Phase::Healthy);
}

#[test]
fn what_a_version_has_in_its_own_template_is_left_to_it() {
    let mut world = routed().deployed();
    world.cluster.replica_sets[0]
        .own_keys
        .labels
        .insert("role".to_owned());

    world.user(&UserAction::SetMetadata(role("new"), role("stable")));
    world.rests();

    assert_eq!(of(&world, 1).labels.get("role"), None);
    assert_eq!(of(&world, 1).annotations, role("stable").annotations);
}

#[test]
fn a_preview_bears_its_own_until_the_promotion() {
    let mut world = blue_green().with_roles().by_hand().paused_at_version_2();
    assert_eq!((of(&world, 1), of(&world, 2)), (role("stable"), role("new")));

    world.user(&UserAction::Resume);
    world.rests();

    assert_eq!(of(&world, 2), role("stable"));
}

#[test]
fn no_pod_is_replaced_and_no_revision_begins_for_other_labels() {
    let mut world = basic(1, 0).deployed();
    world.passes(5);
    let before: Vec<_> = world
        .of_version(1)
        .unwrap()
        .pod_views()
        .map(|pod| pod.uid)
        .collect();

    world.user(&UserAction::SetMetadata(role("new"), role("stable")));
    world.rests();

    let after: Vec<_> = world
        .of_version(1)
        .unwrap()
        .pod_views()
        .map(|pod| pod.uid)
        .collect();
    assert_eq!((before, of(&world, 1)), (after, role("stable")));
    assert_eq!(world.cluster.replica_sets.len(), 1);
}

#[test]
fn what_is_not_written_any_more_is_taken_away() {
    let mut world = routed().with_roles().deployed();

    world.user(&UserAction::SetMetadata(none(), none()));
    world.rests();

    assert_eq!(of(&world, 1), none());
    let replica_set = world.of_version(1).unwrap();
    assert_eq!((&replica_set.injected, &replica_set.injecting), (&none(), &None));
}

#[test]
fn nothing_is_left_behind_by_labels_that_changed_before_all_pods_had_them() {
    let mut world = routed().with_roles().deployed();
    world.user(&UserAction::SetMetadata(none(), role("first")));
    world.reaches("the template has the first", |world| {
        world.of_version(1).unwrap().injecting == Some(role("first"))
    });

    world.user(&UserAction::SetMetadata(none(), role("second")));
    world.rests();

    assert_eq!(of(&world, 1), role("second"));
}

#[test]
fn pods_that_are_made_meanwhile_have_them_too() {
    let mut world = routed().deployed();
    world.user(&UserAction::SetMetadata(none(), role("stable")));
    world.user(&UserAction::Scale(14));

    world.rests();

    assert_eq!(world.of_version(1).unwrap().pods.len(), 14);
    assert_eq!(of(&world, 1), role("stable"));
}

#[test]
fn labels_that_can_t_be_written_hold_no_rollout_up() {
    let world = routed().with_roles().deployed();
    let failure = ApplyFailure {
        kind: FailureKind::Pods,
        message: "pods is forbidden".to_owned(),
    };

    let observed = world.cluster.observe(world.cluster.caches(), Some(failure));
    let status = decide(&observed, world.cluster.time()).status;

    let told = status.condition(ConditionType::PodsFailed).unwrap();
    assert_eq!(
        (told.status, told.message.as_str()),
        (Truth::True, "pods is forbidden")
    );
    assert_eq!(status.phase, Phase::Healthy);
}

#[test]
fn a_new_version_is_kept_apart_from_the_stable_one() {
    for how in [AntiAffinity::Preferred(7), AntiAffinity::Required] {
        let mut world = routed()
            .spec(|spec| spec.pods.anti_affinity = Some(how))
            .deployed();
        world.applies(2);
        world.rests();
        world.applies(3);
        world.rests();

        let apart = |version| world.of_version(version).unwrap().apart_from.clone();
        let from = |version| {
            Some(ApartFrom {
                hash: hash(version),
                how,
            })
        };
        assert_eq!([apart(1), apart(2), apart(3)], [None, from(1), from(2)]);
    }
}
