//! The controller's own rules in routes: which of them are wanted, which are there, what has to change.
//!
//! They are known by their names, which `managedRoutes` sets aside: a managed route `x` has a rule `x` for the first of
//! the rules that split, `x-1` for the second, and so on. A rule of such a name that does not send to the Rollout's own
//! Services as one of the controller's does is somebody's, whatever the status says, since others can write that as well:
//! it is told about and never touched. The rules come before all that split, in the order of `managedRoutes`, since of two that fit a request equally well the first counts.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::observed::{RouteView, RuleView};
use crate::plan::RuleChange;
use crate::reference::{Pair, pairs, refers_to};
use crate::spec::{HeaderRoute, MirrorRoute, RouteKind, RouteReference, Spec, Step, TrafficRouting, Weight};

use self::precedence::Match;
pub(crate) use self::problems::problems;
use self::rule::Source;

mod precedence;
mod problems;
mod rule;

/// A managed route that the steps ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// To send some requests to the canary.
    Header(&'a HeaderRoute),
    /// To send a copy of some requests there.
    Mirror(&'a MirrorRoute),
}

impl<'a> Asked<'a> {
    fn of(step: &'a Step) -> Option<Self> {
        match step {
            Step::SetHeaderRoute(route) => Some(Self::Header(route)),
            Step::SetMirrorRoute(route) => Some(Self::Mirror(route)),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Header(route) => &route.name,
            Self::Mirror(route) => &route.name,
        }
    }

    /// Whether it takes the route away instead of setting it.
    fn removes(self) -> bool {
        match self {
            Self::Header(route) => route.matches.is_empty(),
            Self::Mirror(route) => route.matches.is_empty(),
        }
    }
}

/// The managed routes that the first `count` steps leave set, in the order of `managedRoutes`.
pub(crate) fn set_by_steps<'a>(spec: &'a Spec, routing: &'a TrafficRouting, count: u32) -> Vec<Asked<'a>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let last = |name: &String| {
        let steps = spec.steps.iter().take(count).rev();
        steps.filter_map(Asked::of).find(|asked| asked.name() == name)
    };
    let names = routing.managed_routes.iter().filter_map(last);
    names.filter(|asked| !asked.removes()).collect()
}

/// The managed routes to have, and what may be done about it now.
pub(crate) struct Managed<'a> {
    /// Those to have.
    pub(crate) asked: Vec<Asked<'a>>,
    /// Whether requests may be sent to the canary that were not before.
    pub(crate) may_add: bool,
    /// Whether requests may be taken from it.
    pub(crate) may_remove: bool,
}

/// What there is to do about the controller's own rules in one route.
#[derive(Debug, Default)]
pub(crate) struct RuleChanges {
    /// The changes that may be made.
    pub(crate) changes: Vec<RuleChange>,
    /// Indices of the rules that go, or are written as a whole.
    pub(crate) rewritten: BTreeSet<usize>,
    /// Some of them take requests from the canary, which never waits for anybody.
    pub(crate) removes: bool,
    /// Rules that should go may not yet.
    pub(crate) withheld: bool,
    /// Everything that is asked for is there.
    pub(crate) complete: bool,
}

/// One route, with its rules that are the controller's own and those that they are made from.
struct Rules<'a> {
    /// Index, name, the rule itself.
    own: Vec<(usize, &'a str, Value)>,
    sources: Vec<Source<'a>>,
    /// Of all others: index, and what requests they are for.
    others: Vec<(usize, Vec<Match>)>,
}

/// Whose rules these are.
struct Owner<'a> {
    namespace: &'a str,
    routing: &'a TrafficRouting,
    /// Managed routes that were asked for before.
    before: &'a [String],
    /// Whether the route may have such rules. One that may not can still have some of before.
    takes_rules: bool,
}

impl<'a> Owner<'a> {
    /// The managed route that a rule of this name belongs to.
    fn managed_route_of(&self, rule: &str) -> Option<&'a String> {
        let names = self.routing.managed_routes.iter().chain(self.before);
        names.into_iter().find(|name| is_named_after(rule, name))
    }

    fn pairs(&self, route: &'a RouteView) -> Vec<Pair<'a>> {
        let routing = self.routing;
        pairs(
            route,
            self.namespace,
            &routing.stable_service,
            &routing.canary_service,
        )
    }

    fn rules<'b>(
        &self,
        reference: &RouteReference,
        route: &'b RouteView,
        pairs: &'b [Pair<'b>],
    ) -> Rules<'b> {
        let mut rules = Rules {
            own: Vec::new(),
            sources: Vec::new(),
            others: Vec::new(),
        };
        for rule in &route.rules {
            let own = rule.name.as_deref().and_then(|name| {
                let managed_route = self.managed_route_of(name)?;
                let may_be = self.takes_rules || self.before.contains(managed_route);
                let body = sends_as_own(self.namespace, self.routing, (reference, route), rule);
                Some((rule.index, name, body.filter(|_| may_be)?))
            });
            if let Some(own) = own {
                rules.own.push(own);
            } else if let Some(source) = Source::of(reference.kind, rule, pairs) {
                rules.sources.push(source);
            } else {
                rules.others.extend(other(reference.kind, rule));
            }
        }
        rules
    }
}

/// The index of a rule, and what requests it is for.
fn other(kind: RouteKind, rule: &RuleView) -> Option<(usize, Vec<Match>)> {
    let body = serde_json::from_str(&rule.body).ok()?;
    Some((rule.index, rule::matches_of(kind, &body)))
}

/// The rule, if it sends its requests where a rule of the controller's own does: all of them to the canary Service, or to
/// both Services (and what else its source names) with a copy to the canary. One that splits and mirrors nothing is what
/// others are made from.
fn sends_as_own(
    namespace: &str,
    routing: &TrafficRouting,
    (reference, route): (&RouteReference, &RouteView),
    rule: &RuleView,
) -> Option<Value> {
    let body: Value = serde_json::from_str(&rule.body).ok()?;
    let (mut to_canary, mut to_stable, mut elsewhere) = (false, false, false);
    for backend in route.backends.iter().filter(|backend| backend.rule == rule.index) {
        if refers_to(backend, namespace, &routing.canary_service) {
            to_canary = true;
        } else if refers_to(backend, namespace, &routing.stable_service) {
            to_stable = true;
        } else {
            elsewhere = true;
        }
    }
    let mirrors = || {
        let canary = (namespace, routing.canary_service.as_str());
        rule::mirrors_to(&body, &reference.namespace, canary)
    };
    let is_own = match (to_canary, to_stable) {
        (true, false) => !elsewhere,
        (true, true) => mirrors(),
        (false, _) => false,
    };
    is_own.then_some(body)
}

/// `name`, or `name-1` and so on.
fn is_named_after(rule: &str, name: &str) -> bool {
    let Some(rest) = rule.strip_prefix(name) else {
        return false;
    };
    let number = rest.strip_prefix('-').map(str::as_bytes);
    rest.is_empty()
        || number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

impl Managed<'_> {
    /// What there is to do about the controller's own rules in `route`, whose `pairs` are the rules that name both Services.
    /// `before`: the managed routes that were asked for.
    pub(crate) fn changes(
        &self,
        namespace: &str,
        routing: &TrafficRouting,
        before: &[String],
        (reference, route): (&RouteReference, &RouteView),
        pairs: &[Pair<'_>],
        weight: Weight,
    ) -> RuleChanges {
        let named = routing.route(reference);
        let takes_rules = named.is_some_and(|named| named.takes_managed_rules);
        // What a rule is called that sends whole connections is nobody's business but its author's.
        let none_there = !reference.kind.has_matches() || route.rules.iter().all(|rule| rule.name.is_none());
        if none_there && (self.asked.is_empty() || !takes_rules) {
            return RuleChanges {
                complete: true,
                ..RuleChanges::default()
            };
        }
        let owner = Owner {
            namespace,
            routing,
            before,
            takes_rules,
        };
        let Rules { mut own, sources, .. } = owner.rules(reference, route, pairs);
        for (index, _, body) in &mut own {
            let pair = pairs.iter().find(|pair| pair.rule == *index);
            rule::weigh(body, pair, weight);
        }
        let wanted: Vec<_> = if takes_rules {
            let asked = self.asked.iter();
            asked
                .flat_map(|asked| rules_of(*asked, &self.asked, &sources, weight))
                .collect()
        } else {
            Vec::new()
        };
        self.difference(&own, &wanted, sources.iter().map(Source::index).min())
    }

    fn difference(
        &self,
        own: &[(usize, &str, Value)],
        wanted: &[(String, Value)],
        first_source: Option<usize>,
    ) -> RuleChanges {
        let mut result = RuleChanges::default();
        let position = |name: &str| wanted.iter().position(|(wanted, _)| wanted == name);
        let mut kept: Vec<&(usize, &str, Value)> = own
            .iter()
            .filter(|(_, name, _)| position(name).is_some())
            .collect();
        let is_sorted = kept.iter().is_sorted_by_key(|(_, name, _)| position(name));
        let is_first = kept
            .last()
            .is_none_or(|(index, _, _)| first_source.is_none_or(|source| *index < source));
        if self.may_add && !(is_sorted && is_first) {
            kept.clear();
        }
        for (index, name, body) in &kept {
            let Some((_, rule)) = wanted.iter().find(|(wanted, _)| wanted == name) else {
                continue;
            };
            if rule != body && self.may_add {
                result.rewritten.insert(*index);
                result.changes.push(RuleChange::Replace {
                    index: *index,
                    name: (*name).to_owned(),
                    rule: rule.clone(),
                });
            }
        }
        let is_kept = |index: usize| kept.iter().any(|(kept, _, _)| *kept == index);
        let gone = own.iter().rev().filter(|(index, _, _)| !is_kept(*index));
        for (index, name, _) in gone {
            if self.may_remove {
                result.rewritten.insert(*index);
                result.changes.push(RuleChange::Remove {
                    index: *index,
                    name: (*name).to_owned(),
                });
                result.removes |= position(name).is_none();
            } else {
                result.withheld = true;
            }
        }
        if self.may_add && !result.withheld {
            result.changes.extend(additions(&kept, own, wanted));
        }
        let same =
            |(name, rule): &(String, Value)| own.iter().any(|(_, there, body)| there == name && body == rule);
        result.complete = result.changes.is_empty() && !result.withheld && wanted.iter().all(same);
        result
    }
}

/// Puts in what is not there: each behind the one before it.
fn additions(
    kept: &[&(usize, &str, Value)],
    own: &[(usize, &str, Value)],
    wanted: &[(String, Value)],
) -> Vec<RuleChange> {
    // Where the rules that stay are, once those that go are gone.
    let moved = |index: usize| {
        let gone = own
            .iter()
            .filter(|(other, _, _)| *other < index && !kept.iter().any(|(kept, _, _)| kept == other));
        index - gone.count()
    };
    let mut changes = Vec::new();
    let (mut next, mut added) = (0, 0);
    for (name, rule) in wanted {
        if let Some((index, _, _)) = kept.iter().find(|(_, there, _)| there == name) {
            next = moved(*index) + added + 1;
        } else {
            changes.push(RuleChange::Add {
                index: next,
                rule: rule.clone(),
            });
            (next, added) = (next + 1, added + 1);
        }
    }
    changes
}

/// The rules of one managed route beside `all`: one for each rule that splits and can have one. What can't was told before.
fn rules_of(
    asked: Asked<'_>,
    all: &[Asked<'_>],
    sources: &[Source<'_>],
    weight: Weight,
) -> Vec<(String, Value)> {
    let bodies = sources.iter().filter_map(|source| match asked {
        Asked::Header(route) => source.header_rule(route, &mirrored(all, source, sources)).ok(),
        Asked::Mirror(route) => source.mirror_rule(route, sources, weight).ok().flatten(),
    });
    let named = bodies.enumerate().map(|(number, mut rule)| {
        let name = match number {
            0 => asked.name().to_owned(),
            number => format!("{}-{number}", asked.name()),
        };
        if let Some(fields) = rule.as_object_mut() {
            fields.insert("name".to_owned(), name.clone().into());
        }
        (name, rule)
    });
    named.collect()
}

/// What the mirror routes among `asked` ask for of the requests of `source`.
fn mirrored(asked: &[Asked<'_>], source: &Source<'_>, sources: &[Source<'_>]) -> Vec<Match> {
    let matches = asked.iter().filter_map(|asked| match asked {
        Asked::Header(_) => None,
        Asked::Mirror(route) => source.mirror_matches(route, sources).ok(),
    });
    matches.flatten().collect()
}

/// The managed routes that are asked for, with those of before of which own rules are still in the routes.
#[expect(
    clippy::needless_pass_by_value,
    reason = "an iterator that is gone through again for every name"
)]
pub(crate) fn remembered<'a>(
    namespace: &str,
    routing: &TrafficRouting,
    asked: &[Asked<'_>],
    before: &[String],
    routes: impl Iterator<Item = (&'a RouteReference, &'a RouteView)> + Clone,
) -> Vec<String> {
    let is_there = |name: &&String| {
        let mut with_matches = routes
            .clone()
            .filter(|(reference, _)| reference.kind.has_matches());
        with_matches.any(|(reference, route)| {
            let named = |rule: &&RuleView| {
                rule.name
                    .as_deref()
                    .is_some_and(|rule| is_named_after(rule, name))
            };
            let mut named = route.rules.iter().filter(named);
            named.any(|rule| sends_as_own(namespace, routing, (reference, route), rule).is_some())
        })
    };
    let mut names: Vec<String> = asked.iter().map(|asked| asked.name().to_owned()).collect();
    for name in before.iter().filter(is_there) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests;
