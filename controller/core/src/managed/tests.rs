//! Rules that are made from others, one by one: what is copied, what is added, and what can't be.

use serde_json::{Value, json};

use super::*;
use crate::observed::BackendView;
use crate::spec::{HeaderMatch, RequestMatch, RouteKind, TextMatch};

fn header(name: &str, value: TextMatch) -> HeaderMatch {
    let name = name.to_owned();
    HeaderMatch { name, value }
}

fn exact(value: &str) -> TextMatch {
    TextMatch::Exact(value.to_owned())
}

/// A rule that splits, with what is written besides its backendRefs.
fn source(written: &Value) -> RouteView {
    let mut body = written.clone();
    body["backendRefs"] = json!([
        {"name": "stable", "port": 80, "weight": 90, "kind": "Service", "group": ""},
        {"name": "canary", "port": 8080, "weight": 10, "kind": "Service", "group": "", "filters": [{"type": "x"}]},
    ]);
    let backend = |index, name: &str| BackendView {
        rule: 0,
        index,
        is_service: true,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        port: None,
        weight: None,
    };
    RouteView {
        generation: 1,
        resource_version: String::new(),
        labels: std::collections::BTreeMap::new(),
        backends: vec![backend(0, "stable"), backend(1, "canary")],
        rules: vec![RuleView {
            index: 0,
            name: None,
            body: body.to_string().into(),
        }],
        parents: Vec::new(),
        reports: Vec::new(),
        rules_manager: None,
    }
}

fn made<T>(kind: RouteKind, written: &Value, make: impl FnOnce(&Source<'_>) -> T) -> T {
    let route = source(written);
    let pairs = pairs(&route, "shop", "stable", "canary");
    make(&Source::of(kind, &route.rules[0], &pairs).unwrap())
}

fn header_rule(kind: RouteKind, written: &Value, matches: Vec<HeaderMatch>) -> Result<Value, rule::Clash> {
    let name = "testers".to_owned();
    made(kind, written, |source| {
        source.header_rule(&HeaderRoute { name, matches }, &[])
    })
}

fn mirror_rule(written: &Value, request: RequestMatch) -> Result<Option<Value>, rule::Clash> {
    let route = MirrorRoute {
        name: "shadow".to_owned(),
        matches: vec![request],
        percentage: Some(Weight::new(30).unwrap()),
    };
    let weight = Weight::new(20).unwrap();
    made(RouteKind::Http, written, |source| {
        source.mirror_rule(&route, &[], weight)
    })
}

fn request(method: Option<&str>, path: Option<TextMatch>) -> RequestMatch {
    RequestMatch {
        method: method.map(str::to_owned),
        path,
        headers: Vec::new(),
    }
}

#[test]
fn everything_that_belongs_to_a_rule_is_copied_and_only_the_canary_is_asked() {
    let written = json!({
        "matches": [{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}],
        "filters": [{"type": "RequestHeaderModifier"}], "timeouts": {"request": "5s"}, "retry": {"attempts": 2},
        "sessionPersistence": {"sessionName": "s"}, "ofTomorrow": true,
    });

    let rule = header_rule(RouteKind::Http, &written, vec![header("x-a", exact("1"))]).unwrap();

    let mut expected = written;
    expected["matches"][0]["headers"] = json!([{"type": "Exact", "name": "x-a", "value": "1"}]);
    expected["backendRefs"] = json!([
        {"name": "canary", "port": 8080, "weight": 1, "kind": "Service", "group": "", "filters": [{"type": "x"}]},
    ]);
    assert_eq!(rule, expected);
}

#[test]
fn a_prefix_is_a_regular_expression_in_which_nothing_means_something_else() {
    for (value, kind, text) in [
        (exact("a.b"), "Exact", "a.b"),
        (TextMatch::Regex("a.b".to_owned()), "RegularExpression", "a.b"),
        (
            TextMatch::Prefix("a.b+(c)".to_owned()),
            "RegularExpression",
            r"a\.b\+\(c\).*",
        ),
        (
            TextMatch::Prefix(r"[x]{1}^$|?*\é-".to_owned()),
            "RegularExpression",
            r"\[x\]\{1\}\^\$\|\?\*\\é-.*",
        ),
    ] {
        let rule = header_rule(RouteKind::Http, &json!({}), vec![header("x-a", value)]).unwrap();
        let expected = json!({"type": kind, "name": "x-a", "value": text});
        assert_eq!(rule["matches"][0]["headers"][0], expected);
    }
}

#[test]
fn every_match_gets_all_headers_beside_its_own() {
    let own = json!({"type": "Exact", "name": "x-own", "value": "1"});
    let written = json!({"matches": [
        {"path": {"type": "PathPrefix", "value": "/a"}, "headers": [own]}, {"path": {"type": "PathPrefix", "value": "/b"}},
    ]});

    let headers = vec![header("x-a", exact("1")), header("x-b", exact("2"))];
    let rule = header_rule(RouteKind::Http, &written, headers).unwrap();

    let count = |index: usize| rule["matches"][index]["headers"].as_array().unwrap().len();
    assert_eq!((count(0), count(1)), (3, 2));
}

#[test]
fn a_rule_for_everything_says_so_in_the_words_that_the_api_reads_back() {
    let header = || vec![header("x-a", exact("1"))];
    let every = json!({"type": "PathPrefix", "value": "/"});

    let http = header_rule(RouteKind::Http, &json!({}), header()).unwrap();
    let grpc = header_rule(RouteKind::Grpc, &json!({}), header()).unwrap();

    assert_eq!(
        (&http["matches"][0]["path"], &grpc["matches"][0]["path"]),
        (&every, &Value::Null)
    );
}

#[test]
fn one_header_can_not_have_two_values() {
    let asked = |value: &str| vec![header("X-A", exact(value))];
    let written = json!({"matches": [{"headers": [{"name": "x-a", "value": "1"}]}]});

    assert!(header_rule(RouteKind::Http, &written, asked("1")).is_ok());
    let clash = header_rule(RouteKind::Http, &written, asked("2"));
    assert_eq!(clash, Err(rule::Clash::Header("X-A".to_owned())));
}

/// Requests of gRPC have no path and no method of HTTP, and headers as others.
#[test]
fn of_a_grpc_route_what_asks_for_headers_is_mirrored() {
    let mirrored = |request: RequestMatch| {
        let route = MirrorRoute {
            name: "shadow".to_owned(),
            matches: vec![request],
            percentage: None,
        };
        let written = json!({"matches": [{"method": {"service": "shop.Cart"}}]});
        made(RouteKind::Grpc, &written, |source| {
            source.mirror_rule(&route, &[], Weight::ZERO)
        })
    };
    let with_header = RequestMatch {
        headers: vec![header("x-shadow", exact("1"))],
        ..request(None, None)
    };

    let rule = mirrored(with_header).unwrap().unwrap();

    let matched = &rule["matches"][0];
    assert_eq!(matched["method"]["service"], "shop.Cart");
    assert_eq!(
        (&matched["headers"][0]["name"], matched.get("path")),
        (&json!("x-shadow"), None)
    );
    assert_eq!(mirrored(request(Some("GET"), None)), Ok(None));
}

#[test]
fn a_mirror_rule_splits_as_before_and_sends_a_copy_to_the_canary() {
    let written = json!({"filters": [{"type": "URLRewrite"}]});

    let rule = mirror_rule(&written, request(Some("GET"), None))
        .unwrap()
        .unwrap();

    let weights = [
        &rule["backendRefs"][0]["weight"],
        &rule["backendRefs"][1]["weight"],
    ];
    assert_eq!(weights, [&json!(80), &json!(20)]);
    let to = json!({"name": "canary", "port": 8080, "kind": "Service", "group": ""});
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"backendRef": to, "percent": 30}});
    assert_eq!(rule["filters"], json!([{"type": "URLRewrite"}, mirror]));
    assert_eq!(rule["matches"][0]["method"], "GET");
}

#[test]
fn a_mirror_rule_is_for_what_both_ask_for() {
    let prefix = |path: &str| Some(TextMatch::Prefix(path.to_owned()));
    let found = |kind: &str, value: &str| Some(json!({"type": kind, "value": value}));
    for (written, asked, expected) in [
        (("PathPrefix", "/"), Some(exact("/a")), found("Exact", "/a")),
        (
            ("PathPrefix", "/shop"),
            prefix("/shop/cart"),
            found("PathPrefix", "/shop/cart"),
        ),
        (("PathPrefix", "/shop"), prefix("/"), found("PathPrefix", "/shop")),
        (("PathPrefix", "/shop"), prefix("/shopping"), None),
        (("Exact", "/shop"), prefix("/shop"), found("Exact", "/shop")),
        (("Exact", "/shop"), Some(exact("/cart")), None),
        (("PathPrefix", "/shop"), None, found("PathPrefix", "/shop")),
    ] {
        let (kind, value) = written;
        let source = json!({"matches": [{"path": {"type": kind, "value": value}}]});
        let rule = mirror_rule(&source, request(None, asked.clone())).unwrap();
        let path = rule.map(|rule| rule["matches"][0]["path"].clone());
        assert_eq!(path, expected, "{written:?} and {asked:?}");
    }
}

/// What the mirror and the header rules of two rules that split are for, by the paths of these.
fn rules_beside(paths: [&str; 2], request: RequestMatch) -> [Vec<(String, Value)>; 2] {
    let mut route = source(&json!({"matches": [{"path": {"value": paths[0]}}]}));
    let second = source(&json!({"matches": [{"path": {"value": paths[1]}}]}));
    let backends = second.backends.into_iter();
    let backends = backends.map(|backend| BackendView { rule: 1, ..backend });
    route.backends.extend(backends);
    let rules = second.rules.into_iter();
    route
        .rules
        .extend(rules.map(|rule| RuleView { index: 1, ..rule }));
    let pairs = pairs(&route, "shop", "stable", "canary");
    let sources = route.rules.iter();
    let sources: Vec<_> = sources
        .filter_map(|rule| Source::of(RouteKind::Http, rule, &pairs))
        .collect();
    let header = HeaderRoute {
        name: "testers".to_owned(),
        matches: vec![header("x-a", exact("1"))],
    };
    let mirror = MirrorRoute {
        name: "shadow".to_owned(),
        matches: vec![request],
        percentage: None,
    };
    let all = [Asked::Header(&header), Asked::Mirror(&mirror)];
    all.map(|asked| rules_of(asked, &all, &sources, Weight::ZERO))
}

/// Of each match of a rule: its path, its method, the number of its headers.
fn seen(rule: &Value) -> Vec<(&str, Option<&str>, usize)> {
    let matches = rule["matches"].as_array().unwrap().iter();
    let seen = matches.map(|matched| {
        let headers = matched["headers"].as_array().map_or(0, Vec::len);
        (
            matched["path"]["value"].as_str().unwrap(),
            matched["method"].as_str(),
            headers,
        )
    });
    seen.collect()
}

#[test]
fn requests_with_the_header_go_to_the_canary_whatever_is_mirrored() {
    let path = Some(TextMatch::Prefix("/a/cart".to_owned()));
    let [testers, shadow] = rules_beside(["/a", "/b"], request(Some("GET"), path));

    assert_eq!(
        seen(&testers[0].1),
        [("/a", None, 1), ("/a/cart", Some("GET"), 1)]
    );
    assert_eq!(seen(&testers[1].1), [("/b", None, 1)]);
    assert_eq!(seen(&shadow[0].1), [("/a/cart", Some("GET"), 0)]);
    assert_eq!(shadow.len(), 1);
}

#[test]
fn of_two_rules_that_split_each_mirrors_its_own_requests() {
    for (asked, expected) in [
        ("/api", vec!["/api"]),
        ("/api/v1", vec!["/api/v1"]),
        ("/cart", vec!["/cart"]),
        ("/", vec!["/", "/api"]),
    ] {
        let path = Some(TextMatch::Prefix(asked.to_owned()));
        for paths in [["/", "/api"], ["/api", "/"]] {
            let [_, shadow] = rules_beside(paths, request(None, path.clone()));
            let mut found: Vec<_> = shadow.iter().map(|(_, rule)| seen(rule)[0].0).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{asked} {paths:?}");
        }
    }
}

#[test]
fn more_matches_than_a_rule_can_have_are_told() {
    let paths = (0..65).map(|number| json!({"path": {"value": format!("/{number}")}}));
    let written = json!({"matches": paths.collect::<Vec<_>>()});

    let rule = header_rule(RouteKind::Http, &written, vec![header("x-a", exact("1"))]);

    assert_eq!(rule, Err(rule::Clash::Many(65)));
}

#[test]
fn a_mirror_rule_is_for_no_other_method_than_its_source() {
    let written = json!({"matches": [{"method": "POST"}]});

    assert_eq!(mirror_rule(&written, request(Some("GET"), None)), Ok(None));
}

#[test]
fn nobody_can_tell_what_two_regular_expressions_have_in_common() {
    let written = json!({"matches": [{"path": {"type": "RegularExpression", "value": "/a+"}}]});
    let asked = request(None, Some(TextMatch::Regex("/b+".to_owned())));

    assert_eq!(mirror_rule(&written, asked), Err(rule::Clash::Path));
}

#[test]
fn names_of_rules_are_those_of_managed_routes_with_a_number() {
    for (rule, is_own) in [
        ("a", true),
        ("a-1", true),
        ("a-12", true),
        ("a-", false),
        ("a-b", false),
        ("ab", false),
        ("b", false),
    ] {
        assert_eq!(is_named_after(rule, "a"), is_own, "{rule}");
    }
}

/// The list of names after these changes.
fn after(mut names: Vec<&str>, changes: &[RuleChange]) -> Vec<String> {
    let mut list: Vec<String> = names.drain(..).map(str::to_owned).collect();
    for change in changes {
        match change {
            RuleChange::Add { index, rule } => {
                list.insert(*index, rule["name"].as_str().unwrap().to_owned());
            }
            RuleChange::Replace { index, name, .. } => assert_eq!(list[*index], *name),
            RuleChange::Remove { index, name } => assert_eq!(list.remove(*index), *name),
        }
    }
    list
}

fn rules(names: &[&str]) -> Vec<(String, Value)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"name": name})))
        .collect()
}

#[test]
fn whatever_is_there_the_wanted_rules_come_first_and_in_order() {
    let managed = Managed {
        asked: Vec::new(),
        may_add: true,
        may_remove: true,
    };
    let wanted = rules(&["a", "b", "c"]);
    for there in [
        vec!["", ""],
        vec!["a", "b", "c", "", ""],
        vec!["b", "", ""],
        vec!["c", "a", "", ""],
        vec!["", "a", "", "b"],
        vec!["", "b", "", "a"],
        vec!["x", "a", "y", "c", "", ""],
        vec!["", "", "x"],
    ] {
        let own = there.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let own: Vec<_> = own
            .map(|(index, name)| (index, *name, json!({"name": name})))
            .collect();
        let first = there.iter().position(|name| name.is_empty());

        let result = managed.difference(&own, &wanted, first);

        assert_eq!(
            after(there.clone(), &result.changes),
            ["a", "b", "c", "", ""],
            "{there:?}"
        );
        assert_eq!(result.complete, result.changes.is_empty(), "{there:?}");
    }
}
