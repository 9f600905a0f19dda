//! What a Rollout refers to: Services and routes that must exist and fit together.

use crate::observed::{BackendView, Observed, Presence, RouteView, ServiceView};
use crate::service::{Misfit, misfit};
use crate::spec::{Problem, RouteReference, Spec, Weight};
use crate::status::Status;

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
    for (index, (reference, route)) in observed.routes.iter().enumerate() {
        let path = format!("spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[{index}]");
        match route {
            Presence::Missing => problems.push(Problem::new(
                path,
                format!(
                    "HTTPRoute \"{reference}\" not found; create it, with a rule that names both Services"
                ),
            )),
            Presence::Present(route) => check_route(&mut problems, observed, spec, &path, reference, route),
        }
    }
    problems
}

/// The share of traffic that routes of an earlier strategy still give to the canary, where this one names no routes: they
/// are not known any more, and whatever is done to pods and Services, requests go on coming by them.
pub(crate) fn split_left_behind(status: &Status, spec: &Spec) -> Option<Problem> {
    let traffic = status.traffic.as_ref().filter(|_| spec.routing().is_none())?;
    let weight = traffic.requested.max(traffic.in_force.unwrap_or_default());
    let message = format!(
        "the routes of the strategy before still send {weight} % of the traffic to its canary Service, and this strategy \
         does not name them; go back to strategy.canary.trafficRouting as it was, abort the rollout or let it end, and \
         change the strategy then. If the routes are gone, or you have set that weight to 0 by hand: kubectl patch \
         --subresource=status --type=merge -p '{{\"status\":{{\"canary\":null}}}}'"
    );
    (weight > Weight::ZERO).then(|| Problem::new("spec.strategy", message))
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
    problems: &mut Vec<Problem>,
    observed: &Observed,
    spec: &Spec,
    path: &str,
    reference: &RouteReference,
    route: &RouteView,
) {
    let Some(routing) = spec.routing() else { return };
    let namespace = &observed.rollout.namespace;
    if route.parents.is_empty() {
        problems.push(Problem::new(
            path,
            format!(
                "HTTPRoute \"{reference}\" has no parentRefs, so that no gateway can accept a weight; name a Gateway \
                 in them"
            ),
        ));
    }
    if pairs(route, namespace, &routing.stable_service, &routing.canary_service).is_empty() {
        problems.push(Problem::new(
            path,
            format!(
                "no rule of HTTPRoute \"{reference}\" names both Service \"{}\" and Service \"{}\" of namespace \
                 \"{namespace}\" in its backendRefs; add both to the rule whose traffic is to be split",
                routing.stable_service, routing.canary_service
            ),
        ));
    }
    let services = [&observed.stable_service, &observed.canary_service];
    for service in services.into_iter().flatten().filter_map(Presence::present) {
        for backend in route
            .backends
            .iter()
            .filter(|backend| refers_to(backend, namespace, &service.name))
        {
            if let Some(port) = backend.port.filter(|port| !service.ports.contains(port)) {
                problems.push(Problem::new(
                    path,
                    format!(
                        "HTTPRoute \"{reference}\" sends traffic to port {port} of Service \"{}\", which serves only \
                         {:?}; correct rules[{}].backendRefs[{}].port",
                        service.name, service.ports, backend.rule, backend.index
                    ),
                ));
            }
        }
    }
}

/// A rule's backendRefs of the two Services.
pub(crate) struct Pair<'a> {
    /// The refs of the stable Service.
    pub(crate) stable: Vec<&'a BackendView>,
    /// The refs of the canary Service.
    pub(crate) canary: Vec<&'a BackendView>,
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
                stable: named(stable),
                canary: named(canary),
            }
        })
        .filter(|pair| !pair.stable.is_empty() && !pair.canary.is_empty())
        .collect()
}

fn refers_to(backend: &BackendView, namespace: &str, service: &str) -> bool {
    backend.is_service && backend.namespace == namespace && backend.name == service
}
