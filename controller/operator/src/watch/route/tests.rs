//! What is kept of routes.

use serde_json::json;

use super::*;
use crate::watch::samples;

fn view(object: &Value) -> RouteView {
    HttpRoute::project(object).unwrap().view
}

#[test]
fn every_backend_of_every_rule_is_seen() {
    let mut object = samples::route("web");
    object["spec"]["rules"] = json!([
        {"matches": [{"path": {"value": "/"}}], "backendRefs": [
            {"name": "web-stable", "port": 80, "weight": 90, "filters": [{"type": "x"}]},
            {"name": "web-canary", "port": 80},
        ]},
        {"filters": [{"type": "RequestRedirect"}]},
        {"backendRefs": [
            {"name": "web-stable", "namespace": "other"},
            {"group": "example.com", "kind": "Bucket", "name": "web-stable"},
        ]},
    ]);

    let backends = view(&object).backends;

    let seen: Vec<_> = backends
        .iter()
        .map(|backend| {
            (
                backend.rule,
                backend.index,
                backend.is_service,
                backend.namespace.as_str(),
                backend.weight,
            )
        })
        .collect();
    let expected = [
        (0, 0, true, "shop", Some(90)),
        (0, 1, true, "shop", None),
        (2, 0, true, "other", None),
        (2, 1, false, "shop", None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(backends[0].port, Some(80));
}

#[test]
fn beside_rules_that_split_or_have_a_name_everything_is_kept() {
    let mut object = samples::route("web");
    let two = json!([{"name": "web-stable"}, {"name": "web-canary"}]);
    object["spec"]["rules"] = json!([
        {"backendRefs": [{"name": "other"}]},
        {"backendRefs": two, "unknown": {"kept": true}},
        {"name": "testers", "backendRefs": [{"name": "web-canary"}]},
    ]);

    let rules = view(&object).rules;

    let seen: Vec<_> = rules
        .iter()
        .map(|rule| (rule.index, rule.name.as_deref()))
        .collect();
    assert_eq!(seen, [(0, None), (1, None), (2, Some("testers"))]);
    let body: Value = serde_json::from_str(&rules[1].body).unwrap();
    assert_eq!(body, object["spec"]["rules"][1]);
    object["spec"]["rules"] = json!([{"backendRefs": [{"name": "other"}]}]);
    assert!(view(&object).rules.is_empty());
}

#[test]
fn of_routes_of_connections_the_split_is_seen_and_no_rule() {
    let mut object = samples::route("db");
    let two = json!([{"name": "db-stable", "port": 5432}, {"name": "db-canary", "port": 5432, "weight": 0}]);
    object["spec"]["rules"] = json!([{"name": "testers", "backendRefs": two}]);

    let views = [
        TcpRoute::project(&object).unwrap().view,
        TlsRoute::project(&object).unwrap().view,
    ];

    for view in views {
        let weights: Vec<_> = view.backends.iter().map(|backend| backend.weight).collect();
        assert_eq!(weights, [None, Some(0)]);
        assert_eq!(view.rules, []);
    }
}

#[test]
fn parents_and_their_reports_have_the_same_names() {
    let mut object = samples::route("web");
    let parents = json!([
        {"name": "public"},
        {"name": "public", "namespace": "infra", "sectionName": "https"},
        {"name": "public", "sectionName": "http", "port": 8080},
    ]);
    object["spec"]["parentRefs"] = parents.clone();
    let reports = parents.as_array().unwrap().iter();
    object["status"] =
        json!({"parents": reports.map(|parent| json!({"parentRef": parent})).collect::<Vec<_>>()});

    let view = view(&object);

    assert_eq!(
        view.parents,
        ["shop/public", "infra/public/https", "shop/public/http:8080"]
    );
    assert_eq!(
        view.reports
            .iter()
            .map(|report| report.parent.clone())
            .collect::<Vec<_>>(),
        view.parents
    );
}

#[test]
fn verdicts_carry_generation_reason_and_message() {
    let mut object = samples::route("web");
    object["status"] = json!({"parents": [{
        "parentRef": {"name": "public"}, "controllerName": "example.com/gateway",
        "conditions": [
            {"type": "Accepted", "status": "True", "observedGeneration": 5, "reason": "Accepted", "message": "ok"},
            {"type": "ResolvedRefs", "status": "False", "observedGeneration": 4, "reason": "BackendNotFound", "message": "no web"},
        ],
    }]});

    let report = view(&object).reports.remove(0);

    let verdict = |holds, observed_generation, message: &str| {
        Some(Verdict {
            holds,
            observed_generation,
            message: message.to_owned(),
        })
    };
    assert_eq!(report.accepted, verdict(true, 5, "Accepted: ok"));
    assert_eq!(report.resolved_refs, verdict(false, 4, "BackendNotFound: no web"));
}

#[test]
fn a_route_without_rules_and_status_is_read() {
    let object = json!({"metadata": samples::metadata("web")});
    assert!(view(&object).backends.is_empty());
}

fn managed(entries: &[(&str, &str, Value)]) -> Option<String> {
    let mut object = samples::route("web");
    let entries = entries.iter().map(|(manager, time, fields)| {
        json!({"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
    });
    object["metadata"]["managedFields"] = entries.collect();
    view(&object).rules_manager
}

fn rules() -> Value {
    json!({"f:spec": {".": {}, "f:rules": {}, "f:parentRefs": {}}})
}

#[test]
fn the_last_writer_of_the_rules_is_named() {
    let manager = managed(&[
        ("kubectl", "2026-01-01T00:00:01Z", rules()),
        ("argocd", "2026-01-01T00:00:03Z", rules()),
        ("kulta", "2026-01-01T00:00:02Z", rules()),
        (
            "envoy",
            "2026-01-01T00:00:09Z",
            json!({"f:status": {"f:parents": {}}}),
        ),
        (
            "labeler",
            "2026-01-01T00:00:09Z",
            json!({"f:spec": {"f:hostnames": {}}}),
        ),
    ]);
    assert_eq!(manager.as_deref(), Some("argocd"));
}

#[test]
fn within_one_second_the_other_writer_is_named() {
    let time = "2026-01-01T00:00:01Z";
    assert_eq!(
        managed(&[("argocd", time, rules()), ("kulta", time, rules())]).as_deref(),
        Some("argocd")
    );
    assert_eq!(
        managed(&[("kulta", time, rules()), ("argocd", time, rules())]).as_deref(),
        Some("argocd")
    );
}

#[test]
fn without_managed_fields_nobody_is_named() {
    assert_eq!(managed(&[]), None);
}
