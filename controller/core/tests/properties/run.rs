//! Runs schedules, judges where they end, and reduces the ones that fail to what is needed for the failure.

use kulta_core::spec::{Spec, Step};
use kulta_core::status::Phase;

use super::schedule::{Event, Perils, Schedule, Strategy};
use crate::simulation::controller::Witness;
use crate::simulation::user::UserAction;
use crate::simulation::world::World;

/// Users who resume, retry and want pods so often have been through every step of every schedule.
const MOST_HELP: usize = 24;

/// Pods, their readiness, the weight, its acceptance, the step itself.
const ROUNDS_PER_STEP: u32 = 8;
/// One up, one available, one down, for the canary and for the version it replaces.
const ROUNDS_PER_POD: u32 = 6;
/// One evicted, one made, one ready, for each pod of two versions.
const ROUNDS_PER_RESTARTED_POD: u32 = 6;
/// Creation, promotion, repointing, scale-down of old revisions and their deletion.
const ROUNDS_AT_BOTH_ENDS: u32 = 40;

/// The rules that a run is judged by.
pub(crate) type Rules = fn() -> Vec<Box<dyn Witness>>;

/// Runs the schedules of `seeds`.
///
/// # Panics
/// When one of them breaks a rule: with the seed and the events, reduced, and the trace.
pub(crate) fn check(seeds: std::ops::Range<u64>, perils: Perils, rules: Rules) {
    check_all(seeds, rules, |seed| Schedule::of(seed, perils));
}

/// Runs what users do in the schedules of `seeds`.
///
/// # Panics
/// When one of them breaks a rule, or leaves the Rollout stuck.
pub(crate) fn check_users(seeds: std::ops::Range<u64>, strategy: Strategy, rules: Rules) {
    check_all(seeds, rules, |seed| Schedule::of_users(seed, strategy));
}

fn check_all(seeds: std::ops::Range<u64>, rules: Rules, schedule_of: impl Fn(u64) -> Schedule) {
    let only = std::env::var("KULTA_SEED")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    for seed in seeds.filter(|seed| only.is_none_or(|only| only == *seed)) {
        let schedule = schedule_of(seed);
        if run(&schedule, rules, false).is_err() {
            let schedule = reduce(schedule, rules);
            let (violation, trace) = run(&schedule, rules, true)
                .map(|_| ())
                .expect_err("it failed before");
            panic!(
                "seed {seed}: {violation}\n{schedule:#?}\n{}\nseed {seed}: {violation}",
                trace.join("\n")
            );
        }
    }
}

/// Runs one schedule: the violation and the trace, if a rule is broken.
pub(crate) fn run(schedule: &Schedule, rules: Rules, traced: bool) -> Result<World, (String, Vec<String>)> {
    let mut world = start(schedule, rules, traced);
    match play(&mut world, schedule).and_then(|()| finish(&mut world)) {
        Ok(()) => Ok(world),
        Err(violation) => {
            let violation = format!("{violation}\n  at {}", world.describe());
            Err((violation, world.trace.take().unwrap_or_default()))
        }
    }
}

/// The world at the beginning of a schedule.
pub(crate) fn start(schedule: &Schedule, rules: Rules, traced: bool) -> World {
    let mut world = schedule.rollout.clone().created(rules());
    world.trace = traced.then(Vec::new);
    world.cluster.environment.endpoint_lag = schedule.endpoint_lag;
    for (version, behaviour) in &schedule.behaviours {
        world.cluster.behave(*version, *behaviour);
    }
    world
}

/// Lets everything happen that the schedule says.
pub(crate) fn play(world: &mut World, schedule: &Schedule) -> Result<(), String> {
    if schedule.deployed {
        let _ = world.until("the first deploy", |world| world.phase() == Phase::Healthy);
    }
    for (wait, event) in &schedule.events {
        for _ in 0..*wait {
            world.tick()?;
        }
        happen(world, event);
    }
    (0..5).try_for_each(|_| world.tick())
}

pub(crate) fn happen(world: &mut World, event: &Event) {
    if let (Some(trace), false) = (&mut world.trace, matches!(event, Event::User(_))) {
        trace.push(format!("t={} {event:?}", world.cluster.tick));
    }
    match event {
        Event::User(action) => world.user(action),
        Event::Meanwhile(action) => world.controller.meanwhile = Some(action.clone()),
        Event::Clock(error) => world.cluster.clock_error = *error,
        Event::Quota(pods) => world.cluster.environment.pod_quota = *pods,
        Event::Budget(pods) => world.cluster.environment.budget = *pods,
        Event::HidePods(hidden) => {
            world.cluster.environment.hides_pods = hidden.then(|| "pods is forbidden".to_owned());
        }
        Event::RefuseRoutes(refused) => {
            world.cluster.environment.route_refusal = refused.then(|| "admission webhook denied".to_owned());
        }
    }
}

/// With a healthy environment, time, and users who resume and retry, every Rollout comes to its end.
fn finish(world: &mut World) -> Result<(), String> {
    world.heal();
    if let Some(trace) = &mut world.trace {
        trace.push(format!(
            "t={} --- the environment is healthy from here on ---",
            world.cluster.tick
        ));
    }
    for _ in 0..MOST_HELP {
        let before = world.controller.rounds;
        let restarted = if world.is_restarted() { 0 } else { pods(world) };
        world.settle()?;
        let rounds = world.controller.rounds - before;
        let most = most_rounds(world) + ROUNDS_PER_RESTARTED_POD * restarted;
        if rounds > most {
            return Err(format!(
                "{rounds} plans with an effect until rest; {most} at most are expected"
            ));
        }
        at_rest(world)?;
        match world.phase() {
            Phase::Healthy => return Ok(()),
            Phase::Paused if world.cluster.rollout.spec.replicas == 0 => world.user(&UserAction::Scale(1)),
            Phase::Paused => world.user(&UserAction::Resume),
            Phase::Degraded if world.status().abort => world.user(&UserAction::Retry),
            Phase::Degraded | Phase::Progressing => return Err("stuck".to_owned()),
        }
    }
    Err("resumed and retried in vain".to_owned())
}

/// A Rollout comes to rest within so many plans that have an effect: some for each step, for each pod that a rolling
/// update moves, and for the beginning and the end.
fn most_rounds(world: &World) -> u32 {
    let spec = &world.cluster.rollout.spec;
    ROUNDS_PER_STEP * spec.step_count() + ROUNDS_PER_POD * pods_moved(spec) + ROUNDS_AT_BOTH_ENDS
}

/// The pods that there are, and that are wanted.
fn pods(world: &World) -> u32 {
    let sets = world.cluster.replica_sets.iter();
    sets.map(|one| one.spec_replicas).sum::<u32>() + world.cluster.rollout.spec.replicas
}

/// The pods that come on the way of the steps, back and forth, if the numbers of pods are the split.
fn pods_moved(spec: &Spec) -> u32 {
    let weights = spec.steps.iter().filter_map(|step| match step {
        Step::SetWeight(weight) => Some(weight.percent()),
        _ => None,
    });
    let (mut percent, mut last) = (0, 0);
    for weight in weights.chain([100]) {
        percent += weight.abs_diff(last);
        last = weight;
    }
    (spec.replicas * percent).div_ceil(100).max(spec.replicas)
}

/// What must be true of a Rollout at rest in a healthy environment.
fn at_rest(world: &World) -> Result<(), String> {
    let status = world.status();
    let spec = &world.cluster.rollout.spec;
    let require = |holds: bool, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(format!("at rest, but {what}"))
        }
    };
    let (_, stable_size) = world.sizes();
    let routed = spec.routing().is_some();
    require(
        status.observed_generation == Some(world.cluster.rollout.generation),
        "the generation is not observed",
    )?;
    pods_at_rest(world)?;
    if status.phase == Phase::Healthy || status.abort {
        require(
            stable_size == spec.replicas,
            "the stable revision does not have its size",
        )?;
        require(
            world.weights().iter().all(|weight| *weight == 0),
            "the canary has a weight",
        )?;
        require(
            nothing_is_left(world),
            "a route has a rule, a ref or a label of the controller's own, or an experiment is marked",
        )?;
        let in_force =
            |traffic: &kulta_core::status::Traffic| traffic.verified && traffic.requested.percent() == 0;
        require(
            !routed || status.traffic.as_ref().is_some_and(in_force),
            "weight 0 is not in force",
        )?;
        let service = spec.services().0.filter(|_| spec.replicas > 0);
        let selected = service.and_then(|service| world.selects(service));
        let stable_service = selected == status.stable_hash.as_deref();
        let has_service = service.is_some();
        require(
            stable_service || !has_service,
            "the stable Service does not select the stable revision",
        )?;
    }
    require(old_pods(world) == 0, "old revisions still have pods")?;
    let idle = status.phase != Phase::Healthy || world.controller.wake_at.is_none();
    require(idle, "a Healthy Rollout keeps the controller awake")
}

/// Wanted pods of revisions that are neither stable nor current.
fn old_pods(world: &World) -> u32 {
    let status = world.status();
    let kept = [&status.stable_hash, &status.current_pod_hash];
    let replica_sets = world.cluster.replica_sets.iter();
    let old = replica_sets.filter(|other| !kept.contains(&&Some(other.hash.clone())));
    old.map(|other| other.spec_replicas).sum()
}

fn nothing_is_left(world: &World) -> bool {
    let marked = world
        .cluster
        .analysis_runs
        .iter()
        .any(|run| run.pods.are_routed());
    world.managed_rules().is_empty() && !world.is_labelled() && world.cluster.shares().is_empty() && !marked
}

/// Pods bear what belongs to their part, and a restart has come to its end.
fn pods_at_rest(world: &World) -> Result<(), String> {
    let status = world.status();
    let is_held = status.phase == Phase::Degraded && !status.abort;
    if let Some(wrong) = world.wrong_metadata().filter(|_| !is_held) {
        return Err(format!("at rest, but {wrong}"));
    }
    if world.is_restarted() {
        Ok(())
    } else {
        Err("at rest, but a restart has not come to its end".to_owned())
    }
}

/// Leaves out events as long as the schedule still fails.
fn reduce(mut schedule: Schedule, rules: Rules) -> Schedule {
    let fails = |schedule: &Schedule| run(schedule, rules, false).is_err();
    let mut position = schedule.events.len();
    while position > 0 {
        position -= 1;
        let mut smaller = schedule.clone();
        let (wait, _) = smaller.events.remove(position);
        if fails(&smaller) {
            schedule = smaller;
        } else if let Some(next) = smaller.events.get_mut(position) {
            next.0 += wait;
            if fails(&smaller) {
                schedule = smaller;
            }
        }
    }
    for simpler in [
        |s: &mut Schedule| s.rollout.faults.death = 0,
        |s: &mut Schedule| s.rollout.faults.stale = 0,
    ] {
        let mut smaller = schedule.clone();
        simpler(&mut smaller);
        if fails(&smaller) {
            schedule = smaller;
        }
    }
    while let Some(last) = schedule.rollout.spec.steps.len().checked_sub(1) {
        let mut smaller = schedule.clone();
        let steps = smaller.rollout.spec.steps[..last].to_vec();
        smaller.rollout = smaller.rollout.steps(steps);
        if !fails(&smaller) {
            break;
        }
        schedule = smaller;
    }
    schedule
}
