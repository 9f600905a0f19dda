//! Shares of experiments: what templates with a weight get of the traffic, and how it is given back.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::spec::{Method, RouteReference, Step, Weight, Whole};
use kulta_core::status::{AdditionalWeight, ConditionType};

use super::{hash, judged, thinks};
use crate::simulation::analysis::Opinion;
use crate::simulation::builder::{
    RolloutBuilder, backend, basic, mirror_route, on_whole, pause, route, routed, sharing_experiment, weight,
};
use crate::simulation::cluster::{CANARY, STABLE, STABLE_SIDE};
use crate::simulation::data_plane::is_one_of;
use crate::simulation::route::{Answer, Author, Route};
use crate::simulation::sharing::is_share;
use crate::simulation::template::{Behaviour, Fate};
use crate::simulation::user::{GITOPS, UserAction};
use crate::simulation::world::World;

mod others;

fn canary() -> RolloutBuilder {
    routed().steps([weight(20), sharing_experiment(5), weight(50)])
}

/// The experiment is under way, and its templates have their shares.
fn sharing() -> World {
    sharing_with(canary())
}

fn sharing_with(rollout: RolloutBuilder) -> World {
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.reaches("shares", World::has_shares);
    world
}

/// The experiment has been made, and its pods come up.
fn begun() -> World {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Endless);
    world.applies(2);
    world.reaches("an experiment", |world| !world.cluster.analysis_runs.is_empty());
    world
}

fn first(world: &World) -> &Route {
    &world.cluster.routes[&route(0)]
}

impl World {
    /// The templates that have a share, and how much.
    fn shares(&self) -> Vec<(String, u32)> {
        let routes = self.cluster.routes.values();
        let refs = routes.flat_map(Route::backends);
        refs.filter(|backend| is_share(backend))
            .map(|backend| {
                let template = backend.name.rsplit('-').next().unwrap_or_default();
                (template.to_owned(), backend.weight.unwrap_or(1))
            })
            .collect()
    }

    /// The weight of the stable version in the first rule that has one.
    fn stable_weight(&self) -> u32 {
        let mut routes = self.cluster.routes.values();
        let refs = routes.next().expect("a route").backends();
        let mut stable = refs.iter().filter(|backend| is_one_of(backend, STABLE_SIDE));
        stable.next().expect("its ref").weight.unwrap_or(1)
    }

    fn additional(&self) -> &[AdditionalWeight] {
        let traffic = self.status().traffic.as_ref();
        traffic.map_or(&[], |traffic| &traffic.additional)
    }

    /// Whether requests are sent to an experiment.
    fn has_shares(&self) -> bool {
        self.shares().iter().any(|(_, weight)| *weight > 0)
    }

    fn is_marked(&self) -> bool {
        self.cluster.analysis_runs.iter().any(|run| run.pods.are_routed())
    }

    fn has_no_shares(&self) -> bool {
        self.shares().is_empty() && self.additional().is_empty() && !self.is_marked()
    }
}

fn five_each() -> Vec<(String, u32)> {
    ["baseline", "canary"].map(|name| (name.to_owned(), 5)).into()
}

#[test]
fn templates_with_a_weight_get_it_from_the_stable_version_once_their_pods_are_ready() {
    let world = sharing();

    assert_eq!(
        (world.weight(), world.stable_weight()),
        (20, 70),
        "{}",
        world.describe()
    );
    assert_eq!(world.shares(), five_each());
    let told: Vec<_> = world.additional().iter().map(|share| share.weight).collect();
    assert_eq!(told, [5, 5]);
    assert!(world.is_marked());
}

#[test]
fn a_share_is_given_back_when_the_experiment_ends_and_its_pods_go_after_that() {
    let mut rollout = canary();
    rollout.gateways[0][0].answer = Answer::Accepts(5);
    let mut world = judged(rollout, AnalysisPhase::Successful);
    thinks(&mut world, Opinion::After(12, AnalysisPhase::Successful));

    world.applies(2);
    world.reaches("shares", World::has_shares);
    world.rests();

    assert!(world.is_stable(2), "{}", world.describe());
    assert!(world.has_no_shares(), "{}", world.describe());
}

#[test]
fn its_pods_stay_as_long_as_no_gateway_has_accepted_that_it_is_over() {
    let mut world = sharing();
    for route in world.cluster.routes.values_mut() {
        route.gateways[0].answer = Answer::Silent;
    }

    world.user(&UserAction::Abort);
    world.passes(20);

    assert!(!world.has_shares() && world.is_marked(), "{}", world.describe());
    let experiment = &world.cluster.analysis_runs[0];
    assert!(experiment.phase.completed() && experiment.pods.are_ready());
}

#[test]
fn an_abort_takes_shares_back_with_the_weight() {
    let mut world = sharing();

    world.user(&UserAction::Abort);
    world.reaches("no weight", |world| world.weight() == 0);

    assert_eq!(
        (world.has_shares(), world.stable_weight()),
        (false, 100),
        "{}",
        world.describe()
    );
    world.rests();
    assert!(world.has_no_shares(), "{}", world.describe());
}

#[test]
fn a_full_promotion_takes_shares_back() {
    let mut world = sharing();

    world.user(&UserAction::PromoteFull);
    world.rests();

    assert!(
        world.is_stable(2) && world.has_no_shares(),
        "{}",
        world.describe()
    );
}

#[test]
fn no_share_is_given_while_the_rollout_is_paused() {
    let mut world = begun();

    world.user(&UserAction::Pause(true));
    world.rests();
    assert!(world.has_no_shares(), "{}", world.describe());

    world.user(&UserAction::Pause(false));
    world.rests();
    assert_eq!(world.shares(), five_each(), "{}", world.describe());
}

#[test]
fn a_pause_leaves_shares_where_they_are() {
    let mut world = sharing();

    world.user(&UserAction::Pause(true));
    world.rests();

    assert_eq!(world.shares(), five_each(), "{}", world.describe());
}

#[test]
fn a_template_whose_pods_answer_no_more_has_no_share() {
    let mut world = sharing();

    world.cluster.analysis_runs[0].pods.fail("baseline");
    world.rests();

    assert_eq!(
        world.shares(),
        [("baseline".to_owned(), 0), ("canary".to_owned(), 5)],
        "{}",
        world.describe()
    );
    assert_eq!((world.weight(), world.stable_weight()), (20, 75));
}

#[test]
fn shares_stay_where_the_stable_version_can_t_take_them() {
    let mut world = sharing();
    world.cluster.behave(
        1,
        Behaviour {
            fate: Fate::Crashes(1),
            ..Behaviour::default()
        },
    );
    world.reaches("no stable pods", |world| {
        world
            .cluster
            .replica_set(&hash(1))
            .is_some_and(|stable| stable.ready() == 0)
    });

    world.user(&UserAction::Abort);
    world.passes(3);

    assert_eq!(world.shares(), five_each(), "{}", world.describe());
}

#[test]
fn another_version_in_the_middle_of_it_takes_shares_back() {
    let mut world = sharing();

    world.applies(3);
    world.rests();

    assert!(
        world.is_stable(3) || world.shares().is_empty(),
        "{}",
        world.describe()
    );
}

#[test]
fn what_does_not_fit_beside_the_canary_has_no_share() {
    let rollout = routed().steps([weight(92), sharing_experiment(5), pause()]);
    let world = sharing_with(rollout);

    assert_eq!(
        world.shares(),
        [("baseline".to_owned(), 5)],
        "{}",
        world.describe()
    );
    assert_eq!((world.weight(), world.stable_weight()), (92, 3));
}

#[test]
fn rules_that_mirror_have_shares_as_the_rule_that_they_are_made_from() {
    let rollout = routed().steps([
        weight(20),
        mirror_route("shadow"),
        sharing_experiment(5),
        weight(50),
    ]);
    let mut world = sharing_with(rollout);

    world.rests();

    let both = [five_each(), five_each()].concat();
    assert_eq!(world.shares(), both, "{}", world.describe());
    assert_eq!(world.managed_rules(), ["shadow"]);
}

#[test]
fn shares_are_parts_of_what_all_traffic_is() {
    let mut steps = vec![sharing_experiment(20), weight(50)];
    let whole = Whole::new(1_000).unwrap();
    on_whole(&mut steps, whole);
    let mut rollout = routed().steps(steps);
    if let Method::Routed(canary) = &mut rollout.spec.method {
        canary.routing.whole = whole;
    }

    let world = sharing_with(rollout);

    let weights: Vec<_> = world.shares().into_iter().map(|(_, weight)| weight).collect();
    assert_eq!(
        (weights, world.stable_weight()),
        (vec![200, 200], 600),
        "{}",
        world.describe()
    );
}

#[test]
fn a_share_does_not_grow_while_the_rollout_is_held() {
    let mut world = sharing();
    world.user(&UserAction::Pause(true));
    world.rests();
    if let Some(Step::Experiment(experiment)) = world.cluster.rollout.spec.steps.get_mut(1) {
        for share in experiment.shares.values_mut() {
            *share = Weight::new(30).unwrap();
        }
    }
    world.cluster.changed();

    world.rests();

    assert_eq!(world.shares(), five_each(), "{}", world.describe());
}

#[test]
fn a_step_says_that_its_share_is_still_missing() {
    let mut world = canary().deployed();
    thinks(&mut world, Opinion::Held);
    world.applies(2);
    world.rests();

    let message = &world.status().message;
    assert!(
        message.starts_with("waiting for its share of the traffic, and for experiment"),
        "{message}"
    );
}

/// Gateways learn of a route and of what it sends to in an order of their own.
#[test]
fn nobody_is_sent_to_a_ref_before_gateways_have_accepted_it_and_none_goes_that_they_may_send_to() {
    let mut rollout = canary();
    rollout.gateways[0][0].answer = Answer::Accepts(3);
    let mut world = rollout.deployed();
    thinks(&mut world, Opinion::After(20, AnalysisPhase::Successful));
    world.applies(2);

    world.reaches("refs", |world| !world.shares().is_empty());
    world.passes(2);
    assert!(!world.has_shares(), "{}", world.describe());
    world.reaches("shares", World::has_shares);
    world.reaches("no shares", |world| !world.has_shares());
    assert_eq!(world.shares().len(), 2, "{}", world.describe());
    world.rests();

    assert!(
        world.is_stable(2) && world.has_no_shares(),
        "{}",
        world.describe()
    );
}
