//! Random Rollouts, with what users and the environment do to them: all of it follows from a seed.

use fastrand::Rng;
use jiff::SignedDuration;
use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::spec::{
    Amount, BackgroundAnalysis, CanaryScale, Method, PodMetadata, Promotion, PromotionAnalysis, Step, Weight,
};

use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{
    MANAGED_ROUTES, RolloutBuilder, analyse, analysis, backend, basic, blue_green, blue_green_by_route,
    experiment, gate, gates, header_route, in_progress, mirror_route, named, no_header_route, pause,
    pause_for, promotion_analysis, role, route, routed, sharing_experiment, weight,
};
use crate::simulation::cluster::{ACTIVE, CANARY, PREVIEW, STABLE};
use crate::simulation::controller::Faults;
use crate::simulation::route::{Answer, Gateway};
use crate::simulation::template::{Admission, Behaviour, Fate, Template};
use crate::simulation::user::UserAction;

/// What may happen besides the changes of the spec and the users' ordinary commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Perils {
    /// The controller dies and its caches are behind.
    pub(crate) faults: bool,
    /// Versions that crash, hang, flap or are refused; quotas; routes that can't be written.
    pub(crate) bad_versions: bool,
    /// Objects are deleted and created again, and the status is wiped.
    pub(crate) losses: bool,
    /// Others write the routes.
    pub(crate) foreign_writes: bool,
    /// Gateways that are slow, silent or reject.
    pub(crate) odd_gateways: bool,
    /// The controller's clock is set back now and then.
    pub(crate) clock: bool,
}

impl Perils {
    /// All of them.
    pub(crate) const ALL: Self = Self {
        faults: true,
        bad_versions: true,
        losses: true,
        foreign_writes: true,
        odd_gateways: true,
        clock: true,
    };
}

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Somebody does something.
    User(UserAction),
    /// Somebody does something while the controller carries out its next plan.
    Meanwhile(UserAction),
    /// The clock of the controller is so many seconds off from now on.
    Clock(i64),
    /// The namespace admits so many pods from now on.
    Quota(u32),
    /// A disruption budget keeps so many pods from now on.
    Budget(u32),
    /// Pods can't be listed, or again.
    HidePods(bool),
    /// Writes of routes are refused, or accepted again.
    RefuseRoutes(bool),
}

/// A run in full.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) rollout: RolloutBuilder,
    pub(crate) behaviours: Vec<(u32, Behaviour)>,
    /// Whether a version runs already and is Healthy before the first event.
    pub(crate) deployed: bool,
    pub(crate) endpoint_lag: u64,
    /// Seconds to wait, and what happens then.
    pub(crate) events: Vec<(u64, Event)>,
}

/// How a version takes the place of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// By the weights of routes.
    Routed,
    /// By numbers of pods.
    Basic,
    /// All at once.
    BlueGreen,
    /// All at once, by the weights of routes.
    BlueGreenByRoute,
}

/// Users act at most so often in a schedule of theirs.
pub(crate) const MOST_ACTIONS: usize = 12;
/// Of blue-green Rollouts, one in so many is switched by routes.
const BY_ROUTE_EVERY: u64 = 2;
/// The number of different versions in a run.
const VERSIONS: u32 = 4;

impl Schedule {
    /// The schedule of `seed`.
    pub(crate) fn of(seed: u64, perils: Perils) -> Self {
        let mut random = Rng::with_seed(seed);
        let strategy = match random_strategy(&mut random) {
            Strategy::BlueGreen if seed.is_multiple_of(BY_ROUTE_EVERY) => Strategy::BlueGreenByRoute,
            strategy => strategy,
        };
        let rollout = random_rollout(&mut random, strategy, perils, seed);
        let behaviours = (1..=VERSIONS)
            .map(|version| (version, behaviour(&mut random, version, perils)))
            .collect();
        // A clock that is set back and a history that is lost together leave nothing to count on from.
        let perils = if seed.is_multiple_of(2) {
            Perils {
                clock: false,
                ..perils
            }
        } else {
            perils
        };
        let count = random.usize(1..8);
        let mut events: Vec<(u64, Event)> = vec![(0, Event::User(UserAction::SetTemplate(Template::of(2))))];
        for _ in 0..count {
            push_event(&mut random, perils, &rollout, &mut events);
        }
        let deployed = random.u8(0..10) > 0;
        Self {
            rollout,
            behaviours,
            deployed,
            endpoint_lag: random.u64(0..3),
            events,
        }
    }

    /// What users do to a Rollout that is deployed, and nothing else: up to `MOST_ACTIONS` times, the first of them a
    /// change of the image. Versions may be bad, but pods that are up stay so.
    pub(crate) fn of_users(seed: u64, strategy: Strategy) -> Self {
        let mut random = Rng::with_seed(seed);
        let perils = Perils {
            bad_versions: true,
            ..Perils::default()
        };
        let rollout = random_rollout(&mut random, strategy, perils, seed);
        let steady = |behaviour: Behaviour| match behaviour.fate {
            Fate::Flaps { .. } | Fate::Crashes(_) => Behaviour {
                fate: Fate::Fine,
                ..behaviour
            },
            _ => behaviour,
        };
        let behaviours = (1..=VERSIONS)
            .map(|version| (version, steady(behaviour(&mut random, version, perils))))
            .collect();
        let count = random.usize(0..MOST_ACTIONS);
        let first = (0, Event::User(UserAction::SetTemplate(Template::of(2))));
        let others = (0..count).map(|_| {
            let action = ordinary(&mut random, &rollout);
            (random.u64(0..16), Event::User(action))
        });
        Self {
            events: std::iter::once(first).chain(others).collect(),
            rollout: rollout.clone(),
            behaviours,
            deployed: true,
            endpoint_lag: 1,
        }
    }
}

/// Steps: up to six, of every kind that fits.
pub(crate) fn random_steps(random: &mut Rng, routed: bool) -> Vec<Step> {
    let count = random.usize(0..7);
    (0..count)
        .map(|_| match random.u8(0..if routed { 17 } else { 11 }) {
            0..=5 => weight(random.u32(0..=20) * 5),
            6 => pause(),
            7 | 8 => pause_for(random.i64(0..20)),
            // Beside weights of up to 100 %: what does not fit has no share.
            9 if routed && random.bool() => sharing_experiment(random.u32(0..=6) * 5),
            9 if random.bool() => experiment(),
            9 => analyse(),
            10 => gate(),
            11 => Step::SetCanaryScale(CanaryScale::Replicas(random.u32(0..=12))),
            12 => Step::SetCanaryScale(CanaryScale::Weight(
                Weight::new(random.u32(0..=100)).expect("a percentage"),
            )),
            13 => Step::SetCanaryScale(CanaryScale::MatchTrafficWeight),
            14 => header_route(managed_route(random), if random.bool() { "alice" } else { "bob" }),
            15 => no_header_route(managed_route(random)),
            _ => mirror_route(managed_route(random)),
        })
        .collect()
}

fn managed_route(random: &mut Rng) -> &'static str {
    MANAGED_ROUTES[random.usize(0..MANAGED_ROUTES.len())]
}

fn replicas(random: &mut Rng) -> u32 {
    *random.choice(&[0, 1, 1, 2, 3, 5, 10, 10]).expect("not empty")
}

/// Labels and annotations of pods, often none.
fn metadata(random: &mut Rng) -> PodMetadata {
    match random.u8(0..4) {
        0 => role("new"),
        1 => role("stable"),
        _ => PodMetadata::default(),
    }
}

fn random_strategy(random: &mut Rng) -> Strategy {
    match random.u8(0..10) {
        0..=4 => Strategy::Routed,
        5 | 6 => Strategy::Basic,
        _ => Strategy::BlueGreen,
    }
}

fn random_rollout(random: &mut Rng, strategy: Strategy, perils: Perils, seed: u64) -> RolloutBuilder {
    let mut builder = match strategy {
        Strategy::Routed => {
            let builder = with_steps(random_routed(random, perils), random);
            builder.whole(
                *random
                    .choice(&[100, 100, 100, 10, 1_000, 1_000_000])
                    .expect("not empty"),
            )
        }
        Strategy::Basic => with_steps(random_basic(random), random),
        Strategy::BlueGreen => random_blue_green(random),
        Strategy::BlueGreenByRoute => by_route(random_blue_green(random), random, perils),
    };
    builder = builder.replicas(replicas(random)).spec(|spec| {
        spec.promotion_gates = (random.u8(0..4) == 0).then(|| gates("1"));
        spec.pods.new_metadata = metadata(random);
        spec.pods.stable_metadata = metadata(random);
        spec.min_ready_seconds = *random.choice(&[0, 0, 3]).expect("not empty");
        spec.revision_history_limit = random.u32(0..4);
        spec.progress_deadline = SignedDuration::from_secs(random.i64(30..600));
        spec.progress_deadline_abort = random.u8(0..3) == 0;
        spec.rollback_window = random.u32(0..6).saturating_sub(2);
        if spec.blue_green().is_none() {
            let thresholds = [None, None, None, Some(Amount::Percent(50)), Some(Amount::Pods(2))];
            spec.progress_threshold = *random.choice(&thresholds).expect("not empty");
        }
    });
    builder.seed = seed;
    if perils.faults {
        builder.faults = Faults {
            death: random.u8(0..50),
            stale: random.u8(0..30),
            refusal: random.u8(0..15),
        };
    }
    builder
}

/// What only a canary has.
fn with_steps(builder: RolloutBuilder, random: &mut Rng) -> RolloutBuilder {
    let is_routed = builder.spec.routing().is_some();
    builder.steps(random_steps(random, is_routed)).spec(|spec| {
        spec.background = (random.u8(0..3) == 0).then(|| BackgroundAnalysis {
            analysis: analysis(),
            hash: "1".to_owned(),
            starting_step: random.u32(0..3),
        });
    })
}

fn random_blue_green(random: &mut Rng) -> RolloutBuilder {
    let analysis = |random: &mut Rng| (random.u8(0..3) == 0).then(promotion_analysis);
    let (pre_promotion, post_promotion): (Option<PromotionAnalysis>, _) =
        (analysis(random), analysis(random));
    blue_green().blue_green(|blue_green| {
        blue_green.preview_service = blue_green.preview_service.take().filter(|_| random.u8(0..4) > 0);
        blue_green.preview_replicas = (random.u8(0..3) == 0).then(|| random.u32(0..12));
        blue_green.promotion = match random.u8(0..3) {
            0 => Promotion::AtOnce,
            1 => Promotion::After(SignedDuration::from_secs(random.i64(1..30))),
            _ => Promotion::ByHand,
        };
        blue_green.pre_promotion = pre_promotion;
        blue_green.post_promotion = post_promotion;
        blue_green.scale_down_delay =
            SignedDuration::from_secs(*random.choice(&[0, 5, 30, 90]).expect("not empty"));
        blue_green.scale_down_delay_revision_limit = (random.u8(0..3) == 0).then(|| random.u32(0..3));
        blue_green.abort_scale_down_delay = random
            .choice([Some(5), Some(30), None])
            .expect("not empty")
            .map(SignedDuration::from_secs);
    })
}

/// The same with routes, and so with both Services.
fn by_route(builder: RolloutBuilder, random: &mut Rng, perils: Perils) -> RolloutBuilder {
    let RolloutBuilder {
        spec,
        backends,
        gateways,
        ..
    } = blue_green_by_route();
    let with_routes = spec.blue_green().cloned();
    let mut builder = builder.backends(backends).blue_green(|blue_green| {
        if let Some(with_routes) = with_routes {
            blue_green.preview_service = with_routes.preview_service;
            blue_green.routing = with_routes.routing;
        }
    });
    builder.gateways = gateways;
    if random.bool() {
        builder = builder.two_routes();
    }
    if random.bool() {
        builder.backends.extend([
            backend(1, 0, ACTIVE, None),
            backend(1, 1, PREVIEW, Some(0)),
            backend(2, 0, ACTIVE, None),
        ]);
    }
    for gateways in &mut builder.gateways {
        *gateways = random_gateways(random, perils);
    }
    builder
}

fn random_basic(random: &mut Rng) -> RolloutBuilder {
    let mut builder = basic(0, 0);
    let amount = |random: &mut Rng| {
        if random.bool() {
            Amount::Pods(random.u32(0..4))
        } else {
            Amount::Percent(random.u32(0..60))
        }
    };
    let (max_surge, mut max_unavailable) = (amount(random), amount(random));
    if [max_surge, max_unavailable]
        .iter()
        .all(|amount| matches!(amount, Amount::Pods(0) | Amount::Percent(0)))
    {
        max_unavailable = Amount::Pods(1);
    }
    let services = random.bool();
    builder.spec.method = Method::Basic {
        stable_service: services.then(|| STABLE.to_owned()),
        canary_service: services.then(|| CANARY.to_owned()),
        max_surge,
        max_unavailable,
    };
    builder
}

fn random_routed(random: &mut Rng, perils: Perils) -> RolloutBuilder {
    let routes = random.usize(1..3);
    let builder = routed().routing(|routing| {
        routing.routes = (0..routes).map(named).collect();
        for route in &mut routing.routes {
            route.takes_managed_rules = random.u8(0..4) > 0;
        }
        routing.in_progress_label = random.bool().then(in_progress);
    });
    let mut builder = builder.canary(|canary| {
        canary.scale_down_delay = SignedDuration::from_secs(*random.choice(&[0, 5, 30]).expect("not empty"));
        canary.scale_down_delay_revision_limit = (random.u8(0..3) == 0).then(|| random.u32(0..3));
        canary.abort_scale_down_delay = random
            .choice([Some(5), Some(30), None])
            .expect("not empty")
            .map(SignedDuration::from_secs);
        canary.dynamic_stable_scale = random.u8(0..4) == 0;
        canary.min_pods_per_replica_set = random.u32(0..3);
    });
    if random.bool() {
        builder.backends.extend([
            backend(1, 0, "elsewhere", Some(3)),
            backend(1, 1, STABLE, None),
            backend(1, 2, CANARY, Some(0)),
            backend(2, 0, "elsewhere", None),
        ]);
    }
    // Rules that name only one of the two Services: pinned users, testers of the canary.
    if random.u8(0..4) == 0 {
        builder.backends.push(backend(3, 0, STABLE, None));
    }
    if random.u8(0..4) == 0 {
        builder.backends.push(backend(4, 0, CANARY, None));
    }
    builder.gateways = (0..routes).map(|_| random_gateways(random, perils)).collect();
    builder
}

fn random_gateways(random: &mut Rng, perils: Perils) -> Vec<Gateway> {
    (0..random.usize(1..3))
        .map(|number| gateway(random, number, perils))
        .collect()
}

fn gateway(random: &mut Rng, number: usize, perils: Perils) -> Gateway {
    let mut gateway = Gateway::new(&format!("infra/edge-{number}"));
    gateway.endpoint_lag = random.u64(0..3);
    gateway.route_lag = gateway.endpoint_lag + random.u64(0..8);
    let odd = perils.odd_gateways && random.u8(0..4) == 0;
    gateway.answer = match random.u8(0..3) {
        0 if odd => Answer::Silent,
        1 if odd => Answer::Rejects(random.u64(0..3)),
        2 if odd => Answer::Accepts(random.u64(10..50)),
        _ => Answer::Accepts(random.u64(0..3)),
    };
    gateway
}

fn behaviour(random: &mut Rng, version: u32, perils: Perils) -> Behaviour {
    let good = Behaviour {
        ready_after: random.u64(0..5),
        fate: Fate::Fine,
        admission: Admission::Accepted,
        opinion: opinion(random, version, perils),
    };
    if version == 1 || !perils.bad_versions || random.bool() {
        return good;
    }
    match random.u8(0..6) {
        0 => Behaviour {
            fate: Fate::Pending,
            ..good
        },
        1 => Behaviour {
            fate: Fate::Crashes(random.u64(1..30)),
            ..good
        },
        2 => Behaviour {
            fate: Fate::Flaps {
                up: random.u64(2..12),
                down: random.u64(1..5),
            },
            ..good
        },
        3 => Behaviour {
            admission: Admission::Invalid,
            ..good
        },
        4 => Behaviour {
            admission: Admission::Refused,
            ..good
        },
        _ => Behaviour {
            admission: Admission::Silent,
            ..good
        },
    }
}

/// Analyses find something out, sooner or later; of the first version, and of good ones, that it is well.
fn opinion(random: &mut Rng, version: u32, perils: Perils) -> Opinion {
    let ticks = random.u64(0..15);
    let bad = version > 1 && perils.bad_versions && random.bool();
    match random.u8(0..4) {
        0 if bad => Opinion::After(ticks, AnalysisPhase::Failed),
        1 if bad => Opinion::After(ticks, AnalysisPhase::Error),
        2 if bad => Opinion::After(ticks, AnalysisPhase::Inconclusive),
        3 if bad => Opinion::Endless,
        _ => Opinion::After(ticks, AnalysisPhase::Successful),
    }
}

fn push_event(random: &mut Rng, perils: Perils, rollout: &RolloutBuilder, events: &mut Vec<(u64, Event)>) {
    let wait = random.u64(0..25);
    let soon = random.u64(0..12);
    let is_routed = rollout.spec.routing().is_some();
    let user = Event::User;
    match random.u8(0..23) {
        9 | 12..=14 | 17 if is_routed => push_route_event(random, perils, rollout, events),
        10 if perils.bad_versions => {
            events.push((wait, Event::Quota(random.u32(0..20))));
            events.push((soon, Event::Quota(1_000)));
        }
        0 if is_routed => {
            events.push((wait, user(UserAction::SpoilSpec)));
            events.push((soon, user(ordinary(random, rollout))));
            events.push((soon, user(UserAction::MendSpec)));
        }
        20 => {
            events.push((wait, user(UserAction::DeleteAnalysisTemplate)));
            events.push((soon, user(ordinary(random, rollout))));
            events.push((soon, user(UserAction::CreateAnalysisTemplate)));
        }
        21 | 22 => push_restart(random, perils, rollout, events),
        11 if perils.clock => events.push((wait, Event::Clock(random.i64(-20..5)))),
        15 if perils.losses && !perils.clock => events.push((wait, user(UserAction::WipeStatus))),
        16 if perils.losses => {
            let current = random.bool();
            events.push((wait, user(UserAction::DeleteReplicaSet { current })));
        }
        18 if perils.losses && rollout.spec.services().0.is_some() => {
            let (stable, canary) = rollout.spec.services();
            let name = stable.filter(|_| random.bool()).or(canary).or(stable);
            let name = name.unwrap_or_default().to_owned();
            events.push((wait, user(UserAction::DeleteService(name.clone()))));
            events.push((soon, user(UserAction::CreateService(name))));
        }
        19 if perils.losses => {
            let action = if random.bool() {
                UserAction::OrphanReplicaSets
            } else {
                UserAction::DeleteAnalysisRuns
            };
            events.push((wait, user(action)));
        }
        8 if perils.faults => events.push((wait, Event::Meanwhile(ordinary(random, rollout)))),
        _ => events.push((wait, user(ordinary(random, rollout)))),
    }
}

/// A restart, now or soon, and what may stand in its way.
fn push_restart(random: &mut Rng, perils: Perils, rollout: &RolloutBuilder, events: &mut Vec<(u64, Event)>) {
    let (wait, soon) = (random.u64(0..25), random.u64(0..12));
    if perils.bad_versions && random.bool() {
        events.push((wait, Event::Budget(random.u32(0..12))));
    }
    if perils.faults && random.u8(0..4) == 0 {
        events.push((0, Event::HidePods(true)));
        events.push((soon, Event::HidePods(false)));
    }
    events.push((
        soon,
        Event::User(UserAction::Restart(
            *random.choice(&[0, 0, 9]).expect("not empty"),
        )),
    ));
    events.push((soon, Event::User(ordinary(random, rollout))));
}

fn push_route_event(
    random: &mut Rng,
    perils: Perils,
    rollout: &RolloutBuilder,
    events: &mut Vec<(u64, Event)>,
) {
    let (wait, soon) = (random.u64(0..25), random.u64(0..12));
    let some_route = route(random.usize(0..rollout.gateways.len().max(1)));
    let user = Event::User;
    match random.u8(0..5) {
        0 if perils.bad_versions => {
            events.push((wait, Event::RefuseRoutes(true)));
            events.push((soon, Event::RefuseRoutes(false)));
        }
        1 if perils.losses => {
            events.push((wait, user(UserAction::DeleteRoute(some_route.clone()))));
            events.push((soon, user(UserAction::CreateRoute(some_route))));
        }
        2 if perils.foreign_writes => {
            for _ in 0..random.usize(1..4) {
                let weights = [(None, None), (Some(100), Some(0)), (Some(0), Some(100))];
                let (stable, canary) = weights[random.usize(0..weights.len())];
                let forced = UserAction::ForceWeights(some_route.clone(), stable, canary);
                events.push((random.u64(0..6), user(forced)));
            }
        }
        3 if perils.foreign_writes && random.bool() => {
            events.push((wait, user(UserAction::ApplyRoute(some_route))));
        }
        3 if perils.foreign_writes => events.push((wait, user(UserAction::EditRoute(some_route)))),
        4 if perils.foreign_writes => events.push((wait, user(UserAction::ReplaceParents(some_route)))),
        _ => events.push((wait, user(ordinary(random, rollout)))),
    }
}

/// What users do every day.
fn ordinary(random: &mut Rng, rollout: &RolloutBuilder) -> UserAction {
    let is_routed = rollout.spec.routing().is_some();

    match random.u8(0..14) {
        12 => UserAction::SetMetadata(metadata(random), metadata(random)),
        0..=2 => UserAction::SetTemplate(Template::of(random.u32(1..=VERSIONS))),
        3 => UserAction::SetTemplate(Template::spelt(random.u32(1..=VERSIONS), 1)),
        4 if rollout.spec.blue_green().is_none() => UserAction::SetSteps(random_steps(random, is_routed)),
        5 => UserAction::Scale(replicas(random)),
        6 => UserAction::Abort,
        7 => UserAction::Retry,
        8 | 9 => UserAction::Resume,
        10 => UserAction::PromoteFull,
        11 => UserAction::SkipStep,
        _ => UserAction::Pause(random.bool()),
    }
}
