//! A rule of the controller's own, made from one that splits.
//!
//! All of the rule is copied, also what this version of KULTA does not know. What is added is written out in full, defaults
//! of the API as well, so that the rule reads back as it was written.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::precedence::{self, EVERY_PATH, Match, Other, is_below, path_of};
use crate::observed::RuleView;
use crate::reference::Pair;
use crate::spec::{HeaderMatch, HeaderRoute, MirrorRoute, RequestMatch, RouteKind, TextMatch, Weight};

/// A rule of the Gateway API has no more matches.
const MOST_MATCHES: usize = 64;
/// Characters that mean something in the regular expressions of RE2, which gateways use.
const SPECIAL: &str = r"\.+*?()|[]{}^$";

/// Why a rule can't have one of the controller's own beside it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Clash {
    /// Two conditions on one header.
    #[error("both ask for the header \"{0}\", with different values; take one of them out")]
    Header(String),
    /// Two paths of which nobody can tell which requests fit both.
    #[error("both ask for a path, one of them by a regular expression; write the path in one of them only")]
    Path,
    /// More matches than a rule can have.
    #[error("there would be {0} matches, and a rule has {MOST_MATCHES} at most; ask for fewer")]
    Many(usize),
}

/// A rule that splits.
pub(super) struct Source<'a> {
    kind: RouteKind,
    pair: &'a Pair<'a>,
    body: Map<String, Value>,
    matches: Vec<Match>,
}

impl<'a> Source<'a> {
    /// None when it does not split.
    pub(super) fn of(kind: RouteKind, rule: &RuleView, pairs: &'a [Pair<'a>]) -> Option<Self> {
        let pair = pairs.iter().find(|pair| pair.rule == rule.index)?;
        let body = serde_json::from_str(&rule.body).ok()?;
        let matches = matches_of(kind, &body);
        Some(Self {
            kind,
            pair,
            body,
            matches,
        })
    }

    /// The index of the rule.
    pub(super) fn index(&self) -> usize {
        self.pair.rule
    }

    /// The rule that sends what `route` says to the canary, without its name. `mirrored`: what mirror rules beside it ask
    /// for of the same requests. A gateway may prefer those for their path or method, wherever they stand, and requests of
    /// `route` are not to go there.
    pub(super) fn header_rule(&self, route: &HeaderRoute, mirrored: &[Match]) -> Result<Value, Clash> {
        let matches = self.matches.iter().cloned();
        let matches: Result<Vec<_>, _> = matches
            .map(|matched| with_headers(matched, &route.matches))
            .collect();
        let mut matches = matches?;
        for matched in mirrored {
            // Where both ask for one header with different values, no request fits both.
            if let Ok(both) = with_headers(matched.clone(), &route.matches)
                && !matches.contains(&both)
            {
                matches.push(both);
            }
        }
        let mut rule = self.body.clone();
        rule.insert("matches".to_owned(), few(matches)?.into());
        rule.insert("backendRefs".to_owned(), json!([self.canary_ref()]));
        Ok(rule.into())
    }

    /// The rule that sends a copy of what `route` says to the canary, without its name; None where the rule has no such
    /// requests. `sources`: all rules that split.
    pub(super) fn mirror_rule(
        &self,
        route: &MirrorRoute,
        sources: &[Source<'_>],
        weight: Weight,
    ) -> Result<Option<Value>, Clash> {
        let matches = few(self.mirror_matches(route, sources)?)?;
        if matches.is_empty() {
            return Ok(None);
        }
        let mut rule = self.body.clone();
        rule.insert("matches".to_owned(), matches.into());
        let filters = rule.entry("filters").or_insert_with(|| json!([]));
        if let Some(filters) = filters.as_array_mut() {
            filters.push(self.mirror(route));
        }
        let mut rule = rule.into();
        weigh_pair(&mut rule, self.pair, weight);
        Ok(Some(rule))
    }

    /// What `route` asks for of this rule's requests, without those that a gateway gives to another that splits: that one
    /// has a rule for them. Of a `GRPCRoute` only what asks for headers alone: its requests are told apart by service and method,
    /// and not by paths and methods of HTTP.
    pub(super) fn mirror_matches(
        &self,
        route: &MirrorRoute,
        sources: &[Source<'_>],
    ) -> Result<Vec<Match>, Clash> {
        let mut matches = Vec::new();
        for wide in &self.matches {
            for request in route.matches.iter().filter(|request| self.knows(request)) {
                let narrow = both(wide, request)?;
                matches.extend(narrow.filter(|narrow| !self.is_of_another(narrow, wide, sources)));
            }
        }
        Ok(matches)
    }

    /// Whether its requests can be asked for so.
    fn knows(&self, request: &RequestMatch) -> bool {
        match self.kind {
            RouteKind::Http => true,
            RouteKind::Grpc => request.path.is_none() && request.method.is_none(),
            RouteKind::Tcp | RouteKind::Tls => false,
        }
    }

    fn is_of_another(&self, narrow: &Match, wide: &Match, sources: &[Source<'_>]) -> bool {
        let others = sources.iter().filter(|source| source.index() != self.index());
        let mut others = others.flat_map(|source| {
            let is_earlier = source.index() < self.index();
            let matches = source.matches.iter();
            matches.map(move |matched| Other { matched, is_earlier })
        });
        others.any(|other| {
            precedence::is_within(narrow, other.matched) && precedence::takes_from(narrow, wide, &other)
        })
    }

    /// Whether a rule for what `request` asks for of this rule's requests would get some that a gateway gives to the rule
    /// number `index`, which has these matches.
    pub(super) fn takes_from(&self, request: &RequestMatch, index: usize, matches: &[Match]) -> bool {
        let is_earlier = index < self.index();
        self.knows(request)
            && self.matches.iter().any(|wide| {
                let Ok(Some(narrow)) = both(wide, request) else {
                    return false;
                };
                let mut others = matches.iter().map(|matched| Other { matched, is_earlier });
                others.any(|other| precedence::takes_from(&narrow, wide, &other))
            })
    }

    /// The ref of the canary with all requests. What else is written at the ref, such as filters, belongs to it.
    fn canary_ref(&self) -> Value {
        let mut canary = self.written_canary();
        canary.insert("weight".to_owned(), 1.into());
        canary.into()
    }

    fn written_canary(&self) -> Map<String, Value> {
        let index = self.pair.canary.first().map(|backend| backend.index);
        let refs = self.body.get("backendRefs").and_then(Value::as_array);
        let canary = index.and_then(|index| refs?.get(index)?.as_object());
        let mut canary = canary.cloned().unwrap_or_default();
        canary.entry("group").or_insert_with(|| "".into());
        canary.entry("kind").or_insert_with(|| "Service".into());
        canary
    }

    fn mirror(&self, route: &MirrorRoute) -> Value {
        let mut to = self.written_canary();
        to.retain(|field, _| ["group", "kind", "name", "namespace", "port"].contains(&field.as_str()));
        // Definitions before Gateway API 1.3 have no percentage, and all of them mean 100 % without one.
        let mirror = match route.percentage.filter(|percentage| *percentage < Weight::FULL) {
            Some(percentage) => json!({"backendRef": to, "percent": percentage.percent()}),
            None => json!({"backendRef": to}),
        };
        json!({"type": "RequestMirror", "requestMirror": mirror})
    }
}

/// What requests a rule is for; an empty list means all of them.
pub(super) fn matches_of(kind: RouteKind, rule: &Map<String, Value>) -> Vec<Match> {
    let written = rule.get("matches").and_then(Value::as_array);
    let written = written.into_iter().flatten().filter_map(Value::as_object);
    let mut matches: Vec<_> = written.cloned().collect();
    if matches.is_empty() {
        matches.push(Map::new());
    }
    if kind == RouteKind::Http {
        for matched in &mut matches {
            matched
                .entry("path")
                .or_insert_with(|| json!({"type": "PathPrefix", "value": EVERY_PATH}));
        }
    }
    matches
}

fn few(matches: Vec<Match>) -> Result<Vec<Match>, Clash> {
    if matches.len() > MOST_MATCHES {
        return Err(Clash::Many(matches.len()));
    }
    Ok(matches)
}

/// Whether a rule of a route of `route_namespace` sends copies to this Service: its namespace and name.
pub(super) fn mirrors_to(rule: &Value, route_namespace: &str, (namespace, service): (&str, &str)) -> bool {
    let filters = rule.get("filters").and_then(Value::as_array);
    let mut targets = filters
        .into_iter()
        .flatten()
        .filter_map(|filter| filter.pointer("/requestMirror/backendRef"));
    targets.any(|target| {
        let field = |name, default| target.get(name).and_then(Value::as_str).unwrap_or(default);
        // The defaults of the Gateway API.
        let to = (field("group", ""), field("kind", "Service"));
        to == ("", "Service")
            && (field("namespace", route_namespace), field("name", "")) == (namespace, service)
    })
}

/// Gives a rule the weights that it is to have, without the shares of experiments, so that others can be compared: these are
/// changed one by one.
pub(super) fn weigh(rule: &mut Value, pair: Option<&Pair<'_>>, weight: Weight) {
    if let Some(pair) = pair {
        weigh_pair(rule, pair, weight);
    }
}

fn weigh_pair(rule: &mut Value, pair: &Pair<'_>, weight: Weight) {
    for (backends, weight) in [(&pair.canary, weight), (&pair.stable, weight.rest())] {
        for (position, backend) in backends.iter().enumerate() {
            let weight = if position == 0 { weight.parts() } else { 0 };
            if let Some(written) = rule
                .pointer_mut(&format!("/backendRefs/{}", backend.index))
                .and_then(Value::as_object_mut)
            {
                written.insert("weight".to_owned(), weight.into());
            }
        }
    }
    let is_share = |index: usize| pair.shares.iter().any(|backend| backend.index == index);
    if let Some(refs) = rule.pointer_mut("/backendRefs").and_then(Value::as_array_mut) {
        let mut index = 0_usize..;
        refs.retain(|_| index.next().is_none_or(|index| !is_share(index)));
    }
}

/// How Gateway API writes a text to look for.
fn text_match(value: &TextMatch) -> (&'static str, String) {
    match value {
        TextMatch::Exact(text) => ("Exact", text.clone()),
        TextMatch::Regex(text) => ("RegularExpression", text.clone()),
        TextMatch::Prefix(text) => ("RegularExpression", format!("{}.*", escaped(text))),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Adds headers to what is asked for already. A request has a header once, so two values can't both be asked for.
fn with_headers(mut matched: Match, headers: &[HeaderMatch]) -> Result<Match, Clash> {
    let written = matched.entry("headers").or_insert_with(|| json!([]));
    let Some(written) = written.as_array_mut() else {
        return Ok(matched);
    };
    for header in headers {
        let (kind, value) = text_match(&header.value);
        let name_of = |written: &&Value| {
            let name = written.get("name").and_then(Value::as_str);
            name.is_some_and(|name| name.eq_ignore_ascii_case(&header.name))
        };
        let Some(there) = written.iter().find(name_of) else {
            written.push(json!({"type": kind, "name": header.name, "value": value}));
            continue;
        };
        let there_kind = there.get("type").and_then(Value::as_str).unwrap_or("Exact");
        if (there_kind, there.get("value").and_then(Value::as_str)) != (kind, Some(&value)) {
            return Err(Clash::Header(header.name.clone()));
        }
    }
    if written.is_empty() {
        matched.remove("headers");
    }
    Ok(matched)
}

/// What both a rule and a mirror route ask for; None where no request fits both.
fn both(matched: &Match, request: &RequestMatch) -> Result<Option<Match>, Clash> {
    let mut both = matched.clone();
    if let Some(method) = &request.method {
        match matched.get("method").and_then(Value::as_str) {
            Some(written) if written != method => return Ok(None),
            _ => both.insert("method".to_owned(), method.as_str().into()),
        };
    }
    if let Some(path) = &request.path {
        let Some(path) = both_paths(path_of(matched), path)? else {
            return Ok(None);
        };
        both.insert("path".to_owned(), path);
    }
    with_headers(both, &request.headers).map(Some)
}

fn both_paths((kind, value): (&str, &str), asked: &TextMatch) -> Result<Option<Value>, Clash> {
    let path = |kind: &str, value: &str| Ok(Some(json!({"type": kind, "value": value})));
    let (asked_kind, asked_value) = match asked {
        TextMatch::Exact(text) => ("Exact", text),
        TextMatch::Prefix(text) => ("PathPrefix", text),
        TextMatch::Regex(text) => ("RegularExpression", text),
    };
    match (kind, asked_kind) {
        _ if (kind, value) == (asked_kind, asked_value) => path(kind, value),
        ("PathPrefix", _) if value == EVERY_PATH => path(asked_kind, asked_value),
        ("PathPrefix", "Exact" | "PathPrefix") if is_below(asked_value, value) => {
            path(asked_kind, asked_value)
        }
        ("Exact" | "PathPrefix", "PathPrefix") if is_below(value, asked_value) => path(kind, value),
        ("Exact" | "PathPrefix", "Exact" | "PathPrefix") => Ok(None),
        _ => Err(Clash::Path),
    }
}
