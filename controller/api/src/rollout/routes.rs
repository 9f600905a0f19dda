//! Which routes split the traffic: as KULTA's own field names them, or as the plugin of Argo Rollouts is told them.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kulta_core::spec::{Problem, Route, RouteKind, RouteLabel, RouteReference, Whole};
use serde::Deserialize as _;
use serde_json::Value;

use super::parse::Home;
use super::{ConnectionRoute, GatewayApi, GatewayApiPlugin, NamedRoute, PluginRoute, TrafficRouting};
use crate::{Group, selector};

// The label of Argo Rollouts' plugin.
const LABEL_KEY: &str = "rollouts.argoproj.io/gatewayapi-canary";
const LABEL_VALUE: &str = "in-progress";
/// Keys that routes of other namespaces may be given: no other label of theirs is a Rollout's to set or to take away.
const LABEL_PREFIXES: [&str; 2] = ["rollouts.argoproj.io/", "kulta.io/"];
// Limits of Kubernetes.
const LONGEST_LABEL_TEXT: usize = 63;
const LONGEST_DOMAIN: usize = 253;

/// A route as written.
struct Written<'spec> {
    kind: RouteKind,
    path: String,
    name_path: String,
    namespace: Option<&'spec str>,
    name: &'spec str,
    takes_managed_rules: bool,
}

/// The routes of a strategy.
#[derive(Default)]
pub(super) struct Routes {
    /// Those that are named, each once.
    pub(super) named: Vec<Route>,
    /// Where selectors of others are written.
    pub(super) selectors: Vec<(RouteKind, String)>,
    /// The label that they have while the canary is sent anything.
    pub(super) label: Option<RouteLabel>,
    /// What their weights are parts of.
    pub(super) whole: Whole,
}

/// The routes of the strategy at `strategy_path`, for a Rollout that is at `home`.
pub(super) fn validate(
    home: Home<'_>,
    routing: Option<&TrafficRouting>,
    strategy_path: &str,
    problems: &mut Vec<Problem>,
) -> Routes {
    let path = format!("{strategy_path}.trafficRouting");
    let whole = whole_told(routing, &path, problems);
    let own = routing.and_then(|routing| routing.gateway_api.as_ref());
    let plugin = routing
        .and_then(|routing| routing.plugins.as_ref())
        .and_then(|plugins| plugins.gateway_api.as_ref());
    let (own_path, plugin_path) = (
        format!("{path}.gatewayAPI"),
        format!("{path}.plugins.argoproj-labs/gatewayAPI"),
    );
    let (path, written, label) = match (own, plugin) {
        (Some(_), Some(_)) => {
            let message = "gatewayAPI says which routes split the traffic already; take one of the two out";
            problems.push(Problem::new(plugin_path, message));
            return Routes {
                whole,
                ..Routes::default()
            };
        }
        (None, Some(plugin)) => {
            let written = plugin_routes(plugin, &plugin_path);
            if home.group == Group::Kulta {
                refuse_rules_of_connections(plugin, &plugin_path, problems);
            }
            let label = label(home.namespace, plugin, &plugin_path, problems);
            (plugin_path, written, label)
        }
        (own, None) => {
            let written = own_routes(own, &own_path);
            (own_path, written, None)
        }
    };
    let selectors = selectors(&selectors_of(routing), &path, problems);
    if written.is_empty() && selectors.is_empty() {
        problems.push(Problem::new(
            format!("{path}.httpRoutes"),
            "trafficRouting needs at least one route; write the name of an HTTPRoute, or leave trafficRouting out",
        ));
    }
    Routes {
        named: named(home.namespace, written, problems),
        selectors,
        label,
        whole,
    }
}

/// A selector of routes.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSelector {
    /// The kind of the routes.
    pub kind: RouteKind,
    /// Their namespace, where it is not the Rollout's own.
    pub namespace: Option<String>,
    /// Their labels.
    pub selector: LabelSelector,
}

/// The selectors of routes in a Rollout's `spec`, none where they can't be read.
#[must_use]
pub fn route_selectors(spec: &Value) -> Vec<RouteSelector> {
    let strategies = ["canary", "blueGreen"].into_iter();
    let mut written = strategies.filter_map(|name| spec.get("strategy")?.get(name)?.get("trafficRouting"));
    let routing = written
        .next()
        .and_then(|routing| TrafficRouting::deserialize(routing).ok());
    selectors_of(routing.as_ref())
}

fn selectors_of(routing: Option<&TrafficRouting>) -> Vec<RouteSelector> {
    let own = routing.and_then(|routing| routing.gateway_api.as_ref());
    let plugins = routing.and_then(|routing| routing.plugins.as_ref());
    let plugin = plugins.and_then(|plugins| plugins.gateway_api.as_ref());
    let own = own.map(|own| {
        let selectors = [
            &own.http_route_selector,
            &own.grpc_route_selector,
            &own.tcp_route_selector,
            &own.tls_route_selector,
        ];
        (None, selectors)
    });
    let plugin = plugin.map(|plugin| {
        let namespace = plugin.namespace.as_ref();
        let selectors = [
            &plugin.http_route_selector,
            &plugin.grpc_route_selector,
            &plugin.tcp_route_selector,
            &plugin.tls_route_selector,
        ];
        (namespace.filter(|namespace| !namespace.is_empty()), selectors)
    });
    let written = own.or(plugin).into_iter();
    let selectors = written.flat_map(|(namespace, selectors)| {
        let by_kind = RouteKind::ALL.into_iter().zip(selectors);
        by_kind.filter_map(move |(kind, selector)| {
            Some(RouteSelector {
                kind,
                namespace: namespace.cloned(),
                selector: selector.clone()?,
            })
        })
    });
    selectors.collect()
}

/// Where the selectors are written, without those that `problems` tells about.
fn selectors(
    selectors: &[RouteSelector],
    path: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(RouteKind, String)> {
    let checked = selectors.iter().map(|RouteSelector { kind, selector, .. }| {
        let field = match kind {
            RouteKind::Http => "httpRouteSelector",
            RouteKind::Grpc => "grpcRouteSelector",
            RouteKind::Tcp => "tcpRouteSelector",
            RouteKind::Tls => "tlsRouteSelector",
        };
        let path = format!("{path}.{field}");
        let wrong = selector::check(selector, &path);
        if wrong.is_empty() && selector::keys(selector).next().is_none() {
            let message = "selects all routes of the namespace; write matchLabels";
            problems.push(Problem::new(&path, message));
        }
        problems.extend(wrong);
        (*kind, path)
    });
    checked.collect()
}

/// The label of the plugin, which Argo CD can be told to look at.
fn label(
    namespace: &str,
    plugin: &GatewayApiPlugin,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<RouteLabel> {
    // An empty text is none, as there.
    let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let label = RouteLabel {
        key: written(&plugin.in_progress_label_key).unwrap_or_else(|| LABEL_KEY.to_owned()),
        value: written(&plugin.in_progress_label_value).unwrap_or_else(|| LABEL_VALUE.to_owned()),
    };
    let name = label
        .key
        .split_once('/')
        .map_or(label.key.as_str(), |(_, name)| name);
    for (field, text, prefix) in [
        ("inProgressLabelKey", name, label.key.strip_suffix(name)),
        ("inProgressLabelValue", label.value.as_str(), None),
    ] {
        if !is_label_text(text) || prefix.is_some_and(|prefix| !is_label_prefix(prefix)) {
            let message =
                "can't be part of a label; write letters, digits, \"-\", \"_\" and \".\", at most 63 of them";
            problems.push(Problem::new(format!("{path}.{field}"), message));
        }
    }
    let is_off = plugin.disable_in_progress_label.unwrap_or(false);
    let elsewhere = written(&plugin.namespace).filter(|other| other != namespace);
    let is_known = LABEL_PREFIXES.iter().any(|prefix| label.key.starts_with(prefix));
    if let Some(other) = elsewhere.filter(|_| !is_off && !is_known) {
        let message = format!(
            "\"{}\" can't be a label of routes of another namespace, \"{other}\"; write a key that begins with {}, take \
             inProgressLabelKey out, or write disableInProgressLabel: true",
            label.key,
            LABEL_PREFIXES.map(|prefix| format!("\"{prefix}\"")).join(" or ")
        );
        problems.push(Problem::new(format!("{path}.inProgressLabelKey"), message));
    }
    (!is_off).then_some(label)
}

fn is_label_text(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_LABEL_TEXT
        && is_outer(bytes.first())
        && is_outer(bytes.last())
        && text.bytes().all(is_inner)
}

/// Nothing, or a domain with a slash.
fn is_label_prefix(prefix: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    match prefix.strip_suffix('/') {
        None => prefix.is_empty(),
        Some(domain) => !domain.is_empty() && domain.len() <= LONGEST_DOMAIN && domain.bytes().all(is_inner),
    }
}

/// What weights are parts of; percent where it can't be read, which is told once ([`whole_told`]).
pub(super) fn whole(routing: Option<&TrafficRouting>) -> Whole {
    written_whole(routing).ok().flatten().unwrap_or_default()
}

fn whole_told(routing: Option<&TrafficRouting>, path: &str, problems: &mut Vec<Problem>) -> Whole {
    if let Err(written) = written_whole(routing) {
        let message = format!(
            "must be between 1 and {}, the largest weight that a route can have, is {written}",
            Whole::LARGEST
        );
        problems.push(Problem::new(format!("{path}.maxTrafficWeight"), message));
    }
    whole(routing)
}

fn written_whole(routing: Option<&TrafficRouting>) -> Result<Option<Whole>, i32> {
    let Some(written) = routing.and_then(|routing| routing.max_traffic_weight) else {
        return Ok(None);
    };
    let whole = u32::try_from(written).ok().and_then(Whole::new);
    whole.map(Some).ok_or(written)
}

fn own_routes<'spec>(own: Option<&'spec GatewayApi>, path: &str) -> Vec<Written<'spec>> {
    let Some(GatewayApi {
        http_routes,
        grpc_routes,
        tcp_routes,
        tls_routes,
        http_route_selector: _,
        grpc_route_selector: _,
        tcp_route_selector: _,
        tls_route_selector: _,
    }) = own
    else {
        return Vec::new();
    };
    let lists = [
        (RouteKind::Http, "httpRoutes", http_routes),
        (RouteKind::Grpc, "grpcRoutes", grpc_routes),
    ];
    let routes = lists.into_iter().flat_map(|(kind, field, routes)| {
        let routes = routes.iter().flatten().enumerate();
        routes.map(move |(index, route)| {
            let NamedRoute {
                name,
                namespace,
                use_header_routes,
            } = route;
            let path = format!("{path}.{field}[{index}]");
            Written {
                kind,
                name_path: format!("{path}.name"),
                path,
                namespace: namespace.as_deref(),
                name,
                takes_managed_rules: use_header_routes.unwrap_or(true),
            }
        })
    });
    let of_connections = [
        (RouteKind::Tcp, "tcpRoutes", tcp_routes),
        (RouteKind::Tls, "tlsRoutes", tls_routes),
    ];
    let of_connections = of_connections.into_iter().flat_map(|(kind, field, routes)| {
        routes_of_connections(
            kind,
            &format!("{path}.{field}"),
            routes.as_deref().unwrap_or_default(),
        )
    });
    routes.chain(of_connections).collect()
}

fn routes_of_connections<'spec>(
    kind: RouteKind,
    path: &str,
    routes: &'spec [ConnectionRoute],
) -> Vec<Written<'spec>> {
    let routes = routes.iter().enumerate();
    let written = routes.map(|(index, ConnectionRoute { name, namespace })| Written {
        kind,
        path: format!("{path}[{index}]"),
        name_path: format!("{path}[{index}].name"),
        namespace: namespace.as_deref(),
        name,
        takes_managed_rules: false,
    });
    written.collect()
}

/// A rule of whole connections can't be for some requests: the plugin of Argo Rollouts passes over whoever asks for that.
fn refuse_rules_of_connections(plugin: &GatewayApiPlugin, path: &str, problems: &mut Vec<Problem>) {
    let lists = [
        ("tcpRoutes", &plugin.tcp_routes),
        ("tlsRoutes", &plugin.tls_routes),
    ];
    for (field, routes) in lists {
        let routes = routes.iter().flatten().enumerate();
        for (index, _) in routes.filter(|(_, route)| route.use_header_routes == Some(true)) {
            let message =
                "its rules are for whole connections, and none can be made for some requests; take it out";
            let path = format!("{path}.{field}[{index}].useHeaderRoutes");
            problems.push(Problem::new(path, message));
        }
    }
}

fn plugin_routes<'spec>(plugin: &'spec GatewayApiPlugin, path: &str) -> Vec<Written<'spec>> {
    let GatewayApiPlugin {
        http_route,
        http_routes,
        grpc_route,
        grpc_routes,
        tcp_route,
        tcp_routes,
        tls_route,
        tls_routes,
        namespace,
        http_route_selector: _,
        grpc_route_selector: _,
        tcp_route_selector: _,
        tls_route_selector: _,
        disable_in_progress_label: _,
        in_progress_label_key: _,
        in_progress_label_value: _,
    } = plugin;
    let namespace = namespace.as_deref();
    let lists = [
        (RouteKind::Http, "httpRoute", http_route, http_routes),
        (RouteKind::Grpc, "grpcRoute", grpc_route, grpc_routes),
        (RouteKind::Tcp, "tcpRoute", tcp_route, tcp_routes),
        (RouteKind::Tls, "tlsRoute", tls_route, tls_routes),
    ];
    let routes = lists.into_iter().flat_map(|(kind, field, one, more)| {
        // An empty name is no name, as there.
        let one = one.as_deref().filter(|name| !name.is_empty());
        let one = one.map(|name| single_route(kind, format!("{path}.{field}"), namespace, name));
        let more = more.iter().flatten().enumerate();
        let more = more.map(move |(index, route)| {
            let PluginRoute {
                name,
                use_header_routes,
            } = route;
            let path = format!("{path}.{field}s[{index}]");
            Written {
                kind,
                name_path: format!("{path}.name"),
                path,
                namespace,
                name,
                takes_managed_rules: kind.has_matches() && use_header_routes.unwrap_or(false),
            }
        });
        one.into_iter().chain(more)
    });
    routes.collect()
}

/// The route of a field for one alone, which takes managed rules if its kind can.
fn single_route<'spec>(
    kind: RouteKind,
    path: String,
    namespace: Option<&'spec str>,
    name: &'spec str,
) -> Written<'spec> {
    Written {
        kind,
        name_path: path.clone(),
        path,
        namespace,
        name,
        takes_managed_rules: kind.has_matches(),
    }
}

fn named(namespace: &str, written: Vec<Written<'_>>, problems: &mut Vec<Problem>) -> Vec<Route> {
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for route in written {
        let kind = route.kind;
        let own_namespace = route.namespace.filter(|namespace| !namespace.is_empty());
        let reference = RouteReference {
            kind,
            namespace: own_namespace.unwrap_or(namespace).to_owned(),
            name: route.name.to_owned(),
        };
        if route.name.is_empty() {
            let message = format!("must not be empty; write the name of a route of kind {kind}");
            problems.push(Problem::new(route.name_path, message));
        } else if !seen.insert(reference.clone()) {
            let message = format!("{reference} is listed twice; take one out");
            problems.push(Problem::new(route.path, message));
        } else {
            routes.push(Route {
                reference,
                path: route.path,
                takes_managed_rules: route.takes_managed_rules,
            });
        }
    }
    routes
}
