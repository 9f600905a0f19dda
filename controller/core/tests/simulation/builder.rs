//! Builds simulated Rollouts, a line for each thing that matters to a test.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kulta_core::observed::BackendView;
use kulta_core::spec::{
    Amount, Analysis, BackgroundAnalysis, BlueGreen, CanaryScale, Gates, HeaderMatch, HeaderRoute, Method,
    MirrorRoute, PodMetadata, PodRules, Promotion, PromotionAnalysis, RequestMatch, Route as NamedRoute,
    RouteKind, RouteLabel, RouteReference, RoutedCanary, RunHistory, Spec, Step, StepExperiment, TextMatch,
    TrafficRouting, Weight, Whole,
};

use super::cluster::{ACTIVE, CANARY, Cluster, NAMESPACE, PREVIEW, STABLE};
use super::controller::{Controller, Faults, Witness};
use super::route::{Gateway, Route};
use super::service::Service;
use super::template::Template;
use super::user::identity_of;
use super::world::World;

/// A Rollout to be.
#[derive(Debug, Clone)]
pub(crate) struct RolloutBuilder {
    pub(crate) spec: Spec,
    pub(crate) backends: Vec<BackendView>,
    pub(crate) gateways: Vec<Vec<Gateway>>,
    pub(crate) faults: Faults,
    pub(crate) seed: u64,
    pub(crate) without: Vec<&'static str>,
}

/// The step `setWeight`.
pub(crate) fn weight(percent: u32) -> Step {
    Step::SetWeight(Weight::new(percent).expect("a percentage"))
}

/// The step `setWeight`, in parts of `whole`.
pub(crate) fn parts(parts: u32, whole: u32) -> Step {
    let whole = Whole::new(whole).expect("a whole");
    Step::SetWeight(Weight::of_whole(parts, whole).expect("parts of it"))
}

/// Makes the weights of `steps` parts of `whole`, as all are that were read from one spec.
pub(crate) fn on_whole(steps: &mut [Step], whole: Whole) {
    for step in steps {
        if let Step::SetWeight(weight) | Step::SetCanaryScale(CanaryScale::Weight(weight)) = step {
            *weight = weight.on(whole);
        }
        if let Step::Experiment(experiment) = step {
            for share in experiment.shares.values_mut() {
                *share = share.on(whole);
            }
        }
    }
}

/// The step `pause` without a duration.
pub(crate) fn pause() -> Step {
    Step::Pause(None)
}

/// The step `pause` for some seconds.
pub(crate) fn pause_for(seconds: i64) -> Step {
    Step::Pause(Some(SignedDuration::from_secs(seconds)))
}

/// What an analysis of these tests measures.
pub(crate) fn analysis() -> Analysis {
    Analysis {
        run: serde_json::json!({"metrics": [{"name": "errors"}]}),
        args: Vec::new(),
    }
}

/// The step `analysis`.
pub(crate) fn analyse() -> Step {
    Step::Analysis(analysis())
}

/// The step `experiment`.
pub(crate) fn experiment() -> Step {
    let template = |spec_ref: &str| serde_json::json!({"name": spec_ref, "specRef": spec_ref});
    Step::Experiment(StepExperiment {
        definition: serde_json::json!({"templates": [template("stable"), template("canary")]}),
        shares: BTreeMap::new(),
    })
}

/// The step `experiment` whose templates `baseline` and `canary` have this share of the traffic each.
pub(crate) fn sharing_experiment(percent: u32) -> Step {
    let template = |name: &str, spec_ref: &str| serde_json::json!({"name": name, "specRef": spec_ref, "weight": percent});
    let share = |name: &str| (name.to_owned(), Weight::new(percent).expect("a percentage"));
    Step::Experiment(StepExperiment {
        definition: serde_json::json!({"templates": [template("baseline", "stable"), template("canary", "canary")]}),
        shares: ["baseline", "canary"].map(share).into(),
    })
}

/// Gates, told from others by `hash`.
pub(crate) fn gates(hash: &str) -> Gates {
    Gates {
        gates: serde_json::json!([{"name": "office-hours", "plugin": "schedule"}]),
        hash: hash.to_owned(),
    }
}

/// The step `gate`.
pub(crate) fn gate() -> Step {
    Step::Gate(gates("1"))
}

/// A label, and an annotation, with this value.
pub(crate) fn role(value: &str) -> PodMetadata {
    PodMetadata {
        labels: BTreeMap::from([("role".to_owned(), value.to_owned())]),
        annotations: BTreeMap::from([(format!("only-of-{value}"), value.to_owned())]),
    }
}

/// The step `setCanaryScale` with a number of pods.
pub(crate) fn canary_pods(replicas: u32) -> Step {
    Step::SetCanaryScale(CanaryScale::Replicas(replicas))
}

/// The step `setHeaderRoute`: requests whose header `x-tester` has this value.
pub(crate) fn header_route(name: &str, value: &str) -> Step {
    let value = TextMatch::Exact(value.to_owned());
    let name = name.to_owned();
    let matches = vec![HeaderMatch {
        name: "x-tester".to_owned(),
        value,
    }];
    Step::SetHeaderRoute(HeaderRoute { name, matches })
}

/// The step `setHeaderRoute` that takes the route away.
pub(crate) fn no_header_route(name: &str) -> Step {
    let name = name.to_owned();
    let matches = Vec::new();
    Step::SetHeaderRoute(HeaderRoute { name, matches })
}

/// The step `setMirrorRoute`: a copy of all `GET`s.
pub(crate) fn mirror_route(name: &str) -> Step {
    let name = name.to_owned();
    let matches = vec![RequestMatch {
        method: Some("GET".to_owned()),
        path: None,
        headers: Vec::new(),
    }];
    Step::SetMirrorRoute(MirrorRoute {
        name,
        matches,
        percentage: None,
    })
}

/// The name of the route number `index`.
pub(crate) fn route(index: usize) -> RouteReference {
    RouteReference {
        kind: RouteKind::ALL[index % 2],
        namespace: NAMESPACE.to_owned(),
        name: format!("web-{index}"),
    }
}

/// The same as the spec names it; it takes managed rules.
pub(crate) fn named(index: usize) -> NamedRoute {
    NamedRoute {
        reference: route(index),
        path: format!("spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[{index}]"),
        takes_managed_rules: true,
    }
}

/// The label of a route under way.
pub(crate) fn in_progress() -> RouteLabel {
    RouteLabel {
        key: "example.com/rollout".to_owned(),
        value: "in-progress".to_owned(),
    }
}

/// The managed routes of every routed canary of these tests.
pub(crate) const MANAGED_ROUTES: [&str; 2] = ["testers", "shadow"];

/// A backendRef to a Service of the Rollout's namespace.
pub(crate) fn backend(rule: usize, index: usize, name: &str, weight: Option<u32>) -> BackendView {
    BackendView {
        rule,
        index,
        is_service: true,
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
        port: Some(80),
        weight,
    }
}

/// A canary with 10 pods, no steps and one route through one gateway.
pub(crate) fn routed() -> RolloutBuilder {
    let routing = TrafficRouting {
        routes: vec![named(0)],
        selectors: Vec::new(),
        in_progress_label: None,
        managed_routes: MANAGED_ROUTES.map(str::to_owned).to_vec(),
        whole: Whole::HUNDRED,
        stable_service: STABLE.to_owned(),
        canary_service: CANARY.to_owned(),
    };
    let canary = RoutedCanary {
        routing,
        scale_down_delay: SignedDuration::from_secs(30),
        scale_down_delay_revision_limit: None,
        abort_scale_down_delay: Some(SignedDuration::from_secs(30)),
        dynamic_stable_scale: false,
        min_pods_per_replica_set: 0,
    };
    RolloutBuilder {
        spec: Spec {
            replicas: 10,
            selector: "app=web".to_owned(),
            template_labels: labels(),
            min_ready_seconds: 0,
            revision_history_limit: 10,
            run_history: RunHistory::default(),
            paused: false,
            progress_deadline: SignedDuration::from_secs(600),
            progress_deadline_abort: false,
            rollback_window: 0,
            progress_threshold: None,
            steps: Vec::new(),
            steps_hash: identity_of(&[]),
            method: Method::Routed(canary),
            background: None,
            promotion_gates: None,
            workload: None,
            pods: PodRules::default(),
        },
        backends: vec![backend(0, 0, STABLE, Some(100)), backend(0, 1, CANARY, Some(0))],
        gateways: vec![vec![Gateway::new("infra/edge")]],
        faults: Faults::default(),
        seed: 0,
        without: Vec::new(),
    }
}

/// A canary with 10 pods, without traffic routing and without Services.
pub(crate) fn basic(max_surge: u32, max_unavailable: u32) -> RolloutBuilder {
    let mut builder = routed();
    builder.spec.method = Method::Basic {
        stable_service: None,
        canary_service: None,
        max_surge: Amount::Pods(max_surge),
        max_unavailable: Amount::Pods(max_unavailable),
    };
    builder.gateways = Vec::new();
    builder
}

/// Blue-green with 10 pods and both Services, which promotes at once.
pub(crate) fn blue_green() -> RolloutBuilder {
    let mut builder = routed();
    builder.spec.method = Method::BlueGreen(BlueGreen {
        active_service: ACTIVE.to_owned(),
        preview_service: Some(PREVIEW.to_owned()),
        routing: None,
        preview_replicas: None,
        promotion: Promotion::AtOnce,
        pre_promotion: None,
        post_promotion: None,
        scale_down_delay: SignedDuration::from_secs(30),
        scale_down_delay_revision_limit: None,
        abort_scale_down_delay: Some(SignedDuration::from_secs(30)),
    });
    builder.spec.steps_hash = String::new();
    builder.gateways = Vec::new();
    builder
}

/// The same, with one route through one gateway that sends all users to either Service.
pub(crate) fn blue_green_by_route() -> RolloutBuilder {
    let mut builder = blue_green().blue_green(|blue_green| {
        blue_green.routing = Some(Box::new(TrafficRouting {
            routes: vec![named(0)],
            selectors: Vec::new(),
            in_progress_label: None,
            managed_routes: Vec::new(),
            whole: Whole::HUNDRED,
            stable_service: ACTIVE.to_owned(),
            canary_service: PREVIEW.to_owned(),
        }));
    });
    builder.backends = vec![backend(0, 0, ACTIVE, Some(100)), backend(0, 1, PREVIEW, Some(0))];
    builder.gateways = vec![vec![Gateway::new("infra/edge")]];
    builder
}

/// An analysis before or after a blue-green switch.
pub(crate) fn promotion_analysis() -> PromotionAnalysis {
    PromotionAnalysis {
        hash: "1".to_owned(),
        analysis: analysis(),
    }
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), "web".to_owned())])
}

impl RolloutBuilder {
    pub(crate) fn replicas(mut self, replicas: u32) -> Self {
        self.spec.replicas = replicas;
        self
    }

    pub(crate) fn steps(mut self, steps: impl Into<Vec<Step>>) -> Self {
        self.spec.steps = steps.into();
        self.spec.steps_hash = identity_of(&self.spec.steps);
        self
    }

    /// Changes the traffic routing.
    pub(crate) fn routing(mut self, change: impl FnOnce(&mut TrafficRouting)) -> Self {
        match &mut self.spec.method {
            Method::Routed(canary) => change(&mut canary.routing),
            Method::BlueGreen(blue_green) => {
                if let Some(routing) = &mut blue_green.routing {
                    change(routing);
                }
            }
            Method::Basic { .. } => {}
        }
        self
    }

    /// Changes what is special about a canary with traffic routing.
    pub(crate) fn canary(mut self, change: impl FnOnce(&mut RoutedCanary)) -> Self {
        if let Method::Routed(canary) = &mut self.spec.method {
            change(canary);
        }
        self
    }

    /// Weights are parts of `whole`: steps that were written in percent, too.
    pub(crate) fn whole(mut self, whole: u32) -> Self {
        let whole = Whole::new(whole).expect("a whole");
        on_whole(&mut self.spec.steps, whole);
        self.routing(|routing| routing.whole = whole)
    }

    /// Changes what is special about blue-green.
    pub(crate) fn blue_green(mut self, change: impl FnOnce(&mut BlueGreen)) -> Self {
        if let Method::BlueGreen(blue_green) = &mut self.spec.method {
            change(blue_green);
        }
        self
    }

    /// With an analysis before the switch.
    pub(crate) fn pre_promotion(self) -> Self {
        self.blue_green(|blue_green| blue_green.pre_promotion = Some(promotion_analysis()))
    }

    /// With an analysis after the switch.
    pub(crate) fn post_promotion(self) -> Self {
        self.blue_green(|blue_green| blue_green.post_promotion = Some(promotion_analysis()))
    }

    /// The switch waits until somebody says go on.
    pub(crate) fn by_hand(self) -> Self {
        self.blue_green(|blue_green| blue_green.promotion = Promotion::ByHand)
    }

    /// An analysis beside the steps, from this step on.
    pub(crate) fn background(mut self, starting_step: u32) -> Self {
        self.spec.background = Some(BackgroundAnalysis {
            analysis: analysis(),
            hash: "1".to_owned(),
            starting_step,
        });
        self
    }

    /// Gates that are asked before every rise of the weight.
    pub(crate) fn promotion_gates(mut self) -> Self {
        self.spec.promotion_gates = Some(gates("1"));
        self
    }

    /// Pods of the new and of the stable version bear a label that says so.
    pub(crate) fn with_roles(self) -> Self {
        self.spec(|spec| {
            spec.pods.new_metadata = role("new");
            spec.pods.stable_metadata = role("stable");
        })
    }

    /// Changes the rest of the spec.
    pub(crate) fn spec(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// The gateways of the one route.
    pub(crate) fn gateways(mut self, gateways: impl Into<Vec<Gateway>>) -> Self {
        self.gateways = vec![gateways.into()];
        self
    }

    /// Two routes, each through a gateway of its own.
    pub(crate) fn two_routes(mut self) -> Self {
        self.gateways = vec![
            vec![Gateway::new("infra/edge")],
            vec![Gateway::new("infra/inner")],
        ];
        self.routing(|routing| routing.routes = vec![named(0), named(1)])
    }

    /// The backendRefs of every route.
    pub(crate) fn backends(mut self, backends: impl Into<Vec<BackendView>>) -> Self {
        self.backends = backends.into();
        self
    }

    /// An object that is not there at first.
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.without.push(name);
        self
    }

    /// The world in which version 1 is just being asked for.
    pub(crate) fn created(self, witnesses: Vec<Box<dyn Witness>>) -> World {
        let controller = Controller::new(self.faults, self.seed);
        let routing = self.spec.routing();
        let references: Vec<RouteReference> = routing
            .into_iter()
            .flat_map(|routing| &routing.routes)
            .map(|named| named.reference.clone())
            .collect();
        let mut cluster = Cluster::new(self.spec, Template::of(1));
        let (stable, canary) = cluster.rollout.spec.services();
        let names: Vec<String> = [stable, canary]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        for name in names
            .into_iter()
            .filter(|name| !self.without.contains(&name.as_str()))
        {
            cluster
                .services
                .insert(name.clone(), Service::new(&name, labels()));
        }
        for (index, gateways) in self.gateways.into_iter().enumerate() {
            let mut created = Route::new(self.backends.clone(), gateways);
            created.exists = !self.without.contains(&"route");
            let reference = references.get(index).cloned().unwrap_or_else(|| route(index));
            cluster.routes.insert(reference, created);
        }
        World {
            cluster,
            controller,
            witnesses,
            trace: None,
            delivery: None,
        }
    }
}
