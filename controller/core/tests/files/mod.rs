//! Scenarios of `tests/scenarios/files`, in both groups: manifests are read as the controller reads them, and the status is looked
//! at as it is written. Every rule is watched meanwhile.

use std::collections::BTreeMap;

use kulta_api::Group;
use kulta_api::rollout::parse;
use kulta_api::status::{WriteContext, write};
use kulta_core::analysis::run::AnalysisPhase;
use kulta_scenarios::{Act, Action, BAD, Expected, NEVER_READY, Scenario, Seen, merge};
use serde_json::{Value, json};

use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{self, RolloutBuilder};
use crate::simulation::cluster::NAMESPACE;
use crate::simulation::rules;
use crate::simulation::template::{Behaviour, Fate, Template};
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

macro_rules! played {
    ($($file:ident,)*) => {
        $(
            #[test]
            fn $file() {
                plays(stringify!($file));
            }
        )*

        const LISTED: &[&str] = &[$(stringify!($file)),*];
    };
}

played! {
    abort_gives_the_traffic_back,
    aborted_version_stays_where_the_delay_is_nothing,
    analysis_beside_the_steps_takes_a_bad_version_back,
    analysis_of_a_step_promotes_a_good_version,
    analysis_of_a_step_takes_a_bad_version_back,
    basic_canary_is_aborted,
    basic_canary_of_one_pod_has_one_more,
    basic_canary_splits_by_pods,
    basic_canary_without_surge_makes_room_first,
    blue_green_follows_its_scale,
    blue_green_full_promotion_asks_nothing,
    blue_green_goes_back_at_once_while_the_old_version_is_up,
    blue_green_is_aborted_before_the_switch,
    blue_green_previews_with_fewer_pods,
    blue_green_switches_all_users_at_once,
    blue_green_switches_when_its_time_has_come,
    blue_green_third_version_takes_the_place_of_the_second,
    blue_green_waits_for_a_promotion_by_hand,
    canary_has_the_least_number_of_pods,
    canary_scale_by_weight_gives_pods_without_traffic,
    canary_scale_follows_the_weight_again,
    canary_scale_in_pods_is_exact,
    changed_steps_begin_again,
    deadline_aborts_where_it_is_asked_to,
    deadline_is_told,
    experiment_has_its_share_of_the_traffic,
    experiment_of_a_step_comes_before_the_weight,
    first_deploy_leaves_out_the_steps,
    old_version_waits_for_its_delay,
    pause_waits_for_a_user,
    promote_ends_a_pause,
    promote_full_leaves_out_what_remains,
    promote_full_tries_an_aborted_version_again,
    retry_begins_with_the_first_step,
    scaled_to_nothing_and_back,
    scaling_in_mid_rollout_sizes_both_versions,
    services_of_a_basic_canary_follow_their_versions,
    skipped_step_is_left_out,
    spec_that_means_nothing_is_refused,
    stable_version_again_is_promoted_at_once,
    stable_version_shrinks_as_traffic_leaves_it,
    third_version_takes_the_place_of_the_second,
    timed_pause_ends_by_itself,
    users_pause_holds_the_rollout,
    version_before_it_goes_through_the_steps_again,
    version_within_the_window_is_gone_back_to_at_once,
    weights_are_parts_of_the_whole,
}

#[test]
fn every_file_is_played() {
    let files = Scenario::all().expect("the files can be read");
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();

    assert_eq!(names, LISTED);
}

fn plays(name: &str) {
    let scenario = Scenario::named(name).expect("the file can be read");
    for group in Group::ALL {
        Player::new(group, &scenario).plays(&scenario);
    }
}

/// A cluster with the Rollout of a file.
struct Player {
    group: Group,
    /// As users wrote it.
    spec: Value,
    world: World,
}

impl Player {
    fn new(group: Group, scenario: &Scenario) -> Self {
        let mut spec = scenario.manifest["spec"].clone();
        let labels = json!({"app": "web"});
        let own = json!({
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}},
        });
        merge(&mut spec, &own);
        let read = parse(group, NAMESPACE, &spec);
        let read = read.unwrap_or_else(|error| panic!("{} of {group}: {error:?}", scenario.name));
        let mut rollout = match read.blue_green() {
            Some(_) => builder::blue_green(),
            None => builder::routed(),
        };
        if read.routing().is_none() {
            rollout.gateways = Vec::new();
        }
        let mut world = RolloutBuilder {
            spec: read,
            ..rollout
        }
        .created(rules::all());
        world.trace = Some(vec![format!("{} of {group}", scenario.name)]);
        for (version, behaviour) in behaviours() {
            world.cluster.behave(version, behaviour);
        }
        Self { group, spec, world }
    }

    fn plays(mut self, scenario: &Scenario) {
        for act in &scenario.play {
            match act {
                Act::Reaches(expected) => self.reaches(expected),
                Act::Version(version) => {
                    let template = Template::of(*version);
                    self.world.user(&UserAction::SetTemplate(template));
                }
                Act::Does(action) => self.world.user(&match action {
                    Action::Abort => UserAction::Abort,
                    Action::Retry => UserAction::Retry,
                    Action::Promote => UserAction::Resume,
                    Action::PromoteFull => UserAction::PromoteFull,
                    Action::SkipStep => UserAction::SkipStep,
                }),
                Act::Patch(patch) => self.patches(patch),
            }
        }
    }

    fn reaches(&mut self, expected: &Expected) {
        let group = self.group;
        if let Err(told) = self.world.until("the state", |world| {
            expected.differs(&seen(world, group)).is_none()
        }) {
            let differs = expected.differs(&seen(&self.world, group)).unwrap_or_default();
            let trace = self.world.trace.take().unwrap_or_default();
            panic!("{}\n{told}\n{differs}", trace.join("\n"));
        }
    }

    fn patches(&mut self, patch: &Value) {
        merge(&mut self.spec, patch);
        let replicas = patch.get("replicas").and_then(Value::as_u64);
        if let Some(replicas) = replicas.and_then(|replicas| u32::try_from(replicas).ok()) {
            self.world.user(&UserAction::Scale(replicas));
        }
        let rollout = &mut self.world.cluster.rollout;
        match parse(self.group, NAMESPACE, &self.spec) {
            Ok(spec) => {
                rollout.problems = Vec::new();
                rollout.spec = spec;
            }
            Err(invalid) => {
                rollout.problems = invalid.problems;
                if let Some(readable) = invalid.readable {
                    rollout.spec = *readable;
                }
            }
        }
        rollout.generation += 1;
        self.world.cluster.rollout.resource_version = self.world.cluster.changed();
    }
}

/// The second version, which is good.
const GOOD: u32 = 2;

/// How the versions behave that files may name.
fn behaviours() -> [(u32, Behaviour); 3] {
    let bad = Behaviour {
        opinion: Opinion::After(5, AnalysisPhase::Failed),
        ..Behaviour::default()
    };
    let never_ready = Behaviour {
        fate: Fate::Pending,
        ..Behaviour::default()
    };
    // Long enough that what an experiment has of the traffic is in force meanwhile.
    let good = Behaviour {
        opinion: Opinion::After(12, AnalysisPhase::Successful),
        ..Behaviour::default()
    };
    [(GOOD, good), (BAD, bad), (NEVER_READY, never_ready)]
}

fn seen(world: &World, group: Group) -> Seen {
    let cluster = &world.cluster;
    let (stable_service, canary_service) = cluster.rollout.spec.services();
    let context = WriteContext {
        group,
        generation: cluster.rollout.generation,
        stable_service,
        canary_service,
    };
    let version_of = |hash: &str| cluster.replica_set(hash).map(|found| found.version);
    let mut pods = BTreeMap::new();
    for replica_set in &cluster.replica_sets {
        if replica_set.spec_replicas > 0 {
            *pods.entry(replica_set.version).or_default() += replica_set.spec_replicas;
        }
    }
    let services = cluster.services.iter().filter(|(_, service)| service.exists());
    let services = services.map(|(name, service)| (name.clone(), service.selects().and_then(version_of)));
    // What is told of an earlier spec says nothing of this one.
    let is_observed = world.status().observed_generation == Some(cluster.rollout.generation);
    let status = is_observed.then(|| write(&group.kept(world.status()), &context));
    Seen {
        status: status.unwrap_or_default(),
        pods,
        weight: world.weights().first().copied(),
        stable: world.status().stable_hash.as_deref().and_then(version_of),
        services: services.collect(),
    }
}
