//! What a Rollout refers to: Services and routes that must exist and fit together.

use crate::observed::{BackendView, Observed, Presence, RouteView, ServiceView};
use crate::service::{Misfit, misfit};
use crate::spec::{Problem, RouteKind, RouteReference, Spec, Step, TrafficRouting, Weight};
use crate::status::{Status, Traffic};
use crate::{managed, traffic};

/// Where a strategy says how it is done.
const STRATEGY: &str = "spec.strategy";
/// The Gateway API: a rule has no more backendRefs.
pub(crate) const MOST_BACKENDS: usize = 16;
/// A rollout without a route would send nobody anywhere.
const NOTHING_SELECTED: &str =
    "selects no route, and none is named; give the label to a route with a rule that names both Services";

/// What to do where a cluster does not know a kind of routes.
fn definitions(kind: RouteKind) -> String {
    let channel = match kind {
        RouteKind::Http | RouteKind::Grpc => "the standard channel",
        RouteKind::Tls => "the standard channel from release 1.5 on, in the experimental one before",
        RouteKind::Tcp => "the experimental channel",
    };
    format!(
        "where the cluster does not know the kind {kind}, install the definitions of the Gateway API first: it is in {channel}"
    )
}

/// Everything wrong with what the spec refers to.
pub(crate) fn problems(observed: &Observed, spec: &Spec) -> Vec<Problem> {
    let (stable_name, canary_name) = spec.services();
    let mut problems = Vec::new();
    let (stable_path, canary_path) = match spec.blue_green() {
        Some(_) => (
            "spec.strategy.blueGreen.activeService",
            "spec.strategy.blueGreen.previewService",
        ),
        None => (
            "spec.strategy.canary.stableService",
            "spec.strategy.canary.canaryService",
        ),
    };
    check_service(
        &mut problems,
        observed,
        spec,
        stable_path,
        stable_name,
        observed.stable_service.as_ref(),
    );
    check_service(
        &mut problems,
        observed,
        spec,
        canary_path,
        canary_name,
        observed.canary_service.as_ref(),
    );
    if let Some(routing) = spec.routing() {
        problems.extend(check_routes(observed, spec, routing));
    }
    problems
}

/// What routes of an earlier strategy still send to the canary, by their weight or by rules of the controller's own, where
/// this one names no routes: they are not known any more, and whatever is done to pods and Services, requests go on coming.
pub(crate) fn split_left_behind(status: &Status, spec: &Spec) -> Option<Problem> {
    let traffic = status.traffic.as_ref().filter(|_| spec.routing().is_none())?;
    let weight = traffic.requested.max(traffic.in_force.unwrap_or_default());
    if let Some(problem) = shares_left_behind(traffic) {
        return Some(problem);
    }
    let (what, by_hand) = match (weight > Weight::ZERO, traffic.managed_routes.as_slice()) {
        (false, []) => return None,
        (true, []) => (
            format!("{} % of the traffic", weight.percent()),
            "set that weight to 0".to_owned(),
        ),
        (has_weight, names) => {
            let rules = format!("rules of the managed routes {names:?}");
            let removed = format!("taken the {rules} out");
            if has_weight {
                let percent = weight.percent();
                let what = format!("{percent} % of the traffic, and what the {rules} say,");
                (what, format!("set that weight to 0 and {removed}"))
            } else {
                (format!("what the {rules} say"), removed)
            }
        }
    };
    let message = format!(
        "the routes of the strategy before still send {what} to the Service of its new version, and this strategy does not \
         name them; go back to trafficRouting as it was, abort the rollout or let it end, and change the strategy then. If \
         the routes are gone, or you have {by_hand} by hand: kubectl patch --subresource=status --type=merge -p '{{\"status\":{{\"canary\":null}}}}'"
    );
    Some(Problem::new(STRATEGY, message))
}

/// What they still send to experiments.
fn shares_left_behind(traffic: &Traffic) -> Option<Problem> {
    let names: Vec<_> = traffic
        .additional
        .iter()
        .map(|share| &share.service_name)
        .collect();
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "the routes of the strategy before still send requests to the Services {names:?} of an experiment, and this strategy \
         does not name them; go back to trafficRouting as it was, abort the rollout or let it end, and change the strategy \
         then. If the routes are gone, or you have taken these backendRefs out by hand: kubectl patch \
         --subresource=status --type=merge -p '{{\"status\":{{\"canary\":null}}}}'"
    );
    Some(Problem::new(STRATEGY, message))
}

fn check_routes(observed: &Observed, spec: &Spec, routing: &TrafficRouting) -> Vec<Problem> {
    let mut problems = Vec::new();
    if observed.routes.is_empty() {
        let told = routing.selectors.iter().map(|(kind, path)| {
            let message = format!("{NOTHING_SELECTED} ({})", definitions(*kind));
            Problem::new(path, message)
        });
        problems.extend(told);
    }
    for (reference, route) in &observed.routes {
        let named = routing.route(reference);
        let path = named.map_or_else(|| selector_path(routing, reference), |named| &named.path);
        let Presence::Present(route) = route else {
            let message = format!(
                "{} \"{reference}\" not found; create it, with a rule that names both Services ({})",
                reference.kind,
                definitions(reference.kind)
            );
            problems.push(Problem::new(path, message));
            continue;
        };
        let mut told = check_route(observed, spec, routing, reference, route);
        if named.is_some_and(|named| named.takes_managed_rules) {
            told.extend(check_managed(observed, spec, routing, reference, route));
        }
        problems.extend(told.into_iter().map(|message| Problem::new(path, message)));
    }
    problems
}

/// Where the selector is written that has found a route.
fn selector_path<'a>(routing: &'a TrafficRouting, reference: &RouteReference) -> &'a str {
    let mut selectors = routing.selectors.iter();
    let found = selectors.find(|(kind, _)| *kind == reference.kind);
    found.map_or(STRATEGY, |(_, path)| path)
}

/// What is wrong with the controller's own rules in a route.
fn check_managed(
    observed: &Observed,
    spec: &Spec,
    routing: &TrafficRouting,
    reference: &RouteReference,
    route: &RouteView,
) -> Vec<String> {
    let namespace = &observed.rollout.namespace;
    let told = managed::problems(spec, routing, namespace, &observed.status, (reference, route));
    let told = told.into_iter();
    told.map(|message| format!("{} \"{reference}\": {message}", reference.kind))
        .collect()
}

fn check_service(
    problems: &mut Vec<Problem>,
    observed: &Observed,
    spec: &Spec,
    path: &str,
    name: Option<&str>,
    service: Option<&Presence<ServiceView>>,
) {
    let Some(name) = name else { return };
    let Some(Presence::Present(service)) = service else {
        problems.push(Problem::new(
            path,
            format!(
                "Service \"{name}\" not found in namespace \"{}\"; create it",
                observed.rollout.namespace
            ),
        ));
        return;
    };
    match misfit(service, spec) {
        Some(Misfit::Label { key, value }) => problems.push(Problem::new(
            path,
            format!(
                "Service \"{name}\" has unmatch label \"{key}\" in rollout; its selector {key}={value} must be \
                 among spec.template.metadata.labels"
            ),
        )),
        Some(Misfit::NoSelector) => problems.push(Problem::new(
            path,
            format!(
                "Service \"{name}\" has no selector: somebody else keeps its endpoints; give it a selector of labels \
                 of spec.template.metadata.labels, or name another Service"
            ),
        )),
        None => {}
    }
    if let Some(owner) = service
        .managed_by
        .as_ref()
        .filter(|owner| **owner != observed.rollout.name)
    {
        problems.push(Problem::new(
            path,
            format!("Service \"{name}\" is managed by another Rollout, \"{owner}\"; give each Rollout Services of its own"),
        ));
    }
}

fn check_route(
    observed: &Observed,
    spec: &Spec,
    routing: &TrafficRouting,
    reference: &RouteReference,
    route: &RouteView,
) -> Vec<String> {
    let kind = reference.kind;
    let namespace = &observed.rollout.namespace;
    let mut told = Vec::new();
    if route.parents.is_empty() {
        told.push(format!(
            "{kind} \"{reference}\" has no parentRefs, so that no gateway can accept a weight; name a Gateway in them"
        ));
    }
    if pairs(route, namespace, &routing.stable_service, &routing.canary_service).is_empty() {
        told.push(format!(
            "no rule of {kind} \"{reference}\" names both Service \"{}\" and Service \"{}\" of namespace \"{namespace}\" \
             in its backendRefs; add both to the rule whose traffic is to be split",
            routing.stable_service, routing.canary_service
        ));
    }
    told.extend(check_shares(observed, spec, routing, (reference, route)));
    let services = [&observed.stable_service, &observed.canary_service];
    for service in services.into_iter().flatten().filter_map(Presence::present) {
        for backend in route
            .backends
            .iter()
            .filter(|backend| refers_to(backend, namespace, &service.name))
        {
            let served: Vec<u16> = service.ports.iter().map(|port| port.number).collect();
            if let Some(port) = backend.port.filter(|port| !served.contains(port)) {
                told.push(format!(
                    "{kind} \"{reference}\" sends traffic to port {port} of Service \"{}\", which serves only {served:?}; \
                     correct rules[{}].backendRefs[{}].port",
                    service.name, backend.rule, backend.index
                ));
            }
        }
    }
    told
}

/// Why the experiments of the steps can't have their shares in a route.
fn check_shares(
    observed: &Observed,
    spec: &Spec,
    routing: &TrafficRouting,
    (reference, route): (&RouteReference, &RouteView),
) -> Option<String> {
    let shares = spec.steps.iter().map(|step| match step {
        Step::Experiment(experiment) => experiment.shares.len(),
        _ => 0,
    });
    let most = shares.max().filter(|most| *most > 0)?;
    let kind = reference.kind;
    let namespace = &observed.rollout.namespace;
    if reference.namespace != *namespace {
        return Some(format!(
            "{kind} \"{reference}\" is in another namespace than the Services of an experiment, which it may not send to without \
             being asked; take the weights of the experiment's templates out, or put the route into namespace \"{namespace}\""
        ));
    }
    let pairs = pairs(route, namespace, &routing.stable_service, &routing.canary_service);
    let shares = traffic::known_shares(observed, routing);
    let count = |rule: usize| {
        let refs = route.backends.iter().filter(|backend| backend.rule == rule);
        refs.filter(|backend| !shares.contains(backend.name.as_str()))
            .count()
    };
    let full = pairs
        .iter()
        .find(|pair| count(pair.rule).saturating_add(most) > MOST_BACKENDS)?;
    Some(format!(
        "rules[{}] of {kind} \"{reference}\" has {} backendRefs, and with the {most} templates of an experiment there would be more \
         than {MOST_BACKENDS}, which no rule can have; give fewer templates a weight",
        full.rule,
        count(full.rule)
    ))
}

/// A rule's backendRefs of the two Services.
pub(crate) struct Pair<'a> {
    /// The index of the rule.
    pub(crate) rule: usize,
    /// The refs of the stable Service.
    pub(crate) stable: Vec<&'a BackendView>,
    /// The refs of the canary Service.
    pub(crate) canary: Vec<&'a BackendView>,
    /// The refs of Services of experiments, where the controller's own are looked for.
    pub(crate) shares: Vec<&'a BackendView>,
}

/// The refs of the two Services in every rule that names both. A rule that names only one of them is somebody's own
/// (a pinned version) and is left alone.
pub(crate) fn pairs<'a>(route: &'a RouteView, namespace: &str, stable: &str, canary: &str) -> Vec<Pair<'a>> {
    let rules: std::collections::BTreeSet<usize> =
        route.backends.iter().map(|backend| backend.rule).collect();
    rules
        .into_iter()
        .map(|rule| {
            let named = |name: &str| {
                route
                    .backends
                    .iter()
                    .filter(|backend| backend.rule == rule && refers_to(backend, namespace, name))
                    .collect::<Vec<_>>()
            };
            Pair {
                rule,
                stable: named(stable),
                canary: named(canary),
                shares: Vec::new(),
            }
        })
        .filter(|pair| !pair.stable.is_empty() && !pair.canary.is_empty())
        .collect()
}

/// Whether a ref is to this Service.
pub(crate) fn refers_to(backend: &BackendView, namespace: &str, service: &str) -> bool {
    backend.is_service && backend.namespace == namespace && backend.name == service
}
