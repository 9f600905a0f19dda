//! Rollouts that take their template from a Deployment.

use kulta_core::spec::{Problem, Workload, WorkloadKind, WorkloadScaleDown};
use kulta_core::status::Phase;

use crate::simulation::builder::{RolloutBuilder, basic, pause, routed, weight};
use crate::simulation::cluster;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Pods of the Deployment.
const PODS: u32 = 10;

fn deployment(scale_down: WorkloadScaleDown) -> Workload {
    Workload {
        kind: WorkloadKind::Deployment,
        name: "web".to_owned(),
        scale_down,
    }
}

/// A Rollout of a Deployment that has been there before, just created.
fn taking(builder: RolloutBuilder, scale_down: WorkloadScaleDown) -> World {
    let mut world = builder
        .spec(|spec| spec.workload = Some(deployment(scale_down)))
        .new_rollout();
    world.cluster.workload = Some(cluster::Workload {
        resource_version: 1,
        generation: 4,
        replicas: Some(PODS),
    });
    world
}

fn size(world: &World) -> Option<u32> {
    world
        .cluster
        .workload
        .as_ref()
        .and_then(|workload| workload.replicas)
}

#[test]
fn the_generation_of_the_deployment_is_noted_in_status_and_annotation() {
    let mut world = taking(routed(), WorkloadScaleDown::Never);

    world.rests();

    assert_eq!(world.phase(), Phase::Healthy);
    assert_eq!(world.status().workload_observed_generation, Some(4));
    assert_eq!(world.cluster.rollout.workload_generation, Some(4));
}

#[test]
fn scale_down_never_leaves_the_deployment_alone() {
    let mut world = taking(routed(), WorkloadScaleDown::Never);

    world.rests();

    assert_eq!(size(&world), Some(PODS));
}

#[test]
fn scale_down_onsuccess_takes_the_pods_of_the_deployment_when_the_rollout_is_healthy() {
    let mut world = taking(routed(), WorkloadScaleDown::OnSuccess);

    world.reaches("the Deployment is scaled", |world| size(world) != Some(PODS));

    assert_eq!(size(&world), Some(0));
    assert_eq!(world.phase(), Phase::Healthy);
    world.rests();
    assert_eq!(world.status().workload_observed_generation, Some(5));
}

#[test]
fn scale_down_progressively_takes_a_pod_for_each_one_that_is_ready() {
    let mut world = taking(basic(1, 0), WorkloadScaleDown::Progressively);
    let mut least = u32::MAX;

    while world.phase() != Phase::Healthy {
        world.tick().unwrap();
        least = least.min(world.cluster.available() + size(&world).unwrap_or(0));
    }
    world.rests();

    assert_eq!(size(&world), Some(0));
    assert!(least >= PODS, "{least} pods at the least");
}

#[test]
fn scale_down_progressively_gives_the_pods_back_when_the_first_rollout_fails() {
    let mut world = taking(basic(1, 0), WorkloadScaleDown::Progressively);
    world.cluster.workload.as_mut().unwrap().replicas = Some(3);
    let broken = Behaviour {
        fate: Fate::Pending,
        ..world.cluster.behaviour(1)
    };
    world.cluster.behave(1, broken);

    world.rests();

    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(size(&world), Some(PODS));
}

#[test]
fn a_rollout_without_pods_takes_no_pod_of_the_deployment() {
    for scale_down in [WorkloadScaleDown::OnSuccess, WorkloadScaleDown::Progressively] {
        let mut world = taking(routed().replicas(0), scale_down);

        world.rests();

        assert_eq!(size(&world), Some(PODS));
    }
}

#[test]
fn a_smaller_deployment_is_not_made_larger() {
    let mut world = taking(basic(1, 0), WorkloadScaleDown::Progressively);
    world.cluster.workload.as_mut().unwrap().replicas = Some(3);
    let mut most = 0;

    while world.phase() != Phase::Healthy {
        world.tick().unwrap();
        most = most.max(size(&world).unwrap_or(0));
    }

    assert_eq!(most, 3);
}

#[test]
fn an_abort_brings_the_traffic_home_though_the_deployment_is_gone() {
    let steps = [weight(50), pause()];
    let mut world = taking(routed().steps(steps), WorkloadScaleDown::Never);
    world.rests();
    world.applies(2);
    world.rests();
    world.cluster.rollout.problems = vec![Problem::new("spec.workloadRef", "not found")];
    world.cluster.workload = None;

    world.user(&UserAction::Abort);
    world.rests();

    assert_eq!(world.weight(), 0);
}

#[test]
fn later_revisions_leave_the_deployment_alone() {
    let steps = [weight(20), pause()];
    let mut world = taking(routed().steps(steps), WorkloadScaleDown::OnSuccess);
    world.rests();
    world.cluster.workload.as_mut().unwrap().replicas = Some(2);
    world.applies(2);

    world.rests();

    assert_eq!(world.phase(), Phase::Paused);
    assert_eq!(size(&world), Some(2));
}
