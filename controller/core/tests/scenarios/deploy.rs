//! First deploys, lost statuses, orphans, and what makes two templates the same revision.

use kulta_core::revision::replica_set_name;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use super::hash;
use crate::simulation::builder::{pause, routed, weight};
use crate::simulation::cluster::{CANARY, ROLLOUT, STABLE};
use crate::simulation::template::{Admission, Behaviour, Fate, Template};
use crate::simulation::user::UserAction;

#[test]
fn first_deploy_skips_the_steps() {
    let mut world = routed().replicas(3).steps([weight(20), pause()]).new_rollout();

    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
    assert_eq!(world.step(), Some(2));
    assert_eq!((world.pods(1), world.weight()), (3, 0));
    assert_eq!(world.selects(STABLE), Some(hash(1).as_str()));
    assert_eq!(world.selects(CANARY), Some(hash(1).as_str()));
}

#[test]
fn replica_set_carries_name_hash_and_revision_number() {
    let world = routed().deployed();

    let created = &world.cluster.replica_sets[0];

    assert_eq!(created.name, replica_set_name(ROLLOUT, &hash(1)));
    assert_eq!((created.hash.as_str(), created.revision), (hash(1).as_str(), 1));
    assert_eq!(created.digest, Some(Template::of(1).digest));
    assert_eq!(world.cluster.rollout.revision, Some(1));
    assert_eq!(created.desired_replicas, Some(10));
}

#[test]
fn later_revisions_get_rising_numbers_and_a_version_again_gets_a_new_one() {
    let mut world = routed().deployed();
    world.applies(2);
    world.rests();

    world.applies(1);
    world.rests();

    let number = |version| world.of_version(version).map(|replica_set| replica_set.revision);
    assert_eq!((number(1), number(2)), (Some(3), Some(2)));
    assert_eq!(world.cluster.rollout.revision, Some(3));
}

#[test]
fn an_equal_template_in_other_words_restarts_no_pod() {
    let mut world = routed().deployed();

    world.user(&UserAction::SetTemplate(Template::spelt(1, 1)));
    world.rests();

    assert_eq!(world.cluster.replica_sets.len(), 1);
    assert_eq!(world.phase(), Phase::Healthy);
    assert_eq!(
        world.cluster.replica_sets[0].digest,
        Some(Template::spelt(1, 1).digest)
    );
}

#[test]
fn a_taken_name_leads_to_another_hash() {
    let mut world = routed().deployed();
    world
        .cluster
        .taken_names
        .insert(replica_set_name(ROLLOUT, &hash(2)));

    world.applies(2);
    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
    let salted = Template::of(2).digest.pod_hash(1);
    assert_eq!(
        world.of_version(2).map(|replica_set| replica_set.hash.clone()),
        Some(salted)
    );
    assert_eq!(world.status().collision_count, 1);
}

#[test]
fn status_lost_while_healthy_moves_no_traffic_and_no_pod() {
    let mut world = routed().steps([weight(20), pause()]).deployed();

    world.user(&UserAction::WipeStatus);
    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
    assert!(world.is_stable(1));
    assert_eq!((world.pods(1), world.weight()), (10, 0));
}

#[test]
fn status_lost_in_mid_rollout_keeps_stable_and_begins_at_the_first_step() {
    let mut world = routed()
        .steps([weight(20), pause(), weight(60), pause()])
        .paused_at_version_2();
    world.user(&UserAction::Resume);
    world.rests();
    assert_eq!(world.weight(), 60);

    world.user(&UserAction::WipeStatus);
    world.rests();

    assert!(world.is_stable(1));
    assert_eq!(world.phase(), Phase::Paused);
    assert_eq!((world.step(), world.weight()), (Some(1), 20));
}

#[test]
fn status_lost_while_no_pod_of_stable_is_available_does_not_make_the_canary_stable() {
    let mut world = routed().steps([weight(20), pause()]).paused_at_version_2();
    let down = Behaviour {
        fate: Fate::Pending,
        ..Behaviour::default()
    };
    world.cluster.behave(1, down);
    world.reaches("no pod of version 1 is available", |world| {
        world.of_version(1).is_some_and(|stable| stable.available() == 0)
    });

    world.user(&UserAction::WipeStatus);
    world.rests();

    assert!(world.is_stable(1), "{}", world.describe());
}

#[test]
fn orphans_are_adopted_and_keep_their_pods() {
    let mut world = routed().steps([weight(20), pause()]).deployed();

    world.user(&UserAction::OrphanReplicaSets);
    world.user(&UserAction::WipeStatus);
    world.rests();

    assert!(
        world
            .cluster
            .replica_sets
            .iter()
            .all(|replica_set| replica_set.owned)
    );
    assert_eq!((world.phase(), world.pods(1)), (Phase::Healthy, 10));
}

#[test]
fn an_orphan_of_another_version_becomes_stable_and_the_steps_are_walked() {
    let mut world = routed().steps([weight(20), pause()]).deployed();

    world.user(&UserAction::OrphanReplicaSets);
    world.user(&UserAction::WipeStatus);
    world.applies(2);
    world.rests();

    assert!(world.is_stable(1));
    assert_eq!(
        (world.phase(), world.step(), world.weight()),
        (Phase::Paused, Some(1), 20)
    );
}

#[test]
fn an_invalid_template_leaves_the_running_version_alone_and_says_so() {
    let mut world = routed().steps([weight(20), pause()]).deployed();
    world.cluster.behave(
        2,
        Behaviour {
            admission: Admission::Invalid,
            ..Behaviour::default()
        },
    );

    world.applies(2);
    world.rests();

    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(
        world.condition(ConditionType::InvalidSpec),
        Some((Truth::True, Reason::InvalidSpec))
    );
    assert!(
        world.status().message.contains("imge"),
        "{}",
        world.status().message
    );
    assert_eq!(
        (world.pods(1), world.weight(), world.cluster.replica_sets.len()),
        (10, 0, 1)
    );
}

#[test]
fn a_quota_that_refuses_the_replica_set_is_told_and_heals() {
    let mut world = routed().deployed();
    world.cluster.behave(
        2,
        Behaviour {
            admission: Admission::Refused,
            ..Behaviour::default()
        },
    );
    world.applies(2);
    world.rests();
    let told = world.condition(ConditionType::Progressing);

    world.cluster.behave(2, Behaviour::default());
    world.cluster.changed();
    world.rests();

    assert_eq!(told, Some((Truth::False, Reason::ReplicaSetCreateError)));
    assert_eq!(world.phase(), Phase::Healthy);
    assert!(world.is_stable(2));
}

#[test]
fn an_api_server_without_an_answer_is_asked_again() {
    let mut world = routed().deployed();
    world.cluster.behave(
        2,
        Behaviour {
            admission: Admission::Silent,
            ..Behaviour::default()
        },
    );
    world.applies(2);
    world.passes(8);
    let before = world.cluster.replica_sets.len();

    world.cluster.behave(2, Behaviour::default());
    world.passes(6);

    assert_eq!((before, world.cluster.replica_sets.len()), (1, 2));
}

#[test]
fn a_quota_for_pods_is_a_replica_failure() {
    let mut world = routed().deployed();
    world.cluster.environment.pod_quota = 12;

    world.applies(2);
    world.passes(5);

    let failure = world.condition(ConditionType::ReplicaFailure);
    assert_eq!(failure.map(|(status, _)| status), Some(Truth::True));
    assert_eq!(world.weight(), 0);
}

#[test]
fn empty_revisions_beyond_the_history_limit_are_deleted_oldest_first() {
    let mut world = routed().spec(|spec| spec.revision_history_limit = 1).deployed();

    for version in 2..=4 {
        world.applies(version);
        world.rests();
    }

    let mut left: Vec<u32> = world
        .cluster
        .replica_sets
        .iter()
        .map(|replica_set| replica_set.version)
        .collect();
    left.sort_unstable();
    assert_eq!(left, [3, 4]);
}
