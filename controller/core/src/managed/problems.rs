//! Why managed routes can't be had in a route.

use super::precedence::Match;
use super::rule::Source;
use super::{Asked, Owner, Rules, is_named_after, mirrored};
use crate::observed::RouteView;
use crate::spec::{RouteReference, Spec, TrafficRouting, Weight};
use crate::status::Status;

/// Why managed routes can't be had in `route`.
pub(crate) fn problems(
    spec: &Spec,
    routing: &TrafficRouting,
    namespace: &str,
    status: &Status,
    (reference, route): (&RouteReference, &RouteView),
) -> Vec<String> {
    if routing.managed_routes.is_empty() {
        return Vec::new();
    }
    let before = status.traffic.as_ref();
    let owner = Owner {
        namespace,
        routing,
        before: before.map_or(&[], |traffic| &traffic.managed_routes),
        takes_rules: true,
    };
    let pairs = owner.pairs(route);
    let Rules { own, sources, others } = owner.rules(reference, route, &pairs);
    // A name that only the status remembers is free again once no rule of the controller's own has it.
    let is_reserved = |rule: &str| {
        let mut names = routing.managed_routes.iter();
        names.any(|name| is_named_after(rule, name))
    };
    let named = route
        .rules
        .iter()
        .filter(|rule| rule.name.as_deref().is_some_and(is_reserved));
    let foreign = named.filter(|rule| own.iter().all(|(index, _, _)| *index != rule.index));
    let canary = &routing.canary_service;
    let foreign = foreign.map(|rule| {
        format!(
            "rules[{}] is called \"{}\", as a rule of managedRoutes is to be, but it is not one: it does not send to \
             Service \"{canary}\" of namespace \"{namespace}\" as those do; give one of the two another name",
            rule.index,
            rule.name.as_deref().unwrap_or_default()
        )
    });
    let all: Vec<_> = spec.steps.iter().filter_map(Asked::of).collect();
    let clashes = all.iter().flat_map(|asked| clashes(*asked, &all, &sources));
    let taken = all.iter().flat_map(|asked| taken(*asked, &sources, &others));
    foreign.chain(clashes).chain(taken).collect()
}

/// What of a managed route and of the rules that split can't both be.
fn clashes(asked: Asked<'_>, all: &[Asked<'_>], sources: &[Source<'_>]) -> Vec<String> {
    let clash = |source: &Source<'_>| match asked {
        Asked::Header(route) => source.header_rule(route, &mirrored(all, source, sources)).err(),
        Asked::Mirror(route) => source.mirror_rule(route, sources, Weight::ZERO).err(),
    };
    let clashes = sources.iter().filter_map(|source| {
        let clash = clash(source)?;
        Some(format!(
            "rules[{}] and the managed route \"{}\" do not go together: {clash}",
            source.index(),
            asked.name()
        ))
    });
    clashes.collect()
}

/// Requests of rules that do not split which a mirror rule would get, since it asks for more than its source does.
fn taken(asked: Asked<'_>, sources: &[Source<'_>], others: &[(usize, Vec<Match>)]) -> Vec<String> {
    let Asked::Mirror(route) = asked else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for (number, request) in route.matches.iter().enumerate() {
        for source in sources {
            let others = others.iter();
            let taken = others.filter(|(index, matches)| source.takes_from(request, *index, matches));
            told.extend(taken.map(|(index, _)| {
                format!(
                    "match[{number}] of the managed route \"{}\" asks for more than rules[{}] does, so that it would get \
                     requests of rules[{index}], which go elsewhere; write a path that rules[{index}] does not have, or \
                     nothing but path: {{prefix: /}}, for all requests of rules[{}]",
                    route.name,
                    source.index(),
                    source.index()
                )
            }));
        }
    }
    told
}
