//! Behaviours, one by one: arrange a Rollout, act on it, and see what becomes of it. Every rule is watched meanwhile.

mod abort;
mod analysis;
mod bad_input;
mod basic;
mod blue_green;
mod change;
mod deadline;
mod deploy;
mod duration;
mod experiment;
mod experiment_shares;
mod gate;
mod history;
mod managed;
mod pod_metadata;
mod restart;
mod rollback;
mod run_history;
mod scale;
mod steps;
mod strategy;
mod threshold;
mod traffic;
mod weights;
mod workload;

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::status::{ConditionType, Phase, Reason, Truth};

use crate::simulation::analysis::Opinion;
use crate::simulation::builder::RolloutBuilder;
use crate::simulation::replica_set::ReplicaSet;
use crate::simulation::rules;
use crate::simulation::template::{Behaviour, Template};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

impl RolloutBuilder {
    /// The world in which version 1 is asked for and nothing has been done yet.
    fn new_rollout(self) -> World {
        let mut world = self.created(rules::all());
        world.trace = Some(Vec::new());
        world
    }

    /// The world in which version 1 is Healthy.
    fn deployed(self) -> World {
        let mut world = self.new_rollout();
        world.reaches("the first deploy is Healthy", |world| {
            world.phase() == Phase::Healthy
        });
        world
    }

    /// The world in which version 1 is Healthy and version 2 has come to rest at its first pause.
    fn paused_at_version_2(self) -> World {
        let mut world = self.deployed();
        world.applies(2);
        world.rests();
        assert_eq!(world.phase(), Phase::Paused, "{}", world.describe());
        world
    }
}

impl World {
    /// The user applies `version`.
    fn applies(&mut self, version: u32) {
        self.user(&UserAction::SetTemplate(Template::of(version)));
    }

    /// Lets time pass until nothing moves any more.
    fn rests(&mut self) {
        if let Err(violation) = self.settle() {
            self.fails(&violation);
        }
    }

    /// Lets time pass until `holds`.
    fn reaches(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        if let Err(violation) = self.until(what, holds) {
            self.fails(&violation);
        }
    }

    /// Lets so many seconds pass.
    fn passes(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if let Err(violation) = self.tick() {
                self.fails(&violation);
            }
        }
    }

    fn fails(&mut self, violation: &str) -> ! {
        let trace = self.trace.take().unwrap_or_default();
        panic!("{}\n{violation}\n{}", trace.join("\n"), self.describe());
    }

    /// The weight of the canary, the same in every rule.
    fn weight(&self) -> u32 {
        let weights = self.weights();
        assert!(
            weights.windows(2).all(|pair| pair[0] == pair[1]),
            "weights differ: {weights:?}"
        );
        weights[0]
    }

    /// The pods that `version` should have.
    fn pods(&self, version: u32) -> u32 {
        self.of_version(version)
            .map_or(0, |replica_set| replica_set.spec_replicas)
    }

    fn of_version(&self, version: u32) -> Option<&ReplicaSet> {
        self.cluster
            .replica_sets
            .iter()
            .find(|replica_set| replica_set.version == version)
    }

    fn step(&self) -> Option<u32> {
        self.status().current_step_index
    }

    /// Whether `version` is the stable one.
    fn is_stable(&self, version: u32) -> bool {
        self.status().stable_hash == Some(hash(version))
    }

    /// Value and reason of a condition.
    fn condition(&self, kind: ConditionType) -> Option<(Truth, Reason)> {
        self.status()
            .condition(kind)
            .map(|condition| (condition.status, condition.reason))
    }
}

/// The hash of `version`, as it is usually written.
fn hash(version: u32) -> String {
    Template::of(version).digest.pod_hash(0)
}

/// Version 1 is Healthy; analyses of version 2 come to this end.
fn judged(rollout: RolloutBuilder, phase: AnalysisPhase) -> World {
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::After(5, phase));
    world
}

fn thinks(world: &mut World, opinion: Opinion) {
    let behaviour = Behaviour {
        opinion,
        ..Behaviour::default()
    };
    world.cluster.behave(2, behaviour);
}

fn names(world: &World) -> Vec<&str> {
    let runs = world.cluster.analysis_runs.iter();
    runs.map(|run| run.name.as_str()).collect()
}
