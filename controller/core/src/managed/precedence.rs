//! Which of two matches of one route a gateway prefers, and whether a request can fit both.
//!
//! The Gateway API: the exact path first, then the longer prefix, then the match with a method (of gRPC: the longer names of
//! service and method), with more headers, with more query parameters; the order of rules counts only between those that are
//! equal in all of it. Where regular
//! expressions for paths stand is up to each gateway, so that of those everything is possible.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// A match as it is written in a rule.
pub(super) type Match = Map<String, Value>;

/// All that `matches` may ask for of a path: an `HTTPRoute` that says nothing of it means this one.
pub(super) const EVERY_PATH: &str = "/";

/// A match of another rule.
pub(super) struct Other<'a> {
    /// What it asks for.
    pub(super) matched: &'a Match,
    /// Its rule comes before the one that is narrowed.
    pub(super) is_earlier: bool,
}

/// Whether requests that a gateway gives to `other` rather than to `wide` would go to `narrow` instead, which stands before
/// both and is `wide` with more asked for.
pub(super) fn takes_from(narrow: &Match, wide: &Match, other: &Other<'_>) -> bool {
    let (was, theirs, is) = (path_of(wide), path_of(other.matched), path_of(narrow));
    let theirs_to_wide = by_path(theirs, was);
    if was == is && theirs_to_wide != Some(Ordering::Equal) {
        // The path decides, now as before.
        return false;
    }
    let rest = rest_of(other.matched);
    let had_it = theirs_to_wide.is_none_or(|order| {
        let order = order.then(rest.cmp(&rest_of(wide)));
        order.is_gt() || order.is_eq() && other.is_earlier
    });
    let loses_it = by_path(is, theirs).is_none_or(|order| order.then(rest_of(narrow).cmp(&rest)).is_ge());
    had_it && loses_it && may_both_fit(narrow, other.matched)
}

/// Whether every request that fits `inner` fits `outer`, as far as one can tell.
pub(super) fn is_within(inner: &Match, outer: &Match) -> bool {
    let ((kind, path), (outer_kind, outer_path)) = (path_of(inner), path_of(outer));
    let within_path = match outer_kind {
        "PathPrefix" => kind != "RegularExpression" && is_below(path, outer_path),
        _ => (kind, path) == (outer_kind, outer_path),
    };
    let within_method = ["service", "method"].into_iter().all(|field| {
        let asked = method_of(outer, field);
        asked.is_none() || asked == method_of(inner, field)
    });
    let within = |list: &str| {
        let has = |outer: &Value| conditions(inner, list).any(|inner| condition(inner) == condition(outer));
        conditions(outer, list).all(has)
    };
    within_path && within_method && ["headers", "queryParams"].into_iter().all(within)
}

/// Whether every request for `path`, or for what is below it, is one for `prefix` or for what is below that.
pub(super) fn is_below(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The kind and the value of a match's path.
pub(super) fn path_of(matched: &Match) -> (&str, &str) {
    let path = matched.get("path").and_then(Value::as_object);
    let field = |name| path.and_then(|path| text(path, name));
    (
        field("type").unwrap_or("PathPrefix"),
        field("value").unwrap_or(EVERY_PATH),
    )
}

fn text<'a>(fields: &'a Match, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// How a match asks for the method, and for which: of HTTP it is a text, of gRPC there is a service, too.
fn method_of<'a>(matched: &'a Match, field: &str) -> Option<(&'a str, &'a str)> {
    match matched.get("method")? {
        Value::String(method) => (field == "method").then_some(("Exact", method.as_str())),
        Value::Object(method) => Some((text(method, "type").unwrap_or("Exact"), text(method, field)?)),
        _ => None,
    }
}

/// None where nobody can tell.
fn by_path(one: (&str, &str), other: (&str, &str)) -> Option<Ordering> {
    if one == other {
        return Some(Ordering::Equal);
    }
    let rank = |(kind, value): (&str, &str)| match kind {
        "Exact" => Some((true, value.len())),
        "PathPrefix" => Some((false, value.trim_end_matches('/').len())),
        _ => None,
    };
    Some(rank(one)?.cmp(&rank(other)?))
}

/// What counts among matches whose paths are equal.
fn rest_of(matched: &Match) -> (usize, usize, usize, usize) {
    let length = |field| method_of(matched, field).map_or(0, |(_, name)| name.len());
    (
        length("service"),
        // Of HTTP it counts that there is one.
        text(matched, "method").map_or_else(|| length("method"), |_| 1),
        conditions(matched, "headers").count(),
        conditions(matched, "queryParams").count(),
    )
}

fn may_both_fit(one: &Match, other: &Match) -> bool {
    let ((kind, path), (other_kind, other_path)) = (path_of(one), path_of(other));
    let paths = match (kind, other_kind) {
        ("Exact", "Exact") => path == other_path,
        ("Exact", "PathPrefix") => is_below(path, other_path),
        ("PathPrefix", "Exact") => is_below(other_path, path),
        ("PathPrefix", "PathPrefix") => is_below(path, other_path) || is_below(other_path, path),
        _ => true,
    };
    let methods = ["service", "method"].into_iter().all(|field| {
        match (method_of(one, field), method_of(other, field)) {
            (Some(("Exact", one)), Some(("Exact", other))) => one == other,
            _ => true,
        }
    });
    let lists = |list: &str| {
        let contradicts = |one: &Value| {
            let (name, kind, value) = condition(one);
            conditions(other, list)
                .map(condition)
                .any(|(other_name, other_kind, other_value)| {
                    name == other_name && (kind, other_kind) == ("Exact", "Exact") && value != other_value
                })
        };
        !conditions(one, list).any(contradicts)
    };
    paths && methods && ["headers", "queryParams"].into_iter().all(lists)
}

fn conditions<'a>(matched: &'a Match, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    matched.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// Name, kind and value of what is asked of a header or a parameter. In names of headers case does not count, and
/// parameters that differ by it only are too rare to be told apart.
fn condition(written: &Value) -> (Option<String>, &str, Option<&str>) {
    let field = |name| written.get(name).and_then(Value::as_str);
    let name = field("name").map(str::to_ascii_lowercase);
    (name, field("type").unwrap_or("Exact"), field("value"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matched(kind: &str, path: &str, more: &Value) -> Match {
        let mut matched = more.as_object().unwrap().clone();
        matched.insert("path".to_owned(), json!({"type": kind, "value": path}));
        matched
    }

    fn prefix(path: &str) -> Match {
        matched("PathPrefix", path, &json!({}))
    }

    fn with(path: &str, more: &Value) -> Match {
        matched("PathPrefix", path, more)
    }

    #[test]
    fn of_grpc_the_longer_names_of_service_and_method_come_first() {
        let method = |service: &str, method: &str| {
            let asked = json!({"method": {"service": service, "method": method}});
            asked.as_object().unwrap().clone()
        };
        let every = Match::new();
        let mut tested = method("shop.Cart", "Add");
        tested.insert("headers".to_owned(), json!([{"name": "x-test", "value": "1"}]));

        assert!(is_within(&tested, &method("shop.Cart", "Add")) && is_within(&tested, &every));
        assert!(!is_within(&every, &method("shop.Cart", "Add")));
        assert!(!is_within(&tested, &method("shop.Cart", "Take")));
        assert!(!may_both_fit(&tested, &method("shop.Cart", "Take")));
        assert!(rest_of(&method("shop.Cart", "Add")) > rest_of(&method("shop", "AddManyThings")));
    }

    #[test]
    fn what_asks_for_more_gets_requests_that_another_had() {
        let get = json!({"method": "GET"});
        let header = json!({"headers": [{"name": "X-A", "value": "1"}]});
        for (narrow, wide, other) in [
            (prefix("/api"), prefix("/"), prefix("/api")),
            (prefix("/api/v1"), prefix("/"), prefix("/api")),
            (prefix("/api/v1"), prefix("/"), prefix("/api/")),
            (matched("Exact", "/api", &json!({})), prefix("/"), prefix("/api")),
            (prefix("/cart"), prefix("/"), with("/", &header)),
            (with("/", &get), prefix("/"), with("/", &header)),
            (
                prefix("/api"),
                prefix("/"),
                matched("RegularExpression", "/a.*", &json!({})),
            ),
        ] {
            let later = Other {
                matched: &other,
                is_earlier: false,
            };
            assert!(takes_from(&narrow, &wide, &later), "{narrow:?} {other:?}");
        }
    }

    #[test]
    fn requests_that_another_keeps_or_never_had_are_not_taken() {
        let (get, post) = (json!({"method": "GET"}), json!({"method": "POST"}));
        let header = |value: &str| json!({"headers": [{"name": "x-a", "value": value}]});
        for (narrow, wide, other) in [
            (prefix("/cart"), prefix("/"), prefix("/api")),
            (prefix("/apis"), prefix("/"), prefix("/api")),
            (prefix("/"), prefix("/"), prefix("/api")),
            (prefix("/api"), prefix("/"), prefix("/api/v1")),
            (prefix("/api/v1"), prefix("/api"), prefix("/")),
            (with("/", &get), prefix("/"), prefix("/api")),
            (with("/cart", &get), prefix("/"), with("/", &post)),
            (with("/cart", &header("1")), prefix("/"), with("/", &header("2"))),
            (
                with("/", &get),
                prefix("/"),
                matched("RegularExpression", "/a.*", &json!({})),
            ),
        ] {
            let later = Other {
                matched: &other,
                is_earlier: false,
            };
            assert!(!takes_from(&narrow, &wide, &later), "{narrow:?} {other:?}");
        }
    }

    #[test]
    fn of_two_that_are_equal_the_earlier_had_the_requests() {
        for is_earlier in [true, false] {
            let other = Other {
                matched: &prefix("/"),
                is_earlier,
            };
            assert_eq!(takes_from(&prefix("/api"), &prefix("/"), &other), is_earlier);
        }
    }

    #[test]
    fn a_match_is_within_one_that_asks_for_nothing_else() {
        let header = json!({"headers": [{"name": "X-A", "value": "1"}]});
        let exactly = json!({"headers": [{"name": "x-a", "type": "Exact", "value": "1"}], "method": "GET"});
        assert!(is_within(&with("/api/v1", &exactly), &with("/api", &header)));
        assert!(!is_within(&prefix("/api/v1"), &with("/api", &header)));
        assert!(!is_within(&prefix("/"), &prefix("/api")));
        assert!(!is_within(&prefix("/api"), &matched("Exact", "/api", &json!({}))));
    }
}
