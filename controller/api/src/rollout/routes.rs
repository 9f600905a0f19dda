//! Which routes split the traffic: as KULTA's own field names them, or as the plugin of Argo Rollouts is told them.

use std::collections::BTreeSet;

use kulta_core::spec::{Problem, RouteReference};

use super::{GatewayApi, GatewayApiPlugin, TrafficRouting};

/// The whole that weights are shares of.
const WHOLE: i32 = 100;

/// A route as written.
struct Written<'spec> {
    path: String,
    name_path: String,
    namespace: Option<&'spec str>,
    name: &'spec str,
}

/// The routes of the canary at `canary_path`, each once, for a Rollout in `namespace`.
pub(super) fn validate(
    namespace: &str,
    routing: Option<&TrafficRouting>,
    canary_path: &str,
    problems: &mut Vec<Problem>,
) -> Vec<RouteReference> {
    let path = format!("{canary_path}.trafficRouting");
    refuse_other_whole(routing, &path, problems);
    let own = routing.and_then(|routing| routing.gateway_api.as_ref());
    let plugin = routing
        .and_then(|routing| routing.plugins.as_ref())
        .and_then(|plugins| plugins.gateway_api.as_ref());
    let (own_path, plugin_path) = (
        format!("{path}.gatewayAPI"),
        format!("{path}.plugins.argoproj-labs/gatewayAPI"),
    );
    let (missing, written) = match (own, plugin) {
        (Some(_), Some(_)) => {
            let message = "gatewayAPI says which routes split the traffic already; take one of the two out";
            problems.push(Problem::new(plugin_path, message));
            return Vec::new();
        }
        (None, Some(plugin)) => (
            format!("{plugin_path}.httpRoutes"),
            plugin_routes(plugin, &plugin_path),
        ),
        (own, None) => (format!("{own_path}.httpRoutes"), own_routes(own, &own_path)),
    };
    if written.is_empty() {
        problems.push(Problem::new(
            missing,
            "trafficRouting needs at least one route; write the name of an HTTPRoute, or leave trafficRouting out",
        ));
    }
    named(namespace, written, problems)
}

/// Weights are percent, in the status and in the history, too. Argo Rollouts' plugin for the Gateway API knows no other whole,
/// either: it writes the rest of 100, whatever the whole is said to be.
fn refuse_other_whole(routing: Option<&TrafficRouting>, path: &str, problems: &mut Vec<Problem>) {
    let written = routing.and_then(|routing| routing.max_traffic_weight);
    if let Some(whole) = written.filter(|whole| *whole != WHOLE) {
        let message = format!(
            "weights of routes are percent, and not shares of {whole} (Argo Rollouts' plugin for the Gateway API takes them \
             for percent as well); write weights of 0 to {WHOLE} and take maxTrafficWeight out"
        );
        problems.push(Problem::new(format!("{path}.maxTrafficWeight"), message));
    }
}

fn own_routes<'spec>(own: Option<&'spec GatewayApi>, path: &str) -> Vec<Written<'spec>> {
    let routes = own.and_then(|own| own.http_routes.as_deref()).unwrap_or_default();
    let routes = routes.iter().enumerate().map(|(index, route)| {
        let path = format!("{path}.httpRoutes[{index}]");
        Written {
            name_path: format!("{path}.name"),
            path,
            namespace: route.namespace.as_deref(),
            name: &route.name,
        }
    });
    routes.collect()
}

fn plugin_routes<'spec>(plugin: &'spec GatewayApiPlugin, path: &str) -> Vec<Written<'spec>> {
    let namespace = plugin.namespace.as_deref();
    // An empty name is no name, as there.
    let one = plugin.http_route.as_deref().filter(|name| !name.is_empty());
    let one = one.map(|name| Written {
        path: format!("{path}.httpRoute"),
        name_path: format!("{path}.httpRoute"),
        namespace,
        name,
    });
    let more = plugin.http_routes.iter().flatten().enumerate();
    let more = more.map(|(index, route)| {
        let path = format!("{path}.httpRoutes[{index}]");
        Written {
            name_path: format!("{path}.name"),
            path,
            namespace,
            name: &route.name,
        }
    });
    one.into_iter().chain(more).collect()
}

fn named(namespace: &str, written: Vec<Written<'_>>, problems: &mut Vec<Problem>) -> Vec<RouteReference> {
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for route in written {
        let own_namespace = route.namespace.filter(|namespace| !namespace.is_empty());
        let reference = RouteReference {
            namespace: own_namespace.unwrap_or(namespace).to_owned(),
            name: route.name.to_owned(),
        };
        if route.name.is_empty() {
            let message = "must not be empty; write the name of an HTTPRoute";
            problems.push(Problem::new(route.name_path, message));
        } else if !seen.insert(reference.clone()) {
            let message = format!("{reference} is listed twice; take one out");
            problems.push(Problem::new(route.path, message));
        } else {
            routes.push(reference);
        }
    }
    routes
}
