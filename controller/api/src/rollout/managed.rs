//! What managed routes mean, and the steps that set them.

use kulta_core::spec::{
    HeaderMatch as MeantHeader, HeaderRoute, MirrorRoute, Problem, RequestMatch, Route, RouteKind, Step,
    TextMatch, Weight,
};

use super::{Canary, HeaderMatch, RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch, TrafficRouting};
use crate::Group;

// Limits of the Gateway API: of a rule's name without room for its number, of a header's name, of a value, of the headers of
// a match, of a path.
const LONGEST_NAME: usize = 250;
const LONGEST_HEADER_NAME: usize = 256;
const LONGEST_VALUE: usize = 4096;
const MOST_HEADERS: usize = 16;
const LONGEST_PATH: usize = 1024;
/// The methods that an `HTTPRoute` can ask for.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// What the name of a header may have besides letters and digits.
const HEADER_PUNCTUATION: &str = "!#$%&'*+-.^_`|~";

/// The names of the managed routes of `routing` at `path`.
pub(super) fn names(routing: &TrafficRouting, path: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, route) in routing.managed_routes.iter().flatten().enumerate() {
        let name = &route.name;
        let mut refuse = |message| {
            let path = format!("{path}.managedRoutes[{index}].name");
            problems.push(Problem::new(path, message));
        };
        if !is_rule_name(name) {
            refuse(format!(
                "{name:?} can't be the name of a rule; write at most {LONGEST_NAME} small letters, digits, \"-\" and \
                 \".\", with a letter or a digit at both ends"
            ));
        } else if let Some(other) = names.iter().find(|other| are_mistaken(other, name)) {
            refuse(format!(
                "rules of \"{name}\" and of \"{other}\" could have the same name, since more rules of one managed route \
                 are numbered; write another name"
            ));
        } else {
            names.push(name.clone());
        }
    }
    names
}

/// A subdomain, as the names of Kubernetes' own objects are.
fn is_rule_name(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| inner(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}

/// Whether a rule of one could be called as a rule of the other is.
fn are_mistaken(one: &str, other: &str) -> bool {
    let numbered = |long: &str, short: &str| {
        long.strip_prefix(short)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    one == other || numbered(one, other) || numbered(other, one)
}

/// Where a step is, and what it may name.
pub(super) struct Place<'a> {
    pub(super) canary: &'a Canary,
    /// Path of the step.
    pub(super) path: &'a str,
}

impl Place<'_> {
    /// What `setHeaderRoute` means.
    pub(super) fn header_route(&self, written: &SetHeaderRoute, problems: &mut Vec<Problem>) -> Option<Step> {
        let path = format!("{}.setHeaderRoute", self.path);
        let before = problems.len();
        self.check_name(
            "SetHeaderRoute",
            "Istio and ALB and Apisix",
            &written.name,
            &path,
            problems,
        );
        let matches = written.matches.iter().flatten().enumerate();
        let matches = matches.filter_map(|(index, written)| {
            let HeaderMatch {
                header_name,
                header_value,
            } = written;
            let path = format!("{path}.match[{index}]");
            let value = header_value.clone().unwrap_or_default();
            let value = text(&value, &format!("{path}.headerValue"), problems);
            header(header_name, value?, &format!("{path}.headerName"), problems)
        });
        let matches: Vec<_> = matches.collect();
        check_headers(&matches, &format!("{path}.match"), problems);
        let name = written.name.clone();
        (problems.len() == before).then_some(Step::SetHeaderRoute(HeaderRoute { name, matches }))
    }

    /// What `setMirrorRoute` means.
    pub(super) fn mirror_route(&self, written: &SetMirrorRoute, problems: &mut Vec<Problem>) -> Option<Step> {
        let path = format!("{}.setMirrorRoute", self.path);
        let before = problems.len();
        self.check_name(
            "SetMirrorRoute",
            "Istio and Plugins",
            &written.name,
            &path,
            problems,
        );
        let matches = written.matches.iter().flatten().enumerate();
        let matches =
            matches.map(|(index, written)| request(written, &format!("{path}.match[{index}]"), problems));
        let matches = matches.collect();
        let percentage = written.percentage.map(|percent| {
            let weight = u32::try_from(percent).ok();
            let weight = weight.and_then(|percent| Weight::new(percent).ok());
            if weight.is_none() {
                let message = format!("must be between 0 and 100, is {percent}");
                problems.push(Problem::new(format!("{path}.percentage"), message));
            }
            weight.unwrap_or_default()
        });
        let name = written.name.clone();
        (problems.len() == before).then_some(Step::SetMirrorRoute(MirrorRoute {
            name,
            matches,
            percentage,
        }))
    }

    fn check_name(&self, step: &str, routers: &str, name: &str, path: &str, problems: &mut Vec<Problem>) {
        let Some(routing) = &self.canary.traffic_routing else {
            let message = format!(
                "{step} requires TrafficRouting, supports {routers}: with KULTA, routes of the Gateway API; write \
                 trafficRouting.gatewayAPI or take the step out"
            );
            problems.push(Problem::new(path, message));
            return;
        };
        let Some(names) = &routing.managed_routes else {
            let message = format!(
                "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'; write [{{name: {name}}}] there"
            );
            problems.push(Problem::new(path, message));
            return;
        };
        if names.iter().all(|managed| managed.name != name) {
            let names: Vec<_> = names.iter().map(|managed| managed.name.as_str()).collect();
            let message = format!(
                "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes: \
                 \"{name}\"; write one of {names:?}"
            );
            problems.push(Problem::new(format!("{path}.name"), message));
        }
    }
}

fn request(written: &RouteMatch, path: &str, problems: &mut Vec<Problem>) -> RequestMatch {
    let RouteMatch {
        method,
        path: asked,
        headers,
    } = written;
    let method = method.as_ref().and_then(|written| {
        let path = format!("{path}.method");
        let method = text(written, &path, problems)?;
        let known = |method: &str| METHODS.contains(&method);
        match method {
            TextMatch::Exact(method) if known(&method) => Some(method),
            other => {
                let message = format!(
                    "a route can ask for exactly one method only; write exact: and one of {METHODS:?} instead of {other:?}"
                );
                problems.push(Problem::new(path, message));
                None
            }
        }
    });
    let asked = asked.as_ref().and_then(|written| {
        let path = format!("{path}.path");
        let asked = text(written, &path, problems)?;
        let (value, is_absolute) = match &asked {
            TextMatch::Exact(value) | TextMatch::Prefix(value) => (value, value.starts_with('/')),
            TextMatch::Regex(value) => (value, true),
        };
        if !is_absolute || value.len() > LONGEST_PATH {
            let message = format!("must begin with \"/\" and have at most {LONGEST_PATH} characters");
            problems.push(Problem::new(path, message));
        }
        Some(asked)
    });
    let headers = headers.iter().flatten().filter_map(|(name, written)| {
        let path = format!("{path}.headers.{name}");
        let value = text(written, &path, problems)?;
        header(name, value, &path, problems)
    });
    let headers: Vec<_> = headers.collect();
    check_headers(&headers, &format!("{path}.headers"), problems);
    RequestMatch {
        method,
        path: asked,
        headers,
    }
}

/// An empty text is one that is not written, as in Argo Rollouts.
fn text(written: &StringMatch, path: &str, problems: &mut Vec<Problem>) -> Option<TextMatch> {
    let StringMatch { exact, prefix, regex } = written;
    let is_written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut found = [
        is_written(exact).map(TextMatch::Exact),
        is_written(prefix).map(TextMatch::Prefix),
        is_written(regex).map(TextMatch::Regex),
    ]
    .into_iter()
    .flatten();
    match (found.next(), found.next()) {
        (Some(found), None) => Some(found),
        (None, _) => {
            let message =
                "StringMatch value missed, match value must have one of the following: exact, regex, prefix";
            problems.push(Problem::new(path, message));
            None
        }
        (Some(_), Some(_)) => {
            let message = "StringMatch match value must have exactly one of the following: exact, regex, prefix; take the \
                           others out";
            problems.push(Problem::new(path, message));
            None
        }
    }
}

fn header(name: &str, value: TextMatch, path: &str, problems: &mut Vec<Problem>) -> Option<MeantHeader> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || HEADER_PUNCTUATION.as_bytes().contains(&byte);
    if name.is_empty() || name.len() > LONGEST_HEADER_NAME || !name.bytes().all(is_valid) {
        let message = format!("{name:?} is not the name of a header; write one such as X-Canary");
        problems.push(Problem::new(path, message));
        return None;
    }
    let length = match &value {
        TextMatch::Exact(text) | TextMatch::Regex(text) => text.len(),
        // Every character may have to be escaped, and what follows is written, too.
        TextMatch::Prefix(text) => text.len() * 2 + 2,
    };
    if length > LONGEST_VALUE {
        let message = format!(
            "the value of the header \"{name}\" is too long: a route takes {LONGEST_VALUE} characters"
        );
        problems.push(Problem::new(path, message));
        return None;
    }
    let name = name.to_owned();
    Some(MeantHeader { name, value })
}

fn check_headers(headers: &[MeantHeader], path: &str, problems: &mut Vec<Problem>) {
    if headers.len() > MOST_HEADERS {
        let message = format!("a route can ask for {MOST_HEADERS} headers at most");
        problems.push(Problem::new(path, message));
    }
    for (position, header) in headers.iter().enumerate() {
        let earlier = headers.iter().take(position);
        if earlier
            .into_iter()
            .any(|other| other.name.eq_ignore_ascii_case(&header.name))
        {
            let message = format!(
                "asks for the header \"{}\" twice, and a request must fit all of them; write one regular expression",
                header.name
            );
            problems.push(Problem::new(path, message));
        }
    }
}

/// Whether a mirror route asks for nothing that a `GRPCRoute` knows: headers alone.
fn asks_for_http(route: &MirrorRoute) -> bool {
    let is_of_http = |request: &RequestMatch| request.path.is_some() || request.method.is_some();
    !route.matches.is_empty() && route.matches.iter().all(is_of_http)
}

/// Tells of steps that no route would follow. Argo Rollouts' plugin lets them pass with nothing done.
pub(super) fn check_effect(
    group: Group,
    steps: &[Step],
    routes: &[Route],
    path: &str,
    problems: &mut Vec<Problem>,
) {
    if group == Group::Argo {
        return;
    }
    let takes = |kinds: &[RouteKind]| {
        let mut routes = routes.iter();
        routes.any(|route| route.takes_managed_rules && kinds.contains(&route.reference.kind))
    };
    let sets = |kind: fn(&Step) -> bool| steps.iter().any(kind);
    let header = sets(|step| matches!(step, Step::SetHeaderRoute(_))) && !takes(&RouteKind::ALL);
    let mirror = sets(|step| matches!(step, Step::SetMirrorRoute(_))) && !takes(&RouteKind::ALL);
    let of_http = sets(|step| matches!(step, Step::SetMirrorRoute(route) if asks_for_http(route)));
    let http_mirror = !mirror && of_http && !takes(&[RouteKind::Http]);
    for (unheeded, step, kinds) in [
        (header, "setHeaderRoute", "HTTPRoute or GRPCRoute"),
        (mirror, "setMirrorRoute", "HTTPRoute or GRPCRoute"),
        (
            http_mirror,
            "setMirrorRoute with nothing but paths and methods of HTTP",
            "HTTPRoute",
        ),
    ] {
        if unheeded {
            let message = format!(
                "{step} would do nothing; write useHeaderRoutes: true at one {kinds}, or take the step out"
            );
            problems.push(Problem::new(path, message));
        }
    }
}
